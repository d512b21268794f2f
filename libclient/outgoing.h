/*
 * All that goes to the daemon: requests from the call to their result, wanted
 * channels, and the bytes of one connection after the other. A request waits
 * in `queue`, is written and waits in `flight`, ends in `done` or by a reply.
 */
#ifndef LIBCLIENT_OUTGOING_H
#define LIBCLIENT_OUTGOING_H

#include "libclient/request.h"
#include "libclient/servers.h"
#include "libclient/wanted.h"
#include "protocol/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct outgoing {
	struct request_list queue;    /* not written into `out` yet */
	struct request_list flight;   /* written, no reply yet */
	struct request_list done;     /* ended without a reply, result not delivered yet */
	struct wanted_set wanted;
	struct servers *servers;      /* positions of the wanted channels */
	struct buf out;
	uint64_t written;             /* bytes of this connection already removed from `out` */
	uint64_t next_id;
	uint64_t window;              /* requests without a reply that the daemon allows */
	uint64_t unanswered;          /* of this connection, those given up here included */
	size_t bytes;                 /* of all requests */
	uint64_t expiry;              /* nothing is overdue before this moment */
};

void outgoing_init(struct outgoing *o, struct servers *servers);
void outgoing_fini(struct outgoing *o);

/* Takes ownership of the request (frees it on failure). Results as engine_request. */
int outgoing_add(struct outgoing *o, struct request *r, bool up);
/* The application learns whether the server has confirmed the channel. If it has not, an event reports when it does,
   on whichever connection. `is_default`: `server` is the default server. `seq`: from where on it is complete; 0: unknown. */
void outgoing_confirmed(struct outgoing *o, struct slice server, bool is_default, struct slice channel,
			bool confirmed, uint64_t seq);
/* The subscription of `channel` ended with this error. After a final error the channel is no longer
   wanted, unless a subscribe for it is under way. `is_default`: `server` is the default server. */
void outgoing_refused(struct outgoing *o, struct slice server, bool is_default,
		      struct slice channel, int error);
/* A connection begins: hello into the empty `out`, its id to *ret_id. 0 or -ENOMEM. */
int outgoing_hello(struct outgoing *o, struct slice name, uint64_t *ret_id);
/* The daemon replied to hello and allows that many requests at once: subscribes all wanted channels. */
void outgoing_up(struct outgoing *o, uint64_t window);
/* The daemon accepted the subscribe of this channel. */
void outgoing_accepted(struct outgoing *o, struct wanted_channel *wanted);
/* A reply came, to whatever request. */
void outgoing_replied(struct outgoing *o);
/* Whether outgoing_fill would write something. */
bool outgoing_ready(const struct outgoing *o);
/* Writes wanted channels, then requests, into `out` until it holds enough for a send. 0 or -ENOMEM. */
int outgoing_fill(struct outgoing *o, uint64_t now);
/* The first n bytes of `out` were taken by the kernel. */
void outgoing_written(struct outgoing *o, size_t n);
/* The connection ended. */
void outgoing_lost(struct outgoing *o);
/* Ends requests whose deadline has passed. */
void outgoing_expire(struct outgoing *o, uint64_t now);
/* Ends all with this error. */
void outgoing_fail_all(struct outgoing *o, int error);
/* The request ended with this error; the channel of a failed subscribe is no longer wanted. Frees r. */
void outgoing_end(struct outgoing *o, struct request_list *from, struct request *r, int error);
int outgoing_cancel(struct outgoing *o, cometd_result_fn fn, void *user);

#endif
