/*
 * Encodes what members get, by the functions given to hub_new(), and queues it. Frames for several members are
 * encoded once and then queued by send_frame(). Replies (hub_reply, hub_refuse) are in hub.h.
 */
#ifndef HUB_SEND_H
#define HUB_SEND_H

#include "hub/chunk.h"
#include "hub/hub.h"

/* An event of the session; -EMSGSIZE also if it has more than message_max bytes. */
int send_encode_event(struct hub *h, struct hub_server *server,
		      const struct session_event *event, struct chunk_frame *ret);
/* The loss of one message, the newest of the server; its channel where it is known. */
int send_encode_lost(struct hub *h, struct hub_server *server, struct slice channel,
		     enum protocol_error code, struct chunk_frame *ret);
/* Messages may be missing, it is not known how many. */
int send_encode_gap(struct hub *h, const struct hub_server *server, struct slice channel, struct chunk_frame *ret);
/* The same, with the newest seq as its position. */
int send_encode_interruption(struct hub *h, struct hub_server *server, struct chunk_frame *ret);
int send_encode_subscription(struct hub *h, const struct hub_server *server, struct slice pattern,
			     const struct hub_outcome *outcome, struct chunk_frame *ret);
int send_encode_state(struct hub *h, const struct hub_server *server, uint64_t now,
		      uint64_t unix_ms, struct chunk_frame *ret);
/* Queues an encoded frame for this member, or for the holder of its consumer if there is one, or marks the member as overrun if `r` is an error. */
void send_frame(struct member *member, int r, const struct chunk_frame *frame);

#endif
