/*
 * What the daemon last said of its servers: a small table, made anew by each
 * greeting.
 */
#ifndef LIBCLIENT_SERVERS_H
#define LIBCLIENT_SERVERS_H

#include "protocol/buf.h"
#include "protocol/slice.h"

#include <cometd-bridge.h>

#include <stdbool.h>

/* more are not remembered: memory stays bounded whatever the daemon says */
#define SERVERS_MAX 256

struct server;

struct servers {
	struct server *v;
	size_t n;
};

void servers_init(struct servers *s);
void servers_fini(struct servers *s);
/*
 * Takes the `servers` array of a greeting. Each row becomes a `state` event
 * frame, appended to `news`, so that the application hears of it the usual
 * way. 0, -ENOMEM, -EMSGSIZE, or an enum json_fault when it is no such array.
 */
int servers_greet(struct servers *s, struct slice rows, struct buf *news);
/* A state event came. 0 or -ENOMEM. */
int servers_note(struct servers *s, const char *name, enum cometd_state state);
/* The state, or COMETD_E_UNKNOWN_SERVER. NULL is the default server. */
int servers_state(const struct servers *s, const char *name);
bool servers_is_default(const struct servers *s, const char *name);
/* or NULL */
const char *servers_default(const struct servers *s);

#endif
