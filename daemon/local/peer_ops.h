/*
 * The table op -> handler: what each request of a local peer means. A handler
 * checks the peer's state, asks the hub, and the hub answers into the peer's
 * outbox. Knows no file descriptor and no curl; peer.c, which drives the
 * connection, is given these handlers and knows none of them.
 */
#ifndef LOCAL_PEER_OPS_H
#define LOCAL_PEER_OPS_H

#include "base/fault.h"
#include "base/loop.h"
#include "hub/hub.h"
#include "local/introspect.h"
#include "local/peer.h"
#include "local/peer_log.h"

/*
 * The answer to `status`, shared by all peers that ask in the same turn. Its cost grows with the number of
 * peers, so after it was made, the next one is made only after a pause of ten times the time that it took.
 * Requests that come earlier wait until then, so no peer gets an answer that is older than its request.
 * Private to peer_ops.c.
 */
struct status_cache {
	struct blob *answer;            /* with the closing brace of the frame; NULL: none */
	struct peer_ops *ops;           /* for its timer */
	uint64_t turn;                  /* of the loop, in which it was made */
	uint64_t due;                   /* loop time from which it may be made again */
	struct loop_timer *timer;
};

/* What only an administrator may ask for: root, or the user of this process. */
struct peer_ops_admin {
	/* Reads the configuration again. 0 with the result appended as a JSON object; positive when it is not
	   used, or not all of it, with words in `why`; -ENOMEM. */
	int (*reload)(void *ctx, struct buf *result, struct fault *why);
	/* Appends the configuration as text. 0, -ENOMEM, -EMSGSIZE. */
	int (*config)(void *ctx, struct buf *text);
	void *ctx;
};

struct peer_ops {
	struct loop *loop;
	struct hub *hub;
	const struct introspect *introspect;
	struct hub_options limits;      /* in the reply to hello */
	size_t outbox_max;              /* likewise */
	struct peer_ops_admin admin;
	struct status_cache status[2];  /* without and with detail */
	struct departures departures;   /* of peers that missed messages, for status */
};

/* Initialises ops->status; the caller sets the other fields before. 0 or -ENOMEM. */
int peer_ops_init(struct peer_ops *ops);
void peer_ops_fini(struct peer_ops *ops);

/* What to give to peer_new(): frames go through the table, `ops` must outlive the peers. */
struct peer_handler peer_ops_handler(struct peer_ops *ops);

#endif
