/*
 * Keeps the log of a server within its limits, and accounts for what is dropped from it.
 */
#ifndef HUB_HISTORY_H
#define HUB_HISTORY_H

#include "hub/chunk.h"
#include "protocol/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct hub_server;

/*
 * Appends the newest message of the server, and drops what exceeds the limits then. `frame` is NULL if it could
 * not be encoded. `filtered`: it is also for subscriptions to the channel with a filter. Without memory the log
 * becomes empty.
 */
void history_append(struct hub_server *server, struct slice channel, bool filtered,
		    const struct chunk_frame *frame, uint64_t now);
/* Drops what exceeds the limits at this time. */
void history_trim(struct hub_server *server, uint64_t now);
/* Drops all. */
void history_clear(struct hub_server *server);

#endif
