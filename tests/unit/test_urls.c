/*
 * Which URL has its turn: failures that count, every transport before the next
 * URL, every URL before the first again, and the way back.
 */
#include "tests/unit/testing.h"

#include "bayeux/urls.h"

static void init(struct urls *u, size_t n, size_t n_transports, size_t limit, uint64_t retry)
{
	struct session_options o;

	session_options_default(&o);
	o.n_urls = n;
	o.n_transports = n_transports;
	o.url_failures = limit;
	o.url_retry = retry;
	urls_init(u, &o);
}

static void one_url_is_never_left(void **state)
{
	(void)state;
	struct urls u;
	init(&u, 1, 2, 1, 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(urls_failed(&u, i % 2 ? SESSION_WEBSOCKET : SESSION_LONG_POLLING,
					     (uint64_t)i), URLS_STAY);
	assert_int_equal(urls_failed_shared(&u, 20), URLS_STAY);
	assert_int_equal(u.current, 0);
	init(&u, 0, 1, 1, 0);
	assert_int_equal(urls_failed(&u, SESSION_WEBSOCKET, 1), URLS_STAY);
}

static void all_transports_before_the_next_url(void **state)
{
	(void)state;
	struct urls u;
	init(&u, 3, 2, 2, 100);
	assert_int_equal(urls_failed(&u, SESSION_WEBSOCKET, 1), URLS_STAY);
	assert_int_equal(urls_failed(&u, SESSION_WEBSOCKET, 2), URLS_TRANSPORT);
	assert_int_equal(u.current, 0);
	assert_int_equal(urls_failed(&u, SESSION_LONG_POLLING, 3), URLS_NEXT);
	assert_int_equal(u.current, 1);
	/* both within the limit */
	assert_int_equal(urls_failed(&u, SESSION_WEBSOCKET, 4), URLS_STAY);
	assert_int_equal(urls_failed(&u, SESSION_LONG_POLLING, 5), URLS_NEXT);
	assert_int_equal(u.current, 2);
	/* a failure in between is forgotten with the next success */
	assert_int_equal(urls_failed(&u, SESSION_WEBSOCKET, 6), URLS_STAY);
	urls_good(&u);
	assert_int_equal(urls_failed(&u, SESSION_LONG_POLLING, 7), URLS_STAY);
	assert_int_equal(urls_failed(&u, SESSION_LONG_POLLING, 8), URLS_TRANSPORT);
	assert_int_equal(urls_failed(&u, SESSION_WEBSOCKET, 9), URLS_ROUND);
	assert_int_equal(u.current, 0);
}

static void a_shared_session_goes_on_over_the_same_transport(void **state)
{
	(void)state;
	struct urls u;
	init(&u, 2, 2, 2, 100);
	assert_int_equal(urls_failed_shared(&u, 1), URLS_STAY);
	assert_int_equal(urls_failed_shared(&u, 2), URLS_NEXT);
	assert_int_equal(urls_failed_shared(&u, 3), URLS_STAY);
	assert_int_equal(urls_failed_shared(&u, 4), URLS_ROUND);
}

static void the_first_url_is_used_again(void **state)
{
	(void)state;
	struct urls u;
	init(&u, 3, 1, 1, 100);
	assert_false(urls_first_due(&u, 1000));
	assert_int_equal(urls_failed(&u, SESSION_WEBSOCKET, 1000), URLS_NEXT);
	/* not before the round is over, or some URL works */
	assert_false(urls_first_due(&u, 5000));
	assert_int_equal(urls_failed(&u, SESSION_WEBSOCKET, 1010), URLS_NEXT);
	urls_good(&u);
	assert_false(urls_first_due(&u, 1099));
	assert_true(urls_first_due(&u, 1100));
	urls_go_first(&u);
	assert_int_equal(u.current, 0);
	assert_false(urls_first_due(&u, 9000));
	/* it still fails: the second is used, and the pause starts again */
	assert_int_equal(urls_failed(&u, SESSION_WEBSOCKET, 1200), URLS_NEXT);
	assert_int_equal(u.current, 1);
	urls_good(&u);
	assert_false(urls_first_due(&u, 1299));
	assert_true(urls_first_due(&u, 1300));
}

static void never_is_never(void **state)
{
	(void)state;
	struct urls u;
	init(&u, 2, 1, 1, UINT64_MAX);
	assert_int_equal(urls_failed(&u, SESSION_WEBSOCKET, 1000), URLS_NEXT);
	urls_good(&u);
	assert_false(urls_first_due(&u, UINT64_MAX - 1));
	/* but after the last comes the first */
	assert_int_equal(urls_failed(&u, SESSION_WEBSOCKET, 2000), URLS_ROUND);
}

static void what_speaks_against_a_url(void **state)
{
	(void)state;
	static const struct {
		struct session_failure f;
		bool blames;
	} cases[] = {
		{{.kind = SESSION_NOT_SENT}, true},
		{{.kind = SESSION_BROKEN}, true},
		{{.kind = SESSION_BROKEN, .http_status = 500}, true},
		{{.kind = SESSION_BROKEN, .http_status = 503}, true},
		{{.kind = SESSION_BROKEN, .http_status = 404}, true},
		{{.kind = SESSION_BROKEN, .http_status = 200, .unreadable = true}, true},
		{{.kind = SESSION_NOT_SENT, .http_status = 403, .unsupported = true}, true},
		{{.kind = SESSION_BROKEN, .http_status = 401}, false},
		{{.kind = SESSION_BROKEN, .http_status = 403}, false},
		{{.kind = SESSION_BROKEN, .http_status = 407}, false},
		{{.kind = SESSION_BROKEN, .http_status = 429}, false},
		{{.kind = SESSION_TOO_LARGE, .http_status = 413}, false},
		{{.kind = SESSION_TOO_LARGE, .close_code = 1009}, false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(urls_blames(&cases[i].f), cases[i].blames);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_url_is_never_left),
		cmocka_unit_test(all_transports_before_the_next_url),
		cmocka_unit_test(a_shared_session_goes_on_over_the_same_transport),
		cmocka_unit_test(the_first_url_is_used_again),
		cmocka_unit_test(never_is_never),
		cmocka_unit_test(what_speaks_against_a_url),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
