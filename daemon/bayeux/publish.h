/*
 * Publishes and calls, from the request to the outcome: queued in order, in flight, for
 * a call also "delivered, not answered", and done but not yet reported. Each is one
 * allocation, made at the start; after that nothing can fail, so that no outcome is lost.
 */
#ifndef BAYEUX_PUBLISH_H
#define BAYEUX_PUBLISH_H

#include "base/backoff.h"
#include "bayeux/calls.h"
#include "bayeux/exchange.h"
#include "bayeux/shares.h"

struct publish {
	struct request request;         /* its deadline holds from birth to outcome */
	struct list link;               /* in share::waiting, sent or done */
	uint64_t cookie;
	/* how often the server answered in the same session that it does not know it although connects
	   succeeded in between; that session (calls::session); and the number of good connects at the last
	   such answer */
	unsigned unknown_replies, unknown_in;
	uint64_t unknown_after;
	bool call;
	bool delivered;                 /* a call whose publish reply was good */
	unsigned session;               /* calls::session in which it was sent */
	uint64_t over_at;               /* of a call that ended unanswered; 0 before */
	enum session_outcome outcome;
	const struct envelope *envelope;
	const char *text;
	struct share *share;            /* of the room, which its bytes take */
	size_t bytes;
	struct slice channel, data, ext;
	char mem[];
};

/* so many are remembered, the last ones */
#define PUBLISH_SUSPECTS_MAX 64u
/* so many publishes of a suspect succeed alone at most, before it is sent together with others again */
#define PUBLISH_PROOFS_MAX 1024u

/* Private to publish.c. */
struct suspect {
	uint64_t peer;
	unsigned needed;                /* publishes that had to succeed alone after the last failure */
	unsigned left;                  /* so many of them are still missing; 0: not suspected now */
	struct backoff backoff;         /* pauses after its publishes that failed alone */
	uint64_t back_at;               /* the end of the last one, for publishes that come later; or 0 */
};

struct publishes {
	struct pending *pending;
	struct suspect suspects[PUBLISH_SUSPECTS_MAX];  /* the one that failed longest ago first */
	size_t n_suspects;
	struct backoff pause;           /* where that of a suspect begins */
	/* share::turn of the peers with something to send, in round-robin order: of those that wait for the
	   outcome of each publish, and of those that do not */
	struct list light, bulk;
	bool ended, light_ended;        /* some publish, and a light one, since the caller cleared it */
	struct list kept_back;          /* share::turn of the peers that wait for their back_at */
	bool any_left;                  /* share::left of some */
	uint64_t back_at;               /* not after the earliest of those */
	/* in the order of sending: in flight, or a call delivered */
	struct list sent;
	struct list done;               /* outcomes to be reported */
	struct publish *reported;           /* the one reported last, whose views are still in use */
	struct shares shares;           /* in bytes, of all publishes here */
	struct calls calls;
};

/* `guess`: see struct calls; `pause`: of a peer whose publishes fail */
void publishes_init(struct publishes *p, struct pending *pending, size_t max, uint64_t guess,
		    const struct backoff *pause);
/* Frees everything; no outcome is reported any more. */
void publishes_fini(struct publishes *p);

struct publish_request {
	struct slice channel, data, ext;
	bool call;
	uint64_t deadline, peer, cookie;
};
/* Queues a request under `id`. 0, SESSION_E_FULL, -ENOMEM. */
int publish_new(struct publishes *p, uint64_t id, const struct publish_request *req);

/*
 * The publish to send next, of the light or of the bulk ones, or NULL. Peers take turns, so a flood from one
 * delays the others by one publish per turn only; the publishes of one peer keep their order. A publish is
 * light if its peer had no other under way, and bulk from the second one on until all have an outcome.
 */
struct publish *publishes_next(const struct publishes *p, bool bulk);
static inline bool publish_is_bulk(const struct publish *pub)
{
	return pub->share->busy;
}
/*
 * The same over long-polling, for the lane of commands: the next one whose peer has nothing under way
 * elsewhere; and for one of calls: a call whose peer has nothing under way at all. Where the lane of commands is
 * slow, also anything else of such a peer.
 */
struct publish *publishes_next_command(const struct publishes *p, bool bulk);
struct publish *publishes_next_call(const struct publishes *p);
struct publish *publishes_next_idle(const struct publishes *p);
/* whether any waits to be sent, now or later */
static inline bool publishes_wait(const struct publishes *p)
{
	return !list_empty(&p->light) || !list_empty(&p->bulk) || !list_empty(&p->kept_back);
}

/* The next one is sent as part of `x`, and its peer has had its turn. */
void publish_sent(struct publishes *p, struct publish *pub, struct exchange *x);
/* It was not sent, or not applied: put it back in its place in the order of its peer. */
void publish_unsent(struct publishes *p, struct publish *pub);
/* Nothing of the peer of `pub` is sent before `until`, or before publishes_go_on() with `why`. */
void publish_keep_back(struct publishes *p, struct publish *pub, uint64_t until,
		       enum share_back why);
void publishes_go_on(struct publishes *p, enum share_back why);
/* The peer has disconnected: see session_peer_left(). Takes effect at the next publishes_tick(). */
void publishes_peer_left(struct publishes *p, uint64_t peer);
/* Peers whose pause is over may send again. */
void publishes_tick(struct publishes *p, uint64_t now);
/*
 * A server may answer 500 to a whole batch because of one message. The peers whose publishes were in
 * one are suspects: they share no batch with others before a publish of theirs has succeeded alone, so
 * that a peer whose publishes always fail costs the others one batch at most. With each further failure
 * four times as many must succeed, so that one whose publishes fail now and then costs them few.
 */
void publishes_suspect(struct publishes *p, uint64_t peer);
/* The same for a publish that went alone: nothing more of its peer is sent for a growing pause, `least` at least. */
void publishes_suspect_alone(struct publishes *p, struct publish *pub, uint64_t now, uint64_t least,
			     struct jitter *jitter);
/* A publish of this peer succeeded alone. */
void publishes_prove(struct publishes *p, uint64_t peer);
bool publishes_suspects(const struct publishes *p, uint64_t peer);
/* Ends everything that waits to be sent as not sent; `text` is static. */
void publishes_end_waiting(struct publishes *p, const char *text);
/* The server has taken a call and will answer it by an event. */
void publish_delivered(struct publishes *p, struct publish *pub);
/* The outcome, returned by the next publishes_next_done(). `text` is static. */
void publish_done(struct publishes *p, struct publish *pub, enum session_outcome outcome,
		  const struct envelope *e, const char *text);
/* The next outcome, valid until publishes_free_done(), which must be called before the one after it;
   NULL for none. */
const struct publish *publishes_next_done(struct publishes *p);
void publishes_free_done(struct publishes *p, uint64_t now);

/* For servers that reply without id: the oldest in flight on that channel. */
struct publish *publish_in_flight(const struct publishes *p, struct slice channel);

static inline struct publish *publish_of(struct request *r)
{
	return LIST_OF(r, struct publish, request);
}

#endif
