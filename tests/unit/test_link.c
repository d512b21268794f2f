/*
 * The link: which connects prove that it works, how fast empty ones follow each other, which reply is stale.
 */
#include "tests/unit/testing.h"

#include "bayeux/link.h"

static void a_proof_is_held_or_has_events(void **state)
{
	struct link l;
	bool last;
	(void)state;
	link_init(&l, SESSION_LONG_POLLING);
	link_sent_connect(&l, 1000, false, false);
	assert_false(link_is_proof(&l, 1099));
	assert_true(link_is_proof(&l, 1100));
	assert_true(link_event(&l, &last));
	assert_true(link_is_proof(&l, 1001));
	assert_false(link_event(&l, &last));
	/* one with timeout 0 is answered at once or late: that proves nothing */
	link_sent_connect(&l, 2000, true, false);
	assert_true(link_probes(&l));
	assert_false(link_is_proof(&l, 9000));
}

static void empty_instant_replies_slow_down(void **state)
{
	struct link l;
	(void)state;
	link_init(&l, SESSION_LONG_POLLING);
	link_sent_connect(&l, 1000, false, false);
	assert_int_equal(link_spin_pause(&l, 1001, 300), 50);
	assert_int_equal(link_spin_pause(&l, 1001, 300), 100);
	assert_int_equal(link_spin_pause(&l, 1001, 300), 200);
	assert_int_equal(link_spin_pause(&l, 1001, 300), 300);
	assert_true(link_end_spin(&l));
	assert_false(link_end_spin(&l));
	assert_int_equal(link_spin_pause(&l, 1001, 300), 50);
	/* it was held */
	assert_int_equal(link_spin_pause(&l, 1100, 300), 0);
	assert_false(link_end_spin(&l));
}

static void the_last_event_of_the_handshake(void **state)
{
	struct link l;
	bool last;
	(void)state;
	link_init(&l, SESSION_WEBSOCKET);
	link_event(&l, &last);
	assert_false(last);
	link_expect_events(&l, 2);
	link_event(&l, &last);
	assert_false(last);
	link_event(&l, &last);
	assert_true(last);
	link_event(&l, &last);
	assert_false(last);
}

static void advice_is_requested_now_and_then(void **state)
{
	struct link l;
	(void)state;
	link_init(&l, SESSION_WEBSOCKET);
	for (int i = 0; i < 10; i++) {
		assert_false(link_refreshes(&l, 1000));
		link_sent_connect(&l, 1000, false, false);
	}
	assert_true(link_refreshes(&l, 1000));
	assert_false(link_refreshes(&l, 0));
	link_sent_connect(&l, 1000, false, true);
	assert_false(link_refreshes(&l, 1000));
}

static void only_the_one_overtaken_is_stale(void **state)
{
	struct pending pending;
	struct link l;
	(void)state;
	pending_init(&pending);
	link_init(&l, SESSION_WEBSOCKET);
	assert_int_equal(pending_reserve(&pending, 1), 0);
	pending_put(&pending, &link_request(&l, REQUEST_CONNECT)->pending, 7, 5000);
	assert_int_equal(pending_next_id(&pending), 8);
	assert_false(link_is_stale(&l, SLICE("7")));
	link_overtake(&l);
	assert_true(link_is_stale(&l, SLICE("7")));
	assert_false(link_is_stale(&l, SLICE("8")));
	assert_false(link_is_stale(&l, SLICE("")));
	link_forget_stale(&l);
	assert_false(link_is_stale(&l, SLICE("7")));
	link_fini(&l, &pending);
	pending_fini(&pending);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_proof_is_held_or_has_events),
		cmocka_unit_test(empty_instant_replies_slow_down),
		cmocka_unit_test(the_last_event_of_the_handshake),
		cmocka_unit_test(advice_is_requested_now_and_then),
		cmocka_unit_test(only_the_one_overtaken_is_stale),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
