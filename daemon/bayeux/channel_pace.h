/*
 * How many subscribes and unsubscribes are sent, and when, while others publish.
 * The server works through what it is sent in order, over a WebSocket also across
 * batches, so each of them delays the publishes that follow. Without a limit, a few
 * peers that subscribe and unsubscribe all the time leave a publish a hundredth of
 * the session.
 *
 * So while publishes are sent, one batch with channels is under way at a time, and when it
 * is answered, none follows for five times as long as it took. Only the time counts that it
 * took longer than a batch without channels: the distance to the server delays no publish.
 * So channels get a sixth of the time. A pause is
 * CHANNEL_PACE_PAUSE_MAX at most, and without publishes there is none.
 *
 * A batch grows while the server answers it within CHANNEL_PACE_MS. A slower one is made
 * smaller, if that helps: a server that needs half a second for a batch, however small,
 * gets larger ones.
 */
#ifndef BAYEUX_CHANNEL_PACE_H
#define BAYEUX_CHANNEL_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHANNEL_PACE_MS 5u
#define CHANNEL_PACE_FIRST 16u
#define CHANNEL_PACE_PAUSE_MAX 1000u
/* for so long after the last one was sent, or answered together with channels, more are expected */
#define CHANNEL_PACE_PUBLISHING_MS 1000u

/* a batch that is timed until it is answered; 0: none */
struct timed_batch {
	uint64_t id, sent_at;
	bool publishing;                /* there were publishes in it, or some waited */
};

struct channel_pace {
	struct timed_batch channels, publishes;
	size_t sent, sent_before;       /* channels in that batch, and in the one before it */
	uint64_t cost_before;           /* ms that the one before took more than publishes alone */
	size_t room;                    /* channels in the next one */
	uint64_t round_trip;            /* what a batch of publishes alone took last */
	uint64_t next_at;               /* of the next channels */
	uint64_t publishing_until;
};

void channel_pace_init(struct channel_pace *p);
/* when channels may be sent, apart from those of a new session; a time that has come: now */
uint64_t channel_pace_at(const struct channel_pace *p);
static inline bool channel_pace_applies(const struct channel_pace *p, uint64_t now)
{
	return now < p->publishing_until;
}
/* A batch was sent with so many channels; `publishing`: there are publishes in it, or some wait. */
void channel_pace_sent(struct channel_pace *p, uint64_t now, uint64_t batch, size_t channels,
		       bool publishing);
/* A batch is over that was timed. */
void channel_pace_ended(struct channel_pace *p, uint64_t now, struct timed_batch *batch);

#endif
