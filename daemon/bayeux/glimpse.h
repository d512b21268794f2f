/*
 * What can still be read of a message that is no JSON, or that is too large to
 * be kept: its channel, the replay id of its event, and whether it looks like a
 * reply. Bytes go in, in any cut; strings, brackets and escapes are followed, and
 * nothing else is asked of them. What it finds is a guess that the caller checks.
 */
#ifndef BAYEUX_GLIMPSE_H
#define BAYEUX_GLIMPSE_H

#include "protocol/protocol.h"
#include "protocol/slice.h"

#include <stdbool.h>
#include <stddef.h>

/* keys are looked at so deep: data.event.replayId */
#define GLIMPSE_DEPTH 3
/* each byte of a channel may be written as an escape of two */
#define GLIMPSE_TEXT (2 * PROTOCOL_CHANNEL_MAX + 2)

struct glimpse {
	size_t depth;                   /* objects and arrays open */
	bool in_string, escaped;
	unsigned char keys[GLIMPSE_DEPTH + 1];  /* of the member that is read, by depth */
	/* the string or number read last, a string with its quotation marks; too long: without its
	   end, and then it is nothing that is looked for */
	char token[GLIMPSE_TEXT + 1];
	size_t token_n;
	/* as written, with quotation marks */
	char channel[GLIMPSE_TEXT];
	size_t channel_n;
	unsigned channels;              /* with more than one, the message has none */
	bool successful;                /* it has that key */
	char replay_id[24];
	size_t replay_id_n;
};

void glimpse_init(struct glimpse *g);
void glimpse_feed(struct glimpse *g, struct slice bytes);
/* The channel as a JSON string, as it is written; SLICE_NULL when there is none, or several. */
struct slice glimpse_channel(const struct glimpse *g);
/* The digits of data.event.replayId; SLICE_NULL when it was not found. */
struct slice glimpse_replay_id(const struct glimpse *g);

#endif
