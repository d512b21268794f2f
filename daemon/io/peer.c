/*
 * Owns one local connection: its descriptor, its deadlines, and the passage
 * of bytes to frames and back. Guarantees that no peer costs others more than
 * one read, FRAMES_PER_TURN frames and one write a turn; that nothing waits
 * without a deadline; that what a peer sent before it left is still done; and
 * that gone() and closed() come once each. Must never know an op or a server.
 */
#include "io/peer.h"

#include "base/blob.h"
#include "base/errors.h"
#include "io/local_socket.h"
#include "protocol/frame.h"
#include "protocol/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* handled in one turn, so that a peer with many small frames does not starve the others */
#define FRAMES_PER_TURN 64
/* read at once; the larger once a frame is known to be long */
#define READ_SMALL (16u << 10)
#define READ_LARGE (64u << 10)
#define IOV_PER_TURN 64
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
	int fd;
	enum peer_state state;
	struct peer_handler handler;
	struct peer_options options;
	struct peer_identity identity;
	struct peer_counters counters;
	struct frame_reader reader;
	struct loop_watch *watch;
	struct loop_timer *timer;
	struct loop_hook flush;
	struct loop_corpse corpse;
	unsigned suspended;             /* bits of enum peer_suspend */
	bool blocked;                   /* the socket takes no more at present */
	bool deaf;                      /* it will never read again, but may still send */
	bool said_all;                  /* our sending side is shut down */
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
	/* while frames wait to be taken, its end is not to be seen before them */
	if (p->suspended == PEER_SUSPEND_END && !events)
		events = LOOP_HANGUP;
	if (loop_watch_set(p->watch, events))
		peer_abort(p);
}

static uint64_t deadline(const struct peer *p)
{
	uint64_t when = NEVER;

	if (p->state == PEER_CLOSING)
		return p->closing_since + p->options.drain_timeout;
	if (p->suspended & PEER_SUSPEND_BACKLOG)
		return loop_now(p->loop);
	if (p->state == PEER_GREETING)
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
	free(p);
}

static void let_go(struct peer *p)
{
	p->state = PEER_CLOSING;
	p->closing_since = loop_now(p->loop);
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
	let_go(p);
	/* a peer that keeps up hears all that was ready, one that does not would not in time */
	if (p->blocked || outbox->overrun || outbox->bytes > outbox->bytes_max / 2)
		outbox_abandon(outbox);
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
	if (why == PEER_SUSPEND_OUTBOX)
		p->counters.suspended++;
	p->suspended |= why;
}

static bool must_pause(struct peer *p, unsigned handled)
{
	const struct outbox *outbox = &p->member.outbox;

	if (!p->deaf && outbox->bytes > outbox->bytes_max / 2)
		suspend(p, PEER_SUSPEND_OUTBOX);
	else if (handled == FRAMES_PER_TURN)
		suspend(p, PEER_SUSPEND_BACKLOG);
	else
		return false;
	return true;
}

static void take_frames(struct peer *p)
{
	unsigned handled = 0;
	struct slice body;

	while (p->state < PEER_CLOSING && !must_pause(p, handled)) {
		switch (frame_next(&p->reader, &body)) {
		case 0:
			handled++;
			p->counters.frames_in++;
			p->handler.frame(p->handler.ctx, p, body);
			break;
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
			if (p->suspended & PEER_SUSPEND_END)
				at_end_of_input(p);
			return;
		}
	}
}

/* What came of a read: true when there are bytes. */
static bool came(struct peer *p, ssize_t n)
{
	if (n > 0) {
		p->counters.bytes_in += (uint64_t)n;
		return true;
	}
	if (n == 0)
		suspend(p, PEER_SUSPEND_END);
	else if (errno != EAGAIN && errno != EINTR)
		peer_abort(p);
	return false;
}

/*
 * Plain recv, without room for control data: descriptors that somebody passes
 * along are thrown away by the kernel and never become ours.
 */
static void read_in(struct peer *p)
{
	size_t room;
	char *to;
	ssize_t n;

	if (frame_room(&p->reader, frame_pending(&p->reader) > READ_SMALL ? READ_LARGE : READ_SMALL,
		       &to, &room)) {
		peer_close(p, PROTOCOL_E_INTERNAL, SLICE("out of memory"), 0);
		return;
	}
	n = recv(p->fd, to, room, MSG_DONTWAIT);
	if (came(p, n))
		frame_filled(&p->reader, (size_t)n);
	take_frames(p);
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

static void sent(struct peer *p, ssize_t n)
{
	if (n >= 0) {
		outbox_advance(&p->member.outbox, (size_t)n);
		p->counters.bytes_out += (uint64_t)n;
		p->moved = loop_now(p->loop);
		p->blocked = !outbox_empty(&p->member.outbox);
	} else if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS) {
		if (!p->blocked)
			p->moved = loop_now(p->loop);
		p->blocked = true;
	} else {
		turn_deaf(p);
	}
}

static void write_out(struct peer *p)
{
	struct iovec iov[IOV_PER_TURN];
	struct msghdr msg = {.msg_iov = iov};
	size_t n;

	if (outbox_peek(&p->member.outbox, iov, IOV_PER_TURN, &n)) {
		peer_close(p, PROTOCOL_E_INTERNAL, SLICE("out of memory"), 0);
		p->blocked = true;
		return;
	}
	if (n == 0)
		return;
	msg.msg_iovlen = n;
	sent(p, sendmsg(p->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT));
}

/* Nobody will ever hear it. That wakes us again, for the sake of what is left: in vain. */
static void discard_output(struct peer *p)
{
	outbox_abandon(&p->member.outbox);
	loop_hook_cancel(&p->flush);
}

/* Says that no more will come; the connection ends when the other end has heard it. */
static void finish_closing(struct peer *p)
{
	if (!p->said_all && shutdown(p->fd, SHUT_WR) < 0) {
		peer_abort(p);
		return;
	}
	p->said_all = true;
	if (p->suspended & PEER_SUSPEND_END)
		peer_abort(p);
}

static void resume_reading(struct peer *p)
{
	const struct outbox *outbox = &p->member.outbox;

	if (!(p->suspended & PEER_SUSPEND_OUTBOX))
		return;
	if (!p->deaf && outbox->bytes > outbox->bytes_max / 4)
		return;
	/* what was read already comes first, in its own turn */
	p->suspended &= ~(unsigned)PEER_SUSPEND_OUTBOX;
	suspend(p, PEER_SUSPEND_BACKLOG);
}

/* At the end of the turn: everything the turn brought for this peer leaves in one piece. */
static void on_flush(void *ctx)
{
	struct peer *p = ctx;
	struct outbox *outbox = &p->member.outbox;

	if (p->state == PEER_CLOSED)
		return;
	if (p->deaf)
		discard_output(p);
	else if (outbox->overrun && p->state < PEER_CLOSING)
		peer_close(p, PROTOCOL_E_OVERFLOW, SLICE("the peer reads too slowly"), 0);
	if (!p->deaf && !p->blocked)
		write_out(p);
	if (p->state < PEER_CLOSING)
		resume_reading(p);
	else if (p->state == PEER_CLOSING && outbox_empty(outbox))
		finish_closing(p);
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

	if (events & LOOP_HANGUP) {
		peer_abort(p);
		return;
	}
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
	if (p->state == PEER_GREETING && now >= p->since + p->options.hello_timeout)
		peer_close(p, PROTOCOL_E_HELLO_REQUIRED, SLICE("no hello came in time"), 0);
	else if (p->blocked && now >= p->moved + p->options.progress_timeout)
		peer_close(p, PROTOCOL_E_OVERFLOW, SLICE("the peer has stopped reading"), 0);
	if (p->suspended & PEER_SUSPEND_BACKLOG) {
		p->suspended &= ~(unsigned)PEER_SUSPEND_BACKLOG;
		take_frames(p);
	}
	update(p);
}

/* --- birth --- */

/* all that can fail when a peer is born */
static int make_parts(struct peer *p)
{
	int r = local_socket_set_up(p->fd);

	if (r == 0)
		r = local_socket_identity(p->fd, &p->identity);
	if (r == 0)
		r = loop_timer_new(p->loop, on_timer, p, &p->timer);
	if (r == 0)
		r = loop_watch_new(p->loop, p->fd, LOOP_READ, on_ready, p, &p->watch);
	return r;
}

int peer_new(struct loop *loop, int fd, const struct peer_handler *handler,
	     const struct peer_options *options, struct peer **ret)
{
	struct peer *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	list_init(&p->link);
	p->loop = loop;
	p->fd = fd;
	p->handler = *handler;
	p->options = *options;
	p->since = loop_now(loop);
	p->code = PROTOCOL_ERRORS_END;
	r = make_parts(p);
	if (r) {
		loop_timer_free(p->timer);
		free(p);
		return r;
	}
	frame_reader_init(&p->reader, PROTOCOL_HELLO_MAX);
	loop_hook_init(&p->flush, on_flush, p);
	outbox_init(&p->member.outbox, options->outbox_max, (struct wake){on_wake, p});
	update(p);
	*ret = p;
	return 0;
}

/* --- what others ask and tell --- */

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

const struct peer_identity *peer_identity(const struct peer *p)
{
	return &p->identity;
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
	return p->suspended;
}

const struct peer_counters *peer_counters(const struct peer *p)
{
	return &p->counters;
}

enum protocol_error peer_close_code(const struct peer *p)
{
	return p->code;
}
