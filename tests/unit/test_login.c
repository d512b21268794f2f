/*
 * Credentials of a session: others are requested once, and after some that did not help only after a pause.
 */
#include "tests/unit/testing.h"

#include "bayeux/login.h"

static struct jitter jitter;

static struct login begin(void)
{
	struct session_options o;
	struct login l;
	session_options_default(&o);
	jitter_init(&jitter, 1);
	login_init(&l, &o);
	return l;
}

static void assert_asks(struct login *l, const char *text)
{
	struct session_event e;
	assert_true(login_has_news(l));
	assert_true(login_next(l, "the reason", &e));
	assert_int_equal(e.kind, SESSION_EVENT_UNAUTHORIZED);
	assert_true(slice_eq(e.text, slice_of(text)));
	assert_false(login_next(l, "the reason", &e));
}

static void the_first_are_awaited(void **state)
{
	struct login l = begin();
	bool again;
	(void)state;
	login_await(&l, false);
	assert_true(login_waits(&l));
	assert_asks(&l, "");
	assert_int_equal(login_came(&l, &again), LOGIN_AWAITED);
	assert_false(again);
	assert_false(login_is_requested(&l));
	assert_true(login_is_trusted(&l));
	assert_int_equal(login_credential(&l), 1);
}

static void one_rejected_after_the_other(void **state)
{
	struct login l = begin();
	bool again;
	(void)state;
	login_await(&l, true);
	assert_asks(&l, "the reason");
	assert_int_equal(login_came(&l, &again), LOGIN_REJECTED);
	assert_false(again);
	assert_false(login_is_trusted(&l));
	login_await(&l, true);
	login_came(&l, &again);
	assert_true(again);
	/* a connect that proves nothing changes nothing */
	login_connected(&l, false, false);
	assert_false(login_is_trusted(&l));
	login_connected(&l, true, true);
	assert_true(login_is_trusted(&l));
}

static void renewed_while_the_session_continues(void **state)
{
	struct login l = begin();
	bool again;
	(void)state;
	assert_int_equal(login_renew(&l, 1000, &jitter), UINT64_MAX);
	assert_false(login_waits(&l));
	assert_asks(&l, "HTTP status 401 to a request");
	/* one request is enough: for another command, and when the session waits, too */
	assert_int_equal(login_renew(&l, 1000, &jitter), UINT64_MAX);
	assert_false(login_has_news(&l));
	login_await(&l, true);
	assert_false(login_has_news(&l));
	login_came(&l, &again);
	/* they did not help */
	uint64_t until = login_renew(&l, 1001, &jitter);
	assert_in_range(until, 1002, 3000);
	assert_false(login_is_requested(&l));
	assert_int_equal(login_renew(&l, until, &jitter), UINT64_MAX);
	assert_true(login_is_requested(&l));
	login_stop(&l);
	assert_false(login_is_requested(&l));
	assert_false(login_has_news(&l));
}

static void one_is_proven_at_a_time(void **state)
{
	struct login l = begin();
	(void)state;
	assert_false(login_is_proven(&l, 0));
	login_prove(&l, 0);
	assert_true(login_is_proven(&l, 0));
	assert_false(login_is_proven(&l, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_are_awaited),
		cmocka_unit_test(one_rejected_after_the_other),
		cmocka_unit_test(renewed_while_the_session_continues),
		cmocka_unit_test(one_is_proven_at_a_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
