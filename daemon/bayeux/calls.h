/*
 * To which call an event on a service channel is the answer. Where the server repeats
 * our id (CometD's remote calls) the id decides. Otherwise the answer is for the oldest
 * call on that channel; so a call that ended without one is kept for a while, so that
 * its late answer is not delivered to the next call. On a channel that was answered by
 * id once, an event without id is an ordinary message.
 *
 * Publishes that ended without a reply are kept here, too: a late reply may carry data
 * that is meant only for its publisher, so it must not be delivered as an event.
 *
 * The numbers of ended calls, publishes and channels are limited; the oldest are
 * dropped first.
 */
#ifndef BAYEUX_CALLS_H
#define BAYEUX_CALLS_H

#include "base/list.h"
#include "base/strmap.h"
#include "bayeux/envelope.h"

struct publish;
struct publishes;

struct calls {
	/* publish::link: publishes and calls that were sent and ended without an answer */
	struct list ended;
	struct list by_id;              /* channels that are answered by id */
	struct strmap by_id_map;
	size_t n_ended;
	uint64_t guess;                 /* ms that an ended call keeps its place on a channel */
	unsigned session;               /* no answer comes from one session into the next */
};

/* how many ended calls and publishes are remembered, and how many channels */
#define CALLS_ENDED_MAX 256u
#define CALLS_CHANNELS_MAX 256u

void calls_init(struct calls *c, uint64_t guess);
void calls_fini(struct calls *c);
/* The session with the server is over: nothing of it is answered any more. */
void calls_reset(struct calls *c);

/* Takes ownership of a publish or call that ended without an answer and is in no list; frees the fields
   that are no longer needed. */
void calls_keep(struct calls *c, struct publish *call, uint64_t now);

/* Whether `e` has the id and the channel of a publish that ended without a reply. */
bool calls_is_late_reply(const struct calls *c, const struct envelope *e);

enum calls_match {
	CALLS_NONE,             /* an ordinary message */
	CALLS_ANSWER,           /* to *ret, which waits for it */
	CALLS_LATE,             /* to a call that has ended: not delivered */
};
enum calls_match calls_match(struct calls *c, const struct publishes *p, const struct envelope *e,
			     uint64_t now, struct publish **ret);

#endif
