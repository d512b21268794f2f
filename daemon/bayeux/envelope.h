/*
 * Bayeux messages as views of the server's text. Deviations of servers are tolerated
 * here and nowhere else: a bare object instead of an array, elements that are not
 * objects or have no channel (skipped and counted), ids as numbers, booleans as
 * strings, errors of any type, subscription as an array, unknown fields.
 */
#ifndef BAYEUX_ENVELOPE_H
#define BAYEUX_ENVELOPE_H

#include "protocol/buf.h"
#include "protocol/json_read.h"
#include "protocol/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum envelope_kind {
	/* channel begins with /meta/: a reply, or the server's own disconnect */
	ENVELOPE_META,
	/* has "data" (even null): an event, or the answer to a call; with "successful" it may still be a
	   reply, which only the session can decide */
	ENVELOPE_EVENT,
	ENVELOPE_REPLY,         /* "successful" but no "data": the reply to a publish */
	ENVELOPE_UNKNOWN,       /* neither */
	/* not JSON, or too large: treated as an event; only `raw`, `size`, `channel` and `replay_id` are
	   set */
	ENVELOPE_UNREADABLE,
};

/* Views into the parsed text (or the batch's scratch); absent ones are SLICE_NULL. */
struct envelope {
	enum envelope_kind kind;        /* by data and successful (bayeux.md 1.9) */
	struct slice raw;               /* the whole message as the server wrote it */
	/* raw without its top-level clientId, a secret of the session */
	struct slice pieces[2];
	size_t n_pieces;                /* 1 or 2 */
	struct slice channel;           /* decoded; events: without one trailing "/" */
	struct slice id;                /* decoded text, or the digits of a number */
	struct slice client_id;         /* decoded */
	struct slice subscription;      /* decoded when a string */
	struct slice error;             /* decoded when a string, else raw */
	struct slice data;              /* raw */
	struct slice advice;            /* raw object */
	struct slice ext;               /* raw object */
	struct slice connection_types;  /* raw array */
	/* decoded; CometD Java always sends it, cometd-nodejs-server never does */
	struct slice minimum_version;
	enum json_kind successful;      /* JSON_TRUE, JSON_FALSE or JSON_ABSENT */
	uint64_t x_messages;            /* events that accompany a handshake reply */
	size_t size;                    /* unreadable: size of the whole message, of which raw may be only a
					   part */
	struct slice replay_id;         /* unreadable: the digits of data.event.replayId */
};

struct envelope_batch {
	struct envelope *items;
	size_t n, cap;
	/* elements that were not Bayeux messages, or had a key twice */
	unsigned skipped;
	struct buf scratch;
};

void envelope_batch_init(struct envelope_batch *b);
void envelope_batch_fini(struct envelope_batch *b);

/*
 * Parses one text; *b is emptied first and then holds views of `text`. All or
 * nothing: a text that breaks off has no messages. 0, an enum json_fault, -ENOMEM.
 */
int envelope_parse(struct envelope_batch *b, struct slice text);

/* "402::session_unknown" -> code 402, args "", text "session_unknown"; free text -> code 0
   (bayeux.md 1.11). */
struct envelope_error {
	unsigned code;
	struct slice args;
	struct slice text;
};
struct envelope_error envelope_error_parse(struct slice error);

#endif
