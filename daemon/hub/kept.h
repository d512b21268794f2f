/*
 * Subscriptions without a member: channels that the configuration keeps subscribed. One
 * holds the interest in its pattern like that of a member, so that the server sends the
 * channel whether or not a member wants it. A final refusal does not end it: the session
 * asks again after its next handshake, and before that when a member wants the channel.
 */
#ifndef HUB_KEPT_H
#define HUB_KEPT_H

#include "hub/hub.h"

/* Makes `session` want what is kept. 0 or -ENOMEM. */
int kept_want_all(const struct hub_server *server, struct session *session);
/* Ends all of them. */
void kept_end_all(struct hub_server *server);

#endif
