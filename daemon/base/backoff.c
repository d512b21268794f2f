/*
 * Computes pauses between attempts. A pause is within a fifth of [min, max] and never
 * shrinks without a reset.
 *
 * Pauses grow by one half. With doubling, the end of an outage may be noticed only
 * after the length of the outage again. The official clients always wait one second.
 */
#include "base/backoff.h"

/* the slow start: how long it lasts, and the longest pause in it */
#define SLOW_FOR_MS 60000u
#define SLOW_MAX_MS 5000u

void jitter_init(struct jitter *j, uint64_t seed)
{
	j->state = seed ? seed : 0x9e3779b97f4a7c15u;
}

/* xorshift64: no secret depends on it */
static uint64_t draw(struct jitter *j)
{
	j->state ^= j->state << 13;
	j->state ^= j->state >> 7;
	j->state ^= j->state << 17;
	return j->state >> 16;
}

uint64_t jitter_apply(struct jitter *j, uint64_t ms)
{
	uint64_t fifth = ms / 5;
	return ms - fifth + draw(j) % (2 * fifth + 1);
}

void backoff_init(struct backoff *b, uint64_t min, uint64_t max)
{
	*b = (struct backoff){.min = min ? min : 1, .max = max > min ? max : min ? min : 1};
}

void backoff_init_slow(struct backoff *b, uint64_t min, uint64_t max)
{
	backoff_init(b, min, max);
	b->slow_for = SLOW_FOR_MS;
}

void backoff_reset(struct backoff *b)
{
	b->next = b->paused = 0;
}

uint64_t backoff_next(struct backoff *b, struct jitter *j)
{
	uint64_t pause = b->next ? b->next : b->min;
	uint64_t max = b->max;
	if (b->paused < b->slow_for) {
		uint64_t slow_max = SLOW_MAX_MS > b->min ? SLOW_MAX_MS : b->min;
		max = max < slow_max ? max : slow_max;
		b->next = pause + (pause + 4) / 5;
		b->paused += pause;
	} else {
		b->next = pause + (pause + 1) / 2;
	}
	if (b->next > max)
		b->next = max;
	return jitter_apply(j, pause);
}
