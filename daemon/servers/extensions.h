/* Loads the extensions of the servers, as set by the option "extension". */
#ifndef SERVERS_EXTENSIONS_H
#define SERVERS_EXTENSIONS_H

#include "base/fault.h"
#include "config/config.h"
#include "plugin/chain.h"

/*
 * Loads and unloads every extension of every server, without calling create(). An extension that cannot be
 * loaded, or whose configuration cannot be read, is an error in the report.
 */
void extensions_check(const struct config *c, struct config_report *report);

/*
 * Makes the extensions of a server; *ret is NULL if it has none. 0, or a negative errno with the server, the
 * extension and the reason in `why`.
 */
int extensions_make(struct loop *loop, const struct config_server *s, struct fault *why, struct plugin_chain **ret);
/*
 * Makes the credential source of the extension that credential-extension names; *ret is unchanged if the option
 * is not set. The same results.
 */
int extensions_credential(struct plugin_chain *c, const struct config_server *s, struct fault *why,
			  struct auth_source **ret);

#endif
