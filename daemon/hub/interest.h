/*
 * An interest: a pattern that the session wants. It is shared by all subscriptions that
 * want the pattern from the server: the first one makes the session want it, the last
 * one ends that.
 *
 * An interest knows from which position on nothing of it is missing. A position is the seq
 * of the newest message that a member has; many moments share one until the next message
 * arrives. So after an interruption (messages may have been missed, or an interest ended)
 * the next complete position is that of the next message.
 */
#ifndef HUB_INTEREST_H
#define HUB_INTEREST_H

#include "base/list.h"
#include "base/strmap.h"
#include "hub/encoder.h"

#include <stdbool.h>
#include <stdint.h>

struct hub_server;
struct subscription;

#define INTEREST_INACTIVE UINT64_MAX

struct interest {
	struct strmap_node by_pattern;  /* hub_server::interests */
	struct list holders;            /* subscription::of_interest */
	size_t n_holders;
	struct subscription *kept;      /* the holder without a member, or NULL (kept.h) */
	struct hub_outcome refusal;     /* the last one, temporary or not (outcome_keep), or HUB_OK */
	/* the first position that nothing is missing after, or INTEREST_INACTIVE: not confirmed in this session */
	uint64_t complete_from;
	char pattern[];                 /* the key of by_pattern */
};

/* The interest in exactly this pattern, or NULL. */
struct interest *interest_find(const struct hub_server *server, struct slice pattern);
/* `member` is the one that asks, a number for the session. 0 or -ENOMEM. */
int interest_new(struct hub_server *server, struct slice pattern, uint64_t member, struct interest **ret);
/* It has no holder. */
void interest_free(struct hub_server *server, struct interest *interest);

/*
 * The server confirmed it; again, if it is active already. `waited`: for members it was pending. They may have
 * had the present position before, so a new one is made, from which on it is complete: server->seq skips a number.
 */
void interest_confirmed(struct hub_server *server, struct interest *interest, bool waited);
/* The server refused it, or does not answer. */
void interest_interrupted(struct hub_server *server, struct interest *interest);
/* To be called for each state of the session: a new session, or a gap, interrupts all. */
void interest_state_changed(struct hub_server *server, const struct session_info *info);
/* The seq is that of an earlier process: what was sent between the two is not known. */
void interest_position_changed(struct hub_server *server);

/*
 * Whether the server has sent, and will send, every message after position `seq` that matches `pattern`, because
 * an interest that includes the pattern was active all the time. What a loss of the session that is not over yet
 * has cost is not known; its end is reported to all members. Never for a service channel, which needs no
 * subscription. A filter is compared as text.
 */
bool interest_covers(const struct hub_server *server, struct slice pattern, uint64_t seq);

#endif
