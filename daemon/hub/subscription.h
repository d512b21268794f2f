/*
 * A subscription: one member receives one pattern of one server, or the pattern is kept
 * subscribed without a member (kept.h). It is in the member's
 * list and the server's trie. It holds the interest in its pattern; without one
 * (upstream: false) it only listens.
 */
#ifndef HUB_SUBSCRIPTION_H
#define HUB_SUBSCRIPTION_H

#include "base/list.h"
#include "base/strmap.h"
#include "hub/interest.h"
#include "hub/outbox.h"
#include "hub/trie.h"

#include <stdbool.h>

struct member;
struct hub_server;

struct subscription {
	struct trie_entry entry;        /* hub_server::trie */
	struct list of_member;          /* member::subscriptions, or hub_server::kept or lingering */
	struct strmap_node by_pattern;  /* member::by_pattern; of a kept one unused */
	struct list of_interest;        /* interest::holders */
	struct trie_entry by_channel;   /* hub_server::filtered, by the channel without filter, if it has one */
	struct interest *interest;      /* NULL: only listens */
	struct member *member;          /* NULL: kept (kept.h) */
	struct hub_server *server;
	enum outbox_overflow overflow;  /* of the messages it brings */
	struct list waiting;            /* request_item::of_subscription, until the server answers */
	bool pending;                   /* reported as pending: the server's answer is sent by an event */
	bool postponed;                 /* the reason for that was sent by an event */
	/* Until the server accepts it, other interests bring the messages after a position, without a gap: its seq + 1;
	   0: they do not. */
	uint64_t brought_from;
	/* of a kept one */
	bool listed;                    /* while the list is replaced: it is in the new one */
	bool refused;                   /* the server refused it, and has not accepted it since */
	bool lingers;                   /* its member left, at `left_at` */
	uint64_t left_at;
	uint64_t from;                  /* it receives messages from this seq on */
	uint64_t read_to;               /* … and has received those before this one, though a reader comes to them again */
	struct list of_reader;          /* reader::catching_up */
	uint64_t at;                    /* number of its next message in the log, while in that list */
	struct slice pattern;           /* view of the key */
	char key[];                     /* the server's address, then the pattern */
};

/* Subscribes `pattern` (checked, and not yet held by this member), without an interest; `member` NULL: the caller
   has it in a list. 0 or -ENOMEM. */
int subscription_new(struct hub_server *server, struct member *member, struct slice pattern,
		     struct subscription **ret);
/* It is kept from now on: its member is gone, and the caller has it in a list. No request may wait for it. */
void subscription_leave_member(struct subscription *s);
/* Removes it from all lists; no request may wait for it any more. The last holder ends the interest. */
void subscription_free(struct subscription *s);
/* This member's subscription of the pattern, or NULL. */
struct subscription *subscription_find(const struct member *member, const struct hub_server *server,
				       struct slice pattern);

/* Calls each(ctx, s) for the member's subscriptions whose pattern matches the channel, for one possibly twice. The
   cost depends on the length of the channel, not on the number of subscriptions. */
void subscription_each_match(const struct member *member, const struct hub_server *server, struct slice channel,
			     void (*each)(void *ctx, struct subscription *s), void *ctx);

/* Asks for the pattern from upstream, which it does not yet. 0 or -ENOMEM. */
int subscription_want(struct subscription *s);
/* Only listens from now on. */
void subscription_unwant(struct subscription *s);

#endif
