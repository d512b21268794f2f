/*
 * One peer's bounded queue of encoded frames: spans of shared blobs, in order. A span
 * adjacent to the last one merges with it, so a burst is written by one send. When the
 * queue is full, the oldest unsent messages are dropped, and a `lost` frame reports
 * their count and range of seq before the next message of that server.
 *
 * The ceiling is in bytes of its own frames (bytes_max), whatever else the blobs hold.
 * A short span keeps a whole blob of 16 KiB in memory; so once the queue has 64 blobs,
 * spans that use less than half of their blob are copied, and small ones merge. The
 * memory of a queue is therefore at most 1 MiB + 2 * bytes_max, and its list of spans.
 * Replies and state events are never dropped: a peer whose replies and state events
 * exceed the ceiling is overrun (disconnected).
 *
 * Invariant: delivered + lost + still queued = pushed, for each server, and each lost
 * message is in exactly one `lost` frame, written or to be written.
 */
#ifndef HUB_OUTBOX_H
#define HUB_OUTBOX_H

#include "base/blob.h"
#include "base/list.h"
#include "base/wake.h"
#include "hub/encoder.h"
#include "protocol/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum outbox_overflow {
	OUTBOX_DROP_OLDEST,
	OUTBOX_DISCONNECT,       /* the first loss overruns the peer */
};

/* What the queue keeps of one server. Private to outbox.c. */
struct outbox_lane {
	struct list link;               /* outbox::lanes */
	struct slice server;
	struct hub_loss front;          /* lost before all that is queued */
	struct hub_loss tail;           /* lost after all that is queued */
	struct outbox_span *notice;     /* the last in the queue: reports a loss and has no message */
};

/* Adjacent bytes of a blob. Private to outbox.c. */
struct outbox_span {
	struct list link;               /* outbox::spans */
	struct list of_messages;        /* outbox::messages */
	struct outbox_lane *lane;       /* NULL: a control frame */
	struct blob *blob;              /* NULL: a notice */
	size_t offset, n;
	uint64_t frames, first, last;   /* messages in it, and their seq */
	enum outbox_overflow policy;
	bool opens_blob;                /* the span before it has another blob */
	struct hub_loss loss;        /* to be reported before it */
	struct blob *head;              /* written before it: the loss as a frame, or the
					   beginning of a reply */
};

struct outbox {
	struct list spans;
	struct list messages;    /* those of them that may be dropped, oldest first */
	struct list lanes;
	struct outbox_lane lane; /* the first server's, free of cost: most have only one */
	struct outbox_span first; /* likewise: what is written at once needs no other */
	size_t bytes, bytes_max; /* not counting `lost` frames: one a server */
	size_t control_bytes;    /* of these: replies, state */
	size_t n_spans, n_spans_max;
	size_t n_blobs, n_blobs_max;    /* in memory because of the spans */
	size_t n_replies;        /* of outbox_push_reply(), not completely written yet */
	struct blob *copies;     /* where spans are copied to, or NULL */
	size_t sent;             /* of the first span, already written */
	bool overrun;            /* cannot recover: close this peer */
	hub_encode_lost *encode_lost;
	struct wake wake;        /* there is something to write, or overrun began */
	uint64_t delivered;      /* messages completely written to the socket */
	uint64_t lost;           /* messages dropped and reported (or about to be) */
	uint64_t lost_unreported;/* … whose lost frame has not been written yet */
	uint64_t written;        /* bytes accepted by the socket */
	size_t bytes_peak;
	uint64_t bytes_pushed;   /* all that was ever queued */
};

/* `bytes_max` must hold at least one message of the usual size; a message that finds no other in the queue
   is always taken. n_spans_max is 65536; n_blobs_max, which is only reached when there is no memory for
   copies, is derived from bytes_max. Tests may change both. */
void outbox_init(struct outbox *o, size_t bytes_max, hub_encode_lost *encode_lost,
		 struct wake wake);
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
/* Messages that the log had dropped before they could be pushed: reported as lost in their place. */
void outbox_push_expired(struct outbox *o, struct slice server, const struct hub_loss *loss);
/* Whether a message of `n` bytes can be pushed without dropping another one, and the outbox is not half full then.
   An empty outbox has room for any message. */
bool outbox_has_room(const struct outbox *o, size_t n);
/* Queues a control frame (reply, state, …). On failure the peer is overrun. */
void outbox_push_control(struct outbox *o, struct blob *blob, size_t offset, size_t n);
/* The same for a frame made of `head` and then `rest`, which many peers share: queued and written as one
   frame. */
void outbox_push_reply(struct outbox *o, struct blob *head, struct blob *rest);
/* A frame that must not be lost could not be encoded: the peer is overrun. */
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
