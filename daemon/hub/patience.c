/*
 * Owns the decision whether members hear of a lost link. Guarantees that whoever
 * was told "connected" hears of a loss in time, or that messages may have been
 * missed, or has missed nothing. Must never know who the members are.
 */
#include "hub/patience.h"

/* on the way back; what the server or a person ended is told at once */
static bool is_loss(enum session_state state)
{
	return state == SESSION_UNCONNECTED || state == SESSION_HANDSHAKING ||
	       state == SESSION_CONNECTING;
}

static bool begins(const struct patience *p, const struct session_info *info)
{
	return p->up && p->max && is_loss(info->state);
}

bool patience_keeps(struct patience *p, const struct session_info *info, uint64_t now,
		    uint64_t last_member)
{
	bool back = info->state == SESSION_CONNECTED;

	if (!p->keeps && begins(p, info)) {
		p->keeps = true;
		p->until = p->max < UINT64_MAX - now ? now + p->max : UINT64_MAX;
		p->last_member = last_member;
		return true;
	}
	if (p->keeps && is_loss(info->state) && now < p->until)
		return true;
	bool kept = p->keeps && back && !info->gap;
	p->keeps = false;
	p->up = back;
	return kept;
}

uint64_t patience_deadline(const struct patience *p)
{
	return p->keeps ? p->until : UINT64_MAX;
}

bool patience_is_over(struct patience *p, uint64_t now)
{
	if (!p->keeps || now < p->until)
		return false;
	p->keeps = p->up = false;
	return true;
}
