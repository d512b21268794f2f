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

struct peer_ops {
	struct loop *loop;
	struct hub *hub;
	const struct introspect *introspect;
	struct hub_options limits;      /* told in the reply to hello */
	size_t outbox_max;              /* likewise */
};

/* What to give to peer_new(): frames go through the table, `ops` must outlive the peers. */
struct peer_handler peer_ops_handler(struct peer_ops *ops);

#endif
