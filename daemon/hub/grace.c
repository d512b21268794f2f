/*
 * Decides whether a lost link is reported to members. A member that got "connected"
 * gets the loss in time, or a gap later, or has missed nothing.
 */
#include "hub/grace.h"

/* states in which the session recovers by itself; other ends are reported at once */
static bool is_loss(enum session_state state)
{
	return state == SESSION_UNCONNECTED || state == SESSION_HANDSHAKING ||
	       state == SESSION_CONNECTING;
}

/* When the loss is reported; UINT64_MAX: never. `max` may have changed since the link was lost. */
static uint64_t until(const struct grace *p)
{
	return p->max < UINT64_MAX - p->lost_at ? p->lost_at + p->max : UINT64_MAX;
}

static bool begins(const struct grace *p, const struct session_info *info)
{
	return p->up && p->max && is_loss(info->state);
}

bool grace_defers(struct grace *p, const struct session_info *info, uint64_t now,
		    uint64_t last_member)
{
	bool back = info->state == SESSION_CONNECTED;

	if (!p->deferring && begins(p, info)) {
		p->deferring = true;
		p->lost_at = now;
		p->last_member = last_member;
		return true;
	}
	if (p->deferring && is_loss(info->state) && now < until(p))
		return true;
	bool kept = p->deferring && back && !info->gap;
	p->deferring = false;
	p->up = back;
	return kept;
}

uint64_t grace_deadline(const struct grace *p)
{
	return p->deferring ? until(p) : UINT64_MAX;
}

bool grace_is_over(struct grace *p, uint64_t now)
{
	if (!p->deferring || now < until(p))
		return false;
	p->deferring = p->up = false;
	return true;
}
