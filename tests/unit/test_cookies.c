/*
 * net/cookies: which cookies go to which address, and which are not taken. A row
 * is a conversation: headers taken from one address, then what another one gets.
 */
#include "net/cookies.h"
#include "net/http_client.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NOW 1700000000000ull

static const struct {
	const char *from;
	const char *set[4];
	const char *to;
	const char *sent;
} rows[] = {
	{"http://h/cometd", {"a=b"}, "ws://h/cometd", "a=b"},
	{"http://h/cometd", {"a=b", "c=d; Path=/"}, "ws://h/cometd?x", "a=b; c=d"},
	{"http://h/cometd", {"a=b"}, "http://other/cometd", ""},
	{"http://h.example/x", {"a=b"}, "http://sub.h.example/x", ""},
	{"http://h.example/x", {"a=b; Domain=.h.example"}, "http://sub.h.example/x", "a=b"},
	{"http://h.example/x", {"a=b; domain=H.Example"}, "http://h.example/x", "a=b"},
	{"http://h.example/x", {"a=b; Domain=example"}, "http://h.example/x", ""},
	{"http://h.example/x", {"a=b; Domain=other.example"}, "http://h.example/x", ""},
	{"http://xh.example/x", {"a=b; Domain=h.example"}, "http://xh.example/x", ""},
	{"http://127.0.0.1/x", {"a=b; Domain=127.0.0.1"}, "http://127.0.0.1:81/x", "a=b"},
	{"http://127.0.0.1/x", {"a=b; Domain=0.0.1"}, "http://127.0.0.1/x", ""},
	{"http://localhost/x", {"a=b"}, "ws://localhost/x", "a=b"},
	{"http://[::1]/x", {"a=b"}, "ws://[::1]/x", "a=b"},
	/* path */
	{"http://h/a/b/c", {"a=b"}, "http://h/a/b", "a=b"},
	{"http://h/a/b/c", {"a=b"}, "http://h/a/bc", ""},
	{"http://h/a/b/c", {"a=b"}, "http://h/a", ""},
	{"http://h/x", {"a=b; Path=/cometd"}, "http://h/cometd", "a=b"},
	{"http://h/x", {"a=b; Path=/cometd/"}, "http://h/cometd/x", "a=b"},
	{"http://h/x", {"a=b; Path=/cometd"}, "http://h/cometd/x?y", "a=b"},
	{"http://h/x", {"a=b; Path=/cometd"}, "http://h/cometdx", ""},
	{"http://h/x", {"a=b; Path=nonsense"}, "http://h/", "a=b"},
	/* secure */
	{"https://h/", {"a=b; Secure"}, "wss://h/", "a=b"},
	{"https://h/", {"a=b; Secure; HttpOnly"}, "ws://h/", ""},
	{"http://h/", {"a=b; Secure"}, "wss://h/", ""},
	/* time: the Salesforce date is none by RFC */
	{"http://h/", {"a=b; Max-Age=10"}, "http://h/", "a=b"},
	{"http://h/", {"a=b", "a=; Max-Age=0"}, "http://h/", ""},
	{"http://h/", {"a=b", "a=c; Expires=Thu, 01 Jan 1970 00:00:00 GMT"}, "http://h/", ""},
	{"http://h/", {"a=b; Expires=Sun, 24-Sep-2034 19:55:37 GMT"}, "http://h/", "a=b"},
	{"http://h/", {"a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60"}, "http://h/", "a=b"},
	{"http://h/", {"a=b; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT"}, "http://h/", "a=b"},
	{"http://h/", {"a=b; Expires=some day"}, "http://h/", "a=b"},
	/* the same name, domain and path: the newer one */
	{"http://h/", {"a=b", "a=c; HttpOnly"}, "http://h/", "a=c"},
	/* text */
	{"http://h/", {" a = b c "}, "http://h/", "a=b c"},
	{"http://h/", {"a=b=c"}, "http://h/", "a=b=c"},
	{"http://h/", {"a="}, "http://h/", "a="},
	{"http://h/", {"=b", "b", "", ";"}, "http://h/", ""},
	{"http://h/", {"a=b\tc"}, "http://h/", ""},
	/* what could begin another header line, or hide in a log */
	{"http://h/", {"a=b\rX: y", "c=d\x01", "e=f\x7f", "g=h; Path=/\x1f"}, "http://h/", ""},
};

struct jar {
	struct http_client *client;
	CURL *easy;
	struct cookies_known known;
};

static void jar_init(struct jar *j)
{
	struct http_options o;

	http_options_default(&o);
	j->known.n = 0;
	assert_int_equal(http_client_new(&o, &j->client), 0);
	assert_int_equal(http_client_easy(j->client, &j->easy), 0);
}

static void jar_fini(struct jar *j)
{
	curl_easy_cleanup(j->easy);
	http_client_free(j->client);
}

static void test_rows(void **state)
{
	/* curl itself drops what is past by its own clock, so ours goes with it */
	uint64_t now = (uint64_t)time(NULL) * 1000;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct url from, to;
		struct jar j;
		struct buf out;

		jar_init(&j);
		buf_init(&out, 1000);
		assert_int_equal(url_parse(rows[i].from, &from), 0);
		assert_int_equal(url_parse(rows[i].to, &to), 0);
		for (size_t k = 0; k < 4 && rows[i].set[k]; k++)
			assert_int_equal(cookies_take(j.easy, &from, slice_of(rows[i].set[k]), now), 0);
		assert_int_equal(cookies_for(j.easy, &to, now, &out), 0);
		if (!slice_eq(buf_slice(&out), slice_of(rows[i].sent)))
			fail_msg("row %zu: \"%.*s\" for \"%s\"", i, SLICE_ARG(buf_slice(&out)), rows[i].sent);
		url_fini(&from);
		url_fini(&to);
		buf_fini(&out);
		jar_fini(&j);
	}
}

/* what expired is not sent, whatever is still in the jar */
static void test_expiry(void **state)
{
	uint64_t now = (uint64_t)time(NULL) * 1000;
	struct jar j;
	struct url u;
	struct buf out;

	(void)state;
	jar_init(&j);
	buf_init(&out, 10);
	assert_int_equal(url_parse("http://h/", &u), 0);
	assert_int_equal(cookies_take(j.easy, &u, SLICE("a=b; Max-Age=10"), now), 0);
	assert_int_equal(cookies_for(j.easy, &u, now + 20000, &out), 0);
	assert_int_equal(buf_len(&out), 0);
	/* no room for the line is an error, not half a line */
	assert_int_equal(cookies_take(j.easy, &u, SLICE("long=0123456789"), now), 0);
	assert_int_equal(cookies_for(j.easy, &u, now, &out), -EMSGSIZE);
	buf_fini(&out);
	url_fini(&u);
	jar_fini(&j);
}

/* --- many --- */

static size_t count(CURL *easy)
{
	struct curl_slist *lines = NULL;
	size_t n = 0;

	assert_int_equal(curl_easy_getinfo(easy, CURLINFO_COOKIELIST, &lines), 0);
	for (struct curl_slist *l = lines; l; l = l->next)
		n++;
	curl_slist_free_all(lines);
	return n;
}

/* among "a=b; c=d" */
static bool sends(const struct buf *out, const char *cookie)
{
	struct slice rest = buf_slice(out);
	size_t n = strlen(cookie);

	while (rest.n >= n) {
		const char *end = memmem(rest.p, rest.n, "; ", 2);

		if (slice_starts(rest, slice_of(cookie)) && (end ? end == rest.p + n : rest.n == n))
			return true;
		if (!end)
			return false;
		rest = slice_drop(rest, (size_t)(end - rest.p) + 2);
	}
	return false;
}

/* a server that sets one more with each answer: the session's own stays, and can still change */
static void test_bomb(void **state)
{
	struct jar j;
	struct url u;
	struct buf out;
	char text[64];

	(void)state;
	jar_init(&j);
	buf_init(&out, 100000);
	assert_int_equal(url_parse("http://h/", &u), 0);
	assert_int_equal(cookies_take(j.easy, &u, SLICE("BAYEUX_BROWSER=one"), NOW), 0);
	for (unsigned i = 0; i < COOKIES_MAX + 50; i++) {
		snprintf(text, sizeof(text), "c%u=x", i);
		assert_int_equal(cookies_take(j.easy, &u, slice_of(text), NOW), 0);
		assert_int_equal(cookies_limit(j.easy, &j.known), 0);
		assert_in_range(count(j.easy), 1, COOKIES_MAX);
	}
	assert_int_equal(count(j.easy), COOKIES_MAX);
	/* with a new one before it in the same answer */
	assert_int_equal(cookies_take(j.easy, &u, SLICE("late=x"), NOW), 0);
	assert_int_equal(cookies_take(j.easy, &u, SLICE("BAYEUX_BROWSER=two"), NOW), 0);
	assert_int_equal(cookies_limit(j.easy, &j.known), 0);
	assert_int_equal(count(j.easy), COOKIES_MAX);
	assert_int_equal(cookies_for(j.easy, &u, NOW, &out), 0);
	assert_true(sends(&out, "BAYEUX_BROWSER=two"));
	assert_true(sends(&out, "c0=x"));
	assert_false(sends(&out, "late=x"));
	/* one that goes makes room for another */
	assert_int_equal(cookies_take(j.easy, &u, SLICE("c0=; Max-Age=0"), NOW), 0);
	assert_int_equal(cookies_take(j.easy, &u, SLICE("new=x"), NOW), 0);
	assert_int_equal(cookies_limit(j.easy, &j.known), 0);
	buf_clear(&out);
	assert_int_equal(cookies_for(j.easy, &u, NOW, &out), 0);
	assert_true(sends(&out, "new=x"));
	buf_fini(&out);
	url_fini(&u);
	jar_fini(&j);
}

/* libcurl lists the cookies of some hosts before those of others, in no order of arrival: existing
   cookies are kept, whatever their position, and their value and attributes may change */
static void test_bomb_of_other_hosts(void **state)
{
	struct jar j;
	struct url u;
	struct buf out;
	char text[64];

	(void)state;
	jar_init(&j);
	buf_init(&out, 100000);
	assert_int_equal(url_parse("https://h/", &u), 0);
	for (unsigned i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "c%u=x; HttpOnly; Path=/", i);
		assert_int_equal(cookies_take(j.easy, &u, slice_of(text), NOW), 0);
	}
	assert_int_equal(cookies_limit(j.easy, &j.known), 0);
	for (unsigned i = 0; i < 200; i++) {
		struct url other;

		snprintf(text, sizeof(text), "https://h%u.example/", i);
		assert_int_equal(url_parse(text, &other), 0);
		assert_int_equal(cookies_take(j.easy, &other, SLICE("c1=x"), NOW), 0);
		url_fini(&other);
	}
	assert_int_equal(cookies_take(j.easy, &u, SLICE("c3=new; Secure"), NOW), 0);
	assert_int_equal(cookies_limit(j.easy, &j.known), 0);
	assert_int_equal(count(j.easy), COOKIES_MAX);
	assert_int_equal(cookies_for(j.easy, &u, NOW, &out), 0);
	for (unsigned i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "c%u=%s", i, i == 3 ? "new" : "x");
		if (!sends(&out, text))
			fail_msg("%s is gone", text);
	}
	buf_fini(&out);
	url_fini(&u);
	jar_fini(&j);
}

/* large ones: the header has a ceiling, and small cookies after them still fit */
static void test_header_ceiling(void **state)
{
	static char large[4000];
	struct jar j;
	struct url u;
	struct buf out;

	(void)state;
	jar_init(&j);
	buf_init(&out, 100000);
	assert_int_equal(url_parse("http://h/", &u), 0);
	memset(large, 'x', sizeof(large) - 1);
	large[2] = '=';
	for (int i = 0; i < 10; i++) {
		large[1] = (char)('a' + i);
		assert_int_equal(cookies_take(j.easy, &u, slice_of(large), NOW), 0);
	}
	assert_int_equal(cookies_take(j.easy, &u, SLICE("small=x"), NOW), 0);
	assert_int_equal(cookies_for(j.easy, &u, NOW, &out), 0);
	assert_in_range(buf_len(&out), 2 * 3990, COOKIES_SENT_MAX);
	assert_non_null(memmem(buf_slice(&out).p, buf_len(&out), "; small=x", 9));
	buf_fini(&out);
	url_fini(&u);
	jar_fini(&j);
}

/* --- presets --- */

static void test_valid(void **state)
{
	static const char *const good[] = {"a=b", "a=", "a=b=c", "a=b;Path=/", "a=b; path=/x/y"};
	static const char *const bad[] = {
		"", "a", "=b", "a b=c", " a=b", "a=b c", "a=b,c", "a=\"b\"", "a=b\r\nX: y", "a=b\tc",
		"a=b;", "a=b; ", "a=b; Path=x", "a=b; Path=/x; Secure", "a=b; Domain=x", "a=b; Max-Age=1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!cookies_valid(good[i]))
			fail_msg("\"%s\" is refused", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (cookies_valid(bad[i]))
			fail_msg("\"%s\" is taken", bad[i]);
}

static const struct {
	const char *at, *preset, *to, *sent;
} presets[] = {
	{"http://h.example/cometd/x", "a=b", "http://h.example/", "a=b"},
	{"http://h.example/cometd", "a=b", "https://h.example/", "a=b"},
	{"http://h.example/cometd", "a=b", "http://sub.h.example/cometd", ""},
	{"http://h.example/cometd", "a=b", "http://example/cometd", ""},
	{"https://h.example/cometd", "a=b", "wss://h.example/", "a=b"},
	{"https://h.example/cometd", "a=b", "http://h.example/", ""},
	{"http://h/", "a=b;Path=/x", "http://h/x/y", "a=b"},
	{"http://h/", "a=b; Path=/x", "http://h/y", ""},
	{"http://127.0.0.1/", "a=b=c", "ws://127.0.0.1/", "a=b=c"},
};

static void test_presets(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(presets) / sizeof(presets[0]); i++) {
		struct url at, to;
		struct buf out;
		struct jar j;

		jar_init(&j);
		buf_init(&out, 1000);
		assert_int_equal(url_parse(presets[i].at, &at), 0);
		assert_int_equal(url_parse(presets[i].to, &to), 0);
		assert_int_equal(cookies_preset(j.easy, &at, presets[i].preset, NOW), 0);
		assert_int_equal(cookies_for(j.easy, &to, NOW, &out), 0);
		if (!slice_eq(buf_slice(&out), slice_of(presets[i].sent)))
			fail_msg("row %zu: \"%.*s\"", i, SLICE_ARG(buf_slice(&out)));
		/* the server's one takes its place, and does not come beside it */
		assert_int_equal(cookies_take(j.easy, &at, SLICE("a=new; Path=/"), NOW), 0);
		assert_int_equal(count(j.easy), strstr(presets[i].preset, "/x") ? 2 : 1);
		buf_fini(&out);
		url_fini(&at);
		url_fini(&to);
		jar_fini(&j);
	}
}

/* one that is too large is left out; two clients never share */
static void test_large_and_apart(void **state)
{
	static char large[COOKIE_MAX + 100];
	struct jar one, other;
	struct url u;
	struct buf out;

	(void)state;
	jar_init(&one);
	jar_init(&other);
	buf_init(&out, 10000);
	assert_int_equal(url_parse("http://h/", &u), 0);
	memset(large, 'x', sizeof(large) - 1);
	large[1] = '=';
	assert_int_equal(cookies_take(one.easy, &u, slice_of(large), NOW), 0);
	assert_int_equal(cookies_for(one.easy, &u, NOW, &out), 0);
	assert_int_equal(buf_len(&out), 0);
	assert_int_equal(cookies_take(one.easy, &u, SLICE("a=b"), NOW), 0);
	assert_int_equal(cookies_for(other.easy, &u, NOW, &out), 0);
	assert_int_equal(buf_len(&out), 0);
	buf_fini(&out);
	url_fini(&u);
	jar_fini(&one);
	jar_fini(&other);
}

static void test_each_allocation(void **state)
{
	struct url u;

	(void)state;
	assert_int_equal(url_parse("http://h/", &u), 0);
	FAIL_EACH_ALLOCATION {
		struct jar j;
		struct buf out;
		int r;

		testing_allocation_failed();
		jar_init(&j);
		testing_fail_allocation(fail_at_);
		buf_init(&out, 100);
		r = cookies_take(j.easy, &u, SLICE("a=b"), NOW);
		if (!r)
			r = cookies_for(j.easy, &u, NOW, &out);
		assert_true(r == 0 || r == -ENOMEM);
		buf_fini(&out);
		jar_fini(&j);
	}
	url_fini(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_bomb_of_other_hosts),
		cmocka_unit_test(test_header_ceiling),
		cmocka_unit_test(test_valid),
		cmocka_unit_test(test_presets),
		cmocka_unit_test(test_large_and_apart),
		cmocka_unit_test(test_each_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
