/*
 * How the publish queue is shared among peers. The queue is bounded, and a peer that
 * filled it would block the others; so the part that a peer may use of what is then
 * left is as large as the part that is left of the whole:
 *
 *     held / left <= left / all
 *
 * One peer alone may hold 38 % of it, and each that comes later less. It follows
 * that n peers, in whatever order they take and give back, leave more than the
 * (n+1)th part for the next one: with x for what the i-th leaves, what it took is
 * x² at most, so 1/x is at most 1 larger than before it came.
 *
 * A peer is a number. One that has disconnected still counts with what it left in the
 * queue; otherwise a peer could use all of it by connecting again and again.
 */
#ifndef BAYEUX_SHARES_H
#define BAYEUX_SHARES_H

#include "base/list.h"
#include "base/strmap.h"

#include <stddef.h>
#include <stdint.h>

/* what ends the pause of a peer early while its publishes are kept back */
enum share_back {
	SHARE_BACK_NOTHING,
	SHARE_BACK_CONNECT,     /* a good connect, or a new session */
	SHARE_BACK_CREDENTIAL,  /* another credential */
	SHARE_BACK_TIME,        /* nothing */
};

struct share {
	struct strmap_node by_peer;
	uint64_t peer;
	size_t held;
	/* for publish.h: the publishes that wait to be sent, the number of those waiting or in flight, the
	   place among the peers with something waiting, and until when they are kept back (0: they are not) */
	struct list waiting;
	size_t n_open;
	bool busy;                      /* there were several of those since there was none */
	struct list turn;
	uint64_t back_at;
	enum share_back back_for;
	bool left;                      /* the peer has disconnected; publishes_tick() handles that */
	size_t on_command, on_call;     /* publishes in flight over long-polling, by lane */
};

/* Private to shares.c. */
struct shares {
	struct strmap by_peer;          /* peers that use some of it */
	size_t held, max;               /* of all */
};

/* `max` below 4 GiB */
void shares_init(struct shares *s, size_t max);
/* Everything must have been given back. */
void shares_fini(struct shares *s);

/* `n` is not 0. 0 and whose it is, SESSION_E_FULL or -ENOMEM. */
int shares_take(struct shares *s, uint64_t peer, size_t n, struct share **ret);
/* The share of this peer, or NULL when it holds nothing. */
struct share *shares_of(const struct shares *s, uint64_t peer);
void shares_give_back(struct shares *s, struct share *share, size_t n);

#endif
