/*
 * The running servers, each with its session, credential and extensions. A changed configuration is applied
 * per server; servers that are not changed keep running.
 */
#ifndef DAEMON_SERVERS_H
#define DAEMON_SERVERS_H

#include "base/fault.h"
#include "base/loop.h"
#include "base/wake.h"
#include "config/config.h"
#include "config/diff.h"
#include "hub/hub.h"
#include "net/curl_loop.h"

#include <stddef.h>

struct servers;

struct servers_parts {
	struct loop *loop;
	struct curl_loop *curl;
	struct hub *hub;
	struct store *store;
	struct wake changed;    /* the state of a server has changed */
	struct wake stopped;    /* servers_stop() is complete */
};

/* Makes all servers of `config`, which must remain valid until servers_apply() replaces it. Sends nothing yet. 0,
   or a negative errno with the reason in `why`. */
int servers_new(const struct servers_parts *parts, const struct config *config, struct fault *why,
		struct servers **ret);
void servers_start(struct servers *s);

/*
 * Applies the configuration `now`, which replaces the previous one; that may be freed afterwards. A removed server is
 * disconnected and removed from the hub. A server with a changed option that requires it is disconnected and gets a
 * new session. A new server is started. If a server cannot be made or changed, an error is logged, the existing one
 * keeps running, and the next call tries again. Calls changed(ctx, …) for each change, within this call.
 */
void servers_apply(struct servers *s, const struct config *now,
		   void (*changed)(void *ctx, const struct config_difference *d), void *ctx);

/* Disconnects all servers, of which there is at least one; then parts.stopped is called, not within this call. With
   `restart`, sessions stay at their servers for the process that follows, where that is possible. */
void servers_stop(struct servers *s, bool restart);
/* Frees all servers without disconnecting them. Accepts NULL. */
void servers_free(struct servers *s);

/* Writes "NAME: STATE, NAME: STATE", as much as fits. */
void servers_states(const struct servers *s, char *line, size_t size);

#endif
