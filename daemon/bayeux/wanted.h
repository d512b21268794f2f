/*
 * The wanted channels, and the state of each at the server. From changes of the wanted
 * set and from replies this table determines which request to send next and what to
 * report. It outlives every session with the server: wanted_reset() subscribes all
 * channels again.
 *
 * Covering (bayeux.md 2.6): for servers that send one copy per matching
 * subscription, only patterns that no other wanted one covers are asked for.
 * A child is subscribed before its parent is unsubscribed, a parent is active before
 * its children are unsubscribed, and if a parent is refused its children are subscribed.
 * While both are subscribed such a server sends a copy too many: wanted_copies().
 */
#ifndef BAYEUX_WANTED_H
#define BAYEUX_WANTED_H

#include "base/backoff.h"
#include "base/strmap.h"
#include "bayeux/exchange.h"
#include "protocol/json_read.h"
#include "protocol/json_write.h"

enum wanted_upstream {
	WANTED_NONE,            /* the server does not know of it */
	WANTED_SUBSCRIBING,     /* asked, no reply yet */
	WANTED_ON,              /* subscribed */
	WANTED_UNSUBSCRIBING,
	WANTED_REFUSED,         /* not asked again in this session */
	/* subscribed by an earlier process, in a session that is not known to go on yet */
	WANTED_RESTORED,
};

/* Who asked for channels first. Askers take turns: however many channels one has waiting, the next
   to be sent is another's. Private to wanted.c. */
struct asker {
	struct strmap_node by_peer;
	uint64_t peer;
	size_t n;                       /* channels of it */
	struct list waiting;            /* wanted::link: to be asked now */
	struct list turn;               /* wanted_table::turns, while any is */
	uint64_t batch;                 /* the last one with channels of it */
};

struct wanted {
	struct request request;         /* its subscribe or unsubscribe in flight */
	struct asker *asker;
	struct strmap_node node;        /* by channel */
	struct list all;                /* in the order in which they were wanted */
	struct list link;               /* in asker::waiting, later or a batch in the making, or in none */
	struct list news;
	struct list unclaimed;          /* wanted by an earlier process, and by no peer of this one yet */
	bool wanted;
	bool again;                     /* no reply came once already */
	/* how often the server answered as if it did not know the session, last after so many good
	   connects */
	unsigned unknown_replies;
	uint64_t unknown_after;
	enum wanted_upstream upstream;
	bool deferred;                  /* its subscribe failed temporarily, and that was reported */
	bool deferred_before;           /* of news: the attempt before was deferred as well */
	bool repeat;                    /* once it is answered, ask again */
	/* it is requested for the first time in this session, so it is sent before all publishes */
	bool renewed;
	/* "on" is a guess: a subscribe or unsubscribe was cut off */
	bool doubt;
	enum session_channel_status reported;
	const struct envelope *envelope;    /* of news: the server's reply, or NULL */
	const char *text;
	struct backoff backoff;         /* between tries that failed for the moment */
	uint64_t retry_at;
	char channel[];
};

struct wanted_table {
	struct pending *pending;
	struct jitter *jitter;
	struct strmap map;
	struct list all;
	struct strmap askers;
	struct list turns;              /* asker::turn */
	size_t n_renewed;               /* of those that wait */
	struct list later;              /* to be asked at their retry_at */
	uint64_t later_at;              /* not after the earliest of those */
	struct list news;               /* status changed, not reported yet */
	struct list unclaimed;          /* wanted::unclaimed */
	uint64_t unclaimed_until;       /* they are given up then */
	bool restored;                  /* some are WANTED_RESTORED */
	uint64_t changes;               /* of what wanted_save() writes */
	bool covering;
	size_t n;                       /* wanted ones */
	uint64_t backoff_min, backoff_max;
};

void wanted_init(struct wanted_table *t, struct pending *pending, struct jitter *jitter,
		 uint64_t backoff_min, uint64_t backoff_max);
void wanted_fini(struct wanted_table *t);

/* `peer` wants it, and is its asker if no other is. 0 or -ENOMEM. */
int wanted_want(struct wanted_table *t, struct slice channel, uint64_t peer);
/* Subscribes one again whose status is refused. */
void wanted_ask_again(struct wanted_table *t, struct slice channel);
void wanted_unwant(struct wanted_table *t, struct slice channel);
enum session_channel_status wanted_status(const struct wanted_table *t, struct slice channel);
/* whether its subscribe failed temporarily and is sent again after a pause */
bool wanted_is_deferred(const struct wanted_table *t, struct slice channel);

/* A new session, in which the server has no subscription. Pending channels are reported when answered. */
void wanted_reset(struct wanted_table *t, bool covering);

/* ---- asking ---- */
/* whether any waits to be asked now */
static inline bool wanted_waits(const struct wanted_table *t)
{
	return !list_empty(&t->turns);
}
/* The one to ask next, of those that are `renewed` if only these may be asked; or NULL. */
struct wanted *wanted_next(const struct wanted_table *t, bool renewed);
/*
 * The next one for a batch that does not wait for those in `all`: of the asker of `last`, or, if that is NULL, of
 * the next asker that has no channels in any of them; or NULL.
 */
struct wanted *wanted_next_beside(const struct wanted_table *t, const struct exchanges *all,
				  const struct wanted *last);
/* whether `w`, which waits, is to be subscribed; else unsubscribed */
bool wanted_subscribes(const struct wanted_table *t, const struct wanted *w);
/* It becomes the last of `batch`, and its asker has had its turn. */
void wanted_take(struct wanted_table *t, struct wanted *w, struct list *batch);
/* The batch is not sent: its channels are put back where they were. */
void wanted_put_back(struct wanted_table *t, struct list *batch);
/* Sends it as part of `x`, as the subscribe or unsubscribe that its request states; the request is in
   pending already. */
void wanted_sent(struct wanted *w, struct exchange *x);

/* ---- what became of it; each settles the request ---- */
void wanted_accepted(struct wanted_table *t, struct wanted *w, const struct envelope *e);
void wanted_refused(struct wanted_table *t, struct wanted *w, const struct envelope *e,
		    const char *text);
/* Its subscribe, which waits, is not to be sent in this session. `text` is static. */
void wanted_deleted(struct wanted_table *t, struct wanted *w, const char *text);
/* There will be no further session: all wanted channels are refused, also active ones. */
void wanted_end(struct wanted_table *t, const char *text);
/*
 * The server answered as if it did not know the session; `connects` is the number of successful
 * connects so far: subscribed again after a pause. wanted_session_is_known(): it did so several times
 * with successful connects in between, so it does know the session, and the answer is a refusal.
 */
void wanted_session_unknown(struct wanted_table *t, struct wanted *w, uint64_t now, uint64_t connects,
		      const struct envelope *e);
bool wanted_session_is_known(const struct wanted *w, uint64_t connects);
/* Not now: the server is busy, or has forgotten us. Asked again after a pause. */
void wanted_deferred(struct wanted_table *t, struct wanted *w, uint64_t now,
		     const struct envelope *e, const char *text);
/* The exchange failed: requested again as soon as possible; `sent`: it may have arrived. */
void wanted_broken(struct wanted_table *t, struct wanted *w, bool sent);
/* What is subscribed is asked for once more, also what is being subscribed: the server repeats what
   got lost (replay). */
void wanted_repeat(struct wanted_table *t);
/* An HTTP error answered its request, which went alone: reported, and asked again after growing pauses. */
void wanted_failed(struct wanted_table *t, struct wanted *w, uint64_t now, const char *text);
/* No reply came in time: asked again once, then reported and asked after pauses. */
void wanted_unanswered(struct wanted_table *t, struct wanted *w, uint64_t now);

/*
 * How many subscriptions of ours on the server may match that channel, when it sends a copy for
 * each; 1 when it does not. More than 1 only while a pattern takes over from another.
 */
unsigned wanted_copies(const struct wanted_table *t, struct slice channel);

/* ---- over a restart of the process ---- */
/* Writes the channels and what is known of each. */
void wanted_save(const struct wanted_table *t, struct json_write *w);
/*
 * The table, which is empty, goes on with them. They stay wanted until unclaimed_until, so that a peer that comes
 * back gets its channel without a break; wanted_want() by a peer claims one. What was subscribed is pending until
 * wanted_proven(), and subscribed again after that unless the state is `exact`. 0, SAVED_E_INVALID, -ENOMEM: after that wanted_restore_undo().
 */
int wanted_restore(struct wanted_table *t, const struct json_value *v, bool exact, uint64_t unclaimed_until);
void wanted_restore_undo(struct wanted_table *t);
/* Grows when what is saved changes. */
static inline uint64_t wanted_changes(const struct wanted_table *t) { return t->changes; }
/* The server still has the session: what was subscribed is. */
void wanted_proven(struct wanted_table *t);
/* The first that no peer has claimed, or NULL. */
static inline const struct wanted *wanted_unclaimed(const struct wanted_table *t)
{
	return LIST_FIRST(&t->unclaimed, struct wanted, unclaimed);
}

/* ---- time and news ---- */
/* Has what waited until `now` asked. Whether there was any. */
bool wanted_tick(struct wanted_table *t, uint64_t now);
/* The next channel whose status changed, or NULL; `reported`, `envelope` and `text` are the new status and
   its reason. */
const struct wanted *wanted_next_news(struct wanted_table *t);

struct wanted *wanted_find(const struct wanted_table *t, struct slice channel);
static inline struct wanted *wanted_of(struct request *r)
{
	return LIST_OF(r, struct wanted, request);
}

#endif
