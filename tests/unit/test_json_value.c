/*
 * protocol/json_value: texts with every escape, whole numbers to the last bit,
 * doubles, and nothing taken for what it is not.
 */
#include "protocol/json_read.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

static struct json_value value(enum json_kind kind, struct slice raw)
{
	return (struct json_value){kind, raw};
}

static void test_text(void **state)
{
	static const struct {
		struct slice raw, text;
		bool escaped;
	} table[] = {
		{SLICE("\"\""), SLICE(""), false},
		{SLICE("\"plain \xc3\xa9\""), SLICE("plain \xc3\xa9"), false},
		{SLICE("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), SLICE("\"\\/\b\f\n\r\t"), true},
		{SLICE("\"a\\u0000b\""), SLICE("a\0b"), true},
		{SLICE("\"\\u0041\\u00E9\\u20ac\""), SLICE("A\xc3\xa9\xe2\x82\xac"), true},
		{SLICE("\"<\\ud83d\\ude00>\""), SLICE("<\xf0\x9f\x98\x80>"), true},
		{SLICE("\"\\\\u0041\""), SLICE("\\u0041"), true},
		{SLICE("\"\\n\""), SLICE("\n"), true},
	};
	struct buf scratch;

	(void)state;
	buf_init(&scratch, 1000);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct json_value v = value(JSON_STRING, table[i].raw);
		struct slice text = SLICE_NULL;

		assert_int_equal(json_text(&v, &scratch, &text), 0);
		assert_true(slice_eq(text, table[i].text));
		assert_int_equal(text.p != table[i].raw.p + 1, table[i].escaped);
	}
	buf_fini(&scratch);
}

static void test_text_refuses(void **state)
{
	/* by hand, for no walk gives out such strings */
	static const struct slice broken[] = {
		SLICE("\""), SLICE(""), SLICE("\"\\\""), SLICE("\"\\x\""), SLICE("\"\\u12\""),
		SLICE("\"\\ud800\""), SLICE("\"\\udc00\""),
	};
	struct slice text = SLICE("untouched");
	struct json_value v;
	struct buf scratch;

	(void)state;
	buf_init(&scratch, 100);
	for (int kind = JSON_ABSENT; kind <= JSON_OBJECT; kind++) {
		v = value(kind, SLICE("null"));
		if (kind != JSON_STRING)
			assert_int_equal(json_text(&v, &scratch, &text), JSON_E_SHAPE);
	}
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		v = value(JSON_STRING, broken[i]);
		assert_int_equal(json_text(&v, &scratch, &text), JSON_E_SHAPE);
		assert_int_equal(buf_len(&scratch), 0);
	}
	scratch.max = 4;
	v = value(JSON_STRING, SLICE("\"abc\\n\""));
	assert_int_equal(json_text(&v, &scratch, &text), -EMSGSIZE);
	assert_true(slice_eq(text, SLICE("untouched")));
	buf_fini(&scratch);
	testing_fail_allocation(0);
	v = value(JSON_STRING, SLICE("\"a\\n\""));
	assert_int_equal(json_text(&v, &scratch, &text), -ENOMEM);
	assert_true(testing_allocation_failed());
	buf_fini(&scratch);
}

static void test_u64(void **state)
{
	static const struct {
		const char *raw;
		bool good;
		uint64_t n;
	} table[] = {
		{"0", true, 0}, {"7", true, 7}, {"9007199254740993", true, 9007199254740993},
		{"18446744073709551615", true, UINT64_MAX}, {"18446744073709551616", false, 0},
		{"184467440737095516150", false, 0}, {"99999999999999999999", false, 0},
		{"-1", false, 0}, {"-0", false, 0}, {"1.0", false, 0}, {"1e2", false, 0},
		{"", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct json_value v = value(JSON_NUMBER, slice_of(table[i].raw));
		uint64_t n = 12345;

		assert_int_equal(json_u64(&v, &n), table[i].good ? 0 : JSON_E_SHAPE);
		assert_true(n == (table[i].good ? table[i].n : 12345));
		v.kind = JSON_STRING;
		assert_int_equal(json_u64(&v, &n), JSON_E_SHAPE);
	}
}

static void test_member(void **state)
{
	static const char text[] = "{\"a\":[1,2],\"b\":{\"c\":7},\"d\":1,\"d\":2}";
	struct json_value v;

	(void)state;
	assert_int_equal(json_read_member(slice_of(text), "b", &v), 0);
	assert_int_equal(v.kind, JSON_OBJECT);
	assert_int_equal(json_read_member(v.raw, "c", &v), 0);
	assert_int_equal(v.kind, JSON_NUMBER);
	assert_true(slice_eq(v.raw, SLICE("7")));
	assert_int_equal(json_read_member(v.raw, "c", &v), 0);
	assert_int_equal(v.kind, JSON_ABSENT);
	assert_int_equal(json_read_member(slice_of(text), "e", &v), 0);
	assert_int_equal(v.kind, JSON_ABSENT);
	assert_int_equal(json_read_member(slice_of(text), "d", &v), 0);
	assert_int_equal(v.kind, JSON_ABSENT);
	assert_int_equal(json_read_member(SLICE_NULL, "a", &v), 0);
	assert_int_equal(v.kind, JSON_ABSENT);
}

static double read_double(const char *raw)
{
	struct json_value v = value(JSON_NUMBER, slice_of(raw));
	double d = -1;

	assert_int_equal(json_double(&v, &d), 0);
	return d;
}

static void test_double(void **state)
{
	struct json_value v = value(JSON_STRING, SLICE("\"1\""));
	double d = 5;

	(void)state;
	assert_true(read_double("0") == 0);
	assert_true(read_double("-1.5") == -1.5);
	assert_true(read_double("1e3") == 1000);
	assert_true(read_double("1.7976931348623157e308") == DBL_MAX);
	assert_true(isinf(read_double("1e999")));
	assert_int_equal(json_double(&v, &d), JSON_E_SHAPE);
	/* the slice ends the number, not what happens to follow it */
	v = value(JSON_NUMBER, slice_make("12345", 2));
	assert_int_equal(json_double(&v, &d), 0);
	assert_true(d == 12);
}

static void test_double_of_many_digits(void **state)
{
	char digits[2000] = "";
	struct json_value v = value(JSON_NUMBER, slice_make(digits, sizeof(digits)));

	(void)state;
	memset(digits, '0', sizeof(digits));
	memcpy(digits, "0.", 2);
	digits[sizeof(digits) - 4] = '1';
	memcpy(digits + sizeof(digits) - 3, "e+9", 3);
	FAIL_EACH_ALLOCATION {
		double d = 1;
		int r = json_double(&v, &d);

		if (r) {
			assert_int_equal(r, -ENOMEM);
			assert_true(d == 1);
			continue;
		}
		assert_true(d == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_text_refuses),
		cmocka_unit_test(test_u64), cmocka_unit_test(test_member),
		cmocka_unit_test(test_double),
		cmocka_unit_test(test_double_of_many_digits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
