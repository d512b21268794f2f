/*
 * A reader gives one member the messages of the log of one server that it asked for,
 * in ascending order, at the pace of its outbox. While it exists, all subscriptions of
 * that member on that server are served by it, and none receives live messages: it
 * ends when it has reached the newest one.
 *
 * What a subscription covers begins at subscription::from. A member gets a message once,
 * however many of its subscriptions match. So when a member asks for the past, messages
 * that other subscriptions of it have brought already (up to subscription::read_to) are left out.
 *
 * Invariant: all messages of the server before reader::cursor were pushed into the outbox,
 * are not for this member, or are counted as lost.
 */
#ifndef HUB_READER_H
#define HUB_READER_H

#include "base/list.h"
#include "hub/encoder.h"
#include "protocol/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hub;
struct hub_server;
struct member;
struct request;
struct subscription;

/* Private to hub/. */
struct reader {
	struct list of_member;          /* member::readers */
	struct list of_server;          /* hub_server::readers */
	struct hub *hub;
	struct member *member;
	struct hub_server *server;
	bool held;                      /* further requests follow before it begins */
	uint64_t cursor;                /* the seq that comes next */
	/* from this seq on all subscriptions are served; before it, only those of `catching_up` */
	uint64_t all_from;
	struct list catching_up;        /* subscription::of_reader */
	struct list requests;           /* request::of_reader, in order of their target */
	struct hub_loss dropped;        /* by the log: for this member, and not reported yet */
	uint64_t gone_from, gone_to;    /* gone before it was asked for: an upper bound; not reported yet */
	size_t needed;                  /* room in the outbox for the next message */
};

/* The reader of this member, or NULL. */
struct reader *reader_find(const struct member *m, const struct hub_server *server);
/* The same, or a new one, which has nothing to read yet. 0 or -ENOMEM. */
int reader_get(struct hub *h, struct member *m, struct hub_server *server, struct reader **ret);
/* The member misses what it would have read; requests are not answered. NULL is fine. */
void reader_free(struct reader *r);

/*
 * The subscription is to receive what matches from seq `from` on, `created`: and has received nothing yet.
 * What the log dropped before is reported if `counted`.
 */
void reader_cover(struct reader *r, struct subscription *s, uint64_t from, bool created, bool counted);
/* The request is answered when the reader has passed the newest message of this moment. */
void reader_delay_answer(struct reader *r, struct request *request);
/* Whether the reader waits for further requests. Otherwise, it ends if there is nothing to read. */
void reader_hold(struct reader *r, bool held);
/* The subscription ends: requests that wait for its past report this instead. */
void reader_fail(const struct subscription *s, const struct hub_outcome *why);

/* The log drops this message, or does not keep it; `channel` empty: unknown. */
void reader_note_dropped(struct reader *r, uint64_t seq, struct slice channel, bool filtered);

#endif
