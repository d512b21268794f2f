/*
 * One request, with copies of all that is needed to write it more than once. It is
 * in exactly one list of struct outgoing from creation to its end.
 */
#ifndef LIBCLIENT_REQUEST_H
#define LIBCLIENT_REQUEST_H

#include "libclient/position.h"
#include "protocol/protocol.h"
#include "protocol/slice.h"

#include <cometd-bridge.h>

#include <stdbool.h>
#include <stdint.h>

/* a flag of status, beside those of subscribe: with the channels of each peer */
#define REQUEST_DETAIL (1u << 31)

struct request {
	struct request *prev, *next;
	enum protocol_op op;
	uint64_t id;               /* 0 until it was written */
	uint64_t deadline;         /* absolute milliseconds */
	uint64_t end;              /* where its frame ends in the connection's bytes */
	uint64_t serial;           /* subscribe: of the wanted channel it added */
	unsigned flags;            /* subscribe: COMETD_LISTEN_ONLY, …; status: REQUEST_DETAIL */
	struct past past;          /* subscribe: for a channel that is not wanted yet; ack: `since`, up to there */
	int error;                 /* why it ended without a reply */
	bool pending;              /* subscribe: ended, but is wanted and will be asked for */
	cometd_result_fn fn;
	void *user;
	struct slice server;       /* SLICE_NULL: the default */
	struct slice channel;
	struct slice durable;      /* subscribe, ack, forget: a consumer */
	struct slice data;         /* raw JSON */
	bool binary;               /* data is the object of bytes, and goes out as that */
	struct slice ext;          /* raw JSON */
	size_t size;               /* what it counts for the limit on bytes */
	char mem[];
};

struct request_list {
	struct request *first, *last;
	size_t n;
};

/* What a request is made of; SLICE_NULL where there is none. */
struct request_parts {
	struct slice server, channel, durable, data, ext;
	bool binary;
};

/*
 * Makes a request of copies of the parts. 0, or COMETD_E_NOMEM, COMETD_E_UNKNOWN_SERVER
 * and COMETD_E_BAD_CHANNEL (a name that is empty, too long or not UTF-8), COMETD_E_INVALID (not the
 * name of a consumer), COMETD_E_JSON, COMETD_E_TOO_LARGE.
 */
int request_new(enum protocol_op op, const struct request_parts *parts, struct request **ret);
void request_free(struct request *r);
/* Whether it can be sent again when the connection was lost before the reply. */
bool request_repeatable(const struct request *r);
/* Whether its deadline is sent to the daemon, which then answers in time. */
bool request_sends_deadline(const struct request *r);

void request_append(struct request_list *l, struct request *r);
void request_remove(struct request_list *l, struct request *r);
/* Moves all of `from` in front of what is in `to`. */
void request_prepend_all(struct request_list *to, struct request_list *from);
struct request *request_find(const struct request_list *l, uint64_t id);

#endif
