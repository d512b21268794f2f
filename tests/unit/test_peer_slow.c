/*
 * local/peer and time: deadlines with a clock that the test sets, slow and stopped readers
 * with a bounded queue, and many frames at once, which must not block other peers.
 */
#include "tests/unit/peer_world.h"

#include "base/blob.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

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
	/* now it reads: every request has a reply */
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

/* as counted: at half of the outbox, and not before */
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

/* --- fairness --- */

static void test_many_small_frames_do_not_block_others(void **state)
{
	struct world w, other = {0};
	struct peer_options options;
	char bytes[8192];
	size_t n = 0;

	(void)state;
	world_open(&w);
	peer_options_default(&options);
	other.loop = w.loop;
	other.work = w.work;
	world_connect(&other, &options);
	say(&w, "hello");
	while (n < 8000)
		n += put_frame(bytes + n, "x");
	say_raw(&w, bytes, n);
	say_raw(&other, bytes, put_frame(bytes, "hello"));
	assert_int_equal(loop_turn(w.loop, false), 0);
	/* the clock does not advance, and a frame counts as a microsecond */
	assert_true(w.n_frames > 1 && w.n_frames <= 1 + WORK_TURN_US);
	assert_int_equal(other.n_frames, 1);
	assert_int_equal(peer_suspended(w.peer), PEER_SUSPEND_BACKLOG);
	/* the rest follows though nothing more arrives, with pauses for the sake of the other */
	for (uint64_t now = 1000; now < 1060; now += 3) {
		clock_fake(1, now);
		assert_int_equal(loop_turn(w.loop, w.n_frames < 1601), 0);
	}
	assert_int_equal(w.n_frames, 1601);
	close(other.fd);
	world_close(&w);
	assert_int_equal(other.closed, 1);
}

/* One request that took longer than a share is not more work than a share: its peer stays light. Two are. */
static void test_one_request_leaves_a_peer_light(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 2; n++) {
		char bytes[32];
		size_t len = put_frame(bytes, "hello");
		struct world w;

		world_open(&w);
		say(&w, "hello");
		assert_false(loop_is_interactive(w.loop));
		w.hello_ms = 1;
		len += n == 2 ? put_frame(bytes + len, "hello") : 0;
		say_raw(&w, bytes, len);
		assert_int_equal(loop_turn(w.loop, false), 0);
		assert_int_equal(w.n_frames, 2);
		assert_int_equal(loop_is_interactive(w.loop), n == 1);
		settle(&w);
		world_close(&w);
	}
}

/* What follows from subscriptions costs the server and the daemon later, so a peer with many at a time is heavy
   however fast it is handled. */
static void test_subscriptions_make_a_peer_heavy(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 64; n += 63) {
		char frame[16];
		struct world w;

		world_open(&w);
		say(&w, "hello");
		for (unsigned i = 0; i < 8; i++) {
			clock_fake(1, clock_boot_ms() + 2 * LOOP_INTERACTIVE_MS);
			snprintf(frame, sizeof(frame), "hold %u", i % 2 ? 0u : n);
			say(&w, frame);
		}
		assert_int_equal(w.n_frames, 9);
		assert_int_equal(loop_is_interactive(w.loop), n == 1);
		world_close(&w);
	}
}

enum { CROWD = 20 };

static unsigned count_gone(const struct world crowd[CROWD])
{
	unsigned n = 0;

	for (unsigned i = 0; i < CROWD; i++)
		n += crowd[i].closed;
	return n;
}

static unsigned count_greeted(const struct world crowd[CROWD])
{
	unsigned n = 0;

	for (unsigned i = 0; i < CROWD; i++)
		n += crowd[i].n_frames;
	return n;
}

static void open_crowd(struct world *w, const struct world *like, struct world crowd[CROWD])
{
	struct peer_options options;

	peer_options_default(&options);
	for (unsigned i = 0; i < CROWD; i++) {
		crowd[i] = *like;
		crowd[i].loop = w->loop;
		crowd[i].work = w->work;
		world_connect(&crowd[i], &options);
		say(&crowd[i], "hello");
	}
}

static void close_crowd(struct world crowd[CROWD])
{
	for (unsigned i = 0; i < CROWD; i++)
		frame_reader_fini(&crowd[i].heard);
}

/* A hello costs more than a small request: when a crowd arrives at once, the requests of others are handled
   first. */
static void test_a_crowd_that_arrives_takes_turns(void **state)
{
	struct world w, crowd[CROWD], like = {.hello_ms = 2};

	(void)state;
	world_open(&w);
	say(&w, "hello");
	open_crowd(&w, &like, crowd);
	while (count_greeted(crowd) < CROWD) {
		unsigned frames = w.n_frames, greeted = count_greeted(crowd);
		char bytes[64];

		say_raw(&w, bytes, put_frame(bytes, "x"));
		assert_int_equal(loop_turn(w.loop, false), 0);
		assert_int_equal(w.n_frames, frames + 1);
		assert_in_range(count_greeted(crowd), greeted, greeted + 1);
		clock_fake(1, clock_boot_ms() + 30);
	}
	for (unsigned i = 0; i < CROWD; i++)
		close(crowd[i].fd);
	settle(&w);
	assert_int_equal(count_gone(crowd), CROWD);
	close_crowd(crowd);
	world_close(&w);
}

/* The end of a peer with many subscriptions takes long: when a crowd leaves at once, one ends in a turn, and
   the requests of others are handled in between. */
static void test_a_crowd_that_leaves_takes_turns(void **state)
{
	struct world w, crowd[CROWD], like = {.gone_ms = 2};

	(void)state;
	for (unsigned half_closed = 0; half_closed < 2; half_closed++) {
		world_open(&w);
		say(&w, "hello");
		open_crowd(&w, &like, crowd);
		for (unsigned i = 0; i < CROWD; i++) {
			/* what it does not read makes its end a reset */
			push(crowd[i].peer, 10);
			if (half_closed)
				shutdown(crowd[i].fd, SHUT_WR);
		}
		settle(&w);
		for (unsigned i = 0; i < CROWD; i++)
			close(crowd[i].fd);
		while (count_gone(crowd) < CROWD) {
			unsigned frames = w.n_frames, gone = count_gone(crowd);
			char bytes[64];

			say_raw(&w, bytes, put_frame(bytes, "x"));
			assert_int_equal(loop_turn(w.loop, false), 0);
			assert_int_equal(w.n_frames, frames + 1);
			assert_in_range(count_gone(crowd), gone, gone + 1);
			clock_fake(1, clock_boot_ms() + 30);
		}
		close_crowd(crowd);
		world_close(&w);
	}
}

/* --- output --- */

/* Many pieces that are not neighbours in memory: as much as the socket takes leaves in one turn. */
static void test_writes_until_the_socket_is_full(void **state)
{
	struct world w;
	(void)state;
	world_open_with(&w, 8 << 20);
	say(&w, "hello");
	for (unsigned i = 0; i < 2000; i++)
		push(w.peer, 1000);
	assert_int_equal(loop_turn(w.loop, false), 0);
	/* more than what one turn brings of a burst: else a reader that keeps up would lose messages */
	assert_true(peer_counters(w.peer)->bytes_out > 300000);
	/* the next turn writes nothing, because the peer has not read */
	uint64_t out = peer_counters(w.peer)->bytes_out;
	settle(&w);
	assert_int_equal(peer_counters(w.peer)->bytes_out, out);
	for (unsigned heard = 0; heard < 2000;) {
		if (hear(&w).n)
			heard++;
		else
			settle(&w);
	}
	assert_true(outbox_empty(&peer_member(w.peer)->outbox));
	world_close(&w);
}

/* --- a large reply --- */

static void push_shared(struct peer *p, size_t n)
{
	struct blob *head, *rest;
	size_t mark;

	assert_int_equal(blob_new(100, &head), 0);
	assert_int_equal(blob_new(PROTOCOL_FRAME_MAX, &rest), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(buf_putc(&rest->buf, 'r'), 0);
	assert_int_equal(frame_begin(&head->buf, &mark), 0);
	assert_int_equal(frame_end_early(&head->buf, mark, n, PROTOCOL_FRAME_MAX), 0);
	outbox_push_reply(&peer_member(p)->outbox, head, rest);
	blob_unref(head);
	blob_unref(rest);
}

/* Its further requests wait until it has left, however much room the outbox has. */
static void test_one_large_reply_at_a_time(void **state)
{
	struct world w;
	size_t n = 0;

	(void)state;
	world_open_with(&w, 8 << 20);
	say(&w, "hello");
	push_shared(w.peer, 1 << 20);
	say(&w, "next");
	assert_string_equal(w.frames, "[hello]");
	assert_int_equal(peer_suspended(w.peer), PEER_SUSPEND_REPLY);
	while (n == 0) {
		n = hear(&w).n;
		settle(&w);
	}
	assert_int_equal(n, 1 << 20);
	assert_string_equal(w.frames, "[hello][next]");
	assert_int_equal(peer_suspended(w.peer), 0);
	world_close(&w);
}

/* A request that the handler postpones comes again, before those that came after it. */
static void test_postponed(void **state)
{
	struct world w;
	char bytes[64];
	size_t n;

	(void)state;
	world_open(&w);
	say(&w, "hello");
	peer_retry(w.peer);
	n = put_frame(bytes, "later");
	n += put_frame(bytes + n, "next");
	say_raw(&w, bytes, n);
	settle(&w);
	assert_string_equal(w.frames, "[hello][later]");
	assert_int_equal(peer_suspended(w.peer), PEER_SUSPEND_REPLY);
	peer_retry(w.peer);
	settle(&w);
	assert_string_equal(w.frames, "[hello][later][later again][next]");
	assert_int_equal(peer_suspended(w.peer), 0);
	assert_int_equal(peer_counters(w.peer)->frames_in, 3);
	/* it leaves without having been asked again */
	say(&w, "later");
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hello_deadline),
		cmocka_unit_test(test_no_deadline_once_open),
		cmocka_unit_test(test_progress_deadline),
		cmocka_unit_test(test_a_part_is_progress),
		cmocka_unit_test(test_slow_reader_is_bounded),
		cmocka_unit_test(test_overrun_closes),
		cmocka_unit_test(test_reading_stops_at_half),
		cmocka_unit_test(test_many_small_frames_do_not_block_others),
		cmocka_unit_test(test_one_request_leaves_a_peer_light),
		cmocka_unit_test(test_subscriptions_make_a_peer_heavy),
		cmocka_unit_test(test_a_crowd_that_arrives_takes_turns),
		cmocka_unit_test(test_a_crowd_that_leaves_takes_turns),
		cmocka_unit_test(test_writes_until_the_socket_is_full),
		cmocka_unit_test(test_one_large_reply_at_a_time),
		cmocka_unit_test(test_postponed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
