/*
 * The servers of the configuration as they run: each with its session, credential and extensions.
 * They follow a changed configuration one by one; the others go on.
 */
#ifndef DAEMON_SERVERS_H
#define DAEMON_SERVERS_H

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
	struct wake changed;    /* the state of one changed */
	struct wake stopped;    /* servers_stop() is done */
};

/* Makes all of `config`, which must outlive it or be replaced by servers_apply(). Nothing is sent yet.
   0, or a negative errno with words in `why`. */
int servers_new(const struct servers_parts *parts, const struct config *config, char *why, size_t why_size,
		struct servers **ret);
void servers_start(struct servers *s);

/*
 * The configuration is `now`, which replaces the one before: that may be freed afterwards. A server that is not in
 * it any more says goodbye and is taken out of the hub; one with other options that need it gets a new
 * session, after the goodbye of the old one; a new one is started. A server that cannot be made or changed is logged
 * as an error; the one there was goes on, and the next call tries again. Calls changed(ctx, …) for each change, within
 * this call.
 */
void servers_apply(struct servers *s, const struct config *now,
		   void (*changed)(void *ctx, const struct config_difference *d), void *ctx);

/* All say goodbye; parts.stopped follows, not from within this call. There is at least one. */
void servers_stop(struct servers *s);
/* Ends everything at once. NULL is fine. */
void servers_free(struct servers *s);

/* "NAME: STATE, NAME: STATE", as much as fits. */
void servers_states(const struct servers *s, char *line, size_t size);

#endif
