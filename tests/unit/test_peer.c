/*
 * io/peer over a socketpair: frames in any portions, deadlines by a clock the
 * test sets, slow and deaf readers, half-closed and vanished ones, and
 * callbacks that end their own peer. The other end is scripted here; what the
 * handler does is said by the frames themselves.
 */
#include "io/peer.h"
#include "base/blob.h"
#include "base/clock.h"
#include "protocol/frame.h"
#include "tests/unit/testing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct world {
	struct loop *loop;
	struct peer *peer;
	int fd;                         /* the other end */
	struct frame_reader heard;      /* what the other end read */
	char frames[4096];              /* "[body]" of each frame the handler got, cut */
	unsigned n_frames, gone, closed;
	enum protocol_error code;
};

/* --- the handler: hello, close, babble, abort, echo N, lose; others are only noted --- */

static void push(struct peer *p, size_t n)
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

static void on_frame(void *ctx, struct peer *p, struct slice body)
{
	struct world *w = ctx;
	size_t at = strlen(w->frames);

	assert_int_equal(w->gone, 0);
	w->n_frames++;
	snprintf(w->frames + at, sizeof(w->frames) - at, "[%.*s]", (int)(body.n < 40 ? body.n : 40),
		 body.p);
	if (slice_eq(body, SLICE("hello")))
		peer_set_hello_done(p);
	else if (slice_eq(body, SLICE("close")))
		peer_close(p, PROTOCOL_E_DENIED, SLICE("as asked"), 500);
	else if (slice_eq(body, SLICE("babble")))
		peer_close(p, PROTOCOL_E_DENIED, SLICE("cut \xc3"), 0);
	else if (slice_eq(body, SLICE("abort")))
		peer_abort(p);
	else if (slice_starts(body, SLICE("echo ")))
		push(p, (size_t)atoi(body.p + 5));
	else if (slice_eq(body, SLICE("lose")))
		peer_member(p)->outbox.overrun = true, wake_up(&peer_member(p)->outbox.wake);
}

static void on_gone(void *ctx, struct peer *p)
{
	struct world *w = ctx;

	assert_int_equal(w->closed, 0);
	w->gone++;
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

static void world_connect(struct world *w, const struct peer_options *options)
{
	struct peer_handler handler = {on_frame, on_gone, on_closed, w};
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	w->fd = fds[1];
	fcntl(w->fd, F_SETFL, O_NONBLOCK);
	assert_int_equal(peer_new(w->loop, fds[0], &handler, options, &w->peer), 0);
}

static void world_open_with(struct world *w, size_t outbox_max)
{
	struct peer_options options;

	memset(w, 0, sizeof(*w));
	clock_fake(1, 1000);
	assert_int_equal(loop_new(&w->loop), 0);
	frame_reader_init(&w->heard, PROTOCOL_FRAME_MAX);
	peer_options_default(&options);
	options.outbox_max = outbox_max;
	world_connect(w, &options);
}

static void world_open(struct world *w)
{
	world_open_with(w, 64 << 10);
}

static void settle(struct world *w)
{
	for (int i = 0; i < 12; i++)
		assert_int_equal(loop_turn(w->loop, false), 0);
}

static void world_close(struct world *w)
{
	if (w->fd >= 0)
		close(w->fd);
	settle(w);
	if (w->peer)
		peer_abort(w->peer);
	assert_int_equal(w->gone, 1);
	assert_int_equal(w->closed, 1);
	frame_reader_fini(&w->heard);
	loop_free(w->loop);
	clock_fake(UINT64_MAX, UINT64_MAX);
}

/* --- the other end --- */

static void say_raw(struct world *w, const void *bytes, size_t n)
{
	assert_int_equal(send(w->fd, bytes, n, MSG_NOSIGNAL), n);
}

static size_t put_frame(char *to, const char *body)
{
	size_t n = strlen(body);

	to[0] = to[1] = 0;
	to[2] = (char)(n >> 8);
	to[3] = (char)n;
	memcpy(to + 4, body, n);
	return n + 4;
}

static void say(struct world *w, const char *body)
{
	char bytes[8192];

	say_raw(w, bytes, put_frame(bytes, body));
	settle(w);
}

static void say_length(struct world *w, uint32_t n)
{
	unsigned char p[4] = {(unsigned char)(n >> 24), (unsigned char)(n >> 16),
			      (unsigned char)(n >> 8), (unsigned char)n};

	say_raw(w, p, 4);
	settle(w);
}

/* Reads what came; true at the end of the stream. */
static bool listen_once(struct world *w)
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

/* the next frame heard, or an empty slice */
static struct slice hear(struct world *w)
{
	struct slice body;

	if (frame_next(&w->heard, &body) == 0)
		return body;
	listen_once(w);
	return frame_next(&w->heard, &body) == 0 ? body : SLICE_NULL;
}

static void assert_hears_closing(struct world *w, const char *code)
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

/* --- frames --- */

static void test_portions(void **state)
{
	struct world w;
	char bytes[64];
	size_t n;

	(void)state;
	world_open(&w);
	n = put_frame(bytes, "hello");
	n += put_frame(bytes + n, "two in one");
	say_raw(&w, bytes, n);
	settle(&w);
	assert_string_equal(w.frames, "[hello][two in one]");
	for (size_t i = 0; i < n; i++) {
		say_raw(&w, bytes + i, 1);
		settle(&w);
	}
	assert_string_equal(w.frames, "[hello][two in one][hello][two in one]");
	assert_int_equal(peer_counters(w.peer)->frames_in, 4);
	assert_int_equal(peer_counters(w.peer)->bytes_in, 2 * n);
	world_close(&w);
	assert_int_equal(w.code, PROTOCOL_ERRORS_END);
}

static void test_length_zero(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	say(&w, "hello");
	say_length(&w, 0);
	assert_hears_closing(&w, "bad-frame");
	assert_int_equal(w.code, PROTOCOL_E_BAD_FRAME);
	assert_int_equal(w.closed, 0);
	close(w.fd);
	w.fd = -1;
	settle(&w);
	assert_int_equal(w.closed, 1);
	world_close(&w);
}

static void test_length_limits(void **state)
{
	static const struct { uint32_t n; bool hello, fine; } table[] = {
		{PROTOCOL_HELLO_MAX, false, true},
		{PROTOCOL_HELLO_MAX + 1, false, false},
		{0xffffffff, false, false},
		{PROTOCOL_HELLO_MAX + 1, true, true},
		{PROTOCOL_REQUEST_MAX, true, true},
		{PROTOCOL_REQUEST_MAX + 1, true, false},
		{0x80000000, true, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct world w;

		world_open(&w);
		if (table[i].hello)
			say(&w, "hello");
		say_length(&w, table[i].n);
		assert_int_equal(w.gone, !table[i].fine);
		if (!table[i].fine)
			assert_hears_closing(&w, "too-large");
		world_close(&w);
	}
}

static void test_longest_frame_arrives(void **state)
{
	struct world w;
	char *bytes = calloc(1, PROTOCOL_REQUEST_MAX);
	size_t sent = 0;

	(void)state;
	assert_non_null(bytes);
	memset(bytes, 'z', PROTOCOL_REQUEST_MAX);
	world_open(&w);
	say(&w, "hello");
	say_length(&w, PROTOCOL_REQUEST_MAX);
	while (sent < PROTOCOL_REQUEST_MAX) {
		ssize_t n = send(w.fd, bytes + sent, PROTOCOL_REQUEST_MAX - sent, 0);

		assert_int_equal(w.n_frames, 1);
		sent += n > 0 ? (size_t)n : 0;
		assert_int_equal(loop_turn(w.loop, false), 0);
	}
	settle(&w);
	assert_int_equal(w.n_frames, 2);
	free(bytes);
	world_close(&w);
}

/* --- the end of its input --- */

static void test_hangs_up_within_a_frame(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	say(&w, "hello");
	say_raw(&w, "\0\0\0\5ab", 6);
	settle(&w);
	assert_int_equal(w.gone, 0);
	world_close(&w);
	assert_int_equal(w.code, PROTOCOL_ERRORS_END);
}

static void test_stops_sending_within_a_frame(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	say(&w, "hello");
	say_raw(&w, "\0\0\0\5ab", 6);
	shutdown(w.fd, SHUT_WR);
	settle(&w);
	assert_hears_closing(&w, "bad-frame");
	settle(&w);
	assert_int_equal(w.closed, 1);
	world_close(&w);
}

/* The other end asks, shuts down its sending side and listens: it is served until it is gone. */
static void test_half_closed_is_served_on(void **state)
{
	struct world w;
	char bytes[64];
	size_t n;

	(void)state;
	world_open(&w);
	n = put_frame(bytes, "hello");
	n += put_frame(bytes + n, "echo 3");
	say_raw(&w, bytes, n);
	shutdown(w.fd, SHUT_WR);
	settle(&w);
	assert_true(slice_eq(hear(&w), SLICE("abc")));
	assert_int_equal(w.gone, 0);
	assert_int_equal(peer_suspended(w.peer), PEER_SUSPEND_END);
	push(w.peer, 4);
	settle(&w);
	assert_true(slice_eq(hear(&w), SLICE("abcd")));
	close(w.fd);
	w.fd = -1;
	settle(&w);
	assert_int_equal(w.closed, 1);
	world_close(&w);
}

/* Whoever leaves without a word of hello is only a knock at the door. */
static void test_knock(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	shutdown(w.fd, SHUT_WR);
	settle(&w);
	assert_int_equal(w.closed, 1);
	assert_int_equal(w.code, PROTOCOL_ERRORS_END);
	world_close(&w);
}

/* Written and hung up at once, and the daemon meets EPIPE on the way: all of it is done. */
static void test_fire_and_forget(void **state)
{
	struct world w;
	char bytes[6000];
	size_t n;

	(void)state;
	world_open(&w);
	n = put_frame(bytes, "hello");
	for (int i = 0; i < 500; i++)
		n += put_frame(bytes + n, "echo 5");
	say_raw(&w, bytes, n);
	close(w.fd);
	w.fd = -1;
	settle(&w);
	assert_int_equal(w.n_frames, 501);
	assert_int_equal(w.closed, 1);
	world_close(&w);
}

/* It will not listen any more, but may speak. */
static void test_deaf_peer_may_speak(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	say(&w, "hello");
	shutdown(w.fd, SHUT_RD);
	say(&w, "echo 5");
	say(&w, "still here");
	push(w.peer, 40000);
	settle(&w);
	assert_int_equal(w.gone, 0);
	assert_string_equal(w.frames, "[hello][echo 5][still here]");
	assert_int_equal(peer_suspended(w.peer), 0);
	assert_true(outbox_empty(&peer_member(w.peer)->outbox));
	world_close(&w);
}

/* --- deadlines --- */

static void test_hello_deadline(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	say_raw(&w, "\0\0\0\5hel", 7);
	clock_fake(1, 1000 + PROTOCOL_HELLO_TIMEOUT_MS - 1);
	settle(&w);
	assert_int_equal(w.gone, 0);
	clock_fake(1, 1000 + PROTOCOL_HELLO_TIMEOUT_MS);
	settle(&w);
	assert_hears_closing(&w, "hello-required");
	/* the other end does not leave: the drain deadline ends it */
	clock_fake(1, 1000 + PROTOCOL_HELLO_TIMEOUT_MS + 999);
	settle(&w);
	assert_int_equal(w.closed, 0);
	clock_fake(1, 1000 + PROTOCOL_HELLO_TIMEOUT_MS + 1000);
	settle(&w);
	assert_int_equal(w.closed, 1);
	world_close(&w);
}

static void test_no_deadline_once_open(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	assert_false(peer_hello_done(w.peer));
	say(&w, "hello");
	assert_true(peer_hello_done(w.peer));
	clock_fake(1, 1000 + 86400000);
	settle(&w);
	assert_int_equal(w.gone, 0);
	world_close(&w);
}

/* Fills socket and outbox of a peer that does not read, as its own requests' replies. */
static unsigned flood(struct world *w)
{
	unsigned n = 0;

	while (!(peer_suspended(w->peer) & PEER_SUSPEND_OUTBOX)) {
		say(w, "echo 4000");
		n++;
		assert_true(n < 1000);
	}
	return n;
}

static void test_progress_deadline(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	say(&w, "hello");
	flood(&w);
	clock_fake(1, 1000 + 59999);
	settle(&w);
	assert_int_equal(w.gone, 0);
	/* a byte moves: another minute */
	while (hear(&w).n)
		continue;
	settle(&w);
	flood(&w);
	clock_fake(1, 1000 + 59999 + 59999);
	settle(&w);
	assert_int_equal(w.gone, 0);
	clock_fake(1, 1000 + 59999 + 60000);
	settle(&w);
	assert_int_equal(w.gone, 1);
	assert_int_equal(w.code, PROTOCOL_E_OVERFLOW);
	assert_int_equal(w.closed, 0);
	clock_fake(1, 1000 + 59999 + 61000);
	settle(&w);
	assert_int_equal(w.closed, 1);
	world_close(&w);
}

/* It reads, though too slowly to empty the queue: that is progress. */
static void test_a_part_is_progress(void **state)
{
	struct world w;
	uint64_t before;

	(void)state;
	world_open_with(&w, 8 << 20);
	say(&w, "hello");
	say(&w, "echo 2000000");
	clock_fake(1, 1000 + 59999);
	before = peer_counters(w.peer)->bytes_out;
	/* until the socket takes more */
	while (peer_counters(w.peer)->bytes_out == before) {
		listen_once(&w);
		settle(&w);
	}
	assert_false(outbox_empty(&peer_member(w.peer)->outbox));
	clock_fake(1, 1000 + 59999 + 59999);
	settle(&w);
	assert_int_equal(w.gone, 0);
	clock_fake(1, 1000 + 59999 + 60000);
	settle(&w);
	assert_int_equal(w.code, PROTOCOL_E_OVERFLOW);
	world_close(&w);
}

/* --- a slow reader --- */

static void test_slow_reader_is_bounded(void **state)
{
	struct world w;
	unsigned asked, answered = 0, stuck = 0;
	char bytes[16];
	size_t n = put_frame(bytes, "echo 4000");

	(void)state;
	world_open(&w);
	say(&w, "hello");
	asked = flood(&w);
	/* it goes on asking; nothing is read, nothing grows */
	while (send(w.fd, bytes, n, MSG_NOSIGNAL) == (ssize_t)n) {
		asked++;
		if (asked % 64 == 0)
			settle(&w);
	}
	settle(&w);
	stuck = w.n_frames;
	settle(&w);
	assert_int_equal(w.n_frames, stuck);
	assert_true(w.n_frames < asked);
	assert_true(peer_member(w.peer)->outbox.bytes_peak <= (64 << 10) / 2 + 2 * 4004);
	assert_false(peer_member(w.peer)->outbox.overrun);
	assert_int_equal(peer_counters(w.peer)->suspended, 1);
	/* it reads at last: every question has its answer */
	for (unsigned idle = 0; idle < 3; idle++) {
		struct slice body;

		while ((body = hear(&w)).n) {
			assert_int_equal(body.n, 4000);
			answered++;
			idle = 0;
		}
		settle(&w);
	}
	assert_int_equal(answered, asked);
	assert_int_equal(w.gone, 0);
	world_close(&w);
}

static void test_overrun_closes(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	say(&w, "hello");
	say(&w, "lose");
	settle(&w);
	assert_int_equal(w.gone, 1);
	assert_int_equal(w.code, PROTOCOL_E_OVERFLOW);
	world_close(&w);
}

/* --- fairness --- */

static void test_many_small_frames_leave_others_their_turn(void **state)
{
	struct world w, other = {0};
	struct peer_options options;
	char bytes[8192];
	size_t n = 0;

	(void)state;
	world_open(&w);
	peer_options_default(&options);
	other.loop = w.loop;
	world_connect(&other, &options);
	say(&w, "hello");
	while (n < 8000)
		n += put_frame(bytes + n, "x");
	say_raw(&w, bytes, n);
	say_raw(&other, bytes, put_frame(bytes, "hello"));
	assert_int_equal(loop_turn(w.loop, false), 0);
	/* a portion when they came, and one when their own turn came */
	assert_true(w.n_frames > 1 && w.n_frames <= 1 + 2 * 64);
	assert_int_equal(other.n_frames, 1);
	assert_int_equal(peer_suspended(w.peer), PEER_SUSPEND_BACKLOG);
	/* the rest follows though nothing more arrives, without waiting */
	for (int i = 0; i < 40; i++)
		assert_int_equal(loop_turn(w.loop, w.n_frames < 1601), 0);
	assert_int_equal(w.n_frames, 1601);
	close(other.fd);
	world_close(&w);
	assert_int_equal(other.closed, 1);
}

/* --- ends from within --- */

static void test_close_from_the_handler(void **state)
{
	struct world w;
	char bytes[64];
	size_t n;

	(void)state;
	world_open(&w);
	n = put_frame(bytes, "hello");
	n += put_frame(bytes + n, "echo 2");
	n += put_frame(bytes + n, "close");
	n += put_frame(bytes + n, "never");
	say_raw(&w, bytes, n);
	settle(&w);
	assert_string_equal(w.frames, "[hello][echo 2][close]");
	/* the reply that lay ready is not lost */
	assert_true(slice_eq(hear(&w), SLICE("ab")));
	assert_hears_closing(&w, "denied");
	/* input while closing is swallowed, so that nothing is reset */
	say(&w, "more");
	assert_int_equal(w.closed, 0);
	close(w.fd);
	w.fd = -1;
	settle(&w);
	assert_int_equal(w.closed, 1);
	world_close(&w);
}

static void test_abort_from_the_handler(void **state)
{
	struct world w;
	char bytes[64];
	size_t n;

	(void)state;
	world_open(&w);
	n = put_frame(bytes, "abort");
	n += put_frame(bytes + n, "never");
	say_raw(&w, bytes, n);
	settle(&w);
	assert_string_equal(w.frames, "[abort]");
	assert_int_equal(w.closed, 1);
	world_close(&w);
}

/* A reason that is no text is replaced; the peer still learns the code. */
static void test_broken_words(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	say(&w, "babble");
	assert_hears_closing(&w, "denied");
	world_close(&w);
}

static void test_retry_in(void **state)
{
	struct world w;
	struct slice body;
	char text[512];

	(void)state;
	world_open(&w);
	say(&w, "close");
	body = hear(&w);
	snprintf(text, sizeof(text), "%.*s", SLICE_ARG(body));
	assert_non_null(strstr(text, "\"retry_in\":500"));
	assert_non_null(strstr(text, "as asked"));
	world_close(&w);
}

/* --- who it is --- */

static void test_identity_and_name(void **state)
{
	struct world w;
	char longest[PROTOCOL_NAME_MAX + 1];

	(void)state;
	world_open(&w);
	assert_int_equal(peer_identity(w.peer)->uid, getuid());
	assert_int_equal(peer_identity(w.peer)->gid, getgid());
	assert_int_equal(peer_identity(w.peer)->pid, getpid());
	assert_ptr_equal(peer_of_member(peer_member(w.peer)), w.peer);
	assert_int_equal(peer_since(w.peer), 1000);
	assert_int_equal(peer_name(w.peer).n, 0);
	peer_set_name(w.peer, SLICE("me"));
	assert_true(slice_eq(peer_name(w.peer), SLICE("me")));
	memset(longest, 'n', sizeof(longest));
	memcpy(longest + PROTOCOL_NAME_MAX - 1, "\xc3\xbc", 2);
	peer_set_name(w.peer, slice_make(longest, sizeof(longest)));
	assert_int_equal(peer_name(w.peer).n, PROTOCOL_NAME_MAX - 1);
	world_close(&w);
}

static void test_only_unix_sockets(void **state)
{
	struct world w;
	struct peer_handler handler = {on_frame, on_gone, on_closed, &w};
	struct peer_options options;
	struct peer *p = NULL;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	world_open(&w);
	peer_options_default(&options);
	assert_int_equal(peer_new(w.loop, fd, &handler, &options, &p), -EAFNOSUPPORT);
	assert_null(p);
	assert_int_equal(close(fd), 0);
	world_close(&w);
}

static unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void test_descriptors_sent_along_are_thrown_away(void **state)
{
	struct world w;
	char bytes[16], control[CMSG_SPACE(sizeof(int) * 100)];
	struct iovec iov = {bytes, put_frame(bytes, "hello")};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			     .msg_controllen = sizeof(control)};
	struct cmsghdr *c;
	unsigned at_first = count_fds(), before;

	(void)state;
	world_open(&w);
	memset(control, 0, sizeof(control));
	c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * 100);
	before = count_fds();
	for (int i = 0; i < 100; i++)
		memcpy(CMSG_DATA(c) + sizeof(int) * (size_t)i, &w.fd, sizeof(int));
	assert_int_equal(sendmsg(w.fd, &msg, 0), iov.iov_len);
	settle(&w);
	assert_string_equal(w.frames, "[hello]");
	assert_int_equal(count_fds(), before);
	world_close(&w);
	assert_int_equal(count_fds(), at_first);
}

/* --- every way to leave, in every situation: the descriptor goes, and the loop sleeps --- */

enum leaving {
	LEAVE_CLOSE, LEAVE_SHUT_WR, LEAVE_SHUT_RD, LEAVE_SHUT_BOTH, LEAVE_HALF_FRAME, LEAVINGS,
};
enum situation { IDLE, MID_READ, MID_WRITE, FULL, CLOSING, SITUATIONS };

static void arrange(struct world *w, enum situation situation)
{
	say(w, "hello");
	switch (situation) {
	case MID_READ:
		say_raw(w, "\0\0\0\5ab", 6);
		break;
	case MID_WRITE:
		while (!(w->peer && poll(&(struct pollfd){.fd = w->fd, .events = POLLIN}, 1, 0)))
			say(w, "echo 4000");
		break;
	case FULL:
		flood(w);
		break;
	case CLOSING:
		say(w, "close");
		break;
	default:
		break;
	}
	settle(w);
}

static void leave(struct world *w, enum leaving how)
{
	switch (how) {
	case LEAVE_HALF_FRAME:
		send(w->fd, "\0\0", 2, MSG_NOSIGNAL);
		/* fall through */
	case LEAVE_CLOSE:
		close(w->fd);
		w->fd = -1;
		break;
	case LEAVE_SHUT_WR:
		shutdown(w->fd, SHUT_WR);
		break;
	case LEAVE_SHUT_RD:
		shutdown(w->fd, SHUT_RD);
		break;
	default:
		shutdown(w->fd, SHUT_RDWR);
		break;
	}
}

static void ring(void *ctx)
{
	*(bool *)ctx = true;
}

/* Waits 20 ms of real time and counts the turns on the way. */
static void assert_sleeps(struct world *w)
{
	struct loop_timer *t;
	bool rang = false;
	uint64_t before;

	clock_fake(UINT64_MAX, UINT64_MAX);
	assert_int_equal(loop_turn(w->loop, false), 0);
	assert_int_equal(loop_timer_new(w->loop, ring, &rang, &t), 0);
	loop_timer_at(t, loop_now(w->loop) + 20);
	before = loop_turns(w->loop);
	while (!rang)
		assert_int_equal(loop_turn(w->loop, true), 0);
	assert_true(loop_turns(w->loop) - before < 8);
	loop_timer_free(t);
}

static void test_every_way_to_leave(void **state)
{
	(void)state;
	for (int how = 0; how < LEAVINGS; how++)
		for (int situation = 0; situation < SITUATIONS; situation++) {
			struct world w;

			world_open(&w);
			/* all deadlines lie in the world of the real clock */
			clock_fake(1, UINT64_MAX);
			arrange(&w, situation);
			leave(&w, how);
			settle(&w);
			if (how == LEAVE_CLOSE || how == LEAVE_SHUT_BOTH || how == LEAVE_HALF_FRAME)
				assert_int_equal(w.closed, 1);
			assert_sleeps(&w);
			world_close(&w);
		}
}

static void assert_hears_reason(struct world *w, const char *reason)
{
	struct message m;
	char why[128];

	settle(w);
	assert_int_equal(message_decode(hear(w), PROTOCOL_FROM_DAEMON, &m, why, sizeof(why)), 0);
	assert_int_equal(m.op, PROTOCOL_OP_CLOSING);
	assert_true(slice_eq(m.reason, slice_of(reason)));
	message_fini(&m);
}

/* somebody must find the fault in his program by these words */
static void test_reasons_say_what_was_wrong(void **state)
{
	enum { FIRST_TOO_LONG, TOO_LONG, EMPTY, HALF, NO_HELLO, WORDS };
	static const char *const words[WORDS] = {
		"the first frame is longer than a hello may be",
		"a frame is longer than a request may be", "a frame of length 0",
		"the last frame is not whole", "no hello came in time",
	};

	(void)state;
	for (int i = 0; i < WORDS; i++) {
		struct world w;

		world_open(&w);
		if (i != FIRST_TOO_LONG && i != NO_HELLO)
			say(&w, "hello");
		if (i == FIRST_TOO_LONG || i == TOO_LONG)
			say_length(&w, 0xffffffff);
		else if (i == EMPTY)
			say_length(&w, 0);
		else if (i == HALF)
			say_raw(&w, "\0\0\0\5ab", 6), shutdown(w.fd, SHUT_WR);
		else
			clock_fake(1, 1000 + PROTOCOL_HELLO_TIMEOUT_MS);
		assert_hears_reason(&w, words[i]);
		world_close(&w);
	}
}

/* what the counter says: half of the outbox, and not before */
static void test_reading_stops_at_half(void **state)
{
	(void)state;
	for (unsigned more = 0; more < 2; more++) {
		struct world w;
		char bytes[64], echo[32];
		size_t n;

		world_open(&w);
		say(&w, "hello");
		snprintf(echo, sizeof(echo), "echo %u", (32u << 10) - PROTOCOL_PREFIX + more);
		n = put_frame(bytes, echo);
		n += put_frame(bytes + n, "next");
		say_raw(&w, bytes, n);
		settle(&w);
		assert_int_equal(peer_counters(w.peer)->suspended, more);
		/* at the end of the turn the answer left, and there was room again */
		assert_int_equal(w.n_frames, 3);
		world_close(&w);
	}
}

/* It said that it says no more, and heard all: nothing is waited for. */
static void test_an_end_from_both_sides_needs_no_deadline(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	say(&w, "close");
	assert_hears_closing(&w, "denied");
	assert_int_equal(w.closed, 0);
	shutdown(w.fd, SHUT_WR);
	settle(&w);
	assert_int_equal(w.closed, 1);
	world_close(&w);
}

/* Without memory for a loss that is to be told, the peer ends: it never goes on as if nothing were. */
static void test_no_memory_to_tell_a_loss(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	say(&w, "hello");
	outbox_push_lost(&peer_member(w.peer)->outbox, SLICE("one"), 1);
	testing_fail_allocation(0);
	settle(&w);
	assert_true(testing_allocation_failed());
	assert_int_equal(w.code, PROTOCOL_E_INTERNAL);
	assert_hears_reason(&w, "out of memory");
	world_close(&w);
}

/* Without memory even for its `closing` it is not kept waiting for one. */
static void test_no_memory_to_say_why(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct world w;

		world_open(&w);
		say(&w, "hello");
		testing_fail_allocation(i);
		peer_close(w.peer, PROTOCOL_E_SHUTDOWN, SLICE("bye"), 0);
		assert_true(testing_allocation_failed());
		assert_int_equal(w.closed, 1);
		world_close(&w);
	}
}

static void test_failed_allocations(void **state)
{
	(void)state;
	FAIL_EACH_ALLOCATION {
		struct peer_handler handler = {on_frame, on_gone, on_closed, NULL};
		struct peer_options options;
		struct world w = {.fd = -1};
		int fds[2], r;

		handler.ctx = &w;
		if (loop_new(&w.loop))
			continue;
		peer_options_default(&options);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		r = peer_new(w.loop, fds[0], &handler, &options, &w.peer);
		if (r) {
			assert_int_equal(r, -ENOMEM);
			assert_int_equal(close(fds[0]), 0);
		} else {
			char bytes[16];

			w.fd = fds[1];
			say_raw(&w, bytes, put_frame(bytes, "hello"));
			settle(&w);
			if (w.peer)
				peer_close(w.peer, PROTOCOL_E_SHUTDOWN, SLICE("bye"), 0);
			settle(&w);
			assert_int_equal(w.gone, 1);
			if (w.peer)
				peer_abort(w.peer);
			assert_int_equal(w.closed, 1);
		}
		close(fds[1]);
		loop_free(w.loop);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_portions),
		cmocka_unit_test(test_length_zero),
		cmocka_unit_test(test_length_limits),
		cmocka_unit_test(test_longest_frame_arrives),
		cmocka_unit_test(test_hangs_up_within_a_frame),
		cmocka_unit_test(test_stops_sending_within_a_frame),
		cmocka_unit_test(test_half_closed_is_served_on),
		cmocka_unit_test(test_knock),
		cmocka_unit_test(test_fire_and_forget),
		cmocka_unit_test(test_deaf_peer_may_speak),
		cmocka_unit_test(test_hello_deadline),
		cmocka_unit_test(test_no_deadline_once_open),
		cmocka_unit_test(test_progress_deadline),
		cmocka_unit_test(test_a_part_is_progress),
		cmocka_unit_test(test_slow_reader_is_bounded),
		cmocka_unit_test(test_overrun_closes),
		cmocka_unit_test(test_many_small_frames_leave_others_their_turn),
		cmocka_unit_test(test_close_from_the_handler),
		cmocka_unit_test(test_abort_from_the_handler),
		cmocka_unit_test(test_broken_words),
		cmocka_unit_test(test_retry_in),
		cmocka_unit_test(test_identity_and_name),
		cmocka_unit_test(test_only_unix_sockets),
		cmocka_unit_test(test_descriptors_sent_along_are_thrown_away),
		cmocka_unit_test(test_every_way_to_leave),
		cmocka_unit_test(test_reasons_say_what_was_wrong),
		cmocka_unit_test(test_reading_stops_at_half),
		cmocka_unit_test(test_an_end_from_both_sides_needs_no_deadline),
		cmocka_unit_test(test_no_memory_to_tell_a_loss),
		cmocka_unit_test(test_no_memory_to_say_why),
		cmocka_unit_test(test_failed_allocations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
