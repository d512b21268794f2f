/*
 * base/loop: descriptors, timers with a clock set by the test, signals, the order
 * within a turn, and callbacks that free objects, including their own.
 */
#include "base/loop.h"
#include "base/clock.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* what happened, one letter each, in order */
static char diary[256];

static void note(char what)
{
	size_t n = strlen(diary);

	assert_true(n + 1 < sizeof(diary));
	diary[n] = what;
	diary[n + 1] = 0;
}

static void note_ctx(void *ctx)
{
	note(*(const char *)ctx);
}

static int setup(void **state)
{
	struct loop *loop;

	diary[0] = 0;
	clock_fake(1, 1000);
	if (loop_new(&loop))
		return -1;
	*state = loop;
	return 0;
}

static int teardown(void **state)
{
	loop_free(*state);
	clock_fake(UINT64_MAX, UINT64_MAX);
	return 0;
}

static void turn(struct loop *loop)
{
	assert_int_equal(loop_turn(loop, false), 0);
}

/* --- descriptors --- */

struct ear {
	int fds[2];              /* [0] is watched */
	struct loop_watch *watch;
	struct loop *loop;
	unsigned seen;           /* events of the last call */
	unsigned calls;
};

static void on_ear(void *ctx, unsigned events)
{
	struct ear *e = ctx;

	e->seen = events;
	e->calls++;
}

static void ear_open(struct ear *e, struct loop *loop, unsigned events,
		     void (*fn)(void *ctx, unsigned events))
{
	*e = (struct ear){.loop = loop};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, e->fds), 0);
	assert_int_equal(loop_watch_new(loop, e->fds[0], events, fn, e, &e->watch), 0);
}

static void ear_close(struct ear *e)
{
	loop_watch_free(e->watch);
	close(e->fds[0]);
	close(e->fds[1]);
}

static void test_watch(void **state)
{
	struct loop *loop = *state;
	struct ear e;
	char c;

	ear_open(&e, loop, LOOP_READ, on_ear);
	turn(loop);
	assert_int_equal(e.calls, 0);
	assert_int_equal(write(e.fds[1], "x", 1), 1);
	turn(loop);
	turn(loop);
	assert_int_equal(e.calls, 2);
	assert_int_equal(e.seen, LOOP_READ);
	/* paused: nothing, though it is ready */
	assert_int_equal(loop_watch_set(e.watch, 0), 0);
	turn(loop);
	assert_int_equal(e.calls, 2);
	assert_int_equal(loop_watch_set(e.watch, LOOP_READ | LOOP_WRITE), 0);
	turn(loop);
	assert_int_equal(e.calls, 3);
	assert_int_equal(e.seen, LOOP_READ | LOOP_WRITE);
	assert_int_equal(read(e.fds[0], &c, 1), 1);
	turn(loop);
	assert_int_equal(e.seen, LOOP_WRITE);
	ear_close(&e);
	assert_int_equal(loop_turns(loop), 6);
}

static void test_hang_up_is_both(void **state)
{
	struct loop *loop = *state;
	struct ear e;

	ear_open(&e, loop, LOOP_READ, on_ear);
	shutdown(e.fds[1], SHUT_RDWR);
	turn(loop);
	assert_int_equal(e.seen, LOOP_READ);
	assert_int_equal(loop_watch_set(e.watch, LOOP_WRITE), 0);
	turn(loop);
	assert_int_equal(e.seen, LOOP_WRITE);
	assert_int_equal(e.calls, 2);
	ear_close(&e);
}

/* A half-closed socket, or unread input, is no hang-up and does not make the loop spin. */
static void test_hang_up_alone(void **state)
{
	struct loop *loop = *state;
	struct ear e;

	ear_open(&e, loop, LOOP_HANGUP, on_ear);
	turn(loop);
	assert_int_equal(write(e.fds[1], "x", 1), 1);
	shutdown(e.fds[1], SHUT_WR);
	turn(loop);
	assert_int_equal(e.calls, 0);
	close(e.fds[1]);
	turn(loop);
	turn(loop);
	assert_int_equal(e.calls, 1);
	assert_int_equal(e.seen, LOOP_HANGUP);
	/* seen too when it is asked for afterwards */
	assert_int_equal(loop_watch_set(e.watch, 0), 0);
	assert_int_equal(loop_watch_set(e.watch, LOOP_HANGUP), 0);
	turn(loop);
	assert_int_equal(e.calls, 2);
	e.fds[1] = dup(e.fds[0]);
	ear_close(&e);
}

/* Two watches ready in the same turn; the first one called frees both. */
static struct ear pair[2];

static void on_pair(void *ctx, unsigned events)
{
	(void)ctx;
	(void)events;
	note('p');
	for (int i = 0; i < 2; i++) {
		loop_watch_free(pair[i].watch);
		pair[i].watch = NULL;
	}
}

static void test_watch_freed_in_the_turn_is_silent(void **state)
{
	struct loop *loop = *state;

	for (int i = 0; i < 2; i++) {
		ear_open(&pair[i], loop, LOOP_READ, on_pair);
		assert_int_equal(write(pair[i].fds[1], "x", 1), 1);
	}
	turn(loop);
	turn(loop);
	assert_string_equal(diary, "p");
	ear_close(&pair[0]);
	ear_close(&pair[1]);
}

static void test_watch_of_no_descriptor(void **state)
{
	struct loop_watch *w = NULL;

	assert_true(loop_watch_new(*state, 999, LOOP_READ, on_ear, NULL, &w) < 0);
	assert_null(w);
	loop_watch_free(NULL);
}

/* --- timers --- */

static void test_timers_in_order_of_time(void **state)
{
	struct loop *loop = *state;
	struct loop_timer *t[50];
	char names[50];
	uint64_t at[50];

	for (unsigned i = 0; i < 50; i++) {
		names[i] = (char)('0' + i);
		at[i] = 1001 + (i * 37) % 50;
		assert_int_equal(loop_timer_new(loop, note_ctx, &names[i], &t[i]), 0);
		loop_timer_at(t[i], at[i]);
	}
	turn(loop);
	assert_string_equal(diary, "");
	/* one millisecond after the other: each fires at its own, the stopped ones never */
	for (unsigned i = 0; i < 50; i += 7)
		loop_timer_stop(t[i]);
	for (uint64_t now = 1001; now <= 1050; now++) {
		unsigned i = 0;

		while (at[i] != now)
			i++;
		diary[0] = 0;
		clock_fake(1, now);
		turn(loop);
		if (i % 7)
			assert_int_equal(diary[0], names[i]);
		assert_int_equal(strlen(diary), i % 7 ? 1 : 0);
	}
	for (unsigned i = 0; i < 50; i++)
		loop_timer_free(t[i]);
	loop_timer_free(NULL);
}

static void test_timer_moves(void **state)
{
	struct loop *loop = *state;
	struct loop_timer *t;

	assert_int_equal(loop_timer_new(loop, note_ctx, "t", &t), 0);
	loop_timer_at(t, 1100);
	loop_timer_at(t, 1200);
	clock_fake(1, 1199);
	turn(loop);
	assert_string_equal(diary, "");
	clock_fake(1, 1200);
	turn(loop);
	turn(loop);
	assert_string_equal(diary, "t");
	loop_timer_at(t, 1300);
	loop_timer_at(t, UINT64_MAX);
	clock_fake(1, 99999);
	turn(loop);
	assert_string_equal(diary, "t");
	loop_timer_free(t);
}

static struct loop_timer *first, *second;

static void on_first(void *ctx)
{
	(void)ctx;
	note('1');
	loop_timer_free(first);
	loop_timer_free(second);
}

static void test_timer_frees_itself_and_another_that_is_due(void **state)
{
	struct loop *loop = *state;

	assert_int_equal(loop_timer_new(loop, on_first, NULL, &first), 0);
	assert_int_equal(loop_timer_new(loop, note_ctx, "2", &second), 0);
	loop_timer_at(first, 1001);
	loop_timer_at(second, 1002);
	clock_fake(1, 5000);
	turn(loop);
	assert_string_equal(diary, "1");
}

static void on_again(void *ctx)
{
	note('a');
	loop_timer_at(first, loop_now(ctx));
}

/* Long work continues turn by turn; it does not prolong a turn, and no turn waits. */
static void test_timer_set_to_now_fires_in_the_next_turn(void **state)
{
	struct loop *loop = *state;

	assert_int_equal(loop_timer_new(loop, on_again, loop, &first), 0);
	loop_timer_at(first, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(loop_turn(loop, true), 0);
	assert_string_equal(diary, "aaa");
	loop_timer_free(first);
}

/* By the real clock, so that the kernel's timer is seen to wake the wait. */
static void test_timer_wakes_the_wait(void **state)
{
	struct loop *loop = *state;
	struct loop_timer *t, *later;
	uint64_t when;

	clock_fake(UINT64_MAX, UINT64_MAX);
	turn(loop);
	when = loop_now(loop) + 20;
	assert_int_equal(loop_timer_new(loop, note_ctx, "t", &t), 0);
	assert_int_equal(loop_timer_new(loop, note_ctx, "l", &later), 0);
	loop_timer_at(later, when + 1000000);
	turn(loop);
	loop_timer_at(t, when);
	while (!diary[0])
		assert_int_equal(loop_turn(loop, true), 0);
	assert_string_equal(diary, "t");
	assert_true(loop_now(loop) >= when);
	/* it slept, and did not spin */
	assert_true(loop_turns(loop) < 10);
	loop_timer_free(t);
	loop_timer_free(later);
}

static void test_now_never_goes_back(void **state)
{
	struct loop *loop = *state;

	assert_int_equal(loop_now(loop), 1000);
	clock_fake(1, 2000);
	assert_int_equal(loop_now(loop), 1000);
	turn(loop);
	assert_int_equal(loop_now(loop), 2000);
	clock_fake(1, 1500);
	turn(loop);
	assert_int_equal(loop_now(loop), 2000);
}

/* --- the order within a turn --- */

static struct loop_hook hook, other_hook;
static struct loop_corpse corpse;

static void on_hook(void *ctx)
{
	note('h');
	loop_at_end(ctx, &other_hook);
}

static void on_readable(void *ctx, unsigned events)
{
	struct ear *e = ctx;
	char c;

	(void)events;
	note('r');
	assert_int_equal(read(e->fds[0], &c, 1), 1);
	loop_reap(e->loop, &corpse, note_ctx, "c");
	loop_at_end(e->loop, &hook);
	loop_at_end(e->loop, &hook);
}

static void test_order_of_a_turn(void **state)
{
	struct loop *loop = *state;
	struct loop_timer *t;
	struct ear e;

	loop_hook_init(&hook, on_hook, loop);
	loop_hook_init(&other_hook, note_ctx, "o");
	assert_int_equal(loop_timer_new(loop, note_ctx, "t", &t), 0);
	loop_timer_at(t, 1000);
	ear_open(&e, loop, LOOP_READ, on_readable);
	assert_int_equal(write(e.fds[1], "x", 1), 1);
	turn(loop);
	assert_string_equal(diary, "rthoc");
	turn(loop);
	assert_string_equal(diary, "rthoc");
	ear_close(&e);
	loop_timer_free(t);
}

static void test_hook_from_outside_and_cancelled(void **state)
{
	struct loop *loop = *state;

	loop_hook_init(&hook, note_ctx, "h");
	loop_hook_init(&other_hook, note_ctx, "o");
	loop_at_end(loop, &hook);
	loop_at_end(loop, &other_hook);
	loop_hook_cancel(&other_hook);
	loop_hook_cancel(&other_hook);
	/* would wait for ever, did the hook not count */
	assert_int_equal(loop_turn(loop, true), 0);
	assert_string_equal(diary, "h");
}

static void on_late_hook(void *ctx)
{
	note('l');
	loop_at_end(ctx, &hook);
}

/* It runs after all others, those that others asked for included; what it asks for runs in the same end. */
static void test_last_hooks(void **state)
{
	struct loop *loop = *state;
	struct loop_hook late;

	loop_hook_init(&late, on_late_hook, loop);
	loop_hook_init(&hook, note_ctx, "h");
	loop_hook_init(&other_hook, note_ctx, "o");
	loop_at_end_last(loop, &late);
	loop_at_end(loop, &hook);
	loop_at_end(loop, &other_hook);
	turn(loop);
	assert_string_equal(diary, "holh");
	/* it counts as work to do, too; and where it was asked for first counts */
	loop_at_end_last(loop, &late);
	loop_at_end(loop, &late);
	loop_at_end(loop, &other_hook);
	assert_int_equal(loop_turn(loop, true), 0);
	assert_string_equal(diary, "holholh");
}

static void test_interactive(void **state)
{
	struct loop *loop = *state;

	assert_false(loop_is_interactive(loop));
	loop_note_small_request(loop);
	clock_fake(1, 1000 + LOOP_INTERACTIVE_MS - 1);
	turn(loop);
	assert_true(loop_is_interactive(loop));
	clock_fake(1, 1000 + LOOP_INTERACTIVE_MS);
	turn(loop);
	assert_false(loop_is_interactive(loop));
}

static void test_free_buries(void **state)
{
	struct loop *loop;

	(void)state;
	assert_int_equal(loop_new(&loop), 0);
	loop_reap(loop, &corpse, note_ctx, "c");
	loop_free(loop);
	assert_string_equal(diary, "c");
	loop_free(NULL);
}

/* --- signals and running --- */

static struct loop_signal *sig;

static void on_usr1(void *ctx, int signo)
{
	assert_int_equal(signo, SIGUSR1);
	note('s');
	loop_signal_free(sig);
	loop_stop(ctx);
}

static void test_signal_stops_the_run(void **state)
{
	struct loop *loop = *state;

	assert_int_equal(loop_signal_new(loop, SIGUSR1, on_usr1, loop, &sig), 0);
	raise(SIGUSR1);
	loop_hook_init(&hook, note_ctx, "h");
	loop_at_end(loop, &hook);
	assert_int_equal(loop_run(loop), 0);
	/* the turn is finished before the run ends */
	assert_string_equal(diary, "sh");
	loop_signal_free(NULL);
}

static void test_failed_allocations(void **state)
{
	(void)state;
	FAIL_EACH_ALLOCATION {
		struct loop *loop = NULL;
		struct loop_timer *t = NULL;
		struct loop_watch *w = NULL;
		struct loop_signal *s = NULL;
		int r = loop_new(&loop);

		if (r) {
			assert_int_equal(r, -ENOMEM);
			continue;
		}
		r = loop_timer_new(loop, note_ctx, "t", &t);
		if (!r)
			r = loop_watch_new(loop, 0, 0, on_ear, NULL, &w);
		if (!r)
			r = loop_signal_new(loop, SIGUSR2, on_usr1, NULL, &s);
		assert_true(r == 0 || r == -ENOMEM);
		if (t)
			loop_timer_at(t, 5);
		loop_timer_free(t);
		loop_watch_free(w);
		loop_signal_free(s);
		loop_free(loop);
	}
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(test_watch),
		LOOP_TEST(test_hang_up_is_both),
		LOOP_TEST(test_hang_up_alone),
		LOOP_TEST(test_watch_freed_in_the_turn_is_silent),
		LOOP_TEST(test_watch_of_no_descriptor),
		LOOP_TEST(test_timers_in_order_of_time),
		LOOP_TEST(test_timer_moves),
		LOOP_TEST(test_timer_frees_itself_and_another_that_is_due),
		LOOP_TEST(test_timer_set_to_now_fires_in_the_next_turn),
		LOOP_TEST(test_timer_wakes_the_wait),
		LOOP_TEST(test_now_never_goes_back),
		LOOP_TEST(test_order_of_a_turn),
		LOOP_TEST(test_hook_from_outside_and_cancelled),
		LOOP_TEST(test_last_hooks),
		LOOP_TEST(test_interactive),
		LOOP_TEST(test_free_buries),
		LOOP_TEST(test_signal_stops_the_run),
		LOOP_TEST(test_failed_allocations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
