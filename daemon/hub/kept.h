/*
 * Subscriptions without a member. One holds the interest in its pattern like that of a
 * member, so that the server sends the channel whether or not a member wants it.
 *
 * Some are kept by the configuration. A final refusal does not end them: the session asks
 * again after its next handshake, and before that when a member wants the channel. Others
 * linger: they were the last of their pattern when their member left, and end when another
 * member holds the pattern, after a time, or when there are too many of them.
 */
#ifndef HUB_KEPT_H
#define HUB_KEPT_H

#include "hub/hub.h"
#include "hub/subscription.h"

/* Makes `session` want what is kept. 0 or -ENOMEM. */
int kept_want_all(const struct hub_server *server, struct session *session);
/* Ends all of them. */
void kept_end_all(struct hub_server *server);

/* so many linger at most, per server: the first to leave ends first */
#define KEPT_LINGERING_MAX 4096u
/* The subscriptions of a member that leaves linger if they are the last of their pattern; the others, and those that
   only listen, stay with it. No request of it waits. */
void kept_linger(struct member *m, uint64_t now);
/* A member holds the interest now. */
void kept_taken_over(struct interest *interest);
/* Ends one that lingers. */
void kept_end(struct subscription *s);
/* Ends those whose time is over. */
void kept_tick(struct hub_server *server, uint64_t now);
/* When to call kept_tick(); UINT64_MAX for never. */
uint64_t kept_deadline(const struct hub_server *server);

#endif
