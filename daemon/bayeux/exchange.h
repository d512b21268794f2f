/*
 * What was passed to the driver and has no reply yet: batches ("exchanges") and the
 * requests in them. With long-polling an exchange is one HTTP request, and ends when
 * the driver reports its end; with WebSocket it is one message, and ends with the last
 * of its replies.
 *
 * A request is a member of the record it belongs to (a publish, a wanted channel, the
 * session itself), so that neither sending nor completing allocates memory per request.
 */
#ifndef BAYEUX_EXCHANGE_H
#define BAYEUX_EXCHANGE_H

#include "base/list.h"
#include "bayeux/pending.h"
#include "bayeux/session.h"

enum request_kind {
	REQUEST_HANDSHAKE,
	REQUEST_CONNECT,
	REQUEST_DISCONNECT,
	REQUEST_SUBSCRIBE,
	REQUEST_UNSUBSCRIBE,
	REQUEST_PUBLISH,
};

struct exchange;

struct request {
	struct pending_node pending;    /* its id and deadline */
	enum request_kind kind;
	/* HTTP 401 rejected it with this credential, counted from 1; 0: with none */
	uint64_t rejected_with;
	struct exchange *exchange;      /* NULL while it is not in flight */
	struct list link;               /* in the exchange, in the order of sending */
};

struct exchange {
	struct exchanges *home;
	struct list link;
	struct session_batch batch;
	struct list requests;           /* without a reply yet */
	size_t n_sent;                  /* requests when it was sent */
	size_t bytes;                   /* of its text */
	uint64_t sent_at;
	uint64_t received_at;              /* when the last bytes of its HTTP answer arrived; sent_at before
					   that */
	uint64_t credential;            /* the one it was sent with: 0 for the first, 1 for the next … */
	uint64_t deadline;              /* of the whole, on long-polling; else UINT64_MAX */
	bool kept;                      /* not freed by its last request: on long-polling always */
	bool answered;                  /* the server has taken it: some reply came */
	bool ended;                     /* its response is complete; settle it once that was read */
};

struct exchanges {
	struct list list;               /* oldest first */
	size_t n_requests;              /* in flight */
	uint64_t next_batch;
};

void exchanges_init(struct exchanges *all);
/* A new one at the end, still without requests, with the id of the next batch. 0 or -ENOMEM. */
int exchange_new(struct exchanges *all, const struct session_batch *batch, struct exchange **ret);
/* Its text is written. */
void exchange_sent(struct exchange *x, size_t bytes);
/* The exchange must have no requests any more: the caller has handled them. */
void exchange_free(struct exchange *x);
struct exchange *exchange_find(const struct exchanges *all, uint64_t batch);
/* whether it holds subscribes, unsubscribes and publishes */
static inline bool exchange_of_commands(const struct exchange *x)
{
	return x->batch.lane != SESSION_LANE_CONNECT && x->batch.kind != SESSION_BATCH_DISCONNECT;
}
/* the one on that lane of long-polling, or NULL */
struct exchange *exchange_on_lane(const struct exchanges *all, enum session_lane lane);
/* The long-polling exchange with the earliest deadline, other than the connect's and `without` (may be
   NULL); NULL for none. */
struct exchange *exchange_first_due(const struct exchanges *all, const struct exchange *without);

void request_init(struct request *r, enum request_kind kind);
/* The request goes out as part of `x`. */
void request_enter(struct request *r, struct exchange *x);
/* It is answered, or given up. A WebSocket exchange is freed with its last request. */
void request_leave(struct request *r);

#endif
