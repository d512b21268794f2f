/*
 * Chains of subscribes: the daemon reads the past of all channels in a chain together,
 * so that it arrives in ascending order. All subscribes of a chain but the last have
 * `more`.
 */
#ifndef LIBCLIENT_CHAIN_H
#define LIBCLIENT_CHAIN_H

#include "libclient/outgoing.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* To go back to where a chain began, if memory runs out while it is written. */
struct chain_mark {
	size_t out;
	uint64_t id, unanswered;
};

struct chain_mark chain_mark(const struct outgoing *o);
/* What was written after the mark was not; its requests have no id any more. */
void chain_restore(struct outgoing *o, const struct chain_mark *mark);

/*
 * Asks again for the channel, and together with it for all channels of its server that continue at a
 * position, so that a further lost connection leaves one position for all of them. What the daemon's
 * limit on requests leaves out keeps a position of its own. 0 or -ENOMEM, and then nothing is written.
 */
int chain_write_wanted(struct outgoing *o, struct wanted_channel *wanted);
/* Whether the request after the subscribe `r` belongs to the same chain. */
bool chain_continues(const struct outgoing *o, const struct request *r);
/* Writes the subscribe `r`. 0, or as message_encode. */
int chain_write_request(struct outgoing *o, struct request *r, bool more);

#endif
