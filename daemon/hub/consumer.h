/*
 * Consumers: named positions of a server that outlive the connections that hold them. A
 * consumer has its own subscriptions, of a member that is in no hub (`self`). What they
 * match is put into a second log of the server, which nothing else is in, and from there the
 * holder gets it at the pace of its outbox: never live, and never dropped by the outbox.
 * A message stays in that log until all consumers that match it have acknowledged it,
 * or a limit is exceeded: then it counts as lost for those that have not.
 */
#ifndef HUB_CONSUMER_H
#define HUB_CONSUMER_H

#include "hub/chunk.h"
#include "hub/hub.h"

#include <stdbool.h>
#include <stdint.h>

struct request;

/* of one server */
#define CONSUMERS_MAX 256u

/* Private to hub/. */
struct consumer {
	struct list of_server;          /* hub_server::consumers */
	struct member self;             /* of it only identity, subscriptions, by_pattern and id are used */
	struct hub *hub;
	struct hub_server *server;
	struct member *holder;          /* NULL: no connection holds it */
	struct list of_holder;          /* member::consumers */
	size_t n_opening;               /* requests of the holder that come before the messages */
	uint64_t acked;                 /* seq */
	uint64_t sent;                  /* the highest seq that was ever sent */
	uint64_t redelivered;           /* `sent` when the holder came */
	uint64_t needed;                /* number of the first entry that it wants and has not acknowledged */
	uint64_t cursor;                /* … of the next one for the holder */
	size_t room;                    /* in the outbox, which that one needs */
	bool changed;                   /* since the store was given it */
	uint64_t change;                /* the number under which it was given */
	struct list acks;               /* request::of_reader: answered when they are stored */
	bool narrowed;                  /* a channel has ended: it may not want the entry at `needed` any more */
	uint64_t dropped;               /* in all */
	struct hub_loss lost;           /* dropped, and not acknowledged */
	struct hub_loss unreported;     /* … of these, not reported to this holder */
	char name[];
};

/* The consumer of this name, or NULL. */
struct consumer *consumer_find(const struct hub_server *server, struct slice name);
/* The one that the member holds, or NULL. */
struct consumer *consumer_held(const struct member *m, const struct hub_server *server);
/* A new one, which begins with the next message. 0 or -ENOMEM. */
int consumer_new(struct hub *h, struct hub_server *server, struct slice name, const struct identity *owner,
		 struct consumer **ret);
/* Its subscriptions end; no request may wait for them. A store keeps it. */
void consumer_free(struct consumer *c);
/* The same, also in the store. */
void consumer_forget(struct consumer *c);

/* No member holds it. Without channels it ends. */
void consumer_detach(struct consumer *c);
/* The member holds it from now on, and gets what it has not acknowledged; after the answer to this subscribe. */
void consumer_await(struct consumer *c, struct member *holder, struct request *request);
/* All up to `seq` is processed. */
void consumer_acknowledge(struct consumer *c, uint64_t seq);

/* Whether messages can be put into the outbox of the holder now. */
bool consumer_can_read(const struct consumer *c);
/* Puts some there. */
void consumer_read(struct consumer *c);

/*
 * The newest message of the server is for consumers. `frame` is NULL if it could not be encoded. `filtered`: it is
 * also for subscriptions to the channel with a filter.
 */
void consumers_append(struct hub_server *server, struct slice channel, bool filtered, const struct chunk_frame *frame,
		      uint64_t now);
/* Messages may be missing from here on: all consumers get a report in this place. */
void consumers_note_gap(struct hub *h, struct hub_server *server, uint64_t now);
/* Drops what exceeds the limits at this time. */
void consumers_trim(struct hub_server *server, uint64_t now);
/* A stored message. 0 or -ENOMEM. */
int consumers_restore(struct hub_server *server, const struct hub_durable_change *message, uint64_t now);
/* Ends all of them. */
void consumers_end_all(struct hub_server *server);
/* Makes `session` want their channels. 0 or -ENOMEM. */
int consumers_want_all(const struct hub_server *server, struct session *session);

#endif
