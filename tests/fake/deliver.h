/* Which session receives an event, and in which response or frame it is sent. */
#ifndef FAKE_DELIVER_H
#define FAKE_DELIVER_H

#include "tests/fake/exchange.h"

/*
 * Queues a published message for every session that subscribed its channel.
 * from: the publisher, NULL for the server itself. Nothing is sent before
 * deliver_flush.
 */
void deliver_broadcast(struct server *s, const char *channel, struct slice message,
		       const struct session *from);
/* queues an event for one session alone */
void deliver_to(struct session *s, const char *channel, struct object *event);
/* sends what can be sent now */
void deliver_flush(struct session *s);
void deliver_flush_all(struct server *s);

/* The answer to the connect in x; the events that wait go with it. Frees x. */
void deliver_connect_reply(struct exchange *x, const char *error, enum advice advice);
/* the answers but that of a connect; frees x */
void deliver_replies(struct exchange *x);

/*
 * Ends the session; `kind` is journaled: "gone" (the client disconnected), "kicked",
 * "expired". The held connect is answered as in the dialect.
 */
void deliver_end_session(struct session *s, const char *kind);
/* the connection of an exchange or a session was closed */
void deliver_conn_closed(struct conn *c);
/* Salesforce: what was published on the channel after the replay id, for one session */
void deliver_replay(struct session *s, const char *channel, long after);

#endif
