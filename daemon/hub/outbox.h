/*
 * One peer's bounded queue of ready frames: spans of shared blobs, in order. A
 * span that touches the last one merges with it, so a burst that a peer hears
 * whole leaves as one piece, at the price of one send. When the queue is full,
 * the oldest unsent messages go, and a `lost` frame tells the peer before the
 * next message of that server, with count and range of seq.
 *
 * Bytes, not messages, are the ceiling: bytes_max of its own frames fit,
 * whatever else its blobs hold. A short span keeps a whole blob of 16 KiB
 * alive; so once the queue holds 64 blobs, spans that take less than half of
 * their blob are copied out of it, and small ones merge. What a queue keeps in
 * memory is thus at most 1 MiB + 2 * bytes_max, and its list of spans. Replies
 * and state events are never dropped: a peer whose replies and state events
 * exceed the ceiling is overrun (disconnected).
 *
 * Invariant: delivered + lost + still queued = pushed, for each server, and
 * whatever is lost stands in exactly one `lost` frame, written or to come.
 * Knows no file descriptor and no op but the `lost` it writes.
 */
#ifndef HUB_OUTBOX_H
#define HUB_OUTBOX_H

#include "base/blob.h"
#include "base/list.h"
#include "base/wake.h"
#include "protocol/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum outbox_overflow {
	OUTBOX_DROP_OLDEST,
	OUTBOX_DISCONNECT,       /* the first loss overruns the peer */
};

/* messages of one server that were dropped and are told in one frame */
struct outbox_loss {
	uint64_t count, first, last;
};

/* What the queue keeps of one server. */
struct outbox_lane {
	struct list link;               /* outbox::lanes */
	struct slice server;
	struct outbox_loss front;       /* lost ahead of all that still waits */
	struct outbox_loss tail;        /* lost behind all that waits */
	struct outbox_span *notice;     /* the last in the queue: tells a loss and has no message */
};

struct outbox {
	struct list spans;
	struct list messages;    /* those of them that may be dropped, oldest first */
	struct list lanes;
	struct outbox_lane lane; /* the first server's, free of cost: most have only one */
	size_t bytes, bytes_max; /* not counting `lost` frames: one a server */
	size_t control_bytes;    /* of these: replies, state */
	size_t n_spans, n_spans_max;
	size_t n_blobs, n_blobs_max;    /* kept alive by the spans */
	size_t n_replies;        /* of outbox_push_reply(), not written whole yet */
	struct blob *copies;     /* where spans are copied to, or NULL */
	size_t sent;             /* of the first span, already written */
	bool overrun;            /* beyond saving: close this peer */
	struct wake wake;        /* there is something to write, or overrun began */
	uint64_t delivered;      /* messages written whole to the socket */
	uint64_t lost;           /* messages dropped and reported (or about to be) */
	uint64_t lost_unreported;/* … whose lost frame has not been written yet */
	uint64_t written;        /* bytes taken by the socket */
	size_t bytes_peak;
	uint64_t bytes_pushed;   /* all that was ever queued */
};

/* `bytes_max` must hold at least one message of the usual size; a message that finds no other in the queue
   is always taken. n_spans_max is 65536; n_blobs_max, which is only reached when there is no memory for
   copies, is derived from bytes_max. Tests may change both. */
void outbox_init(struct outbox *o, size_t bytes_max, struct wake wake);
void outbox_fini(struct outbox *o);

/*
 * Queues the frame in [offset, offset + n) of `blob`, which is message `seq` of `server` (a name
 * that outlives the outbox). Never fails: what cannot be kept is counted and reported as lost.
 * Room is made by dropping what is older, but nothing is dropped for a message that would not fit
 * even then.
 */
void outbox_push_message(struct outbox *o, struct blob *blob, size_t offset, size_t n,
			 struct slice server, uint64_t seq, enum outbox_overflow policy);
/* A message that never became a frame (too large, no memory): reported as lost in its place. */
void outbox_push_lost(struct outbox *o, struct slice server, uint64_t seq);
/* Queues a control frame (reply, state, …). On failure the peer is overrun. */
void outbox_push_control(struct outbox *o, struct blob *blob, size_t offset, size_t n);
/* The same for a frame that begins with all of `head` and goes on in `rest`, which many peers share: it is
   queued and written as one frame. */
void outbox_push_reply(struct outbox *o, struct blob *head, struct blob *rest);
/* Something that must not be missed could not even be encoded: the peer is overrun. */
void outbox_overrun(struct outbox *o);

static inline bool outbox_empty(const struct outbox *o)
{
	return list_empty(&o->spans) && o->lost_unreported == 0;
}

/* Up to `max` pieces to write next. 0 and *ret_n, or -ENOMEM: nothing now, try again later. */
int outbox_peek(struct outbox *o, struct iovec *iov, size_t max, size_t *ret_n);
/* `n` bytes of what was peeked were written. */
void outbox_advance(struct outbox *o, size_t n);
/*
 * Throws away everything that was not begun, messages counted as lost and reported in one last
 * frame per server: what a peer that is being closed still gets is the rest of the begun span
 * (one frame, or several that are short), the `lost` of what it misses, and what is pushed after
 * this (its `closing`).
 */
void outbox_abandon(struct outbox *o);

#endif
