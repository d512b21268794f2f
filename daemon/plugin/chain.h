/*
 * The extensions of one server, in their order: creates them, calls them for every
 * message, and frees them. cometd-bridge-extension.h describes their interface. A
 * failure of an extension is contained and logged; after several failures in a row
 * the extension is disabled.
 */
#ifndef PLUGIN_CHAIN_H
#define PLUGIN_CHAIN_H

#include "auth/source.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/loop.h"
#include "bayeux/hooks.h"
#include "plugin/plugin.h"
#include "protocol/slice.h"

struct plugin_chain;

/* Creates an empty chain for the server of that name (copied). 0 or -ENOMEM. */
int plugin_chain_new(struct loop *loop, const char *server, struct plugin_chain **ret);
/* Frees the extensions, the last one first, and unloads each one that no other chain uses. The session and the
   credential sources must have been freed. Accepts NULL. */
void plugin_chain_free(struct plugin_chain *c);
DEFINE_FREEP(plugin_chain, plugin_chain_free)

/*
 * Creates an instance at the end of the chain, which takes ownership of `p`, also on failure. `name` (copied)
 * identifies it in the log and the configuration; `config` is passed to the extension. 0; PLUGIN_E_UNFIT,
 * with the reason in *why, if its create() fails; -ENOMEM.
 */
int plugin_chain_add(struct plugin_chain *c, struct plugin *p, const char *name,
		     struct slice config, struct fault *why);

/* The hooks for a session, which must be freed before the chain. */
struct session_hooks plugin_chain_hooks(struct plugin_chain *c);

/*
 * Makes a credential source of the first extension of that name; each credential must arrive within `timeout`
 * ms. 0; PLUGIN_E_UNFIT, with the reason, if there is no such extension, if it supplies no credential, or if its
 * credential is used already; -ENOMEM.
 */
int plugin_chain_credential(struct plugin_chain *c, const char *name, uint64_t timeout, struct fault *why,
			    struct auth_source **ret);

#endif
