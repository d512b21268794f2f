/*
 * Owns the times of the last batches with bulk requests and of those with light ones alone.
 * Invariant: both kinds make progress while both are waiting.
 */
#include "bayeux/bulk_pace.h"

/* the clock counts whole milliseconds: a batch may have taken one more */
#define CLOCK_MS 1u
/* requests in one batch, whatever their size */
#define ROOM_MAX 256u

void bulk_pace_init(struct bulk_pace *p, unsigned pause_times)
{
	*p = (struct bulk_pace){.room = BULK_PACE_FIRST, .pause_times = pause_times};
}

uint64_t bulk_pace_at(const struct bulk_pace *p)
{
	uint64_t end = p->bulk.sent_at + BULK_PACE_PAUSE_MAX;
	uint64_t soon = p->light.id ? p->light_until : p->light_soon;
	if (p->bulk.id)
		return p->light_until < end ? p->light_until : end;
	return p->next_at < soon ? p->next_at : soon;
}

void bulk_pace_note_light(struct bulk_pace *p, uint64_t now)
{
	p->light_soon = now + BULK_PACE_SOON_MS + 2 * p->round_trip;
	p->light_until = now + BULK_PACE_LIGHT_MS;
}

void bulk_pace_sent(struct bulk_pace *p, uint64_t now, uint64_t batch, size_t bulk, bool has_light,
		    bool alone)
{
	const struct timed_batch timed = {batch, now, has_light};
	if (has_light)
		bulk_pace_note_light(p, now);
	if (bulk) {
		p->bulk = timed;
		p->sent = bulk;
	}
	if (bulk || !alone)
		/* the answer to the light ones may come after that to this batch */
		p->light.id = 0;
	else if (!p->light.id && !p->bulk.id)
		p->light = timed;
}

/* Whether a larger batch may take less time for each request: of the last two, the larger one took a quarter
   less at least, or they had the same size and do not show it. */
static bool is_larger_cheaper(const struct bulk_pace *p, uint64_t cost)
{
	uint64_t each = cost * p->sent_before, each_before = p->cost_before * p->sent;
	if (p->sent == p->sent_before)
		return true;
	return p->sent > p->sent_before ? each * 4 < each_before * 3 : each_before * 4 < each * 3;
}

static void set_room(struct bulk_pace *p, uint64_t cost)
{
	size_t larger = 2 * (p->sent > p->sent_before ? p->sent : p->sent_before);
	if (cost <= BULK_PACE_MS)
		p->room *= 2;
	else if (is_larger_cheaper(p, cost))
		p->room = p->room > larger ? p->room : larger;
	else if (p->sent * BULK_PACE_MS / cost < p->room)
		p->room = (size_t)(p->sent * BULK_PACE_MS / cost) + 1;
	if (p->room > ROOM_MAX)
		p->room = ROOM_MAX;
	p->sent_before = p->sent;
	p->cost_before = cost;
}

static void bulk_ended(struct bulk_pace *p, uint64_t now)
{
	uint64_t took = now - p->bulk.sent_at;
	uint64_t cost = took > p->round_trip ? took - p->round_trip : 0;
	uint64_t pause = cost * p->pause_times + CLOCK_MS;
	if (p->bulk.has_light)
		bulk_pace_note_light(p, now);
	p->next_at = now + (pause < BULK_PACE_PAUSE_MAX ? pause : BULK_PACE_PAUSE_MAX);
	set_room(p, cost);
}

/* One request that the server answers late must not make bulk requests look cheap. */
static void light_ended(struct bulk_pace *p, uint64_t now)
{
	uint64_t took = now - p->light.sent_at;
	p->round_trip = took < p->light_before ? took : p->light_before;
	p->light_before = took;
}

void bulk_pace_ended(struct bulk_pace *p, uint64_t now, struct timed_batch *batch)
{
	if (batch == &p->bulk)
		bulk_ended(p, now);
	else
		light_ended(p, now);
	batch->id = 0;
}
