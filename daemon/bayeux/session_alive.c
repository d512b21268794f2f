/*
 * Owns the sign of life: servers with CometD's activity extension throw a session
 * out that sends nothing but connects for too long, and a bridge whose peers only
 * listen sends nothing. Guarantees that nothing is sent while anything else is on
 * its way, and that nobody hears of it: its channel is a service of the server.
 */
#include "bayeux/session_core.h"

/* after a shortage of memory: when to try again */
#define SHORTAGE_MS 1000u

uint64_t alive_at(const struct session *s)
{
	if (!s->o.keep_alive || !state_is_up(s) || publishes_wait(&s->publishes))
		return SESSION_NEVER;
	return s->quiet_since + s->o.keep_alive;
}

void alive_tick(struct session *s, uint64_t now)
{
	const struct publish_wish wish = {
		.channel = slice_of(s->o.keep_alive_channel), .data = SLICE("{}"),
		.deadline = now + s->o.network_delay};
	if (alive_at(s) > now)
		return;
	if (publish_new(&s->publishes, s->next_id, &wish))
		s->quiet_since = now - s->o.keep_alive + SHORTAGE_MS;
	else
		s->next_id++;
}
