/*
 * What members get, as plain values, and the functions that encode it, which the layer that knows the wire gives
 * to hub_new() and outbox_init(). Slices are views for the duration of a call.
 */
#ifndef HUB_ENCODER_H
#define HUB_ENCODER_H

#include "bayeux/envelope.h"
#include "bayeux/session.h"
#include "protocol/buf.h"
#include "protocol/protocol.h"
#include "protocol/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hub_result {
	HUB_OK,
	HUB_PENDING,                    /* the server is asked later; an event will report its answer */
	HUB_FAILED,
};

/* How a request, or one channel of it, ended. */
struct hub_outcome {
	enum hub_result result;
	enum protocol_error code;       /* unless HUB_OK */
	struct slice text;              /* … and why, for people; may be empty */
	struct slice bayeux[2];         /* the server's own message, raw, in one or two pieces; or empty */
	uint64_t seq;                   /* HUB_OK of a channel: the position from which on it is complete */
};

/*
 * Copies an outcome with its texts. False: without memory for them, or if they have more than `max` bytes, the
 * copy has only result and code.
 */
bool outcome_keep(const struct hub_outcome *from, size_t max, struct hub_outcome *ret);
/* Frees what outcome_keep() allocated. */
void outcome_forget(struct hub_outcome *kept);

struct hub_channel_outcome {
	struct slice channel;
	struct hub_outcome outcome;
	bool gap;                       /* of the past asked for, an unknown number of messages may be missing */
};

/* The answer to a request. */
struct hub_answer {
	struct hub_outcome outcome;
	bool call;                      /* outcome.bayeux is what was asked for */
	const struct envelope *binary;  /* of a call: look for binary data in it; or NULL */
	const struct hub_channel_outcome *channels;     /* of a subscribe */
	size_t n_channels;
	bool durable;                   /* … for a consumer: what it has acknowledged, and may get again */
	uint64_t acked, redelivered;    /* seq */
	struct slice result;            /* of a request that did not concern the hub: raw object, or empty */
};

/* Where the log of a server is. */
struct hub_position {
	uint64_t epoch;                 /* which run of seq: a seq of another epoch is of another message */
	uint64_t first;                 /* the lowest seq that can be had; seq + 1: none */
	uint64_t seq;                   /* of the newest message */
};

/* Messages that do not reach a member. */
struct hub_loss {
	uint64_t count, first, last;    /* seq */
	bool expired;                   /* all of them were dropped from the log; otherwise by the outbox */
};

/*
 * Each appends one frame to `out`. 0, -ENOMEM, or -EMSGSIZE: longer than a frame may be. After a failure the caller
 * takes out what was appended.
 */
typedef int hub_encode_lost(struct buf *out, struct slice server, const struct hub_loss *loss,
			    enum protocol_error code, struct slice channel);

struct hub_encoder {
	/* `binary_max`: how many bytes its binary data may add; 0: none is looked for */
	int (*event)(struct buf *out, struct slice server, uint64_t seq, const struct envelope *e,
		     size_t binary_max);
	hub_encode_lost *lost;          /* `channel` may be empty */
	int (*subscription)(struct buf *out, struct slice server, struct slice pattern,
			    const struct hub_outcome *outcome);
	int (*state)(struct buf *out, struct slice server, const struct session_info *info,
		     const struct hub_position *position, uint64_t now, uint64_t unix_ms);
	int (*reply)(struct buf *out, uint64_t tag, const struct hub_answer *answer);
};

#endif
