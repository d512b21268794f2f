/*
 * The replay extension of Salesforce (bayeux.md 5.7): the server retains its events,
 * each has an id, and a subscribe states the id after which to begin. A new session
 * continues after the last event that was delivered, so nothing is lost.
 */
#ifndef BAYEUX_EXT_REPLAY_H
#define BAYEUX_EXT_REPLAY_H

#include "bayeux/ext.h"
#include "bayeux/replay_store.h"
#include "bayeux/session.h"

/*
 * Add it after all extensions that look at events: events that it keeps for a while, so that they are
 * delivered in the order of their ids (bayeux/replay_order.h), are not seen by extensions after it.
 */
/* Takes ownership of the store, also on failure. 0 or -ENOMEM. */
int ext_replay_new(enum session_replay start, enum session_replay_fallback fallback,
		   struct replay_store *store, struct ext **ret);
/* whether the server of the present session confirmed it */
bool ext_replay_in_effect(const struct ext *x);
/* The markers of `from` become those of `x`, for a session that takes the place of another with the same channels;
   unless the two begin differently. */
void ext_replay_move(struct ext *x, struct ext *from);

#endif
