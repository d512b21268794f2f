/*
 * The loop of a peer, the log of its handler, and the other end of its socket. Checks
 * that each peer is closed and freed exactly once.
 */
#include "tests/unit/peer_world.h"

#include "base/blob.h"
#include "protocol/message.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

void push(struct peer *p, size_t n)
{
	struct blob *blob;
	size_t mark;

	assert_int_equal(blob_new(PROTOCOL_FRAME_MAX, &blob), 0);
	assert_int_equal(frame_begin(&blob->buf, &mark), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(buf_putc(&blob->buf, (char)('a' + i % 26)), 0);
	assert_int_equal(frame_end(&blob->buf, mark, PROTOCOL_FRAME_MAX), 0);
	outbox_push_control(&peer_member(p)->outbox, blob, 0, buf_len(&blob->buf));
	blob_unref(blob);
}

/* the digits at the end of a body, which no NUL ends */
static size_t number(struct slice digits)
{
	size_t n = 0;

	for (size_t i = 0; i < digits.n; i++)
		n = n * 10 + (size_t)(digits.p[i] - '0');
	return n;
}

static bool on_frame(void *ctx, struct peer *p, struct slice body)
{
	struct world *w = ctx;
	size_t at = strlen(w->frames);

	assert_int_equal(w->gone, 0);
	w->n_frames++;
	snprintf(w->frames + at, sizeof(w->frames) - at, "[%.*s%s]", (int)(body.n < 40 ? body.n : 40),
		 body.p, peer_is_retried(p) ? " again" : "");
	if (slice_eq(body, SLICE("later")))
		return peer_is_retried(p);
	if (slice_eq(body, SLICE("hello")) && w->hello_ms)
		clock_fake(1, clock_boot_ms() + w->hello_ms);
	if (slice_eq(body, SLICE("hello")))
		peer_set_hello_done(p);
	else if (slice_starts(body, SLICE("hold ")))
		peer_member(p)->n_subscriptions = number(slice_drop(body, 5));
	else if (slice_eq(body, SLICE("close")))
		peer_close(p, PROTOCOL_E_DENIED, SLICE("as asked"), 500);
	else if (slice_eq(body, SLICE("babble")))
		peer_close(p, PROTOCOL_E_DENIED, SLICE("cut \xc3"), 0);
	else if (slice_eq(body, SLICE("abort")))
		peer_abort(p);
	else if (slice_starts(body, SLICE("echo ")))
		push(p, number(slice_drop(body, 5)));
	else if (slice_eq(body, SLICE("lose")))
		peer_member(p)->outbox.overrun = true, wake_up(&peer_member(p)->outbox.wake);
	return true;
}

static void on_gone(void *ctx, struct peer *p)
{
	struct world *w = ctx;

	assert_int_equal(w->closed, 0);
	w->gone++;
	if (w->gone_ms)
		clock_fake(1, clock_boot_ms() + w->gone_ms);
	w->code = peer_close_code(p);
	/* a second reason does nothing */
	peer_close(p, PROTOCOL_E_INTERNAL, SLICE("not this"), 0);
}

static void on_closed(void *ctx, struct peer *p)
{
	struct world *w = ctx;

	(void)p;
	assert_int_equal(w->gone, 1);
	w->closed++;
	w->peer = NULL;
}

struct peer_handler world_handler(struct world *w)
{
	return (struct peer_handler){on_frame, NULL, on_gone, on_closed, w};
}

void world_connect(struct world *w, const struct peer_options *options)
{
	struct peer_handler handler = world_handler(w);
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	w->fd = fds[1];
	fcntl(w->fd, F_SETFL, O_NONBLOCK);
	assert_int_equal(peer_new(w->work, fds[0], &handler, options, &w->peer), 0);
}

void world_open_with(struct world *w, size_t outbox_max)
{
	struct peer_options options;

	memset(w, 0, sizeof(*w));
	clock_fake(1, 1000);
	assert_int_equal(loop_new(&w->loop), 0);
	assert_int_equal(work_queue_new(w->loop, &w->work), 0);
	frame_reader_init(&w->heard, PROTOCOL_FRAME_MAX);
	peer_options_default(&options);
	options.outbox_max = outbox_max;
	world_connect(w, &options);
}

void world_open(struct world *w)
{
	world_open_with(w, 64 << 10);
}

void settle(struct world *w)
{
	for (int i = 0; i < 12; i++)
		assert_int_equal(loop_turn(w->loop, false), 0);
}

void world_close(struct world *w)
{
	if (w->fd >= 0)
		close(w->fd);
	settle(w);
	if (w->peer)
		peer_abort(w->peer);
	assert_int_equal(w->gone, 1);
	assert_int_equal(w->closed, 1);
	frame_reader_fini(&w->heard);
	work_queue_free(w->work);
	loop_free(w->loop);
	clock_fake(UINT64_MAX, UINT64_MAX);
}

/* --- the other end --- */

void say_raw(struct world *w, const void *bytes, size_t n)
{
	ssize_t r;

	/* a peer is not read during the pause after costly work, which is longer on a slow machine */
	while ((r = send(w->fd, bytes, n, MSG_NOSIGNAL)) < 0 && errno == EAGAIN)
		assert_int_equal(loop_turn(w->loop, true), 0);
	assert_int_equal(r, n);
}

size_t put_frame(char *to, const char *body)
{
	size_t n = strlen(body);

	to[0] = to[1] = 0;
	to[2] = (char)(n >> 8);
	to[3] = (char)n;
	memcpy(to + 4, body, n);
	return n + 4;
}

void say(struct world *w, const char *body)
{
	char bytes[8192];

	say_raw(w, bytes, put_frame(bytes, body));
	settle(w);
}

void say_length(struct world *w, uint32_t n)
{
	unsigned char p[4] = {(unsigned char)(n >> 24), (unsigned char)(n >> 16),
			      (unsigned char)(n >> 8), (unsigned char)n};

	say_raw(w, p, 4);
	settle(w);
}

bool listen_once(struct world *w)
{
	char *to;
	size_t room;
	ssize_t n;

	assert_int_equal(frame_room(&w->heard, 100000, &to, &room), 0);
	n = recv(w->fd, to, room, 0);
	if (n > 0)
		frame_filled(&w->heard, (size_t)n);
	return n == 0;
}

struct slice hear(struct world *w)
{
	struct slice body;

	if (frame_next(&w->heard, &body) == 0)
		return body;
	listen_once(w);
	return frame_next(&w->heard, &body) == 0 ? body : SLICE_NULL;
}

void assert_hears_closing(struct world *w, const char *code)
{
	struct message m;
	char why[128];

	/* as a peer reads it */
	assert_int_equal(message_decode(hear(w), PROTOCOL_FROM_DAEMON, &m, why, sizeof(why)), 0);
	assert_int_equal(m.op, PROTOCOL_OP_CLOSING);
	assert_true(slice_eq(m.code, slice_of(code)));
	assert_true(m.reason.n > 0);
	message_fini(&m);
	assert_true(listen_once(w));
	assert_int_equal(w->gone, 1);
}

void assert_hears_reason(struct world *w, const char *reason)
{
	struct message m;
	char why[128];

	settle(w);
	assert_int_equal(message_decode(hear(w), PROTOCOL_FROM_DAEMON, &m, why, sizeof(why)), 0);
	assert_int_equal(m.op, PROTOCOL_OP_CLOSING);
	assert_true(slice_eq(m.reason, slice_of(reason)));
	message_fini(&m);
}

unsigned flood(struct world *w)
{
	unsigned n = 0;

	while (!(peer_suspended(w->peer) & PEER_SUSPEND_OUTBOX)) {
		say(w, "echo 4000");
		n++;
		assert_true(n < 1000);
	}
	return n;
}
