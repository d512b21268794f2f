/*
 * io/mask: secrets are found whole, in part and between escapes; what is left is
 * the text that it was. io/form: what is encoded, and that nothing becomes a field.
 */
#include "io/form.h"
#include "io/mask.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct mask *m;

static int setup(void **state)
{
	(void)state;
	return mask_new(&m);
}

static int teardown(void **state)
{
	(void)state;
	mask_free(m);
	return 0;
}

static void assert_masked(const char *text, const char *expected)
{
	char copy[512];

	snprintf(copy, sizeof(copy), "%s", text);
	mask_text(m, copy, strlen(copy));
	assert_string_equal(copy, expected);
}

static void texts(void **state)
{
	static const struct {
		const char *text, *masked;
	} cases[] = {
		{"", ""},
		{"nothing of it", "nothing of it"},
		{"abcdefghijkl", "************"},
		{"xabcdefghijklx", "x************x"},
		/* cut at either end, by whoever repeats it */
		{"token abcdefgh... is bad", "token ********... is bad"},
		{"...efghijkl", "...********"},
		/* less of it is no secret */
		{"abcdefg bcdefgh", "abcdefg bcdefgh"},
		/* an escape in between */
		{"abcdefgh\\/abcdefghijkl", "********\\/************"},
		{"abcdefghijklabcdefghijkl", "************************"},
		{"abcdefghabcdefgh efghijkl", "**************** ********"},
		/* the other secret, with a character of two bytes at either end of a run */
		{"\xc3\xbc" "1234567\xc3\xbc", "*********\xc3\xbc"},
		{"\xc3\xbc" "1234567\xc3\xa4", "*********\xc3\xa4"},
		{"\xc5\xbc" "1234567\xc3\xbc", "\xc5\xbc*******\xc3\xbc"},
	};

	(void)state;
	assert_masked("abcdefghijkl", "abcdefghijkl");
	assert_int_equal(mask_add(m, SLICE("short abcdefghijkl")), 0);
	assert_int_equal(mask_add(m, SLICE("\xc3\xbc" "1234567\xc3")), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_masked(cases[i].text, cases[i].masked);
}

static void headers(void **state)
{
	(void)state;
	assert_int_equal(mask_add_header(m, "Authorization: Bearer e0123456789"), 0);
	/* the scheme is no secret, also before what the secret begins with */
	assert_masked("Bearer error", "Bearer error");
	assert_masked("Bearer e0123456789", "Bearer ***********");
	/* user:pass word88 */
	assert_int_equal(mask_add_header(m, "Authorization:  basic dXNlcjpwYXNzIHdvcmQ4OCtteQ=="), 0);
	assert_masked("Basic dXNlcjpwYXNzIHdvcmQ4OCtteQ==", "Basic ****************************");
	assert_masked("no user with pass word88+my", "no user with pass *********");
	assert_int_equal(mask_add_header(m, "Authorization: Basic ="), 0);
}

static void messages(void **state)
{
	static const struct {
		const char *text, *masked;
	} cases[] = {
		{"[{\"error\":\"403::abcdefghijkl\",\"successful\":false}]",
		 "[{\"error\":\"403::************\",\"successful\":false}]"},
		{"{\"ext\":{\"x\":[\"abcdefghijkl\"]},\"channel\":\"/meta/disconnect\"}",
		 "{\"ext\":{\"x\":[\"************\"]},\"channel\":\"/meta/disconnect\"}"},
		/* an event is not ours; the message beside it is */
		{"[{\"data\":\"abcdefghijkl\"},{\"successful\":true,\"x\":\"abcdefghijkl\"}]",
		 "[{\"data\":\"abcdefghijkl\"},{\"successful\":true,\"x\":\"************\"}]"},
		{"[{\"data\":\"abcdefghijkl\",\"successful\":false}]",
		 "[{\"data\":\"************\",\"successful\":false}]"},
		/* keys and numbers stay: else it would be no JSON, or another */
		{"{\"abcdefghijkl\" : 1,\"n\":123456789,\"successful\":false}",
		 "{\"abcdefghijkl\" : 1,\"n\":123456789,\"successful\":false}"},
		{"{\"e\":\"\\\"abcdefghijkl\\\\\",\"successful\":false}",
		 "{\"e\":\"\\\"************\\\\\",\"successful\":false}"},
		/* no JSON: nobody repeats any of it */
		{"[{\"error\":\"abcdefghijkl\"}", "[{\"error\":\"************\"}"},
		{"", ""},
	};
	char copy[256];

	(void)state;
	assert_int_equal(mask_add_json(m, SLICE("{\"successful\":[\"abcdefghijkl\",7],"
						"\"n\":\"123456789\"}")), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(copy, sizeof(copy), "%s", cases[i].text);
		mask_messages(m, copy, strlen(copy));
		assert_string_equal(copy, cases[i].masked);
	}
}

/* the newest are kept, the oldest forgotten */
static void many(void **state)
{
	char secret[] = "secret-number-00";

	(void)state;
	for (int i = 0; i < MASK_SECRETS_MAX + 3; i++) {
		secret[14] = (char)('0' + i / 10);
		secret[15] = (char)('0' + i % 10);
		assert_int_equal(mask_add(m, slice_of(secret)), 0);
		assert_masked(secret, "****************");
		/* the same again takes no room */
		assert_int_equal(mask_add(m, slice_of(secret)), 0);
	}
	assert_masked("umber-02", "umber-02");
	assert_masked("umber-03", "********");
	assert_masked("umber-34", "********");
}

static void short_of_memory(void **state)
{
	struct mask *other;

	(void)state;
	FAIL_EACH_ALLOCATION {
		int r = mask_new(&other);

		if (!r) {
			r = mask_add_header(other, "A: Basic dXNlcjpwYXNzIHdvcmQ4OCtteQ==");
			mask_free(other);
		}
		assert_true(r == 0 || r == -ENOMEM);
	}
}

static void forms(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 64);
	assert_int_equal(form_put(&out, "a", SLICE("b c&d=e%+~\xc3\xbc\n*-._9")), 0);
	assert_int_equal(form_put(&out, "x", SLICE_NULL), 0);
	assert_true(slice_eq(buf_slice(&out),
			     SLICE("a=b+c%26d%3De%25%2B%7E%C3%BC%0A*-._9&x=")));
	/* all or nothing */
	assert_int_equal(form_put(&out, "y", SLICE("0123456789012345678901234567890")), -EMSGSIZE);
	assert_true(slice_eq(slice_drop(buf_slice(&out), buf_len(&out) - 3), SLICE("&x=")));
	buf_fini(&out);
}

#define MASK_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MASK_TEST(texts),
		MASK_TEST(headers),
		MASK_TEST(messages),
		MASK_TEST(many),
		MASK_TEST(short_of_memory),
		cmocka_unit_test(forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
