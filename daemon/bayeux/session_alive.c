/*
 * Keep-alive messages. Servers with CometD's activity extension end a session that sends
 * only connects for too long, as it does when all peers only subscribe. None is sent
 * while other requests are in flight. The channel is a service channel, so no other
 * client receives them.
 */
#include "bayeux/session_core.h"

/* after a shortage of memory: when to try again */
#define SHORTAGE_MS 1000u

uint64_t alive_at(const struct session *s)
{
	if (!s->o.keep_alive || !report_is_up(&s->report) || publishes_wait(&s->publishes))
		return SESSION_NEVER;
	return s->quiet_since + s->o.keep_alive;
}

void alive_tick(struct session *s, uint64_t now)
{
	const struct publish_request wish = {
		.channel = slice_of(s->o.keep_alive_channel), .data = SLICE("{}"),
		.deadline = now + s->o.network_delay};
	if (alive_at(s) > now)
		return;
	if (publish_new(&s->publishes, pending_next_id(&s->pending), &wish))
		s->quiet_since = now - s->o.keep_alive + SHORTAGE_MS;
}
