/* io/endpoints: where each kind of batch goes, by option and by style. */
#include "tests/unit/testing.h"
#include "upstream/endpoints.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* the batches of a life, one row of expectations each */
enum {
	HANDSHAKE, CONNECT, DISCONNECT, SUBSCRIBE, SUBSCRIBES, UNSUBSCRIBE, CHANNELS, PUBLISH,
	PUBLISHES, MIXED, BATCHES
};
static const struct session_batch batches[BATCHES] = {
	[HANDSHAKE] = {.kind = SESSION_BATCH_HANDSHAKE, .requests = 1},
	[CONNECT] = {.kind = SESSION_BATCH_CONNECT, .requests = 1},
	[DISCONNECT] = {.kind = SESSION_BATCH_DISCONNECT, .requests = 1},
	[SUBSCRIBE] = {.kind = SESSION_BATCH_SUBSCRIBE, .requests = 1},
	[SUBSCRIBES] = {.kind = SESSION_BATCH_SUBSCRIBE, .requests = 2},
	[UNSUBSCRIBE] = {.kind = SESSION_BATCH_UNSUBSCRIBE, .requests = 1},
	[CHANNELS] = {.kind = SESSION_BATCH_CHANNELS, .requests = 2},
	[PUBLISH] = {.kind = SESSION_BATCH_PUBLISH, .requests = 1},
	[PUBLISHES] = {.kind = SESSION_BATCH_PUBLISH, .requests = 2},
	[MIXED] = {.kind = SESSION_BATCH_MIXED, .requests = 2},
};

static const struct {
	const char *base;
	struct endpoint_options options;
	const char *posts[BATCHES];     /* paths; whole URLs where the host is another */
	const char *websocket;
	bool apart;
} rows[] = {
	{"http://h/c", {{NULL}, ENDPOINT_APPEND_NOTHING},
	 {"/c", "/c", "/c", "/c", "/c", "/c", "/c", "/c", "/c", "/c"}, "/c", false},
	{"http://h/c", {{NULL}, ENDPOINT_APPEND_JS},
	 {"/c/handshake", "/c/connect", "/c/disconnect", "/c/", "/c/", "/c/", "/c/", "/c/", "/c/",
	  "/c/"}, "/c", false},
	{"http://h/c/?k=v", {{NULL}, ENDPOINT_APPEND_JAVA},
	 {"/c/handshake?k=v", "/c/connect?k=v", "/c/disconnect?k=v", "/c/subscribe?k=v",
	  "/c/?k=v", "/c/unsubscribe?k=v", "/c/?k=v", "/c/?k=v", "/c/?k=v", "/c/?k=v"},
	 "/c/?k=v", false},
	/* as Genesys has it */
	{"http://h/notifications",
	 {{"handshake", "connect", "subscribe", "publish", "disconnect", "/ws"},
	  ENDPOINT_APPEND_NOTHING},
	 {"/notifications/handshake", "/notifications/connect", "/notifications/disconnect",
	  "/notifications/subscribe", "/notifications/subscribe", "/notifications/subscribe",
	  "/notifications/subscribe", "/notifications/publish", "/notifications/publish",
	  "/notifications"}, "/ws", true},
	/* configured URLs are unchanged, and the others follow the style */
	{"http://h/c", {{[ENDPOINT_CONNECT] = "https://other/x", [ENDPOINT_SUBSCRIBE] = "s"},
			ENDPOINT_APPEND_JAVA},
	 {"/c/handshake", "https://other/x", "/c/disconnect", "/c/s", "/c/s", "/c/s", "/c/s", "/c",
	  "/c", "/c"}, "/c", true},
	/* both at one place may share a batch, and it goes there */
	{"http://h/c", {{[ENDPOINT_SUBSCRIBE] = "/x", [ENDPOINT_PUBLISH] = "/x"},
			ENDPOINT_APPEND_NOTHING},
	 {"/c", "/c", "/c", "/x", "/x", "/x", "/x", "/x", "/x", "/x"}, "/c", false},
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct endpoints e;

		assert_int_equal(endpoints_resolve(rows[i].base, &rows[i].options, &e), 0);
		for (int b = 0; b < BATCHES; b++) {
			const struct url *u = endpoints_post(&e, &batches[b]);
			const char *expected = rows[i].posts[b];

			/* such a batch is never made */
			if (b == MIXED && rows[i].apart)
				continue;
			assert_string_equal(*expected == '/' ? u->target : u->http, expected);
		}
		assert_string_equal(endpoints_websocket(&e)->target, rows[i].websocket);
		assert_int_equal(endpoints_publish_apart(&rows[i].options), rows[i].apart);
		endpoints_fini(&e);
	}
}

static void test_faults(void **state)
{
	struct endpoint_options o = {{NULL}, ENDPOINT_APPEND_JS};
	struct endpoints e;

	(void)state;
	assert_int_equal(endpoints_resolve("ftp://h/", &o, &e), URL_E_SCHEME);
	for (int i = 0; i < ENDPOINTS; i++) {
		o.urls[i] = "//other/";
		assert_int_equal(endpoints_resolve("http://h/", &o, &e), URL_E_RELATIVE);
		o.urls[i] = NULL;
	}
	e = (struct endpoints){0};
	endpoints_fini(&e);
}

static void test_each_allocation(void **state)
{
	const struct endpoint_options o = {{[ENDPOINT_WEBSOCKET] = "ws", [ENDPOINT_PUBLISH] = "/p"},
					   ENDPOINT_APPEND_JAVA};

	(void)state;
	FAIL_EACH_ALLOCATION {
		struct endpoints e;
		int r = endpoints_resolve("http://h/c", &o, &e);

		if (r)
			assert_int_equal(r, -ENOMEM);
		else
			endpoints_fini(&e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_each_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
