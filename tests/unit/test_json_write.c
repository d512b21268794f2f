/*
 * protocol/json_write: the bytes that come out, errors that stick and leave no
 * trace, and that yajl never asks for more memory than lies in the struct.
 */
#include "protocol/json_read.h"
#include "protocol/json_write.h"
#include "tests/unit/testing.h"

#include <errno.h>

static void assert_written(struct json_write *w, const char *expected)
{
	assert_int_equal(json_write_done(w), 0);
	if (!slice_eq(buf_slice(w->out), slice_of(expected)))
		fail_msg("%.*s instead of %s", SLICE_ARG(buf_slice(w->out)), expected);
}

static void write_everything(struct json_write *w)
{
	json_object_begin(w);
	json_key(w, "id"), json_put_u64(w, UINT64_MAX);
	json_key(w, "min"), json_put_i64(w, INT64_MIN);
	json_key(w, "yes"), json_put_bool(w, true);
	json_key(w, "no"), json_put_bool(w, false);
	json_key(w, "null"), json_put_null(w);
	json_key(w, "text");
	json_put_text(w, SLICE("\"\\/\b\f\n\r\t\0\x1f\x7f \xc3\xa9 \xf0\x9f\x98\x80"));
	json_key(w, "raw"), json_put_raw(w, SLICE("{ \"a\" : [ 9007199254740993 ] }"));
	json_key(w, "list"), json_array_begin(w);
	json_put_str(w, ""), json_put_raw(w, SLICE("\"\\u0000\"")), json_put_u64(w, 0);
	json_array_begin(w), json_array_end(w);
	json_object_begin(w), json_object_end(w);
	json_array_end(w);
	json_object_end(w);
}

static const char everything[] =
	"{\"id\":18446744073709551615,\"min\":-9223372036854775808,\"yes\":true,\"no\":false,"
	"\"null\":null,\"text\":\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001F\x7f "
	"\xc3\xa9 \xf0\x9f\x98\x80\","
	"\"raw\":{ \"a\" : [ 9007199254740993 ] },\"list\":[\"\",\"\\u0000\",0,[],{}]}";

static void test_everything(void **state)
{
	struct json_write w;
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	json_write_init(&w, &out);
	write_everything(&w);
	assert_written(&w, everything);
	assert_int_equal(json_read_object(buf_slice(&out), NULL, 0, false, NULL), 0);
	buf_fini(&out);
}

/* What abort() in json_write.c relies on: yajl takes memory at init, then never again. */
static void test_memory_of_yajl(void **state)
{
	struct json_write w;
	struct buf out;
	size_t used;

	(void)state;
	buf_init(&out, 1u << 20);
	json_write_init(&w, &out);
	used = w.arena_used;
	assert_true(used > 0 && used <= sizeof(w.arena) / 2);
	json_array_begin(&w);
	for (unsigned i = 0; i < 1000; i++)
		write_everything(&w);
	for (unsigned i = 0; i < 100; i++)
		json_array_begin(&w);
	for (unsigned i = 0; i < 100; i++)
		json_array_end(&w);
	json_array_end(&w);
	assert_int_equal(json_write_done(&w), 0);
	assert_int_equal(w.arena_used, used);
	buf_fini(&out);
}

static void wrong_utf8(struct json_write *w)
{
	json_put_text(w, SLICE("\xff"));
}

static void wrong_utf8_key(struct json_write *w)
{
	json_object_begin(w);
	json_key(w, "\xc0\xaf"), json_put_u64(w, 1);
	json_object_end(w);
}

static void wrong_value_for_key(struct json_write *w)
{
	json_object_begin(w);
	json_put_u64(w, 1);
	json_object_end(w);
}

static void wrong_unfinished(struct json_write *w)
{
	json_array_begin(w);
}

static void wrong_nothing(struct json_write *w)
{
	(void)w;
}

static void wrong_two_values(struct json_write *w)
{
	json_put_u64(w, 1);
	json_put_u64(w, 2);
}

static void wrong_empty_raw(struct json_write *w)
{
	json_put_raw(w, SLICE_NULL);
}

static void wrong_too_deep(struct json_write *w)
{
	for (unsigned i = 0; i < 1000; i++)
		json_array_begin(w);
	for (unsigned i = 0; i < 1000; i++)
		json_array_end(w);
}

static void test_errors_write_nothing(void **state)
{
	static void (*const wrong[])(struct json_write *w) = {
		wrong_utf8, wrong_utf8_key, wrong_value_for_key, wrong_unfinished, wrong_nothing,
		wrong_two_values, wrong_empty_raw, wrong_too_deep,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct json_write w;
		struct buf out;

		buf_init(&out, 4096);
		assert_int_equal(buf_put_str(&out, "before"), 0);
		json_write_init(&w, &out);
		wrong[i](&w);
		assert_int_equal(json_write_done(&w), -EINVAL);
		assert_true(slice_eq(buf_slice(&out), SLICE("before")));
		buf_fini(&out);
	}
}

static void test_ceiling(void **state)
{
	(void)state;
	for (size_t max = 0; max < sizeof(everything); max++) {
		struct json_write w;
		struct buf out;
		int expected = max < sizeof(everything) - 1 ? -EMSGSIZE : 0;

		buf_init(&out, max);
		json_write_init(&w, &out);
		write_everything(&w);
		assert_int_equal(json_write_done(&w), expected);
		assert_int_equal(buf_len(&out), expected ? 0 : max);
		buf_fini(&out);
	}
}

static void test_each_allocation_failing(void **state)
{
	unsigned failures = 0;

	(void)state;
	FAIL_EACH_ALLOCATION {
		struct json_write w;
		struct buf out;
		int r;

		buf_init(&out, 4096);
		json_write_init(&w, &out);
		write_everything(&w);
		r = json_write_done(&w);
		if (r)
			failures++;
		assert_int_equal(r, r ? -ENOMEM : 0);
		assert_int_equal(buf_len(&out), r ? 0 : sizeof(everything) - 1);
		buf_fini(&out);
	}
	assert_true(failures > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_memory_of_yajl),
		cmocka_unit_test(test_errors_write_nothing),
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_each_allocation_failing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
