/*
 * Misbehaving local peers: each starts to misbehave, continues while other peers
 * work, and finally checks that it got the answer the protocol requires. Until then
 * it waits for the daemon only once, for the reply to hello, so that any number of
 * them can run in one thread.
 */
#ifndef TESTS_SCENARIO_HOSTILE_H
#define TESTS_SCENARIO_HOSTILE_H

#include "tests/scenario/world.h"

/* The limits that the daemon is configured with. */
#define HOSTILE_BRIDGE "outbox-max = 64K\nsubscriptions-max = 400\nrequests-max = 128\n"
#define HOSTILE_SUBSCRIPTIONS 400
#define HOSTILE_REQUESTS 128
/* Two of them subscribe to this many channels, the same ones: "/many/PASS/0" … */
#define HOSTILE_CHANNELS 320

struct hostile_kind;

struct hostile {
	const struct hostile_kind *kind;
	struct world *world;
	unsigned pass;           /* part of names that must be new each time */
	bool other;              /* there are two of each kind; the second one may vary it */
	struct wire *w;
	uint64_t sent;           /* requests */
	uint64_t received, lost, due, last_seq;    /* of the bursts sent by the server */
};

/* how many there are: two of each kind */
extern const size_t hostile_count;

/* Connects the i-th of them and starts. */
void hostile_begin(struct hostile *h, struct world *w, size_t i, unsigned pass);
/* Continues. */
void hostile_go_on(struct hostile *h);
/* The server publishes more than fits into the queue of a slow reader, … */
void hostile_storm(struct world *w);
/* … and the last burst, after which hostile_end() may be called. */
void hostile_last_storm(struct world *w);
/* Checks that it gets the required answer, and disconnects. `storms`: bursts since hostile_begin(). */
void hostile_end(struct hostile *h, unsigned storms);

#endif
