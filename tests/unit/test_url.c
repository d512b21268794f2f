/* net/url: addresses taken apart, and those refused. */
#include "net/url.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *text, *http, *host, *authority, *target;
	bool secure;
} good[] = {
	{"http://h/cometd", "http://h/cometd", "h", "h", "/cometd", false},
	{"https://h", "https://h", "h", "h", "/", true},
	{"ws://h:8080/a?b=c", "http://h:8080/a?b=c", "h", "h:8080", "/a?b=c", false},
	{"WSS://h.example:443/a#frag", "https://h.example:443/a#frag", "h.example", "h.example", "/a", true},
	{"http://h:443/", "http://h:443/", "h", "h:443", "/", false},
	{"http://[::1]:81/x%20y", "http://[::1]:81/x%20y", "::1", "[::1]:81", "/x%20y", false},
};

static const struct {
	const char *text;
	int fault;
} bad[] = {
	{"", URL_E_SCHEME},
	{"h/cometd", URL_E_SCHEME},
	{"ftp://h/", URL_E_SCHEME},
	{"file:///etc/passwd", URL_E_SCHEME},
	{"http://", URL_E_SYNTAX},
	{"http://:80/", URL_E_SYNTAX},
	{"http://h:99999/", URL_E_SYNTAX},
	{"http://h/a b", URL_E_SYNTAX},
	{"http://h/a\r\nX: y", URL_E_SYNTAX},
	{"http://h/\xc3\xa4", URL_E_SYNTAX},
	{"http://user@h/", URL_E_CREDENTIALS},
	{"ws://user:password@h/", URL_E_CREDENTIALS},
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct url u;

		assert_int_equal(url_parse(good[i].text, &u), 0);
		assert_string_equal(u.http, good[i].http);
		assert_string_equal(u.host, good[i].host);
		assert_string_equal(u.authority, good[i].authority);
		assert_string_equal(u.target, good[i].target);
		assert_int_equal(u.secure, good[i].secure);
		url_fini(&u);
	}
}

static void test_bad(void **state)
{
	struct url u = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (url_parse(bad[i].text, &u) != bad[i].fault)
			fail_msg("\"%s\"", bad[i].text);
		assert_non_null(url_fault_text(bad[i].fault));
		assert_null(u.http);
	}
	url_fini(&u);
}

/* what an operation's own URL is, relative to the server's */
static const struct {
	const char *base, *text, *http, *target;
} resolved[] = {
	{"http://h/a", "connect", "http://h/a/connect", "/a/connect"},
	{"http://h/a/", "connect", "http://h/a/connect", "/a/connect"},
	{"http://h", "connect", "http://h/connect", "/connect"},
	{"http://h/a/b", "/connect", "http://h/connect", "/connect"},
	{"http://h/a/b", "../connect", "http://h/a/connect", "/a/connect"},
	{"http://h/a/b", "x/y/", "http://h/a/b/x/y/", "/a/b/x/y/"},
	{"http://h/a%20b", "x%2fy", "http://h/a%20b/x%2fy", "/a%20b/x%2fy"},
	/* the query stays, unless there is another */
	{"http://h/a?k=v&w", "connect", "http://h/a/connect?k=v&w", "/a/connect?k=v&w"},
	{"http://h/a?k=v", "/connect?z", "http://h/connect?z", "/connect?z"},
	{"http://h/a?k=v", "?z=1", "http://h/a?z=1", "/a?z=1"},
	{"wss://h:81/a#part", "connect", "https://h:81/a/connect", "/a/connect"},
	/* another host: nothing of the base */
	{"http://h/a?k=v", "https://other/b", "https://other/b", "/b"},
	{"http://h/a?k=v", "ws://other", "http://other", "/"},
};

static void test_resolve(void **state)
{
	static const struct {
		const char *text;
		int fault;
	} wrong[] = {
		{"//other/path", URL_E_RELATIVE}, {"ftp://h/", URL_E_SCHEME},
		{"a b", URL_E_SYNTAX}, {"a\r\nX: y", URL_E_SYNTAX},
		{"http://user@h/", URL_E_CREDENTIALS}, {"://", URL_E_SCHEME},
	};
	struct url base, u = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(resolved) / sizeof(resolved[0]); i++) {
		assert_int_equal(url_parse(resolved[i].base, &base), 0);
		assert_int_equal(url_resolve(&base, resolved[i].text, &u), 0);
		assert_string_equal(u.http, resolved[i].http);
		assert_string_equal(u.target, resolved[i].target);
		url_fini(&u);
		url_fini(&base);
	}
	assert_int_equal(url_parse("http://h/a", &base), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (url_resolve(&base, wrong[i].text, &u) != wrong[i].fault)
			fail_msg("\"%s\"", wrong[i].text);
		assert_non_null(strchr(url_fault_text(wrong[i].fault), ' '));
		assert_null(u.http);
	}
	url_fini(&base);
}

static void test_append(void **state)
{
	static const char *const rows[][3] = {
		{"http://h/cometd", "connect", "http://h/cometd/connect"},
		{"http://h/cometd/", "connect", "http://h/cometd/connect"},
		{"http://h/cometd/60.0", "connect", "http://h/cometd/60.0/connect"},
		{"http://h", "connect", "http://h/connect"},
		{"http://h/", "connect", "http://h/connect"},
		{"http://h/cometd?k=v&w=/", "connect", "http://h/cometd/connect?k=v&w=/"},
		{"http://h/cometd", "", "http://h/cometd/"},
		{"http://h/cometd/", "", "http://h/cometd/"},
		{"http://h/cometd#part", "connect", "http://h/cometd/connect"},
	};
	struct url base, u;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(url_parse(rows[i][0], &base), 0);
		assert_int_equal(url_append(&base, rows[i][1], &u), 0);
		assert_string_equal(u.http, rows[i][2]);
		url_fini(&u);
		url_fini(&base);
	}
}

static void test_each_allocation(void **state)
{
	(void)state;
	FAIL_EACH_ALLOCATION {
		struct url u = {0}, v = {0};
		int r = url_parse("http://h/cometd", &u);

		if (r == 0)
			r = url_resolve(&u, "connect", &v);
		if (r == 0) {
			url_fini(&v);
			r = url_append(&u, "connect", &v);
		}
		if (r)
			assert_int_equal(r, -ENOMEM);
		url_fini(&v);
		url_fini(&u);
	}
}

static void test_is_local(void **state)
{
	static const char *const here[] = {"http://localhost/", "http://LOCALHOST:80/",
					   "http://127.0.0.1/", "http://127.9.9.9/", "http://[::1]:1/"},
		*const there[] = {"http://128.0.0.1/", "http://localhost.example/", "http://[::2]/",
				  "http://10.0.0.1/", "http://127.0.0.1.example/"};
	struct url u;

	(void)state;
	for (size_t i = 0; i < sizeof(here) / sizeof(here[0]); i++) {
		assert_int_equal(url_parse(here[i], &u), 0);
		assert_true(url_is_local(&u));
		url_fini(&u);
	}
	for (size_t i = 0; i < sizeof(there) / sizeof(there[0]); i++) {
		assert_int_equal(url_parse(there[i], &u), 0);
		assert_false(url_is_local(&u));
		url_fini(&u);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_is_local),
		cmocka_unit_test(test_each_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
