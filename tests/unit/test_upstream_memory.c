/*
 * upstream/upstream, when memory is short: whichever allocation fails, at the start or
 * while messages arrive, the session works, or recovers by itself.
 */
#include "tests/unit/upstream_world.h"
#include "local/wire_out.h"

#include <errno.h>
#include <string.h>

/* a member that had to be cut off is replaced by a new one, as a peer would come again */
static void replace_member(struct world *w)
{
	hub_remove_member(w->hub, &w->member);
	outbox_fini(&w->member.outbox);
	outbox_init(&w->member.outbox, 64u << 20, wire_out_lost, (struct wake){NULL, NULL});
	assert_int_equal(hub_add_member(w->hub, &w->member), 0);
	frame_reader_fini(&w->in);
	frame_reader_init(&w->in, PROTOCOL_FRAME_MAX);
	buf_clear(&w->heard);
	subscribe(w, "/a");
}

static void test_each_allocation(void **state)
{
	struct world *w = *state;

	FAIL_EACH_ALLOCATION {
		struct upstream *u = NULL;
		int r = upstream_new(w->loop, w->curl, w->hub, &w->o, &w->why, &u);

		if (r) {
			assert_int_equal(r, -ENOMEM);
			continue;
		}
		upstream_free(u);
	}
}

/*
 * One batch cannot be sent, for want of memory, while another on the same
 * WebSocket waits for its reply: that other one has arrived and is not sent again.
 */
static void test_neighbour(void **state)
{
	struct world *w = *state;
	bool more = true;

	use(w, SESSION_WEBSOCKET, 1);
	start(w);
	until_connected(w);
	await(w, "held", NULL, 1);
	for (unsigned n = 0; more; n++) {
		fake_command(w->fake, "mark");
		fake_command(w->fake, "rule type=publish channel=/first hold");
		ask(w, "{\"op\":\"publish\",\"id\":1,\"channel\":\"/first\",\"data\":1}");
		await(w, "parked", NULL, 1);
		ask(w, "{\"op\":\"publish\",\"id\":2,\"channel\":\"/second\",\"data\":2}");
		testing_fail_allocation(n);
		for (int i = 0; i < 5; i++)
			assert_int_equal(loop_turn(w->loop, false), 0);
		more = testing_allocation_failed();
		fake_command(w->fake, "release");
		/* a member whose reply finds no memory is cut off */
		UNTIL((heard(w, "\"id\":1,") && heard(w, "\"id\":2,")) || w->member.outbox.overrun);
		assert_int_equal(fake_count(w->fake, "publish", "/first"), 1);
		assert_in_range(fake_count(w->fake, "publish", "/second"), 0, 1);
		until_connected(w);
		replace_member(w);
	}
}

static bool is_subscribed(struct world *w)
{
	wire_settle(w->loop);
	return strstr(fake_command(w->fake, "subscriptions"), ":/a");
}

/*
 * Any one allocation fails while messages come in: whatever it was, the session
 * is well by itself, or is well again, and messages come.
 */
static void allocations_meanwhile(struct world *w, bool websocket)
{
	bool more = true;
	unsigned n;

	start(w);
	until_connected(w);
	for (n = 0; more; n++) {
		replace_member(w);
		until_connected(w);
		/* a burst reaches a connect that is held, and a subscription that is known */
		UNTIL(is_subscribed(w));
		fake_command(w->fake, "mark");
		fake_command(w->fake, "publish /a \"first\"");
		hear(w, "first");
		await(w, "held", NULL, websocket ? 0 : 1);
		fake_command(w->fake, "mark");
		fake_command(w->fake, "burst /a 3 x");
		fake_await(w->fake, "event", "/a", 3);
		/* written by the end of its turn: who answers again has done that */
		for (int i = 0; i < 2; i++)
			fake_count(w->fake, "event", NULL);
		testing_fail_allocation(n);
		for (int i = 0; i < 10; i++)
			assert_int_equal(loop_turn(w->loop, false), 0);
		more = testing_allocation_failed();
		until_connected(w);
	}
	assert_true(n > 1);
}

/* The same from the first handshake on, when nothing has its memory yet. */
static void allocations_opening(struct world *w)
{
	bool more = true;
	unsigned n;

	for (n = 0; more; n++) {
		start(w);
		testing_fail_allocation(n);
		until_connected(w);
		more = testing_allocation_failed();
		upstream_free(w->u);
		w->u = NULL;
	}
	assert_true(n > 10);
	assert_false(has(&w->log, "slept"));
}

static void test_opening_longpoll(void **state)
{
	use(*state, SESSION_LONG_POLLING, 1);
	allocations_opening(*state);
}

static void test_opening_websocket(void **state)
{
	use(*state, SESSION_WEBSOCKET, 1);
	allocations_opening(*state);
}

static void test_allocations_longpoll(void **state)
{
	use(*state, SESSION_LONG_POLLING, 1);
	allocations_meanwhile(*state, false);
}

static void test_allocations_websocket(void **state)
{
	use(*state, SESSION_WEBSOCKET, 1);
	allocations_meanwhile(*state, true);
}

/*
 * Any one allocation fails when the options are exchanged: then nothing has changed. Any one fails later: the other
 * session begins nevertheless.
 */
static void test_exchange(void **state)
{
	struct world *w = *state;
	bool more = true;
	unsigned failed = 0;
	uint64_t before;

	use(w, SESSION_LONG_POLLING, 1);
	start(w);
	until_connected(w);
	before = info_of(w).generation;
	FAIL_EACH_ALLOCATION {
		int r = upstream_exchange(w->u, &w->o, NULL, NULL, &w->why);

		if (r == 0)
			continue;
		failed++;
		assert_int_equal(r, -ENOMEM);
		assert_true(is_in(w, SESSION_CONNECTED));
	}
	assert_true(failed > 10);
	UNTIL(is_in(w, SESSION_CONNECTED) && info_of(w).generation > before);
	for (unsigned n = 0; more; n++) {
		replace_member(w);
		until_connected(w);
		before = info_of(w).generation;
		assert_int_equal(upstream_exchange(w->u, &w->o, NULL, NULL, &w->why), 0);
		testing_fail_allocation(n);
		UNTIL(is_in(w, SESSION_CONNECTED) && info_of(w).generation > before);
		more = testing_allocation_failed();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UPSTREAM_TEST(test_each_allocation),
		UPSTREAM_TEST(test_neighbour),
		UPSTREAM_TEST(test_exchange),
		UPSTREAM_TEST(test_allocations_longpoll),
		UPSTREAM_TEST(test_allocations_websocket),
		UPSTREAM_TEST(test_opening_longpoll),
		UPSTREAM_TEST(test_opening_websocket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
