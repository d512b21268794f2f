/*
 * One peer's queue of spans, and the account of its lost messages. Keeps the invariant
 * of outbox.h for any sequence of pushes, drops and partial writes, also without
 * memory.
 *
 * Where losses are kept: dropping removes the oldest unsent message, so that loss
 * precedes everything queued of that server: lane::front. A message lost on arrival
 * follows everything queued: lane::tail. The next message pushed takes the tail
 * (span::loss); the next span written takes the front. So a loss needs no memory and no
 * search when it happens, and becomes a frame only when it is written. Without a
 * message to precede, a loss gets a span of its own, the notice, which is removed again
 * if a message is pushed before the notice is partly written.
 */
#include "hub/outbox.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define SPANS_MAX 65536
/* held without a copy, however small the used part is; a blob has about CHUNK_BYTES */
#define BLOBS_SHARED 64
#define CHUNK_BYTES (16u << 10)
/* merged spans stay this small: a span that was begun is not dropped any more */
#define SPAN_BYTES_MAX (16u << 10)
/* a lost frame: a name, three numbers and the words between */
#define NOTICE_MAX 512

/* ---- losses ---- */

/* Merges `from` into `to`: they are adjacent, with nothing of that server between them. */
static void loss_move(struct hub_loss *to, struct hub_loss *from)
{
	if (from->count == 0)
		return;
	if (to->count == 0 || from->first < to->first)
		to->first = from->first;
	if (to->count == 0 || from->last > to->last)
		to->last = from->last;
	to->expired = from->expired && (to->count == 0 || to->expired);
	to->count += from->count;
	*from = (struct hub_loss){0};
}

static void count_lost(struct outbox *o, struct hub_loss *where, struct hub_loss loss)
{
	o->lost += loss.count;
	o->lost_unreported += loss.count;
	loss_move(where, &loss);
}

static struct outbox_lane *lane_of(struct outbox *o, struct slice server)
{
	struct outbox_lane *lane = &o->lane;

	LIST_EACH(it, &o->lanes, struct outbox_lane, link)
		if (slice_eq(it->server, server))
			return it;
	if (list_linked(&o->lane.link)) {
		lane = calloc(1, sizeof(*lane));
		if (!lane)
			return NULL;
	}
	lane->server = server;
	list_append(&o->lanes, &lane->link);
	return lane;
}

/* ---- spans ---- */

/* Some of it is written, so all of it must be. */
static bool begun(const struct outbox *o, const struct outbox_span *s)
{
	return o->sent > 0 && o->spans.next == &s->link;
}

/* of outbox_push_reply() */
static bool is_reply(const struct outbox_span *s)
{
	return !s->lane && s->head;
}

static struct outbox_span *append(struct outbox *o, struct outbox_lane *lane)
{
	struct outbox_span *s = &o->first;

	if (list_linked(&s->link))
		s = malloc(sizeof(*s));
	if (!s)
		return NULL;
	*s = (struct outbox_span){.lane = lane};
	list_append(&o->spans, &s->link);
	list_init(&s->of_messages);
	o->n_spans++;
	return s;
}

static void account(struct outbox *o, const struct outbox_span *s, size_t n)
{
	o->bytes += n;
	o->bytes_pushed += n;
	if (!s->lane)
		o->control_bytes += n;
	if (o->bytes > o->bytes_peak)
		o->bytes_peak = o->bytes;
}

static void unaccount(struct outbox *o, const struct outbox_span *s, size_t n)
{
	o->bytes -= n;
	if (!s->lane)
		o->control_bytes -= n;
}

/* Blobs are counted by the first span of each: one frame keeps its whole blob in memory. */
static void hold_blob(struct outbox *o, struct outbox_span *s, struct blob *blob)
{
	struct outbox_span *before = LIST_OF(s->link.prev, struct outbox_span, link);

	s->blob = blob_ref(blob);
	s->opens_blob = s->link.prev == &o->spans || before->blob != blob;
	if (s->opens_blob)
		o->n_blobs++;
}

static void release_blob(struct outbox *o, struct outbox_span *s)
{
	struct outbox_span *next = LIST_OF(s->link.next, struct outbox_span, link);

	if (!s->opens_blob)
		return;
	if (s->link.next != &o->spans && next->blob == s->blob && !next->opens_blob)
		next->opens_blob = true;
	else
		o->n_blobs--;
}

/* The caller has accounted for its bytes, and moved or reported its loss. */
static void remove_span(struct outbox *o, struct outbox_span *s)
{
	release_blob(o, s);
	if (s->lane && s->lane->notice == s)
		s->lane->notice = NULL;
	if (is_reply(s))
		o->n_replies--;
	list_remove(&s->link);
	list_remove(&s->of_messages);
	o->n_spans--;
	blob_unref(s->head);
	blob_unref(s->blob);
	if (s != &o->first)
		free(s);
	if (o->n_spans == 0)
		o->copies = blob_unref(o->copies);
}

/* what the first span still has to send, when it was begun */
static size_t begun_bytes(const struct outbox *o)
{
	const struct outbox_span *s = LIST_FIRST(&o->spans, struct outbox_span, link);
	size_t all;

	if (!s || o->sent == 0)
		return 0;
	all = s->n + (s->head ? buf_len(&s->head->buf) : 0);
	return all - o->sent < s->n ? all - o->sent : s->n;
}

static void lose_span(struct outbox *o, struct outbox_span *s)
{
	struct hub_loss frames = {s->frames, s->first, s->last, false};

	loss_move(&s->lane->front, &s->loss);
	count_lost(o, &s->lane->front, frames);
	if (s->policy == OUTBOX_DISCONNECT)
		o->overrun = true;
	unaccount(o, s, s->n);
	remove_span(o, s);
}

static bool drop_oldest(struct outbox *o)
{
	struct outbox_span *s = LIST_FIRST(&o->messages, struct outbox_span, of_messages);

	if (s && begun(o, s))
		s = s->of_messages.next == &o->messages ? NULL :
			LIST_OF(s->of_messages.next, struct outbox_span, of_messages);
	if (!s)
		return false;
	lose_span(o, s);
	return true;
}

/* The notice of a lane is its last span; the next message pushed takes over its loss. */
static void remove_notice(struct outbox *o, struct outbox_lane *lane)
{
	struct outbox_span *s = lane->notice;

	lane->notice = NULL;
	if (!s || begun(o, s))
		return;
	loss_move(&lane->tail, &s->loss);
	remove_span(o, s);
}

static int append_notice(struct outbox *o, struct outbox_lane *lane)
{
	struct outbox_span *s = append(o, lane);

	if (!s)
		return -ENOMEM;
	loss_move(&s->loss, &lane->front);
	loss_move(&s->loss, &lane->tail);
	lane->notice = s;
	return 0;
}

/* ---- pushing ---- */

void outbox_init(struct outbox *o, size_t bytes_max, hub_encode_lost *encode_lost,
		 struct wake wake)
{
	*o = (struct outbox){.bytes_max = bytes_max, .n_spans_max = SPANS_MAX,
			    .n_blobs_max = BLOBS_SHARED + 4 * (bytes_max / CHUNK_BYTES),
			    .encode_lost = encode_lost, .wake = wake};
	list_init(&o->spans);
	list_init(&o->messages);
	list_init(&o->lanes);
	list_init(&o->lane.link);
	list_init(&o->first.link);
}

void outbox_fini(struct outbox *o)
{
	LIST_EACH_SAFE(s, &o->spans, struct outbox_span, link)
		remove_span(o, s);
	LIST_EACH_SAFE(lane, &o->lanes, struct outbox_lane, link) {
		list_remove(&lane->link);
		if (lane != &o->lane)
			free(lane);
	}
}

/*
 * The last span, if these bytes directly follow its own and may be merged into it: not if a loss has
 * to be reported between them.
 */
static struct outbox_span *joinable(struct outbox *o, const struct outbox_lane *lane,
				    const struct blob *blob, size_t offset, size_t n)
{
	struct outbox_span *s = LIST_OF(o->spans.prev, struct outbox_span, link);

	if (list_empty(&o->spans) || s->lane != lane || s->blob != blob ||
	    s->offset + s->n != offset || s->n + n > SPAN_BYTES_MAX)
		return NULL;
	if (lane && (lane->tail.count > 0 || (lane->front.count > 0 && begun(o, s))))
		return NULL;
	return s;
}

/* ---- copying small spans out of large blobs ---- */

static struct outbox_span *before(const struct outbox *o, const struct outbox_span *s)
{
	return s->link.prev == &o->spans ? NULL :
		LIST_OF(s->link.prev, struct outbox_span, link);
}

/* Appends the bytes of the span to o->copies and releases its blob. 0 or -ENOMEM. */
static int copy_span(struct outbox *o, struct outbox_span *s)
{
	int r;

	if (!o->copies || buf_len(&o->copies->buf) + s->n > CHUNK_BYTES) {
		struct blob *fresh;

		r = blob_new(CHUNK_BYTES, &fresh);
		if (r)
			return r;
		blob_unref(o->copies);
		o->copies = fresh;
	}
	size_t offset = buf_len(&o->copies->buf);
	r = buf_put(&o->copies->buf, slice_make(blob_at(s->blob, s->offset), s->n));
	if (r)
		return r;
	release_blob(o, s);
	blob_unref(s->blob);
	hold_blob(o, s, o->copies);
	s->offset = offset;
	return 0;
}

/* Joins a copied span to the previous one, if they are adjacent in memory and no loss is reported between
   them. */
static void join_to_front(struct outbox *o, struct outbox_span *s)
{
	struct outbox_span *front = before(o, s);

	if (!front || front->lane != s->lane || front->blob != s->blob || begun(o, front) ||
	    front->offset + front->n != s->offset || front->n + s->n > SPAN_BYTES_MAX ||
	    s->loss.count > 0 || s->head)
		return;
	front->n += s->n;
	front->frames += s->frames;
	front->last = s->last;
	if (s->policy > front->policy)
		front->policy = s->policy;
	remove_span(o, s);
}

/*
 * The queue ends with spans of a blob, and a span of another blob follows: copy them out of their blob,
 * unless they use a large part of it or there is no memory.
 */
static void copy_last_spans(struct outbox *o)
{
	const struct outbox_span *last = LIST_OF(o->spans.prev, struct outbox_span, link);
	struct outbox_span *s = NULL, *next;

	if (o->n_blobs <= BLOBS_SHARED || !last->blob || last->blob == o->copies)
		return;
	for (struct list *at = o->spans.prev; at != &o->spans; at = at->prev) {
		struct outbox_span *it = LIST_OF(at, struct outbox_span, link);

		if (it->blob != last->blob || begun(o, it))
			break;
		if (it->n >= CHUNK_BYTES / 2 || is_reply(it))
			return;
		s = it;
	}
	for (; s; s = next) {
		next = s->link.next == &o->spans ? NULL :
			LIST_OF(s->link.next, struct outbox_span, link);
		if (copy_span(o, s))
			return;
		join_to_front(o, s);
	}
}

/* what no dropping can make go away */
static size_t kept_bytes(const struct outbox *o)
{
	const struct outbox_span *first = LIST_FIRST(&o->spans, struct outbox_span, link);

	return o->control_bytes + (first && first->lane ? begun_bytes(o) : 0);
}

/* Whether another span, or another blob kept by it, would exceed the limit. */
static bool out_of_spans(struct outbox *o, const struct outbox_lane *lane, const struct blob *blob,
			 size_t offset, size_t n)
{
	const struct outbox_span *last = LIST_OF(o->spans.prev, struct outbox_span, link);

	if (joinable(o, lane, blob, offset, n))
		return false;
	if (o->n_spans >= o->n_spans_max)
		return true;
	return o->n_blobs >= o->n_blobs_max && last->blob != blob;
}

/* A lone message is always taken: what replies wait in front of it must not be its undoing. */
static bool full(struct outbox *o, const struct outbox_lane *lane, const struct blob *blob,
		 size_t offset, size_t n)
{
	return (o->bytes > o->control_bytes && o->bytes + n > o->bytes_max) ||
		out_of_spans(o, lane, blob, offset, n);
}

/* Drops messages to make room for one of `n` bytes; none if that cannot make enough room. */
static bool make_room(struct outbox *o, const struct outbox_lane *lane, const struct blob *blob,
		      size_t offset, size_t n)
{
	if (o->bytes > o->control_bytes && kept_bytes(o) + n > o->bytes_max)
		return false;
	while (full(o, lane, blob, offset, n))
		if (!drop_oldest(o))
			return false;
	return true;
}

/* Queues the bytes, room being made. NULL when there is no memory. */
static struct outbox_span *put(struct outbox *o, struct outbox_lane *lane, struct blob *blob,
			       size_t offset, size_t n)
{
	struct outbox_span *s = joinable(o, lane, blob, offset, n);

	if (!s) {
		if (!list_empty(&o->spans) &&
		    LIST_OF(o->spans.prev, struct outbox_span, link)->blob != blob)
			copy_last_spans(o);
		s = append(o, lane);
		if (!s)
			return NULL;
		hold_blob(o, s, blob);
		s->offset = offset;
	}
	s->n += n;
	account(o, s, n);
	return s;
}

static void lose_at_tail(struct outbox *o, struct outbox_lane *lane, uint64_t seq)
{
	count_lost(o, &lane->tail, (struct hub_loss){1, seq, seq, false});
}

/* The lane, ready for a message at the end; without memory for it the peer is overrun. */
static struct outbox_lane *open_lane(struct outbox *o, struct slice server)
{
	struct outbox_lane *lane = lane_of(o, server);

	if (lane) {
		remove_notice(o, lane);
	} else {
		o->lost++;
		o->overrun = true;
	}
	return lane;
}

static bool keep_message(struct outbox *o, struct outbox_lane *lane, struct blob *blob,
			 size_t offset, size_t n, uint64_t seq, enum outbox_overflow policy)
{
	struct outbox_span *s;

	if (o->overrun || !make_room(o, lane, blob, offset, n))
		return false;
	s = put(o, lane, blob, offset, n);
	if (!s)
		return false;
	if (s->frames++ == 0) {
		s->first = seq;
		loss_move(&s->loss, &lane->tail);
		list_append(&o->messages, &s->of_messages);
	}
	s->last = seq;
	if (policy > s->policy)
		s->policy = policy;
	return true;
}

void outbox_push_message(struct outbox *o, struct blob *blob, size_t offset, size_t n,
			 struct slice server, uint64_t seq, enum outbox_overflow policy)
{
	struct outbox_lane *lane = open_lane(o, server);

	if (lane && !keep_message(o, lane, blob, offset, n, seq, policy)) {
		lose_at_tail(o, lane, seq);
		if (policy == OUTBOX_DISCONNECT)
			o->overrun = true;
	}
	wake_up(&o->wake);
}

void outbox_push_lost(struct outbox *o, struct slice server, uint64_t seq)
{
	struct outbox_lane *lane = open_lane(o, server);

	if (lane)
		lose_at_tail(o, lane, seq);
	wake_up(&o->wake);
}

void outbox_push_expired(struct outbox *o, struct slice server, const struct hub_loss *loss)
{
	struct outbox_lane *lane = open_lane(o, server);
	struct hub_loss expired = *loss;
	struct outbox_span *s;

	expired.expired = true;
	if (lane) {
		count_lost(o, &lane->tail, expired);
		/* it stays before what follows, also before a reply; without memory, before the next message */
		s = append(o, lane);
		if (s)
			loss_move(&s->loss, &lane->tail);
	}
	wake_up(&o->wake);
}

bool outbox_has_room(const struct outbox *o, size_t n)
{
	if (o->overrun)
		return false;
	return o->bytes == 0 ||
		(o->n_spans < o->n_spans_max / 2 && n <= o->bytes_max && o->bytes + n <= o->bytes_max / 2);
}

/* One answer may be larger than the ceiling, but then nothing may be queued after it; bytes that are
   partly written do not count. */
static struct outbox_span *keep_control(struct outbox *o, struct blob *blob, size_t offset,
					size_t n)
{
	const struct outbox_span *first = LIST_FIRST(&o->spans, struct outbox_span, link);
	size_t waiting = o->control_bytes - (first && !first->lane ? begun_bytes(o) : 0);

	if (waiting >= o->bytes_max)
		return NULL;
	while (full(o, NULL, blob, offset, n) && drop_oldest(o))
		;
	if (out_of_spans(o, NULL, blob, offset, n))
		return NULL;
	return put(o, NULL, blob, offset, n);
}

void outbox_push_control(struct outbox *o, struct blob *blob, size_t offset, size_t n)
{
	if (!keep_control(o, blob, offset, n))
		o->overrun = true;
	wake_up(&o->wake);
}

void outbox_push_reply(struct outbox *o, struct blob *head, struct blob *rest)
{
	struct outbox_span *s = keep_control(o, rest, 0, buf_len(&rest->buf));

	if (s) {
		s->head = blob_ref(head);
		o->n_replies++;
	} else {
		o->overrun = true;
	}
	wake_up(&o->wake);
}

void outbox_overrun(struct outbox *o)
{
	o->overrun = true;
	wake_up(&o->wake);
}

/* ---- pulling ---- */

static int put_loss(const struct outbox *o, struct outbox_span *s)
{
	struct blob *notice;
	int r = blob_new(NOTICE_MAX, &notice);

	if (r)
		return r;
	r = o->encode_lost(&notice->buf, s->lane->server, &s->loss,
			   s->loss.expired ? PROTOCOL_E_EXPIRED : PROTOCOL_E_OVERFLOW, SLICE_NULL);
	if (r) {
		blob_unref(notice);
		return r;
	}
	s->head = notice;
	return 0;
}

/* Before any byte of it is given out: takes the losses that lie ahead of it, and makes them a
   frame. */
static int prepare(struct outbox *o, struct outbox_span *s)
{
	if (!s->lane || begun(o, s))
		return 0;
	if (s->lane->front.count > 0) {
		loss_move(&s->loss, &s->lane->front);
		s->head = blob_unref(s->head);
	}
	return s->loss.count > 0 && !s->head ? put_loss(o, s) : 0;
}

static size_t piece(struct iovec *iov, const struct blob *blob, size_t offset, size_t n,
		    size_t *skip)
{
	size_t cut = *skip < n ? *skip : n;

	*skip -= cut;
	if (cut == n)
		return 0;
	/* iov_base is not const, but writev only reads */
	iov->iov_base = (char *)blob_at(blob, offset + cut);
	iov->iov_len = n - cut;
	return 1;
}

static size_t pieces(const struct outbox_span *s, size_t skip, struct iovec *iov, size_t max)
{
	size_t n = 0;

	if (s->head)
		n += piece(iov, s->head, 0, buf_len(&s->head->buf), &skip);
	if (s->blob && n < max)
		n += piece(iov + n, s->blob, s->offset, s->n, &skip);
	return n;
}

/* Losses that no message is left to travel with. */
static int append_notices(struct outbox *o)
{
	int r = 0;

	LIST_EACH(lane, &o->lanes, struct outbox_lane, link)
		if (!r && lane->front.count + lane->tail.count > 0)
			r = append_notice(o, lane);
	return r;
}

/* Appends the pieces of the spans from `at` on to the *n that are there. */
static int gather(struct outbox *o, struct list *at, struct iovec *iov, size_t max, size_t *n)
{
	for (; at != &o->spans && *n < max; at = at->next) {
		struct outbox_span *s = LIST_OF(at, struct outbox_span, link);
		int r = prepare(o, s);

		if (r)
			return r;
		*n += pieces(s, at == o->spans.next ? o->sent : 0, iov + *n, max - *n);
	}
	return 0;
}

int outbox_peek(struct outbox *o, struct iovec *iov, size_t max, size_t *ret_n)
{
	size_t n = 0;
	int r = gather(o, o->spans.next, iov, max, &n);

	if (!r && n < max) {
		struct list *last = o->spans.prev;

		r = append_notices(o);
		if (!r)
			r = gather(o, last->next, iov, max, &n);
	}
	if (r && n == 0)
		return r;
	*ret_n = n;
	return 0;
}

/* Writes up to `n` bytes of the first span off; how many these were. */
static size_t advance_first(struct outbox *o, struct outbox_span *s, size_t n)
{
	size_t head = s->head ? buf_len(&s->head->buf) : 0;
	size_t left = head + s->n - o->sent, step = n < left ? n : left;
	size_t before = o->sent > head ? o->sent - head : 0;

	o->sent += step;
	unaccount(o, s, (o->sent > head ? o->sent - head : 0) - before);
	if (step == left) {
		o->delivered += s->frames;
		o->lost_unreported -= s->loss.count;
		o->sent = 0;
		remove_span(o, s);
	}
	return step;
}

void outbox_advance(struct outbox *o, size_t n)
{
	o->written += n;
	while (n > 0) {
		assert(!list_empty(&o->spans));
		n -= advance_first(o, LIST_OF(o->spans.next, struct outbox_span, link), n);
	}
}

void outbox_abandon(struct outbox *o)
{
	LIST_EACH_SAFE(s, &o->spans, struct outbox_span, link) {
		if (begun(o, s)) {
			continue;
		} else if (!s->lane) {
			unaccount(o, s, s->n);
			remove_span(o, s);
		} else if (s->blob) {
			lose_span(o, s);
		} else {
			remove_notice(o, s->lane);
		}
	}
	/* before `closing`, which should be the last frame; without memory, after it */
	append_notices(o);
	wake_up(&o->wake);
}
