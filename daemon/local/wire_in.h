/*
 * Requests of the local wire as calls of the hub: reads the fields of a message, and refuses what the
 * protocol does not allow before the hub sees it.
 */
#ifndef LOCAL_WIRE_IN_H
#define LOCAL_WIRE_IN_H

#include "hub/hub.h"
#include "protocol/message.h"

struct wire_in_time {
	uint64_t loop;
	uint64_t unix_ms;               /* time of day */
};

/*
 * Gives a decoded subscribe, unsubscribe, publish, call, ack or forget to the hub. The answer goes to the member, unless a
 * publish has no id. 0, or -ENOMEM as the functions of the hub.
 */
int wire_in_request(struct hub *h, struct member *member, const struct message *m,
		    const struct wire_in_time *now);

#endif
