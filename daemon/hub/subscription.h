/*
 * One member hears one pattern of one server: the record that sits in the
 * member's list and the server's trie. And the wish: what all those who want a
 * pattern from upstream have in common. The first of them makes the session
 * want it, the last one ends that; a subscription may come and go between its
 * wish and mere listening.
 */
#ifndef HUB_SUBSCRIPTION_H
#define HUB_SUBSCRIPTION_H

#include "base/list.h"
#include "base/strmap.h"
#include "hub/outbox.h"
#include "hub/trie.h"
#include "protocol/buf.h"

#include <stdbool.h>

struct member;
struct hub_server;

/* One pattern that the session is to want, and for whom. */
struct wish {
	struct strmap_node by_pattern;  /* hub_server::wishes */
	struct list holders;            /* subscription::of_wish */
	size_t n_holders;
	struct buf postponed;           /* why the server refused it last, for the moment: an error; or empty */
	char pattern[];                 /* the key of by_pattern */
};

struct subscription {
	struct trie_entry entry;        /* hub_server::trie */
	struct list of_member;          /* member::subscriptions */
	struct strmap_node by_pattern;  /* member::by_pattern */
	struct list of_wish;            /* wish::holders */
	struct list of_filtered;        /* hub_server::filtered, if its pattern has a filter */
	struct wish *wish;              /* NULL: asks the server nothing */
	struct member *member;
	struct hub_server *server;
	enum outbox_overflow overflow;  /* of the messages it brings */
	struct list waiting;            /* request_item::of_subscription, till the server answers */
	bool pending;                   /* its member was told so: what the server says is news */
	bool postponed;                 /* … and why, by an event */
	struct slice pattern;           /* view of the key */
	char key[];                     /* the server's address, then the pattern */
};

/* Listens to `pattern` (checked, and not yet held by this member), without a wish. 0 or -ENOMEM. */
int subscription_new(struct hub_server *server, struct member *member, struct slice pattern,
		     struct subscription **ret);
/* Takes it out of everything; nobody may wait for it any more. The last holder ends the wish. */
void subscription_free(struct subscription *s);
/* What this member holds under this name, or NULL. */
struct subscription *subscription_find(const struct member *member, const struct hub_server *server,
				       struct slice pattern);

/* Asks for the pattern from upstream, which it does not yet. 0 or -ENOMEM. */
int subscription_want(struct subscription *s);
/* Only listens from now on. */
void subscription_unwant(struct subscription *s);
/* The wish for this very pattern, or NULL. */
struct wish *wish_find(const struct hub_server *server, struct slice pattern);

#endif
