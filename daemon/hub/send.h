/*
 * Frames for single members: replies, refusals, news of a subscription. The
 * public ones are in hub.h.
 */
#ifndef HUB_SEND_H
#define HUB_SEND_H

#include "hub/chunk.h"
#include "hub/hub.h"

/* The one reply of a request: ok when `error` is empty. `result` and `error` are raw JSON objects
   or SLICE_NULL. What cannot be encoded becomes an error. */
void send_reply(struct hub *h, struct member *member, uint64_t id, struct slice result,
		struct slice error);
/* Encodes the event `subscription`; `error` as above, empty when ACTIVE. Results as
   message_encode. */
int send_encode_subscription(struct hub *h, const struct hub_server *server, struct slice pattern,
			     enum session_channel_status status, struct slice error, struct chunk_frame *ret);
/* Queues an encoded frame for this member, or marks the member as overrun if `r` is an error. */
void send_frame(struct member *member, int r, const struct chunk_frame *frame);

#endif
