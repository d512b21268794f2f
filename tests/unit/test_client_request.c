/*
 * What the client engine takes as a request, and how many.
 */
#include "tests/unit/testing.h"

#include "libclient/engine.h"
#include "libclient/request.h"
#include "protocol/protocol.h"

#include <string.h>

static int new_publish(struct slice data, struct request **ret)
{
	return request_new(PROTOCOL_OP_PUBLISH,
			   &(struct request_parts){.channel = SLICE("/a"), .data = data}, ret);
}

static int new_ping(struct slice server, struct slice channel, struct request **ret)
{
	return request_new(PROTOCOL_OP_PING,
			   &(struct request_parts){.server = server, .channel = channel}, ret);
}

static void test_limits(void **state)
{
	struct request *r = NULL;
	struct engine *e;
	static char big[5 << 20];
	int error = 0, n = 0;

	(void)state;
	assert_int_equal(engine_new(1, &e), 0);
	while (!error && n < 2 * COMETD_MAX_REQUESTS) {
		assert_int_equal(new_ping(SLICE_NULL, SLICE_NULL, &r), 0);
		error = engine_request(e, r);
		n += !error;
	}
	assert_int_equal(error, COMETD_E_TOO_MANY);
	assert_int_equal(n, COMETD_MAX_REQUESTS);
	engine_free(e);

	assert_int_equal(engine_new(1, &e), 0);
	memset(big, '7', sizeof(big));
	struct slice data = slice_make(big, 3 << 20);
	for (error = 0, n = 0; !error && n < 100; n += !error) {
		assert_int_equal(new_publish(data, &r), 0);
		error = engine_request(e, r);
	}
	assert_int_equal(error, COMETD_E_TOO_MANY);
	assert_int_equal(n, 5);
	/* what ended takes no room */
	engine_fail_all(e, COMETD_E_CLOSED);
	for (struct engine_item item; engine_next(e, 0, &item) == 0; n--)
		;
	assert_int_equal(n, 0);
	assert_int_equal(new_publish(data, &r), 0);
	assert_int_equal(engine_request(e, r), 0);
	engine_free(e);

	assert_int_equal(new_publish(slice_make(big, sizeof(big)), &r), COMETD_E_TOO_LARGE);
}

static void test_bad_requests(void **state)
{
	static const char *const bad[] = {"", " ", "{", "1,2", "1],[2", "tru", "\"\300\200\"",
					  "\"\\ud800\"", "{\"a\":}", "nul", "// 1", "'a'",
					  "1,\"d\":2", "1,\"e\":2", "1},{\"d\":1"};
	static const char *const good[] = {"null", "0", "\"\"", " [ ] ", "{}", "1e999",
					   "123456789012345678901234567890"};
	char deep[80] = "";
	struct request *r;
	char name[PROTOCOL_CHANNEL_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(new_publish(slice_of(bad[i]), &r), COMETD_E_JSON);
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(new_publish(slice_of(good[i]), &r), 0);
		assert_true(slice_eq(r->data, slice_of(good[i])));
		request_free(r);
	}
	/* as deep as the frame around it allows, and no deeper */
	memset(deep, '[', 31);
	memset(deep + 31, ']', 31);
	assert_int_equal(new_publish(slice_of(deep), &r), 0);
	request_free(r);
	memset(deep, '[', 32);
	memset(deep + 32, ']', 32);
	assert_int_equal(new_publish(slice_of(deep), &r),
			 COMETD_E_JSON);
	memset(name, 'x', sizeof(name));
	assert_int_equal(new_ping(SLICE(""), SLICE_NULL, &r), COMETD_E_UNKNOWN_SERVER);
	assert_int_equal(new_ping(slice_make(name, 65), SLICE_NULL, &r),
			 COMETD_E_UNKNOWN_SERVER);
	assert_int_equal(new_ping(SLICE_NULL, slice_make(name, sizeof(name)), &r),
			 COMETD_E_BAD_CHANNEL);
	assert_int_equal(new_ping(SLICE_NULL, SLICE("/\377"), &r),
			 COMETD_E_BAD_CHANNEL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_bad_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
