/*
 * io/peer, how it ends: half-closed and vanished ones, callbacks that end their
 * own peer, and every way to leave in every situation.
 */
#include "tests/unit/peer_world.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* A connection that is closed before hello is not logged as a peer. */
static void test_connect_and_close(void **state)
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
static void test_half_closed_peer_may_send(void **state)
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

/* It has shut down sending, and got everything: closed without a deadline. */
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

static void test_every_way_to_disconnect(void **state)
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
			/* the end of a peer may wait for the pause of heavy peers */
			while (!w.closed && (how == LEAVE_CLOSE || how == LEAVE_SHUT_BOTH || how == LEAVE_HALF_FRAME))
				assert_int_equal(loop_turn(w.loop, true), 0);
			assert_sleeps(&w);
			world_close(&w);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hangs_up_within_a_frame),
		cmocka_unit_test(test_stops_sending_within_a_frame),
		cmocka_unit_test(test_half_closed_is_served_on),
		cmocka_unit_test(test_connect_and_close),
		cmocka_unit_test(test_fire_and_forget),
		cmocka_unit_test(test_half_closed_peer_may_send),
		cmocka_unit_test(test_close_from_the_handler),
		cmocka_unit_test(test_abort_from_the_handler),
		cmocka_unit_test(test_an_end_from_both_sides_needs_no_deadline),
		cmocka_unit_test(test_every_way_to_disconnect),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
