/*
 * z85: CometD's vectors (bayeux.md 5.5), every length there and back, and
 * nothing else is taken for a text; ceilings and shortage leave no trace.
 */
#include "tests/unit/testing.h"

#include "bayeux/z85.h"

#include <errno.h>

static void vectors(void **state)
{
	static const struct {
		struct slice bytes;
		const char *text;
	} cases[] = {
		{SLICE(""), ""},
		{SLICE("\x00"), "00"},
		{SLICE("\x01"), "0r"},
		{SLICE("\xff"), "@@"},
		{SLICE("\x86"), "H5"},
		{SLICE("\x86\x4f"), "Hed"},
		{SLICE("\x86\x4f\xd2"), "Helj"},
		{SLICE("\x86\x4f\xd2\x6f"), "Hello"},
		{SLICE("\x86\x4f\xd2\x6f\xb5"), "HelloWe"},
		{SLICE("\x86\x4f\xd2\x6f\xb5\x59\xf7\x5b"), "HelloWorld"},
		{SLICE("\xcc\xcd"), "+/{"},
		{SLICE("\xff\xff\xff"), "%nS9"},
		{SLICE("\x68\x65\x6c\x6c\x6f"), "xK#0@zV"},
	};
	struct buf out;
	(void)state;
	buf_init(&out, 64);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_clear(&out);
		assert_int_equal(z85_encode(cases[i].bytes, &out), 0);
		if (!slice_eq(buf_slice(&out), slice_of(cases[i].text)))
			fail_msg("%.*s instead of %s", SLICE_ARG(buf_slice(&out)), cases[i].text);
		buf_clear(&out);
		assert_int_equal(z85_decode(slice_of(cases[i].text), &out), 0);
		assert_true(slice_eq(buf_slice(&out), cases[i].bytes));
	}
	buf_fini(&out);
}

static void assert_there_and_back(struct slice bytes)
{
	struct buf text, back;
	buf_init(&text, 1000);
	buf_init(&back, 1000);
	assert_int_equal(z85_encode(bytes, &text), 0);
	assert_int_equal(z85_decode(buf_slice(&text), &back), 0);
	assert_true(slice_eq(buf_slice(&back), bytes));
	buf_fini(&text);
	buf_fini(&back);
}

static void every_length_and_every_end(void **state)
{
	unsigned char bytes[300];
	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 167 + 13);
	for (size_t n = 0; n <= sizeof(bytes); n++)
		assert_there_and_back(slice_make((char *)bytes, n));
	for (unsigned end = 0; end < 0x10000; end += 7) {
		const char two[] = {(char)(end >> 8), (char)end};
		assert_there_and_back(slice_make(two, 2));
		assert_there_and_back(slice_make(two, 1));
	}
}

static void what_is_no_text(void **state)
{
	static const char *const bad[] = {
		"0", "Hello0", "Hel\"o", "He\\lo", "He lo", "Hell\n", "He,lo", "Hello\xc3\xa4",
		/* more than 32 bits, whole and cut short */
		"%nSc1", "#####", "####", "##", "Hello#####",
	};
	struct buf out;
	(void)state;
	buf_init(&out, 64);
	assert_int_equal(buf_putc(&out, 'x'), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (z85_decode(slice_of(bad[i]), &out) != Z85_E_TEXT)
			fail_msg("%s", bad[i]);
	assert_int_equal(z85_decode(slice_make("He\0lo", 5), &out), Z85_E_TEXT);
	assert_true(slice_eq(buf_slice(&out), SLICE("x")));
	buf_fini(&out);
}

static void there_is_a_ceiling(void **state)
{
	struct buf out;
	(void)state;
	buf_init(&out, 4);
	assert_int_equal(z85_encode(SLICE("four"), &out), -EMSGSIZE);
	assert_int_equal(z85_decode(SLICE("HelloWe"), &out), -EMSGSIZE);
	testing_fail_allocation(0);
	assert_int_equal(z85_decode(SLICE("Hello"), &out), -ENOMEM);
	assert_true(testing_allocation_failed());
	assert_int_equal(buf_len(&out), 0);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(every_length_and_every_end),
		cmocka_unit_test(what_is_no_text),
		cmocka_unit_test(there_is_a_ceiling),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
