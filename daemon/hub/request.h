/*
 * A request that waits for the server: a publish or call until its outcome, a
 * subscribe until each of its channels is answered. It is listed in its member (by its
 * id), in its server, and for a publish in the map of cookies; freeing removes it from
 * all of them. It never outlives its member.
 */
#ifndef HUB_REQUEST_H
#define HUB_REQUEST_H

#include "base/list.h"
#include "base/strmap.h"
#include "hub/encoder.h"
#include "protocol/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hub;
struct hub_server;
struct consumer;
struct member;
struct subscription;

/* One channel of a subscribe. */
struct request_item {
	struct request *request;
	struct hub_channel_outcome *answer;     /* in request::channels; texts are owned */
	struct subscription *subscription;      /* while waiting */
	struct list of_subscription;    /* subscription::waiting */
};

struct request {
	struct strmap_node by_id;       /* member::requests */
	struct strmap_node by_cookie;   /* hub::cookies */
	struct list of_server;          /* hub_server::requests */
	struct hub *hub;
	struct member *member;
	uint64_t id;
	uint64_t cookie;                /* 0: a subscribe */
	bool call;
	struct list of_reader;          /* reader::requests: the answer waits until it has passed the target */
	uint64_t target;
	struct consumer *consumer;      /* which it subscribes for; its messages come after the answer. Or NULL */
	size_t n_items, n_waiting;
	struct hub_channel_outcome *channels;   /* of the items, in the memory of the request */
	struct request_item items[];
};

/* A request of this member to this server, with an id not in use. 0 or -ENOMEM. */
int request_new(struct hub *h, struct member *member, struct hub_server *server, uint64_t id,
		const struct slice *channels, size_t n_channels, struct request **ret);
void request_free(struct request *r);
/* Gives it a cookie, by which it is found again. 0 or -ENOMEM. */
int request_cookie(struct request *r);
struct request *request_by_cookie(const struct hub *h, uint64_t cookie);

/* Replies and frees it. */
void request_reply(struct request *r, const struct hub_answer *answer);

/* The item waits for the server's answer for this subscription. */
void request_wait(struct request_item *item, struct subscription *s);
/* The item is answered; the outcome is copied. */
void request_answer(struct request_item *item, const struct hub_outcome *outcome);
/* Replies to a subscribe and frees it, if no item waits any more, nor it for a reader. */
void request_finish(struct request *r);
/* Answers all who wait for this subscription, and finishes their requests where it can. */
void request_answer_all(struct subscription *s, const struct hub_outcome *outcome);
/* The reply waits, in this list of a reader, until the reader has passed the target. */
void request_delay(struct request *r, struct list *requests, uint64_t target);
/* It does not wait for the reader any more; request_finish() follows. */
void request_release(struct request *r);
/* Replaces the outcome of this channel, if it is known and no failure. */
void request_replace(struct request *r, struct slice channel, const struct hub_outcome *outcome);
/* There is no session: items without an answer become pending, and the subscribe is replied. */
void request_postpone(struct request *r);

#endif
