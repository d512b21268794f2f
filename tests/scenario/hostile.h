/*
 * Local peers that mean no good: each begins its mischief, goes on with it while
 * others work, and in the end insists on the answer that it is owed. Before its
 * end none waits for the daemon but to be greeted, so that any number of them
 * stand side by side in one thread.
 */
#ifndef TESTS_SCENARIO_HOSTILE_H
#define TESTS_SCENARIO_HOSTILE_H

#include "tests/scenario/world.h"

/* What they are held to. The world is configured with these. */
#define HOSTILE_BRIDGE "outbox-max = 64K\nsubscriptions-max = 400\nrequests-max = 128\n"
#define HOSTILE_SUBSCRIPTIONS 400
#define HOSTILE_REQUESTS 128
/* Two of them subscribe to the same so many channels: "/many/PASS/0" … */
#define HOSTILE_CHANNELS 320

struct hostile_kind;

struct hostile {
	const struct hostile_kind *kind;
	struct world *world;
	unsigned pass;           /* names what must be new each time */
	bool other;              /* each kind has two: the other varies it where it can be varied */
	struct wire *w;
	uint64_t sent;           /* requests */
	uint64_t heard, lost, due, last_seq;    /* of the storms */
};

/* how many there are: two of each kind */
extern const size_t hostile_count;

/* The i-th of them comes. */
void hostile_begin(struct hostile *h, struct world *w, size_t i, unsigned pass);
/* It goes on. */
void hostile_go_on(struct hostile *h);
/* The server says more than those who read slowly can hear, … */
void hostile_storm(struct world *w);
/* … and the last word, after which they may end. */
void hostile_last_storm(struct world *w);
/* It gets what it is owed, or the test fails, and leaves. `storms`: since it came. */
void hostile_end(struct hostile *h, unsigned storms);

#endif
