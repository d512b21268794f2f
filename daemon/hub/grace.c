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
		p->until = p->max < UINT64_MAX - now ? now + p->max : UINT64_MAX;
		p->last_member = last_member;
		return true;
	}
	if (p->deferring && is_loss(info->state) && now < p->until)
		return true;
	bool kept = p->deferring && back && !info->gap;
	p->deferring = false;
	p->up = back;
	return kept;
}

uint64_t grace_deadline(const struct grace *p)
{
	return p->deferring ? p->until : UINT64_MAX;
}

bool grace_is_over(struct grace *p, uint64_t now)
{
	if (!p->deferring || now < p->until)
		return false;
	p->deferring = p->up = false;
	return true;
}
