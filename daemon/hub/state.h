/*
 * What a server's state looks like on the wire: in the event, and as fields of
 * another object (hub_put_server_fields in hub.h).
 */
#ifndef HUB_STATE_H
#define HUB_STATE_H

#include "protocol/message.h"

#include <stdint.h>

struct hub_server;

/* Fills the event `state`; its texts view the server and its session. */
void state_message(const struct hub_server *server, uint64_t now, uint64_t unix_ms,
		   struct message *ret);

#endif
