/*
 * The extensions of one server, in their order: made, asked about every message,
 * watched, and ended. What they may do is in cometd-bridge-extension.h; who fails
 * is contained here, named in the log, and in the end not asked any more.
 */
#ifndef PLUGIN_CHAIN_H
#define PLUGIN_CHAIN_H

#include "auth/source.h"
#include "base/errors.h"
#include "base/loop.h"
#include "bayeux/hooks.h"
#include "plugin/plugin.h"
#include "protocol/slice.h"

struct plugin_chain;

/* An empty one, for the server of that name (copied). 0 or -ENOMEM. */
int plugin_chain_new(struct loop *loop, const char *server, struct plugin_chain **ret);
/* Ends the extensions, last one first, and unloads what nobody else uses. The session, and the
   sources of credentials, must be gone. NULL is fine. */
void plugin_chain_free(struct plugin_chain *c);
DEFINE_FREEP(plugin_chain, plugin_chain_free)

/*
 * Makes an instance behind those there are; `p` is taken over, also on failure. `name` is what
 * people know it by, copied; `config` is for the extension. 0; PLUGIN_E_UNFIT, with words in
 * `why` (PLUGIN_WHY_MAX bytes), when it does not want to; -ENOMEM.
 */
int plugin_chain_add(struct plugin_chain *c, struct plugin *p, const char *name,
		     struct slice config, char *why);

/* For a session that ends before the chain does. */
struct session_hooks plugin_chain_hooks(struct plugin_chain *c);

/*
 * The credentials of the first extension of that name, each to come within `timeout` ms. 0;
 * PLUGIN_E_UNFIT, with words, when there is none, or it gives none, or somebody has them already;
 * -ENOMEM.
 */
int plugin_chain_credential(struct plugin_chain *c, const char *name, uint64_t timeout, char *why,
			    struct auth_source **ret);

#endif
