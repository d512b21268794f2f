/*
 * What can still be read from a message that is not valid JSON, or that is too
 * large to keep: its channel, the replay id of its event, and whether it looks
 * like a reply. Bytes go in, in pieces of any size; only strings, brackets and
 * escapes are recognized. The result is a guess that the caller checks.
 */
#ifndef BAYEUX_GLIMPSE_H
#define BAYEUX_GLIMPSE_H

#include "protocol/protocol.h"
#include "protocol/slice.h"

#include <stdbool.h>
#include <stddef.h>

/* the depth to which keys are searched: data.event.replayId */
#define GLIMPSE_DEPTH 3
/* each byte of a channel may be written as an escape of two */
#define GLIMPSE_TEXT (2 * PROTOCOL_CHANNEL_MAX + 2)

struct glimpse {
	size_t depth;                   /* objects and arrays open */
	bool in_string, escaped;
	unsigned char keys[GLIMPSE_DEPTH + 1];  /* of the member being read, by depth */
	/* the last string (with its quotation marks) or number; a token too long to match anything is cut */
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
