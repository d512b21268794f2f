/*
 * ext_place: a string is inserted at its path or replaces the value there, and the rest
 * of the object is unchanged.
 */
#include "auth/ext_place.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void places(void **state)
{
	static const struct {
		const char *object, *path, *text, *placed;      /* NULL: refused */
	} cases[] = {
		{NULL, "token", "t", "{\"token\":\"t\"}"},
		{"{}", "a/b/c", "t", "{\"a\":{\"b\":{\"c\":\"t\"}}}"},
		{" { } ", "a", "t", " {\"a\":\"t\"} "},
		{"{\"x\": 1 }\n", "a", "t", "{\"x\": 1,\"a\":\"t\"}\n"},
		{"{\"a\" : [1] ,\"x\":{}}", "a", "t", "{\"a\":\"t\" ,\"x\":{}}"},
		{"{\"x\":1,\"a\":{\"user\":\"me\"} }", "a/b", "t",
		 "{\"x\":1,\"a\":{\"user\":\"me\",\"b\":\"t\"} }"},
		{"{\"a\":{\"b\":\"old\",\"c\":2}}", "a/b", "new", "{\"a\":{\"b\":\"new\",\"c\":2}}"},
		{"{\"com.a\":{}}", "com.a/b", "q\"\\\n\xc3\xbc",
		 "{\"com.a\":{\"b\":\"q\\\"\\\\\\n\xc3\xbc\"}}"},
		{"{\"ab\":{}}", "a/b", "t", "{\"ab\":{},\"a\":{\"b\":\"t\"}}"},
		{"{\"\\u0061\":{}}", "a/b", "t", "{\"a\":{\"b\":\"t\"}}"},
		{"{\"n\":9007199254740993}", "a", "", "{\"n\":9007199254740993,\"a\":\"\"}"},
		{"{\"a\":1}", "a/b", "t", NULL},
		{"{\"a\":{\"b\":null}}", "a/b/c", "t", NULL},
		{"{\"a\":{},\"a\":{}}", "a/b", "t", NULL},
		{"[]", "a", "t", NULL},
		{"{", "a", "t", NULL},
		{"", "a", "t", NULL},
		{"{}", "a", "\xff", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice object = cases[i].object ? slice_of(cases[i].object) : SLICE_NULL;
		struct buf out;

		buf_init(&out, 4096);
		assert_int_equal(buf_putc(&out, '-'), 0);
		int r = ext_place(object, cases[i].path, slice_of(cases[i].text), &out);
		assert_int_equal(buf_putc(&out, 0), 0);
		assert_int_equal(r, cases[i].placed ? 0 : -EINVAL);
		assert_string_equal(buf_slice(&out).p + 1, cases[i].placed ? cases[i].placed : "");
		buf_fini(&out);
	}
}

static void paths(void **state)
{
	static const char *const good[] = {"a", "a/b", "com.example.auth/the token", "1/2/3/4/5/6/7/8"},
		*const bad[] = {"", "/", "/a", "a/", "a//b", "a\"", "a\\b", "a\nb",
				"1/2/3/4/5/6/7/8/9"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(ext_path_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(ext_path_valid(bad[i]));
}

static void short_of_room(void **state)
{
	struct buf out;

	(void)state;
	FAIL_EACH_ALLOCATION {
		buf_init(&out, 64);
		int r = ext_place(SLICE("{\"a\":{}}"), "a/b", SLICE("t"), &out);
		assert_true(r == 0 || r == -ENOMEM);
		assert_int_equal(buf_len(&out), r ? 0 : 15);
		buf_fini(&out);
	}
	buf_init(&out, 14);
	assert_int_equal(ext_place(SLICE("{\"a\":{}}"), "a/b", SLICE("t"), &out), -EMSGSIZE);
	assert_int_equal(buf_len(&out), 0);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places),
		cmocka_unit_test(paths),
		cmocka_unit_test(short_of_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
