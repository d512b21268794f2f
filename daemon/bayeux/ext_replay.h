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
#include "protocol/json_read.h"
#include "protocol/json_write.h"

/*
 * Add it after all extensions that look at events: events that it keeps for a while, so that they are
 * delivered in the order of their ids (bayeux/replay_order.h), are not seen by extensions after it.
 */
/* Takes ownership of the store, also on failure. 0 or -ENOMEM. */
int ext_replay_new(enum session_replay start, enum session_replay_fallback fallback,
		   struct replay_store *store, struct ext **ret);
/* The markers of `from` become those of `x`, for a session that takes the place of another with the same channels;
   unless the two begin differently. */
void ext_replay_move(struct ext *x, struct ext *from);
/* Writes where the next subscribe of each channel begins, or null where nothing is known; and goes on there in
   another process. 0; SAVED_E_INVALID: it was not written so, or the extension is not offered, and nothing changes;
   -ENOMEM. `x` may be NULL. */
void ext_replay_save(const struct ext *x, struct json_write *w);
int ext_replay_restore(struct ext *x, const struct json_value *v);

/* After ext_replay_restore() of `v`, when the channels are wanted: what was delivered of them before, up to the marker
   and beyond it, is left out if it comes again. 0 or -ENOMEM. */
int ext_replay_restored(struct ext *x, const struct json_value *v);

/* ---- `x` may be NULL: it is not offered ---- */
/* Whether events are kept that were not delivered yet. */
bool ext_replay_keeps(const struct ext *x);
/* The channel is wanted from now on, or no longer. 0 or -errno. */
int ext_replay_want(struct ext *x, struct slice channel);
void ext_replay_unwant(struct ext *x, struct slice channel);
/* An event was delivered to its receivers, or the loss of an unreadable one was reported to them. 0 or -ENOMEM. */
int ext_replay_delivered(struct ext *x, const struct envelope *e);
enum { EXT_REPLAY_AGAIN = 2 };
/* The server refused a subscribe. EXT_REPLAY_AGAIN: subscribe again at once, with another value. 0, -errno. */
int ext_replay_refused(struct ext *x, struct slice channel, const struct envelope *e);
/* A subscribe got its final answer. 0 or -ENOMEM. */
int ext_replay_answered(struct ext *x, struct slice channel);
/* A subscribe was lost: it is sent again now, or after a pause (`later`). */
void ext_replay_subscribe_lost(struct ext *x, struct slice channel, bool later);
/* An answer got lost with the events that may have been in it. */
void ext_replay_missed(struct ext *x);
/* Whether every channel is to be subscribed once more because of that; once. */
bool ext_replay_repeats(struct ext *x);
/* A session was just made with another server than the one before, whose ids are void. */
void ext_replay_moved(struct ext *x);
/* Commands were sent, their answer is there or given up, or time passed: the last one without an answer was sent at
   `sent_at`, UINT64_MAX for none. Whether there may be events to release. `x` is not NULL. */
bool ext_replay_commands(struct ext *x, uint64_t now, uint64_t sent_at);
/* When to call it because of the time. */
uint64_t ext_replay_hold_until(const struct ext *x);
/* Appends events that were kept until now, as a JSON array. As many as it likes, nothing when there are none. 0 or
   -errno. */
int ext_replay_release(struct ext *x, struct buf *out);

#endif
