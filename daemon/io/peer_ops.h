/*
 * The table op -> handler: what each request of a local peer means. A handler
 * checks the peer's state, asks the hub, and the hub answers into the peer's
 * outbox. Knows no file descriptor and no curl; peer.c, which drives the
 * connection, is given these handlers and knows none of them.
 */
#ifndef IO_PEER_OPS_H
#define IO_PEER_OPS_H

#include "base/loop.h"
#include "hub/hub.h"
#include "io/introspect.h"
#include "io/peer.h"

/*
 * The answer to `status`, shared by all who ask in the same turn. Its cost grows with the peers, so
 * it is made again only when it has been left alone for ten times as long as it took to make; who asks
 * earlier waits until then, and never gets one that is older than the question.
 */
struct status_cache {
	struct blob *answer;            /* and a closing brace; NULL: none */
	uint64_t turn;                  /* of the loop, in which it was made */
	uint64_t due;                   /* loop time from which on it may be made again */
	struct loop_timer *timer;
};

struct peer_ops {
	struct loop *loop;
	struct hub *hub;
	const struct introspect *introspect;
	struct hub_options limits;      /* told in the reply to hello */
	size_t outbox_max;              /* likewise */
	struct status_cache status;
};

/* Sets up ops->status; the other fields are the caller's, and set before. 0 or -ENOMEM. */
int peer_ops_init(struct peer_ops *ops);
void peer_ops_fini(struct peer_ops *ops);

/* What to give to peer_new(): frames go through the table, `ops` must outlive the peers. */
struct peer_handler peer_ops_handler(struct peer_ops *ops);

#endif
