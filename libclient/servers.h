/*
 * The servers of the daemon: their last reported states, and the position of this
 * program in the messages of each. A small table, replaced by each reply to hello;
 * positions of servers that remain are kept.
 */
#ifndef LIBCLIENT_SERVERS_H
#define LIBCLIENT_SERVERS_H

#include "libclient/position.h"
#include "protocol/buf.h"
#include "protocol/protocol.h"
#include "protocol/slice.h"

#include <cometd-bridge.h>

#include <stdbool.h>
#include <stdint.h>

/* more are not stored, so that a broken daemon cannot exhaust memory */
#define SERVERS_MAX 256
struct server {
	char name[PROTOCOL_NAME_MAX + 1];
	enum cometd_state state;
	bool is_default;
	struct position newest;     /* as the daemon reported it last; unknown: it has no positions */
	struct position given;      /* of the last message or loss given to the application */
	bool gap_reported;          /* on this connection */
	/* of a durable consumer */
	char consumer[PROTOCOL_NAME_MAX + 1];   /* its name, when it was subscribed last */
	struct position consumed;   /* of its last message or loss given to the application by this process */
	uint64_t redelivered;       /* messages up to here may have been delivered before this connection */
};

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
/* The server of this name, SLICE_NULL: the default one; or NULL. Valid until the table changes. */
struct server *servers_find(const struct servers *s, struct slice name);
/* The daemon named a position: `seq` of the present run. `server` may be NULL. */
void servers_reach(struct server *server, uint64_t seq);
/* Stores the state and, where it is known, the newest position from an event. 0 or -ENOMEM. */
int servers_note(struct servers *s, const char *name, enum cometd_state state,
		 const struct position *newest);
/* The state, or COMETD_E_UNKNOWN_SERVER. NULL is the default server. */
int servers_state(const struct servers *s, const char *name);
bool servers_is_default(const struct servers *s, const char *name);
/* or NULL */
const char *servers_default(const struct servers *s);

#endif
