/*
 * What a changed configuration means for a running daemon.
 */
#ifndef CONFIG_DIFF_H
#define CONFIG_DIFF_H

#include "config/config.h"
#include "config/kinds.h"

#include <stdbool.h>

/* One option that is set otherwise than before, and what that needs; or a server as a whole. */
struct config_difference {
	const char *server;     /* NULL: of [bridge] */
	const char *option;     /* NULL: of the server as a whole */
	const char *place;      /* where it is set now; NULL: not any more */
	const char *reason;     /* CONFIG_FAILED: words for people */
	enum config_change change;
};

/* Calls changed(ctx, …) for each option of [bridge] that differs: "10s" and "10000ms" do not.
   Lists and texts are compared as they are written. */
void config_diff_bridge(const struct config *old, const struct config *now,
			void (*changed)(void *ctx, const struct config_difference *d), void *ctx);
/* The same for a server of both, and the section [oauth NAME] that it names. */
void config_diff_server(const struct config_server *old, const struct config_server *now,
			void (*changed)(void *ctx, const struct config_difference *d), void *ctx);

/* A number for all options whose change needs a new session: the same in every process for the same texts. A session
   is not continued with other options by a later process. */
uint64_t config_fingerprint(const struct config_server *c);

/* The server of this name, or NULL. */
struct config_server *config_find_server(const struct config *c, const char *name);

#endif
