/* The extensions of the servers, from the option "extension" to what runs. */
#ifndef SERVERS_EXTENSIONS_H
#define SERVERS_EXTENSIONS_H

#include "config/config.h"
#include "plugin/chain.h"

/*
 * Loads every extension of every server, and lets it go again: what cannot be loaded, or whose
 * configuration cannot be read, is an error in the report. None is made: create() is not called.
 */
void extensions_check(const struct config *c, struct config_report *report);

/*
 * The extensions of a server; *ret is NULL when it has none. 0, or a negative errno with words in
 * `why`: the server, and what one of its extensions said.
 */
int extensions_make(struct loop *loop, const struct config_server *s, char *why,
		    size_t why_size, struct plugin_chain **ret);
/*
 * The source of its credential, of the extension that credential-extension names; *ret is left as
 * it is when it names none. The same results.
 */
int extensions_credential(struct plugin_chain *c, const struct config_server *s, char *why,
			  size_t why_size, struct auth_source **ret);

#endif
