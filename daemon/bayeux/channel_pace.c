/*
 * The times of the last batches with channels and of those without, so that neither kind
 * of command blocks the other.
 */
#include "bayeux/channel_pace.h"

#define PAUSE_TIMES 5u
/* the clock counts whole milliseconds: a batch may have taken one more */
#define CLOCK_MS 1u
/* requests in one batch, whatever their size */
#define ROOM_MAX 256u

void channel_pace_init(struct channel_pace *p)
{
	*p = (struct channel_pace){.room = CHANNEL_PACE_FIRST};
}

uint64_t channel_pace_at(const struct channel_pace *p)
{
	if (p->channels.id || p->next_at > p->publishing_until)
		return p->publishing_until;
	return p->next_at;
}

void channel_pace_sent(struct channel_pace *p, uint64_t now, uint64_t batch, size_t channels,
		       bool publishing)
{
	const struct timed_batch timed = {batch, now, publishing};
	if (publishing)
		p->publishing_until = now + CHANNEL_PACE_PUBLISHING_MS;
	if (channels) {
		/* its answer may come after that to the channels */
		p->publishes.id = 0;
		p->channels = timed;
		p->sent = channels;
	} else if (!p->publishes.id && !p->channels.id) {
		p->publishes = timed;
	}
}

/* Whether a larger batch may take less time for each channel: of the last two, the larger one took a quarter
   less at least, or they had the same size and do not show it. */
static bool is_larger_cheaper(const struct channel_pace *p, uint64_t cost)
{
	uint64_t each = cost * p->sent_before, each_before = p->cost_before * p->sent;
	if (p->sent == p->sent_before)
		return true;
	return p->sent > p->sent_before ? each * 4 < each_before * 3 : each_before * 4 < each * 3;
}

static void set_room(struct channel_pace *p, uint64_t cost)
{
	size_t larger = 2 * (p->sent > p->sent_before ? p->sent : p->sent_before);
	if (cost <= CHANNEL_PACE_MS)
		p->room *= 2;
	else if (is_larger_cheaper(p, cost))
		p->room = p->room > larger ? p->room : larger;
	else if (p->sent * CHANNEL_PACE_MS / cost < p->room)
		p->room = (size_t)(p->sent * CHANNEL_PACE_MS / cost) + 1;
	if (p->room > ROOM_MAX)
		p->room = ROOM_MAX;
	p->sent_before = p->sent;
	p->cost_before = cost;
}

static void channels_ended(struct channel_pace *p, uint64_t now)
{
	uint64_t took = now - p->channels.sent_at;
	uint64_t cost = took > p->round_trip ? took - p->round_trip : 0;
	uint64_t pause = cost * PAUSE_TIMES + CLOCK_MS;
	if (p->channels.publishing)
		p->publishing_until = now + CHANNEL_PACE_PUBLISHING_MS;
	p->next_at = now + (pause < CHANNEL_PACE_PAUSE_MAX ? pause : CHANNEL_PACE_PAUSE_MAX);
	set_room(p, cost);
}

void channel_pace_ended(struct channel_pace *p, uint64_t now, struct timed_batch *batch)
{
	if (batch == &p->channels)
		channels_ended(p, now);
	else
		p->round_trip = now - batch->sent_at;
	batch->id = 0;
}
