/*
 * The grace period of a lost link: the loss is not reported at once, and never if the
 * link returns in time without a gap. A request for the state always gets the current
 * one.
 */
#ifndef HUB_GRACE_H
#define HUB_GRACE_H

#include "bayeux/session.h"

#include <stdbool.h>
#include <stdint.h>

struct grace {
	uint64_t max;           /* ms; 0: every change is reported; UINT64_MAX: never over */
	bool up;                /* "connected" was reported last */
	bool deferring;         /* a loss is not reported yet to members up to last_member */
	uint64_t lost_at;       /* … until `max` after this time */
	/* the newest member when the link was lost; later ones got the state in the reply to hello */
	uint64_t last_member;
};

/*
 * The state changed to that of `info`; `last_member` is the newest id. True if the change is to be
 * reported only to members after p->last_member.
 */
bool grace_defers(struct grace *p, const struct session_info *info, uint64_t now,
		    uint64_t last_member);
/* When to call grace_is_over(); UINT64_MAX for never. */
uint64_t grace_deadline(const struct grace *p);
/* Whether the period ends now: the loss is to be reported to members up to p->last_member. */
bool grace_is_over(struct grace *p, uint64_t now);

#endif
