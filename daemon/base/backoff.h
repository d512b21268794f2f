/*
 * The next pause before trying again. Each pause is half as long again as the
 * one before, from `min` to `max`, and jittered by a fifth either way, so that
 * a thousand daemons do not come back to a restarted server in one instant.
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
	uint64_t next;          /* the coming pause before jitter, 0 after a reset */
	uint64_t slow_for;      /* how long the slow start lasts; 0: there is none */
	uint64_t paused;        /* sum of the pauses since the reset, before jitter */
};

/* Of a daemon's own randomness, one per session: 1..2^64-1, never 0. Private to backoff.c. */
struct jitter {
	uint64_t state;
};

void jitter_init(struct jitter *j, uint64_t seed);
/* `ms` made up to a fifth shorter or longer */
uint64_t jitter_apply(struct jitter *j, uint64_t ms);

void backoff_init(struct backoff *b, uint64_t min, uint64_t max);
/* the same with a slow start */
void backoff_init_slow(struct backoff *b, uint64_t min, uint64_t max);
/* All is well again: the next pause is `min`. */
void backoff_reset(struct backoff *b);
/* whether nothing went wrong since the reset */
static inline bool backoff_fresh(const struct backoff *b) { return b->next == 0; }
/* The pause to make now, in milliseconds; the one after it will be longer. */
uint64_t backoff_next(struct backoff *b, struct jitter *j);

#endif
