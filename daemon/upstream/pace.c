/*
 * Pauses of reading for slow receivers. They are paid from a credit, which grows by a millisecond
 * for each one without a pause: they last PAUSE_MAX at once and half of the time in all, at most.
 */
#include "upstream/pace.h"

/* ms that reading pauses at once, and that must be left for a pause to begin */
#define PAUSE_MAX 1000
#define PAUSE_LEAST 10
/* ms; reading does not wait for receivers that accepted nothing for this long */
#define PAUSE_STALLED 200
/* bytes a millisecond that make a pause cost nothing */
#define PAUSE_FREE (16u << 10)

static uint64_t limited(uint64_t credit)
{
	return credit < PAUSE_MAX ? credit : PAUSE_MAX;
}

void pace_init(struct pace *p, struct hub_server *server)
{
	*p = (struct pace){.server = server};
}

/*
 * What the receivers accept during a pause is added to the credit, a millisecond for PAUSE_FREE
 * bytes: reading waits for receivers with that average rate as long as they need, also when they
 * accept it in bursts.
 */
void pace_settle(struct pace *p, uint64_t now)
{
	uint64_t ms = now - p->settled_at;

	p->settled_at = now;
	if (!p->paused) {
		p->credit = limited(p->credit + ms);
		return;
	}
	uint64_t accepted = hub_crowd_progress(p->server);
	p->total += ms;
	if (accepted)
		p->progress_at = now;
	uint64_t credit = p->credit + accepted / PAUSE_FREE;
	p->credit = limited(credit > ms ? credit - ms : 0);
	if (p->credit == 0 || now - p->progress_at >= PAUSE_STALLED)
		hub_crowd_dismiss(p->server);
	p->paused = hub_is_crowded(p->server);
	hub_set_paused(p->server, p->paused, p->total);
}

bool pace_is_paused(struct pace *p, uint64_t now)
{
	if (p->paused || !hub_is_crowded(p->server))
		return p->paused;
	if (p->credit < PAUSE_LEAST) {
		hub_crowd_dismiss(p->server);
		return false;
	}
	p->paused = true;
	p->progress_at = now;
	hub_crowd_progress(p->server);
	hub_set_paused(p->server, true, p->total);
	return true;
}
