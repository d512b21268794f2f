/*
 * base64: RFC 4648's vectors, every length there and back, and nothing else is
 * taken for a text; ceilings and shortage leave no trace.
 */
#include "tests/unit/testing.h"

#include "protocol/base64.h"

#include <errno.h>

static void vectors(void **state)
{
	static const struct {
		const char *bytes, *text;
	} cases[] = {
		{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xbf", "+/+/"},
	};
	struct buf out;

	(void)state;
	buf_init(&out, 64);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_clear(&out);
		assert_int_equal(base64_encode(slice_of(cases[i].bytes), &out), 0);
		assert_true(slice_eq(buf_slice(&out), slice_of(cases[i].text)));
		assert_int_equal(base64_length(strlen(cases[i].bytes)), strlen(cases[i].text));
		buf_clear(&out);
		assert_int_equal(base64_decode(slice_of(cases[i].text), &out), 0);
		assert_true(slice_eq(buf_slice(&out), slice_of(cases[i].bytes)));
	}
	buf_fini(&out);
}

static void every_length_and_byte(void **state)
{
	unsigned char bytes[300];
	struct buf text, back;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 167 + 13);
	buf_init(&text, 500);
	buf_init(&back, 500);
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		struct slice all = slice_make((char *)bytes, n);

		buf_clear(&text);
		buf_clear(&back);
		assert_int_equal(base64_encode(all, &text), 0);
		assert_int_equal(base64_decode(buf_slice(&text), &back), 0);
		assert_true(slice_eq(buf_slice(&back), all));
	}
	buf_fini(&text);
	buf_fini(&back);
}

static void what_is_no_text(void **state)
{
	static const char *const bad[] = {
		"Z", "Zg", "Zg=", "Zg==Zg==", "Zg===", "=", "====", "Z===", "Zm9v=", "Zm9v====",
		"Zm9v\n", "Zm 9", "Zm-_", "Zh==", "Zm9=", "Z=g=", "=m9v", "Zm9vZg==Zm9v", "\303\2449v",
	};
	struct buf out;

	(void)state;
	buf_init(&out, 64);
	assert_int_equal(buf_putc(&out, 'x'), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (base64_decode(slice_of(bad[i]), &out) != BASE64_E_TEXT)
			fail_msg("%s", bad[i]);
	assert_int_equal(base64_decode(slice_make("Zm\0v", 4), &out), BASE64_E_TEXT);
	assert_true(slice_eq(buf_slice(&out), SLICE("x")));
	buf_fini(&out);
}

static void there_is_a_ceiling(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 3);
	assert_int_equal(base64_encode(SLICE("f"), &out), -EMSGSIZE);
	assert_int_equal(base64_decode(SLICE("Zm9vYg=="), &out), -EMSGSIZE);
	testing_fail_allocation(0);
	assert_int_equal(base64_decode(SLICE("Zm9v"), &out), -ENOMEM);
	assert_true(testing_allocation_failed());
	assert_int_equal(buf_len(&out), 0);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(every_length_and_byte),
		cmocka_unit_test(what_is_no_text),
		cmocka_unit_test(there_is_a_ceiling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
