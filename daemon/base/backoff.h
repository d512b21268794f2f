/*
 * The pauses between attempts. Each pause is longer than the previous one by a half,
 * from `min` to `max`, and changed randomly by up to a fifth, so that many daemons
 * do not connect to a restarted server at the same instant.
 *
 * With a slow start, a pause grows by only a fifth each time, up to 5 s, until the pauses add up to one
 * minute: most outages are shorter than that.
 */
#ifndef BASE_BACKOFF_H
#define BASE_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

struct backoff {
	uint64_t min, max;      /* milliseconds */
	uint64_t next;          /* the next pause before jitter, 0 after a reset */
	uint64_t slow_for;      /* how long the slow start lasts; 0: there is none */
	uint64_t paused;        /* sum of the pauses since the reset, before jitter */
};

/* A random generator, one per session; the state is never 0. Private to backoff.c. */
struct jitter {
	uint64_t state;
};

void jitter_init(struct jitter *j, uint64_t seed);
/* returns `ms`, made shorter or longer by up to a fifth */
uint64_t jitter_apply(struct jitter *j, uint64_t ms);

void backoff_init(struct backoff *b, uint64_t min, uint64_t max);
/* the same with a slow start */
void backoff_init_slow(struct backoff *b, uint64_t min, uint64_t max);
/* Call it after a success: the next pause is `min`. */
void backoff_reset(struct backoff *b);
/* whether there was no pause since the reset */
static inline bool backoff_fresh(const struct backoff *b) { return b->next == 0; }
/* The length of this pause in milliseconds; the next one is longer. */
uint64_t backoff_next(struct backoff *b, struct jitter *j);

#endif
