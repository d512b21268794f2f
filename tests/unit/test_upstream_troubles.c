/*
 * upstream/upstream with servers that fail: each failure affects one exchange, and the
 * session recovers by itself.
 */
#include "tests/unit/upstream_world.h"

#include <stdio.h>

static const char *const troubles[] = {
	"status 400", "status 401", "status 404", "status 413", "status 500",
	"status 503 header \"Retry-After: 0\"", "html", "redirect 302 http://127.0.0.1:1/", "close", "reset",
	"cut 10", "cut-head 5", "raw 00", "body [{", "body {}", "body []", "body nonsense", "drop",
	"body [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
};

/* each spoils one handshake and one connect; then all is well, by itself */
static void test_troubles(void **state)
{
	struct world *w = *state;

	use(w, SESSION_LONG_POLLING, 1);
	for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++) {
		fake_command(w->fake, "rule type=handshake %s", troubles[i]);
		fake_command(w->fake, "rule type=connect %s", troubles[i]);
		fake_command(w->fake, "mark");
		start(w);
		UNTIL(seen(w, "rule", NULL, 2));
		until_connected(w);
		await(w, "held", NULL, 1);
		assert_true(info_of(w).counts.failures >= 1);
		upstream_free(w->u);
		w->u = NULL;
	}
}

static const char *const ws_troubles[] = {
	"close", "reset", "ws-close 1000", "ws-close 1001", "ws-close 1011 reason gone", "binary", "masked",
	"rsv1", "bad-utf8", "cut 5", "body nonsense",
};

static void test_ws_troubles(void **state)
{
	struct world *w = *state;

	use(w, SESSION_WEBSOCKET, 1);
	for (size_t i = 0; i < sizeof(ws_troubles) / sizeof(ws_troubles[0]); i++) {
		fake_command(w->fake, "rule type=connect transport=ws %s", ws_troubles[i]);
		fake_command(w->fake, "mark");
		start(w);
		UNTIL(seen(w, "rule", NULL, 1));
		until_connected(w);
		await(w, "held", NULL, 1);
		upstream_free(w->u);
		w->u = NULL;
	}
}

static void restart_twice(struct world *w)
{
	start(w);
	subscribe(w, "/a");
	for (int i = 1; i <= 2; i++) {
		char text[32];

		until_connected(w);
		await(w, "held", NULL, 1);
		fake_kill(w->fake);
		UNTIL(is_in(w, SESSION_UNCONNECTED));
		fake_restart(w->fake);
		await(w, "subscribe", "/a", 1);
		until_connected(w);
		await(w, "held", NULL, 1);
		fake_command(w->fake, "publish /a {\"round\":%d}", i);
		snprintf(text, sizeof(text), "{\"round\":%d}", i);
		hear(w, text);
	}
	assert_true(has(&w->heard, "\"gap\":true"));
}

static void test_restart_longpoll(void **state)
{
	use(*state, SESSION_LONG_POLLING, 1);
	restart_twice(*state);
}

static void test_restart_websocket(void **state)
{
	use(*state, SESSION_WEBSOCKET, 1);
	restart_twice(*state);
}

/* no server at the start, and much later there is one */
static void test_late_server(void **state)
{
	struct world *w = *state;

	fake_command(w->fake, "stop-listening");
	start(w);
	UNTIL(is_in(w, SESSION_UNCONNECTED) && info_of(w).counts.failures >= 3);
	assert_true(is_reason(w, "Connection refused"));
	fake_command(w->fake, "listen");
	until_connected(w);
}

/* a missing header file does not prevent further tries */
static void test_header_file_missing(void **state)
{
	static const char nowhere[] = "/nowhere/at/all";
	struct world *w = *state;

	w->o.http.header_file = nowhere;
	for (int kind = 0; kind < SESSION_TRANSPORTS; kind++) {
		use(w, (enum session_transport)kind, 1);
		start(w);
		UNTIL(is_in(w, SESSION_UNCONNECTED) && info_of(w).counts.failures >= 3);
		assert_true(is_reason(w, "/nowhere/at/all"));
		assert_int_equal(fake_count(w->fake, "request", NULL), 0);
		upstream_free(w->u);
		w->u = NULL;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UPSTREAM_TEST(test_troubles),
		UPSTREAM_TEST(test_ws_troubles),
		UPSTREAM_TEST(test_restart_longpoll),
		UPSTREAM_TEST(test_restart_websocket),
		UPSTREAM_TEST(test_late_server),
		UPSTREAM_TEST(test_header_file_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
