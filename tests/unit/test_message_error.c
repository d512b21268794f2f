/*
 * protocol/message_error: every code in both directions, unknown codes, and values that
 * are not error objects.
 */
#include "protocol/message.h"
#include "tests/unit/testing.h"

#include <errno.h>

#define CODE_ROW(symbol, code, meaning) code,
static const char *const codes[] = {PROTOCOL_ERRORS(CODE_ROW)};

static void test_codes(void **state)
{
	(void)state;
	for (unsigned e = 0; e < PROTOCOL_ERRORS_END; e++) {
		assert_string_equal(protocol_error_code(e), codes[e]);
		assert_int_equal(protocol_error_of(slice_of(codes[e])), e);
	}
	assert_null(protocol_error_code(PROTOCOL_ERRORS_END));
	assert_int_equal(protocol_error_of(SLICE("")), PROTOCOL_ERRORS_END);
	assert_int_equal(protocol_error_of(SLICE("refuse")), PROTOCOL_ERRORS_END);
	assert_int_equal(protocol_error_of(SLICE("refused ")), PROTOCOL_ERRORS_END);
}

static void test_there_and_back(void **state)
{
	const struct slice text = SLICE("said \"no\"\n");
	const struct slice bayeux = SLICE("{ \"id\" : 9007199254740993 }");
	struct message_error got;
	struct buf out, scratch;

	(void)state;
	for (unsigned e = 0; e < PROTOCOL_ERRORS_END; e++) {
		for (int with = 0; with <= 1; with++) {
			buf_init(&out, 1000);
			buf_init(&scratch, 1000);
			assert_int_equal(message_put_error(&out, e, text,
							   with ? bayeux : SLICE_NULL), 0);
			assert_int_equal(message_get_error(buf_slice(&out), &scratch, &got), 0);
			assert_int_equal(got.code, e);
			assert_true(slice_eq(got.code_text, slice_of(codes[e])));
			assert_true(slice_eq(got.message, text));
			assert_true(slice_eq(got.bayeux, with ? bayeux : SLICE_NULL));
			buf_fini(&scratch);
			buf_fini(&out);
		}
	}
}

static void test_bytes(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	assert_int_equal(message_put_error(&out, PROTOCOL_E_REFUSED, SLICE("403::denied"),
					   SLICE("{\"a\":1}")), 0);
	assert_true(slice_eq(buf_slice(&out), SLICE("{\"code\":\"refused\","
						    "\"message\":\"403::denied\","
						    "\"bayeux\":{\"a\":1}}")));
	buf_fini(&out);
}

static void test_from_others(void **state)
{
	static const struct {
		struct slice raw;
		int result;
		const char *code_text, *message, *bayeux;
	} table[] = {
		{SLICE("{\"code\":\"of-version-2\",\"message\":\"m\",\"more\":[]}"), 0,
		 "of-version-2", "m", ""},
		{SLICE("{\"message\":\"a\\tb\",\"code\":\"n\\u0065w\",\"bayeux\":null}"), 0,
		 "new", "a\tb", "null"},
		{SLICE("{}"), 0, "", "", ""},
		{SLICE("{\"code\":1}"), MESSAGE_E_FIELD, NULL, NULL, NULL},
		{SLICE("{\"message\":{}}"), MESSAGE_E_FIELD, NULL, NULL, NULL},
		{SLICE("{\"code\":\"a\",\"code\":\"b\"}"), MESSAGE_E_FIELD, NULL, NULL, NULL},
		{SLICE("[]"), MESSAGE_E_FIELD, NULL, NULL, NULL},
		{SLICE("\"refused\""), MESSAGE_E_FIELD, NULL, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct message_error got = {.code = PROTOCOL_E_DENIED};
		struct buf scratch;

		buf_init(&scratch, 1000);
		assert_int_equal(message_get_error(table[i].raw, &scratch, &got), table[i].result);
		assert_int_equal(got.code,
				 table[i].result ? PROTOCOL_E_DENIED : PROTOCOL_E_INTERNAL);
		assert_true(slice_eq(got.code_text, slice_of(table[i].code_text)));
		assert_true(slice_eq(got.message, slice_of(table[i].message)));
		assert_true(slice_eq(got.bayeux, slice_of(table[i].bayeux)));
		buf_fini(&scratch);
	}
}

static void test_failures_write_nothing(void **state)
{
	unsigned failures = 0;

	(void)state;
	FAIL_EACH_ALLOCATION {
		struct message_error got = {.code = PROTOCOL_E_DENIED};
		struct buf out, scratch;
		int r;

		buf_init(&out, 1000);
		buf_init(&scratch, 1000);
		r = message_put_error(&out, PROTOCOL_E_REFUSED, SLICE("\""), SLICE_NULL);
		assert_int_equal(buf_len(&out) != 0, r == 0);
		if (r == 0)
			r = message_get_error(buf_slice(&out), &scratch, &got);
		assert_int_equal(r, r ? -ENOMEM : 0);
		assert_int_equal(got.code, r ? PROTOCOL_E_DENIED : PROTOCOL_E_REFUSED);
		failures += r != 0;
		buf_fini(&scratch);
		buf_fini(&out);
	}
	assert_int_equal(failures, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_from_others),
		cmocka_unit_test(test_failures_write_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
