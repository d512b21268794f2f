/*
 * protocol/utf8: the strict set of Markus Kuhn's stress test, boundary by
 * boundary, and surrogates written as escapes.
 */
#include "protocol/utf8.h"
#include "tests/unit/testing.h"

#include <stdlib.h>

#define GOOD(text) {SLICE(text), true}
#define BAD(text) {SLICE(text), false}

static const struct {
	struct slice text;
	bool valid;
} utf8_table[] = {
	GOOD(""), GOOD("plain"), GOOD("\x7f"), GOOD("\0"), GOOD("k\xc3\xb6\xce\xba\xe2\x82\xac"),
	/* first and last of each length */
	GOOD("\xc2\x80"), GOOD("\xdf\xbf"), GOOD("\xe0\xa0\x80"), GOOD("\xef\xbf\xbf"),
	GOOD("\xf0\x90\x80\x80"), GOOD("\xf4\x8f\xbf\xbf"),
	/* around the surrogates */
	GOOD("\xed\x9f\xbf"), GOOD("\xee\x80\x80"), GOOD("\xef\xbf\xbd"), GOOD("\xef\xb7\x90"),
	BAD("\xed\xa0\x80"), BAD("\xed\xad\xbf"), BAD("\xed\xae\x80"), BAD("\xed\xaf\xbf"),
	BAD("\xed\xb0\x80"), BAD("\xed\xbe\x80"), BAD("\xed\xbf\xbf"),
	BAD("\xed\xa0\x80\xed\xb0\x80"),
	/* past U+10FFFF, and the lengths RFC 3629 took away */
	BAD("\xf4\x90\x80\x80"), BAD("\xf5\x80\x80\x80"), BAD("\xf7\xbf\xbf\xbf"),
	BAD("\xf8\x88\x80\x80\x80"), BAD("\xfb\xbf\xbf\xbf\xbf"), BAD("\xfc\x84\x80\x80\x80\x80"),
	BAD("\xfd\xbf\xbf\xbf\xbf\xbf"), BAD("\xfe"), BAD("\xff"), BAD("\xfe\xfe\xff\xff"),
	/* overlong */
	BAD("\xc0\x80"), BAD("\xc0\xaf"), BAD("\xc1\xbf"), BAD("\xe0\x80\x80"), BAD("\xe0\x80\xaf"),
	BAD("\xe0\x9f\xbf"), BAD("\xf0\x80\x80\xaf"), BAD("\xf0\x8f\xbf\xbf"),
	BAD("\xf8\x80\x80\x80\xaf"), BAD("\xfc\x80\x80\x80\x80\xaf"),
	/* continuation without start */
	BAD("\x80"), BAD("\xbf"), BAD("a\x80z"), BAD("\x80\xbf\x80\xbf"), BAD("\xc2\x80\x80"),
	/* start without continuation, cut short, or followed by ASCII */
	BAD("\xc0 "), BAD("\xc3 "), BAD("\xe2 "), BAD("\xf0 "), BAD("\xc3"), BAD("\xe2\x82"),
	BAD("\xe2\x82z"), BAD("\xf0\x9f\x98"), BAD("\xf0\x9f\x98z"), BAD("\xef\xbf\xc3\xb6"),
};

static const struct {
	struct slice text;
	bool paired;
} surrogate_table[] = {
	GOOD(""), GOOD("\"\""), GOOD("\"\\u00e9\""), GOOD("\"\\ud83d\\ude00\""),
	GOOD("\"\\uD800\\uDC00\\uDBFF\\uDFFF\""), GOOD("\"\\ud7ff\\ue000\""),
	GOOD("\"\\\\ud800\""), GOOD("\"\\\\\\\\udc00\""), GOOD("\"\\n\\\"\""),
	BAD("\"\\ud800\""), BAD("\"\\udc00\""), BAD("\"\\uDBFF\""), BAD("\"\\uDFFF\""),
	BAD("\"\\ud800\\ud800\""), BAD("\"\\udc00\\ud800\""), BAD("\"\\ud800x\\udc00\""),
	BAD("\"\\ud800\\n\""), BAD("\"\\ud800\\\\udc00\""), BAD("\"\\\\\\ud800\""),
	BAD("\"\\ud83d\\ude00\\ude00\""), BAD("\"\\ud800\\udc0"), BAD("\\ud800"),
	/* broken escapes are the parser's to refuse */
	GOOD("\"\\u12\""), GOOD("\\"), GOOD("\"\\uzzzz\""),
};

/* a copy that ends where its block ends, so that reading past it is seen by valgrind */
static char *copy_at_end(struct slice s, size_t shift)
{
	char *p = malloc(s.n + shift + 1);

	assert_non_null(p);
	memset(p, 'a', shift);
	if (s.n)
		memcpy(p + shift, s.p, s.n);
	return p;
}

/* every vector after 0 to 16 ASCII bytes, so that the fast path is covered */
static void test_utf8(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(utf8_table) / sizeof(utf8_table[0]); i++) {
		for (size_t shift = 0; shift <= 16; shift++) {
			char *p = copy_at_end(utf8_table[i].text, shift);
			bool valid = utf8_valid(slice_make(p, utf8_table[i].text.n + shift));

			free(p);
			if (valid != utf8_table[i].valid)
				fail_msg("vector %zu shifted by %zu: %d", i, shift, valid);
		}
	}
	assert_true(utf8_valid(SLICE_NULL));
}

static void test_surrogates(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(surrogate_table) / sizeof(surrogate_table[0]); i++) {
		char *p = copy_at_end(surrogate_table[i].text, 0);
		bool paired = utf8_surrogates_paired(slice_make(p, surrogate_table[i].text.n));

		free(p);
		if (paired != surrogate_table[i].paired)
			fail_msg("vector %zu: %d", i, paired);
	}
	assert_true(utf8_surrogates_paired(SLICE_NULL));
}

/* every cut of a text of all lengths falls back to the last whole character */
static void test_whole(void **state)
{
	static const char text[] = "a\xc3\xa9\xe0\xa4\x85\xf0\x9f\x98\x80z\xf4\x8f\xbf\xbf\xdf\xbf";
	static const size_t whole[] = {0, 1, 1, 3, 3, 3, 6, 6, 6,
				       6, 10, 11, 11, 11, 11, 15, 15, 17};

	(void)state;
	assert_int_equal(sizeof(whole) / sizeof(whole[0]), sizeof(text));
	for (size_t n = 0; n < sizeof(text); n++)
		assert_int_equal(utf8_whole(slice_make(text, n)), whole[n]);
}

static void test_escapes(void **state)
{
	static const struct {
		struct slice escape;
		int32_t code;
		size_t n;
		const char *utf8;
	} table[] = {
		{SLICE("\\u0041x"), 'A', 6, "A"},
		{SLICE("\\u00e9"), 0xe9, 6, "\xc3\xa9"},
		{SLICE("\\u20AC"), 0x20ac, 6, "\xe2\x82\xac"},
		{SLICE("\\uffff"), 0xffff, 6, "\xef\xbf\xbf"},
		{SLICE("\\ud800\\udc00"), 0x10000, 12, "\xf0\x90\x80\x80"},
		{SLICE("\\uDBFF\\uDFFF\\u0000"), 0x10ffff, 12, "\xf4\x8f\xbf\xbf"},
		{SLICE(""), -1, 0, NULL}, {SLICE("A"), -1, 0, NULL},
		{SLICE("\\n0041"), -1, 0, NULL},
		{SLICE("\\u004"), -1, 0, NULL}, {SLICE("\\u00g1"), -1, 0, NULL},
		{SLICE("\\udc00"), -1, 0, NULL}, {SLICE("\\ud800"), -1, 0, NULL},
		{SLICE("\\ud800\\u0041"), -1, 0, NULL}, {SLICE("\\ud800\\udc0"), -1, 0, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char out[4];
		size_t n = 0;

		assert_int_equal(utf8_escape(table[i].escape, &n), table[i].code);
		assert_int_equal(n, table[i].n);
		if (table[i].code < 0)
			continue;
		n = utf8_encode(table[i].code, out);
		assert_true(slice_eq(slice_make(out, n), slice_of(table[i].utf8)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_surrogates),
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_escapes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
