/*
 * One local connection, driven: bytes in become frames for the handler, frames
 * in the outbox become bytes out, once a turn. Every wait has a deadline, both
 * directions have a ceiling, and reading stops under named reasons. The work
 * queue decides when frames are handled; it divides a turn fairly among all
 * peers, whatever their requests cost.
 *
 * A peer is given its handler at birth; it knows no op, no hub and no server.
 *
 *     greeting --peer_set_hello_done--> open --peer_close--> closing --> gone
 *
 * While greeting, a frame may have PROTOCOL_HELLO_MAX bytes, and hello must be
 * done by the hello deadline. Closing: the handler has let go, the `closing`
 * frame and what was ready go out, input is thrown away, for at most the drain
 * deadline. A peer that shuts down its sending side only is served on, until
 * it hangs up for good.
 */
#ifndef LOCAL_PEER_H
#define LOCAL_PEER_H

#include "base/counter.h"
#include "base/list.h"
#include "base/loop.h"
#include "hub/hub.h"
#include "local/local_socket.h"
#include "local/work_queue.h"
#include "protocol/protocol.h"
#include "protocol/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct peer;

struct peer_handler {
	/*
	 * One frame's body, whole; `body` lives as long as the call. May call anything below,
	 * peer_close() included. No frame comes after gone(). False: not now; the peer is suspended
	 * (PEER_SUSPEND_REPLY) until peer_retry(), and then the same frame comes again.
	 */
	bool (*frame)(void *ctx, struct peer *p, struct slice body);
	/* Messages were dropped for it, for the first time. May be NULL. */
	void (*loss)(void *ctx, struct peer *p);
	/*
	 * The peer is no longer to be served: take its member out of the hub, now. Called once
	 * for every peer, also one that never sent hello, from peer_close(), peer_abort() or a
	 * turn of the loop; `p` may still be asked for its name and reason.
	 */
	void (*gone)(void *ctx, struct peer *p);
	/* The connection is closed and `p` is freed at the end of this turn. May be NULL. Called
	   once, after gone(). For counting connections, and for a stop that waits for the last. */
	void (*closed)(void *ctx, struct peer *p);
	void *ctx;
};

/* times in milliseconds, sizes in bytes */
struct peer_options {
	size_t outbox_max;              /* 16 MiB: the largest frame; reading stops at half of it */
	size_t request_max;             /* largest frame after hello: PROTOCOL_REQUEST_MAX */
	uint64_t hello_timeout;         /* PROTOCOL_HELLO_TIMEOUT_MS */
	uint64_t progress_timeout;      /* output waits and no byte moves: `overflow` (60 s) */
	uint64_t drain_timeout;         /* from `closing` to the close at the latest (1 s) */
};
void peer_options_default(struct peer_options *o);

/* why nothing is read at present; several at once */
enum peer_suspend {
	PEER_SUSPEND_OUTBOX = 1,        /* its replies and messages pile up */
	PEER_SUSPEND_BACKLOG = 2,       /* frames read already wait for their share of a turn */
	PEER_SUSPEND_END = 4,           /* it sends no more */
	PEER_SUSPEND_REPLY = 8,         /* a large reply is being made, or has not left yet */
};

struct peer_counters {
	uint64_t frames_in, bytes_in, bytes_out, suspended;
};
/* names of the members of struct peer_counters; ends with a NULL name */
extern const struct counter peer_counter_table[];

/*
 * Serves `fd`, a connected Unix stream socket (made non-blocking here), which is the peer's from now on. The
 * options and the handler are copied; all peers share `work`. On failure (-ENOMEM, or what the kernel
 * answered) the fd is still the caller's and nothing was called.
 */
int peer_new(struct work_queue *work, int fd, const struct peer_handler *handler,
	     const struct peer_options *options, struct peer **ret);

/* The handler has accepted its hello: no hello deadline, larger frames. */
void peer_set_hello_done(struct peer *p);
bool peer_hello_done(const struct peer *p);

/*
 * Closes with a reason: gone() is called, then `closing` goes out with code, text and (when not 0)
 * retry_in. Replies that lie ready are sent before it, but the queue of a peer that reads too
 * slowly is discarded, see outbox_abandon(). The first reason counts; calls after it do
 * nothing. `p` lives at least to the end of the turn.
 */
void peer_close(struct peer *p, enum protocol_error code, struct slice text, uint64_t retry_in_ms);
/* Handles the postponed frame again, in this turn or a later one. Does nothing if there is none. */
void peer_retry(struct peer *p);
/* For the handler: this frame was postponed before. */
bool peer_is_retried(const struct peer *p);

/* Ends the connection at once, without a word: gone(), closed(). For a daemon that must end now. */
void peer_abort(struct peer *p);

struct member *peer_member(struct peer *p);
struct peer *peer_of_member(struct member *m);
/* A link for the list of all peers, at first in none; the peer itself does not use it. */
struct list *peer_link(struct peer *p);
struct peer *peer_of_link(struct list *link);
/* Its identity. /proc is read at the first call. */
const struct identity *peer_identity(struct peer *p);
/* What it calls itself; empty before hello. Cut to PROTOCOL_NAME_MAX bytes at a whole character. */
struct slice peer_name(const struct peer *p);
void peer_set_name(struct peer *p, struct slice name);
/* loop time of its connect */
uint64_t peer_since(const struct peer *p);
/* bits of enum peer_suspend */
unsigned peer_suspended(const struct peer *p);
/* names of the reasons for status, by bit; ends with a NULL name */
struct peer_suspend_name {
	enum peer_suspend bit;
	const char *name;
};
extern const struct peer_suspend_name peer_suspend_table[];
const struct peer_counters *peer_counters(const struct peer *p);
/* why it was closed by us, for gone() and closed(); PROTOCOL_ERRORS_END when it left by itself */
enum protocol_error peer_close_code(const struct peer *p);

#endif
