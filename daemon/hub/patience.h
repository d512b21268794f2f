/*
 * Whether a change of a server's state is told, or kept for a while: a link that
 * is lost and comes back with nothing missed need not be anybody's business. What
 * is asked for, the state is always told as it is.
 */
#ifndef HUB_PATIENCE_H
#define HUB_PATIENCE_H

#include "bayeux/session.h"

#include <stdbool.h>
#include <stdint.h>

struct patience {
	uint64_t max;           /* ms; 0: every change is told; UINT64_MAX: kept until it is back */
	bool up;                /* connected, as all were told last */
	bool keeps;             /* a loss is kept from those who were there */
	uint64_t until;         /* … and told then; UINT64_MAX: never */
	/* the last member who was there; who came later was greeted with the state as it was */
	uint64_t last_member;
};

/*
 * The state changed to that of `info`; `last_member` is the newest id. Whether it is kept from those
 * up to p->last_member, and told to later ones alone.
 */
bool patience_keeps(struct patience *p, const struct session_info *info, uint64_t now,
		    uint64_t last_member);
/* When to call patience_is_over(); UINT64_MAX for never. */
uint64_t patience_deadline(const struct patience *p);
/* Whether it ends now: those up to p->last_member are to be told. */
bool patience_is_over(struct patience *p, uint64_t now);

#endif
