/*
 * How many bulk requests are sent, and when, while others send light ones.
 * The server works through what it is sent in order, over a WebSocket also across
 * batches, so each bulk request delays the light ones that follow. Without a limit, a
 * few busy peers leave a publish of another peer a hundredth of the session.
 *
 * So while light requests are sent, one batch with bulk requests is under way at a time,
 * and when it is answered, none follows for `pause_times` as long as it took. Only the time
 * counts that it took longer than a batch of light requests alone: the distance to the
 * server delays no request. The pause ends early when no light request follows another
 * within BULK_PACE_SOON_MS and two round trips, so that one request a second does not
 * slow down the bulk. Neither a pause nor an answer delays the next batch for more than
 * BULK_PACE_PAUSE_MAX.
 *
 * A batch grows while the server answers it within BULK_PACE_MS. A slower one is made
 * smaller, if that helps: a server that needs half a second for a batch, however small,
 * gets larger ones.
 *
 * The session has two: channels are bulk beside all publishes, and publishes of a peer
 * that has several under way are bulk beside those of peers that wait for each outcome.
 */
#ifndef BAYEUX_BULK_PACE_H
#define BAYEUX_BULK_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BULK_PACE_MS 5u
#define BULK_PACE_FIRST 16u
#define BULK_PACE_PAUSE_MAX 1000u
/* after the last light one was sent or answered, more are expected for so long; and at once, for so long and
   two round trips */
#define BULK_PACE_LIGHT_MS 1000u
#define BULK_PACE_SOON_MS 100u

/* a batch that is timed until it is answered; 0: none */
struct timed_batch {
	uint64_t id, sent_at;
	bool has_light;                 /* there were light requests in it, or some waited */
};

struct bulk_pace {
	unsigned pause_times;
	struct timed_batch bulk, light;
	size_t sent, sent_before;       /* bulk requests in that batch, and in the one before it */
	uint64_t cost_before;           /* ms that the one before took more than light requests alone */
	size_t room;                    /* bulk requests in the next one */
	uint64_t light_before;          /* what a batch of light requests alone took last, in ms */
	uint64_t round_trip;            /* the shorter one of the last two of those */
	uint64_t next_at;               /* of the next bulk requests */
	uint64_t light_soon, light_until;       /* light ones are expected at once, or at all, until then */
};

void bulk_pace_init(struct bulk_pace *p, unsigned pause_times);
/* When bulk requests may be sent; a time that has come: now. */
uint64_t bulk_pace_at(const struct bulk_pace *p);
static inline bool bulk_pace_applies(const struct bulk_pace *p, uint64_t now)
{
	return now < p->light_until;
}
/* A light request was sent or answered: more are expected. */
void bulk_pace_note_light(struct bulk_pace *p, uint64_t now);
/*
 * A batch was sent with so many bulk requests; `has_light`: there are light ones in it, or some wait.
 * `alone`: nothing else makes the answer to light ones late; without it they are not timed.
 */
void bulk_pace_sent(struct bulk_pace *p, uint64_t now, uint64_t batch, size_t bulk, bool has_light,
		    bool alone);
/* A batch is over that was timed. */
void bulk_pace_ended(struct bulk_pace *p, uint64_t now, struct timed_batch *batch);

#endif
