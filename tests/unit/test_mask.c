/*
 * net/mask: secrets are found whole, in part and between escapes; what is left is
 * the text that it was. net/form: what is encoded, and that nothing becomes a field.
 */
#include "net/form.h"
#include "net/mask.h"
#include "net/mask_decode.h"
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
		/* truncated at either end by the server that repeats it */
		{"token abcdefgh... is bad", "token ********... is bad"},
		{"...efghijkl", "...********"},
		/* less of it is no secret */
		{"abc abcdefg bcdefgh", "abc abcdefg bcdefgh"},
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
	assert_int_equal(mask_add(m, SLICE("abcdefghijkl")), 0);
	assert_int_equal(mask_add(m, SLICE("abc")), 0);
	assert_int_equal(mask_add(m, SLICE("\xc3\xbc" "1234567\xc3")), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_masked(cases[i].text, cases[i].masked);
}

/* the same secret in other encodings; an escape is overwritten completely */
static void encodings(void **state)
{
	static const struct {
		const char *text, *masked;
	} cases[] = {
		{"p\xc3\xa4ss/w \"+9\\-k", "**************"},
		/* JSON */
		{"is p\\u00e4ss\\/w \\\"\\u002b9\\\\-k.", "is **************************."},
		{"p\\u00E4ss/w \\u00229", "******************9"},
		/* percent-encoded, with upper and lower case digits */
		{"p%C3%A4ss%2Fw%20%22%2B9%5C-k", "****************************"},
		{"=p%c3%a4ss%2fw+%22%2b9%5c%2dk&", "=****************************&"},
		/* base64url */
		{"p\xc3\xa4ss_w \"-9", "***********"},
		/* no escapes, at the very end */
		{"%2", "%2"}, {"\\", "\\"}, {"\\u00", "\\u00"}, {"\\ud83d\\ude0", "\\ud83d\\ude0"},
		/* two of them are one character */
		{"x\\ud83d\\ude00abcdefg", "x*******************"},
		{"\\ud83dabcdefg \\ude00abcdefg", "\\ud83dabcdefg *************"},
		/* what was an escape in the secret itself */
		{"100%25sure!", "***********"}, {"100%sure!", "*********"}, {"100%2525sure!", "*************"},
	};

	(void)state;
	assert_int_equal(mask_add(m, SLICE("p\xc3\xa4ss/w \"+9\\-k")), 0);
	assert_int_equal(mask_add_json(m, SLICE("[\"\\ud83d\\ude00abcdefg\"]")), 0);
	assert_int_equal(mask_add(m, SLICE("100%25sure!")), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_masked(cases[i].text, cases[i].masked);
}

/* only as separate words: "tiger" is not masked within "tigers" */
static void short_ones(void **state)
{
	static const struct {
		const char *text, *masked;
	} cases[] = {
		{"tiger", "*****"},
		{"no tiger, tigers: tiger", "no *****, tigers: *****"},
		{"xtiger tiger7 tiger\xc3\xbc \xc3\xbctiger", "xtiger tiger7 tiger\xc3\xbc \xc3\xbctiger"},
		{"me:tiger@host", "me:*****@host"},
		{"\\u0074iger%20x", "**********%20x"},
		{"pin 123 of this host", "pin 123 of this host"},
		/* a run that begins before it */
		{"as tiger-lilies are", "************ies are"},
	};

	(void)state;
	assert_int_equal(mask_add(m, SLICE("tiger")), 0);
	assert_int_equal(mask_add(m, SLICE("123")), 0);
	/* in these nearly all is no secret */
	assert_int_equal(mask_add_json(m, SLICE("{\"x\":\"host\"}")), 0);
	assert_int_equal(mask_add_cookie(m, SLICE("host; Path=/abcdefghi")), 0);
	/* the decoded length counts */
	assert_int_equal(mask_add_json(m, SLICE("{\"x\":\"\\u0068ost\",\"y\":\"%68%6f%73%74\"}")), 0);
	assert_int_equal(mask_add_cookie(m, SLICE("%68%6f%73%74")), 0);
	assert_int_equal(mask_add(m, SLICE("as tiger-lil")), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_masked(cases[i].text, cases[i].masked);
}

static void logins(void **state)
{
	(void)state;
	assert_int_equal(mask_add_login(m, SLICE("administrator:cat:9")), 0);
	/* the user is not a secret; next to it a short password is found anywhere */
	assert_masked("administrator", "administrator");
	assert_masked("is cat:9 of xadministrator:cat:9x", "is ***** of xadminis************x");
	/* base64 of both */
	assert_masked("YWRtaW5pc3RyYXRvcjpjYXQ6OQ==", "****************************");
	assert_int_equal(mask_add_login(m, SLICE("nobody")), 0);
	assert_int_equal(mask_add_login(m, SLICE("nobody:")), 0);
	assert_masked("who is nobody", "who is nobody");
}

/* any number of cookies does not displace other secrets */
static void cookies(void **state)
{
	char value[64];

	(void)state;
	assert_int_equal(mask_add(m, SLICE("abcdefghijkl")), 0);
	for (int i = 10; i < 10 + 2 * MASK_SECRETS_MAX; i++) {
		snprintf(value, sizeof(value), "%d-%d-%d; Path=/abc/def/ghi", i, i, i);
		assert_int_equal(mask_add_cookie(m, slice_of(value)), 0);
	}
	assert_masked("abcdefghijkl", "************");
	assert_masked("10-10-10 73-73-73", "10-10-10 ********");
	assert_masked("/abc/def/ghi", "/abc/def/ghi");
}

static void client_ids(void **state)
{
	(void)state;
	assert_int_equal(mask_set_client_id(m, SLICE("1a2b3c4d5e")), 0);
	assert_masked("402:1a2b3c4d5e:unknown", "402:**********:unknown");
	assert_int_equal(mask_set_client_id(m, SLICE("12%2F4567890")), 0);
	assert_masked("1a2b3c4d5e is 12%2F4567890 is 12/4567890", "1a2b3c4d5e is ************ is **********");
	assert_int_equal(mask_set_client_id(m, SLICE("short")), 0);
	assert_masked("12%2F4567890 short", "12%2F4567890 short");
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
	assert_masked("no user with pass word88+my", "no user with **************");
	/* a scheme is one of an Authorization alone; a pass phrase is a secret, blanks and all */
	assert_int_equal(mask_add_header(m, "X-Key: one two three"), 0);
	assert_masked("not one two three", "not *************");
	assert_masked("not three", "not three");
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
		/* an event is not masked; the message next to it is */
		{"[{\"data\":\"abcdefghijkl\"},{\"successful\":true,\"x\":\"abcdefghijkl\"}]",
		 "[{\"data\":\"abcdefghijkl\"},{\"successful\":true,\"x\":\"************\"}]"},
		{"[{\"data\":\"abcdefghijkl\",\"successful\":false}]",
		 "[{\"data\":\"************\",\"successful\":false}]"},
		/* keys and numbers stay: else it would be no JSON, or another */
		{"{\"abcdefghijkl\" : 1,\"n\":123456789,\"successful\":false}",
		 "{\"abcdefghijkl\" : 1,\"n\":123456789,\"successful\":false}"},
		{"{\"e\":\"\\\"abcdefghijkl\\\\\",\"successful\":false}",
		 "{\"e\":\"\\\"************\\\\\",\"successful\":false}"},
		/* routing fields are never masked */
		{"[{\"channel\":\"/abcdefghijkl\",\"id\":\"abcdefghijkl\",\"clientId\":\"abcdefghijkl\","
		 "\"subscription\":[\"/abcdefghijkl\"],\"advice\":{\"reconnect\":\"abcdefghijkl\"},"
		 "\"ext\":{\"channel\":\"/abcdefghijkl\"}}]",
		 "[{\"channel\":\"/abcdefghijkl\",\"id\":\"abcdefghijkl\",\"clientId\":\"abcdefghijkl\","
		 "\"subscription\":[\"/abcdefghijkl\"],\"advice\":{\"reconnect\":\"abcdefghijkl\"},"
		 "\"ext\":{\"channel\":\"/************\"}}]"},
		{"{\"e\":\"a\\u0062cd\\u0065fgh\\\"\",\"successful\":false}",
		 "{\"e\":\"******************\\\"\",\"successful\":false}"},
		/* not JSON: masked as plain text */
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
			if (!r)
				r = mask_add_login(other, SLICE("user:password"));
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

/* units of a text: length and decoded bytes */
static void units(void **state)
{
	static const struct {
		const char *text;
		size_t length;
		unsigned n;
		const char *means;
	} cases[] = {
		{"\\n", 2, 1, "\n"},
		{"\\\"x", 2, 1, "\""},
		{"\\u00fcx", 6, 2, "\xc3\xbc"},
		{"\\u20ac", 6, 3, "\xe2\x82\xac"},
		{"\\ud83d\\ude00", 12, 4, "\xf0\x9f\x98\x80"},
		{"%41", 3, 1, "A"},
		{"\\u002541", 8, 1, "A"},
		/* cut, and what is none */
		{"\\", 1, 1, "\\"},
		{"\\u00f", 1, 1, "\\"},
		{"%4", 1, 1, "%"},
		{"%zz", 1, 1, "%"},
		{"\\q", 1, 1, "\\"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mask_unit u = mask_decode_escape(slice_of(cases[i].text),
							MASK_JSON | MASK_PERCENT);

		assert_int_equal(u.length, cases[i].length);
		assert_int_equal(u.n, cases[i].n);
		assert_memory_equal(u.bytes, cases[i].means, u.n);
	}
}

#define MASK_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MASK_TEST(texts),
		MASK_TEST(encodings),
		MASK_TEST(short_ones),
		MASK_TEST(logins),
		MASK_TEST(cookies),
		MASK_TEST(client_ids),
		MASK_TEST(headers),
		MASK_TEST(messages),
		MASK_TEST(many),
		MASK_TEST(short_of_memory),
		cmocka_unit_test(units),
		cmocka_unit_test(forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
