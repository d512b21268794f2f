/*
 * The replay extension of Salesforce (bayeux.md 5.7): the server retains its
 * events, each has an id, and a subscribe says behind which id to begin. With
 * it a lost session loses nothing: the next one goes on behind the last event
 * that was handed over.
 */
#ifndef BAYEUX_EXT_REPLAY_H
#define BAYEUX_EXT_REPLAY_H

#include "bayeux/ext.h"
#include "bayeux/replay_store.h"
#include "bayeux/session.h"

/*
 * Add it behind all that look at events: those that it keeps for a while, so that they are told in
 * the order of their ids (bayeux/replay_order.h), are not seen by extensions behind it.
 */
/* Takes the store over, also when it fails. 0 or -ENOMEM. */
int ext_replay_new(enum session_replay start, enum session_replay_fallback fallback,
		   struct replay_store *store, struct ext **ret);
/* whether the server of the present session confirmed it */
bool ext_replay_in_effect(const struct ext *x);

#endif
