/*
 * Owns one local connection: its descriptor, its deadlines, and the passage of
 * bytes to frames and back. Guarantees that no peer costs others more than one
 * read, its share of the work queue and WRITE_PER_TURN bytes written in a turn;
 * that nothing waits without a deadline; that requests which a peer sent before
 * it left are still handled; and that gone() and closed() are called once each.
 * Must never know an op or a server.
 */
#include "local/peer.h"

#include "base/blob.h"
#include "base/errors.h"
#include "local/identity.h"
#include "local/local_socket.h"
#include "local/wire_out.h"
#include "protocol/frame.h"
#include "protocol/message.h"
#include "protocol/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* read at once; the larger once a frame is known to be long */
#define READ_SMALL (16u << 10)
#define READ_LARGE (64u << 10)
/* more than some small requests have */
#define SMALL_INPUT (8u << 10)
/*
 * Bytes written in one turn: more than arrive for one peer in a turn, so that the queue of a reader that
 * keeps up shrinks, but not so many that other peers wait noticeably.
 */
#define WRITE_PER_TURN (1u << 20)
#define IOV_MAX_PIECES 64
/* What a subscription that begins or ends costs later, at the server and for its answer: as much as so many bytes.
   A few of them in each request make a peer heavy; at a sixth of this, 16 peers that went on to subscribe and
   unsubscribe 8 channels left a publisher a quarter of its rate. */
#define SUBSCRIPTION_BYTES (24u << 10)
#define NEVER UINT64_MAX

enum peer_state {
	PEER_GREETING,
	PEER_OPEN,
	PEER_CLOSING,           /* gone() was called; output drains */
	PEER_CLOSED,            /* closed() was called; the memory goes after this turn */
};

struct peer {
	struct member member;
	struct list link;               /* the keeper's, see peer_link() */
	struct loop *loop;
	struct work_queue *queue;
	struct work_item work;          /* handles the frames that were read, and the end of input; and past messages */
	bool input_waits;               /* it has frames, or the end of input, to handle */
	bool read_past;                 /* its last step was for past messages: the next one is for a frame */
	int fd;
	enum peer_state state;
	struct peer_handler handler;
	struct peer_options options;
	struct peer_counters counters;
	struct frame_reader reader;
	struct loop_watch *watch;
	struct loop_timer *timer;
	struct loop_hook flush;
	struct loop_corpse corpse;
	unsigned suspended;             /* bits of enum peer_suspend */
	bool loss_noted;                /* the handler knows that messages were dropped */
	bool postponed;                 /* the handler postponed the next frame */
	bool retried;                   /* … and gets it again */
	bool blocked;                   /* the socket takes no more at present */
	bool deaf;                      /* it will never read again, but may still send */
	bool shut_down;                  /* our sending side is shut down */
	uint64_t since;
	uint64_t moved;                 /* when a byte was written last, or began to wait */
	uint64_t closing_since;
	enum protocol_error code;
	size_t name_len;
	char name[PROTOCOL_NAME_MAX];
};

const struct counter peer_counter_table[] = {
	{"frames_in", "frames received from the peer", offsetof(struct peer_counters, frames_in)},
	{"bytes_in", "bytes received from the peer", offsetof(struct peer_counters, bytes_in)},
	{"bytes_out", "bytes sent to the peer", offsetof(struct peer_counters, bytes_out)},
	{"suspended", "times reading stopped because its outbox was half full",
	 offsetof(struct peer_counters, suspended)},
	{NULL, NULL, 0},
};

const struct peer_suspend_name peer_suspend_table[] = {
	{PEER_SUSPEND_OUTBOX, "outbox"},
	{PEER_SUSPEND_BACKLOG, "backlog"},
	{PEER_SUSPEND_END, "end"},
	{PEER_SUSPEND_REPLY, "reply"},
	{0, NULL},
};

void peer_options_default(struct peer_options *o)
{
	*o = (struct peer_options){
		.outbox_max = 16u << 20,
		.request_max = PROTOCOL_REQUEST_MAX,
		.hello_timeout = PROTOCOL_HELLO_TIMEOUT_MS,
		.progress_timeout = 60000,
		.drain_timeout = 1000,
	};
}

/* --- what it waits for: the two places where that is decided --- */

static void update_watch(struct peer *p)
{
	unsigned events = 0;

	if (p->state == PEER_CLOSED)
		return;
	if (p->state == PEER_CLOSING ? !(p->suspended & PEER_SUSPEND_END) : !p->suspended)
		events |= LOOP_READ;
	if (p->blocked)
		events |= LOOP_WRITE;
	/* frames that wait are handled before the end of input */
	if (p->suspended == PEER_SUSPEND_END && !events && !p->input_waits)
		events = LOOP_HANGUP;
	if (loop_watch_set(p->watch, events))
		peer_abort(p);
}

static uint64_t deadline(const struct peer *p)
{
	uint64_t when = NEVER;

	if (p->state == PEER_CLOSING)
		return p->closing_since + p->options.drain_timeout;
	/* a hello that arrived in time may still wait to be handled */
	if (p->state == PEER_GREETING && !p->input_waits)
		when = p->since + p->options.hello_timeout;
	if (p->blocked && p->moved + p->options.progress_timeout < when)
		when = p->moved + p->options.progress_timeout;
	return when;
}

static void update(struct peer *p)
{
	update_watch(p);
	if (p->state != PEER_CLOSED)
		loop_timer_at(p->timer, deadline(p));
}

/* --- the end --- */

static void on_corpse(void *ctx)
{
	struct peer *p = ctx;

	frame_reader_fini(&p->reader);
	outbox_fini(&p->member.outbox);
	identity_fini(&p->member.identity);
	free(p);
}

static void let_go(struct peer *p)
{
	p->state = PEER_CLOSING;
	p->closing_since = loop_now(p->loop);
	work_queue_cancel(p->queue, &p->work);
	p->handler.gone(p->handler.ctx, p);
}

void peer_abort(struct peer *p)
{
	if (p->state < PEER_CLOSING)
		let_go(p);
	if (p->state == PEER_CLOSED)
		return;
	p->state = PEER_CLOSED;
	loop_watch_free(p->watch);
	loop_timer_free(p->timer);
	loop_hook_cancel(&p->flush);
	work_queue_cancel(p->queue, &p->work);
	close(p->fd);
	p->fd = -1;
	if (p->handler.closed)
		p->handler.closed(p->handler.ctx, p);
	loop_reap(p->loop, &p->corpse, on_corpse, p);
}

DEFINE_FREEP(blob, blob_unref)

static int push_closing(struct peer *p, enum protocol_error code, struct slice text,
			uint64_t retry_in_ms)
{
	CLEANUP(blob_freep) struct blob *blob = NULL;
	struct message m;
	int r = blob_new(PROTOCOL_FRAME_MAX, &blob);

	if (r)
		return r;
	message_init(&m, PROTOCOL_OP_CLOSING);
	m.has |= PROTOCOL_F(CODE) | PROTOCOL_F(REASON);
	m.code = slice_of(protocol_error_code(code));
	m.reason = text;
	if (retry_in_ms) {
		m.has |= PROTOCOL_F(RETRY_IN);
		m.retry_in = retry_in_ms;
	}
	r = message_encode(&m, &blob->buf);
	message_fini(&m);
	if (r == 0)
		outbox_push_control(&p->member.outbox, blob, 0, buf_len(&blob->buf));
	return r;
}

/* The words may quote the peer, and be cut within a character: then the code must do. */
static int say_closing(struct peer *p, enum protocol_error code, struct slice text,
		       uint64_t retry_in_ms)
{
	int r = push_closing(p, code, text, retry_in_ms);

	if (r == -EINVAL)
		r = push_closing(p, code, slice_of(protocol_error_code(code)), retry_in_ms);
	return r;
}

void peer_close(struct peer *p, enum protocol_error code, struct slice text, uint64_t retry_in_ms)
{
	struct outbox *outbox = &p->member.outbox;

	if (p->state >= PEER_CLOSING)
		return;
	p->code = code;
	/* A peer that keeps up gets all that was ready; one that does not would not get it in time.
	   First, so that the handler sees how much that is. */
	if (p->blocked || outbox->overrun || outbox->bytes > outbox->bytes_max / 2)
		outbox_abandon(outbox);
	let_go(p);
	if (p->deaf || say_closing(p, code, text, retry_in_ms)) {
		peer_abort(p);
		return;
	}
	loop_at_end(p->loop, &p->flush);
	update(p);
}

/* --- in --- */

/* Nothing whole is left of all that it will ever send. */
static void at_end_of_input(struct peer *p)
{
	if (local_socket_hung_up(p->fd))
		peer_abort(p);
	else if (frame_pending(&p->reader))
		peer_close(p, PROTOCOL_E_BAD_FRAME, SLICE("the last frame is not whole"), 0);
	else if (p->state == PEER_GREETING)
		peer_abort(p);
}

static void suspend(struct peer *p, enum peer_suspend why)
{
	if (why & ~p->suspended & PEER_SUSPEND_OUTBOX)
		p->counters.suspended++;
	p->suspended |= why;
}

/* No further frame of this peer is handled until its replies were written. */
static bool must_pause(struct peer *p)
{
	const struct outbox *outbox = &p->member.outbox;

	if (p->deaf)
		return p->postponed;
	if (outbox->bytes > outbox->bytes_max / 2)
		suspend(p, PEER_SUSPEND_OUTBOX);
	else if (outbox->n_replies > 0 || p->postponed)
		suspend(p, PEER_SUSPEND_REPLY);
	else
		return false;
	return true;
}

/* Whether nothing that was read is left. A peer that has more to do when its share is used up counts as heavy. */
static bool is_all_handled(struct peer *p)
{
	if (frame_pending(&p->reader) > 0 || (p->suspended & PEER_SUSPEND_END))
		return false;
	frame_reader_trim(&p->reader);
	return true;
}

static bool handle_frame(struct peer *p, struct slice body, size_t *bytes)
{
	uint64_t before = p->member.outbox.bytes_pushed;
	size_t held = p->member.n_subscriptions;
	size_t n = body.n;

	p->counters.frames_in++;
	if (!p->handler.frame(p->handler.ctx, p, body)) {
		p->counters.frames_in--;
		p->postponed = true;
		frame_put_back(&p->reader);
	}
	p->retried = false;
	size_t now_held = p->member.n_subscriptions;
	size_t changed = now_held > held ? now_held - held : held - now_held;
	*bytes = n + (size_t)(p->member.outbox.bytes_pushed - before) + changed * SUBSCRIPTION_BYTES;
	return p->state < PEER_CLOSING && !must_pause(p) && !is_all_handled(p);
}

/* Handles a frame, or the end of the input; false when it was the last. */
static bool handle_input(struct peer *p, size_t *bytes)
{
	struct slice body;

	switch (frame_next(&p->reader, &body)) {
	case 0:
		return handle_frame(p, body, bytes);
	case FRAME_E_EMPTY:
		peer_close(p, PROTOCOL_E_BAD_FRAME, SLICE("a frame of length 0"), 0);
		break;
	case FRAME_E_TOO_LARGE:
		peer_close(p, PROTOCOL_E_TOO_LARGE,
			   p->state == PEER_GREETING ?
				   SLICE("the first frame is longer than a hello may be") :
				   SLICE("a frame is longer than a request may be"), 0);
		break;
	default:
		frame_reader_trim(&p->reader);
		if (p->suspended & PEER_SUSPEND_END)
			at_end_of_input(p);
		break;
	}
	return false;
}

static void read_past(struct peer *p, size_t *bytes)
{
	uint64_t before = p->member.outbox.bytes_pushed;

	hub_read(&p->member);
	*bytes = (size_t)(p->member.outbox.bytes_pushed - before);
}

/* One step of the work queue: a frame and a portion of past messages in turn; false when nothing is left. */
static bool on_step(void *ctx, size_t *bytes)
{
	struct peer *p = ctx;

	p->read_past = hub_can_read(&p->member) && !(p->read_past && p->input_waits);
	if (p->read_past)
		read_past(p, bytes);
	else if (p->input_waits)
		p->input_waits = handle_input(p, bytes);
	return p->state < PEER_CLOSING && (p->input_waits || hub_can_read(&p->member));
}

static void on_rest(void *ctx)
{
	struct peer *p = ctx;

	if (!p->input_waits)
		p->suspended &= ~(unsigned)PEER_SUSPEND_BACKLOG;
	update(p);
}

static const struct work_functions work_functions = {on_step, on_rest};

/* What is known to cost much waits after the small requests of others: a lot of input, and the beginning and
   the end of a peer, of which there may be a storm, and which may hold many subscriptions. */
static void add_work(struct peer *p)
{
	if (p->state >= PEER_CLOSING || must_pause(p))
		return;
	p->input_waits = true;
	if (p->state == PEER_GREETING || (p->suspended & PEER_SUSPEND_END) ||
	    frame_pending(&p->reader) > SMALL_INPUT)
		work_queue_resume(p->queue, &p->work);
	else
		work_queue_add(p->queue, &p->work);
}

/* What came of a read: true when there are bytes. */
static bool came(struct peer *p, ssize_t n)
{
	if (n > 0) {
		p->counters.bytes_in += (uint64_t)n;
		return true;
	}
	/* it left without reading all: like the end of input, so that a crowd that leaves takes turns */
	if (n == 0 || errno == ECONNRESET)
		suspend(p, PEER_SUSPEND_END);
	else if (errno != EAGAIN && errno != EINTR)
		peer_abort(p);
	return false;
}

/*
 * Nothing is read while frames of an earlier turn wait, so the buffered input of a peer is bounded. Plain
 * recv, without room for control data: descriptors that a peer passes along are closed by the kernel.
 */
static void read_in(struct peer *p)
{
	size_t room;
	char *to;
	ssize_t n;

	if (p->input_waits) {
		suspend(p, PEER_SUSPEND_BACKLOG);
		return;
	}
	if (frame_room(&p->reader, frame_pending(&p->reader) > READ_SMALL ? READ_LARGE : READ_SMALL,
		       &to, &room)) {
		peer_close(p, PROTOCOL_E_INTERNAL, SLICE("out of memory"), 0);
		return;
	}
	n = recv(p->fd, to, room, MSG_DONTWAIT);
	if (came(p, n))
		frame_filled(&p->reader, (size_t)n);
	add_work(p);
}

/* A connection closed with unread input would be reset, and take `closing` along with it. */
static void discard_input(struct peer *p)
{
	char bytes[READ_SMALL];

	came(p, recv(p->fd, bytes, sizeof(bytes), MSG_DONTWAIT));
	if (p->state != PEER_CLOSED && (p->suspended & PEER_SUSPEND_END))
		loop_at_end(p->loop, &p->flush);
}

/* --- out --- */

/* It shut its receiving side, or hung up: what it sent before is read all the same. */
static void turn_deaf(struct peer *p)
{
	p->deaf = true;
	p->blocked = false;
	if (p->state == PEER_CLOSING)
		peer_abort(p);
}

static void sent(struct peer *p, ssize_t n, size_t offered)
{
	if (n >= 0) {
		outbox_advance(&p->member.outbox, (size_t)n);
		p->counters.bytes_out += (uint64_t)n;
		p->moved = loop_now(p->loop);
		p->blocked = (size_t)n < offered;
	} else if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS) {
		if (!p->blocked)
			p->moved = loop_now(p->loop);
		p->blocked = true;
	} else {
		turn_deaf(p);
	}
}

/* One system call; returns how many bytes the kernel accepted, 0 for none. */
static size_t write_pieces(struct peer *p)
{
	struct iovec iov[IOV_MAX_PIECES];
	struct msghdr msg = {.msg_iov = iov};
	size_t n, offered = 0;
	ssize_t taken;

	if (outbox_peek(&p->member.outbox, iov, IOV_MAX_PIECES, &n)) {
		peer_close(p, PROTOCOL_E_INTERNAL, SLICE("out of memory"), 0);
		p->blocked = true;
		return 0;
	}
	if (n == 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		offered += iov[i].iov_len;
	msg.msg_iovlen = n;
	/* mostly there is one piece, and send() costs less */
	taken = n == 1 ? send(p->fd, iov[0].iov_base, offered, MSG_NOSIGNAL | MSG_DONTWAIT)
		       : sendmsg(p->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	sent(p, taken, offered);
	return taken > 0 ? (size_t)taken : 0;
}

/* Writes until the socket accepts no more, because messages that are left may be dropped before the next
   turn. */
static void write_out(struct peer *p)
{
	size_t written = 0, n;

	do {
		n = write_pieces(p);
		written += n;
	} while (n > 0 && !p->blocked && written < WRITE_PER_TURN);
	/* the rest follows in the next turn: a socket that is still writable is reported at once */
	if (n > 0 && !outbox_empty(&p->member.outbox))
		p->blocked = true;
}

/* The peer receives no more. */
static void discard_output(struct peer *p)
{
	outbox_abandon(&p->member.outbox);
	loop_hook_cancel(&p->flush);
}

/* Shuts down the sending direction; the connection ends when the peer has closed it, too. */
static void finish_closing(struct peer *p)
{
	if (!p->shut_down && shutdown(p->fd, SHUT_WR) < 0) {
		peer_abort(p);
		return;
	}
	p->shut_down = true;
	if (p->suspended & PEER_SUSPEND_END)
		peer_abort(p);
}

static void resume_reading(struct peer *p)
{
	const struct outbox *outbox = &p->member.outbox;
	unsigned before = p->suspended;

	if (p->deaf || outbox->bytes <= outbox->bytes_max / 4)
		p->suspended &= ~(unsigned)PEER_SUSPEND_OUTBOX;
	if (p->deaf || (outbox->n_replies == 0 && !p->postponed))
		p->suspended &= ~(unsigned)PEER_SUSPEND_REPLY;
	/* frames that were read already come first */
	if (p->suspended != before && !(p->suspended & (PEER_SUSPEND_OUTBOX | PEER_SUSPEND_REPLY)) &&
	    p->state < PEER_CLOSING && !must_pause(p)) {
		p->input_waits = true;
		work_queue_resume(p->queue, &p->work);
	}
}

void peer_retry(struct peer *p)
{
	if (!p->postponed)
		return;
	p->postponed = false;
	p->retried = true;
	resume_reading(p);
}

bool peer_is_retried(const struct peer *p)
{
	return p->retried;
}

static void note_loss(struct peer *p)
{
	if (p->loss_noted || p->member.outbox.lost == 0 || p->state >= PEER_CLOSING)
		return;
	p->loss_noted = true;
	if (p->handler.loss)
		p->handler.loss(p->handler.ctx, p);
}

/* At the end of the turn: everything the turn brought for this peer leaves in one piece. */
static void on_flush(void *ctx)
{
	struct peer *p = ctx;
	struct outbox *outbox = &p->member.outbox;

	if (p->state == PEER_CLOSED)
		return;
	note_loss(p);
	if (p->deaf)
		discard_output(p);
	else if (outbox->overrun && p->state < PEER_CLOSING)
		peer_close(p, PROTOCOL_E_OVERFLOW, SLICE("the peer reads too slowly"), 0);
	if (!p->deaf && !p->blocked)
		write_out(p);
	if (p->state < PEER_CLOSING) {
		resume_reading(p);
		if (hub_can_read(&p->member))
			work_queue_resume(p->queue, &p->work);
	} else if (p->state == PEER_CLOSING && outbox_empty(outbox)) {
		finish_closing(p);
	}
	update(p);
}

static void on_wake(void *ctx)
{
	struct peer *p = ctx;

	if (p->state != PEER_CLOSED)
		loop_at_end(p->loop, &p->flush);
}

/* --- the loop's callbacks --- */

static void on_ready(void *ctx, unsigned events)
{
	struct peer *p = ctx;

	if ((events & LOOP_HANGUP) && p->state >= PEER_CLOSING) {
		peer_abort(p);
		return;
	}
	if (events & LOOP_HANGUP)
		add_work(p);
	if (events & LOOP_WRITE) {
		p->blocked = false;
		loop_at_end(p->loop, &p->flush);
	}
	if (events & LOOP_READ) {
		if (p->state == PEER_CLOSING)
			discard_input(p);
		else
			read_in(p);
	}
	update(p);
}

static void on_timer(void *ctx)
{
	struct peer *p = ctx;
	uint64_t now = loop_now(p->loop);

	if (p->state == PEER_CLOSING) {
		peer_abort(p);
		return;
	}
	if (now < deadline(p)) {
		update(p);
		return;
	}
	if (p->state == PEER_GREETING && now >= p->since + p->options.hello_timeout)
		peer_close(p, PROTOCOL_E_HELLO_REQUIRED, SLICE("no hello came in time"), 0);
	else if (p->blocked && now >= p->moved + p->options.progress_timeout)
		peer_close(p, PROTOCOL_E_OVERFLOW, SLICE("the peer has stopped reading"), 0);
	update(p);
}

/* --- birth --- */

/* all that can fail when a peer is born */
static int make_parts(struct peer *p)
{
	int r = local_socket_set_up(p->fd);

	if (r == 0)
		r = identity_of_socket(p->fd, &p->member.identity);
	if (r == 0)
		r = loop_timer_new(p->loop, on_timer, p, &p->timer);
	if (r == 0)
		r = loop_watch_new(p->loop, p->fd, LOOP_READ, on_ready, p, &p->watch);
	return r;
}

int peer_new(struct work_queue *work, int fd, const struct peer_handler *handler,
	     const struct peer_options *options, struct peer **ret)
{
	struct peer *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	list_init(&p->link);
	p->queue = work;
	p->loop = work_queue_loop(work);
	p->fd = fd;
	p->handler = *handler;
	p->options = *options;
	p->since = loop_now(p->loop);
	p->code = PROTOCOL_ERRORS_END;
	r = make_parts(p);
	if (r) {
		loop_timer_free(p->timer);
		free(p);
		return r;
	}
	frame_reader_init(&p->reader, PROTOCOL_HELLO_MAX);
	loop_hook_init(&p->flush, on_flush, p);
	work_item_init(&p->work, &work_functions, p);
	outbox_init(&p->member.outbox, options->outbox_max, wire_out_lost,
		    (struct wake){on_wake, p});
	update(p);
	*ret = p;
	return 0;
}

/* --- the state of a peer --- */

void peer_set_hello_done(struct peer *p)
{
	if (p->state != PEER_GREETING)
		return;
	p->state = PEER_OPEN;
	frame_reader_limit(&p->reader, p->options.request_max);
}

bool peer_hello_done(const struct peer *p)
{
	return p->state != PEER_GREETING;
}

struct member *peer_member(struct peer *p)
{
	return &p->member;
}

struct peer *peer_of_member(struct member *m)
{
	return (struct peer *)(void *)((char *)m - offsetof(struct peer, member));
}

struct list *peer_link(struct peer *p)
{
	return &p->link;
}

struct peer *peer_of_link(struct list *link)
{
	return LIST_OF(link, struct peer, link);
}

const struct identity *peer_identity(struct peer *p)
{
	if (p->fd >= 0)
		identity_complete(p->fd, &p->member.identity);
	return &p->member.identity;
}

struct slice peer_name(const struct peer *p)
{
	return slice_make(p->name, p->name_len);
}

void peer_set_name(struct peer *p, struct slice name)
{
	p->name_len = utf8_whole(slice_take(name, sizeof(p->name)));
	memcpy(p->name, name.p ? name.p : "", p->name_len);
}

uint64_t peer_since(const struct peer *p)
{
	return p->since;
}

unsigned peer_suspended(const struct peer *p)
{
	return p->suspended | (p->input_waits && work_queue_delays(p->queue, &p->work) ? PEER_SUSPEND_BACKLOG : 0);
}

const struct peer_counters *peer_counters(const struct peer *p)
{
	return &p->counters;
}

enum protocol_error peer_close_code(const struct peer *p)
{
	return p->code;
}
