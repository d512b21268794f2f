/*
 * Where in the log a subscribe begins that asks for the last messages of its channels.
 */
#ifndef HUB_PAST_H
#define HUB_PAST_H

#include "hub/hub.h"

/*
 * For each of the patterns the seq of the `n`-th last message in the log that matches it, or of the first one
 * if there are fewer; the seq after the newest message if there is none. `ret` has room for as many.
 */
void past_of_history(struct hub *h, struct hub_server *server, const struct hub_channels *patterns, uint64_t n,
		     uint64_t *ret);

#endif
