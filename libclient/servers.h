/*
 * The servers of the daemon and their last reported states: a small table, replaced
 * by each reply to hello.
 */
#ifndef LIBCLIENT_SERVERS_H
#define LIBCLIENT_SERVERS_H

#include "protocol/buf.h"
#include "protocol/slice.h"

#include <cometd-bridge.h>

#include <stdbool.h>

/* more are not stored, so that a broken daemon cannot exhaust memory */
#define SERVERS_MAX 256

struct server;

/* Private to servers.c. */
struct servers {
	struct server *v;
	size_t n;
};

void servers_init(struct servers *s);
void servers_fini(struct servers *s);
/*
 * Reads the `servers` array of a reply to hello. Each row becomes a `state` event
 * frame, appended to `own_frames`, so that the application receives it as any other
 * event. 0, -ENOMEM, -EMSGSIZE, or an enum json_fault when it is not such an array.
 */
int servers_replace(struct servers *s, struct slice rows, struct buf *own_frames);
/* Stores the state from an event. 0 or -ENOMEM. */
int servers_note(struct servers *s, const char *name, enum cometd_state state);
/* The state, or COMETD_E_UNKNOWN_SERVER. NULL is the default server. */
int servers_state(const struct servers *s, const char *name);
bool servers_is_default(const struct servers *s, const char *name);
/* or NULL */
const char *servers_default(const struct servers *s);

#endif
