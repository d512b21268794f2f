/*
 * Any bytes as what is read of HTTP by hand: the answer to an upgrade, cut anywhere,
 * its cookies, the terms of compression, and compressed texts; the answers of token
 * servers. All views lie within the text, nothing grows beyond its ceiling, and what
 * becomes of a cookie is a line of the jar that can be read again.
 */
#include "auth/answer.h"
#include "net/cookies.h"
#include "net/redirect.h"
#include "net/ws_upgrade.h"
#include "protocol/utf8.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

const char *const fuzz_seeds = "tests/fuzz/corpus/http";

enum { INFLATED_MAX = 1 << 16, COOKIES_OUT_MAX = 1 << 20 };
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
/* so late that libcurl, which looks at the clock by itself, takes nothing for over sooner than we */
#define NOW UINT64_C(4000000000000)

static bool is_within(struct slice part, struct slice whole)
{
	return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

/* One whole text, of which no step may make more than it has room for. */
static int unpack(struct ws_deflate *d, struct slice packed)
{
	struct slice parts[] = {packed, WS_DEFLATE_TAIL};
	char to[1001];
	size_t n, total = 0;

	for (int i = 0; i < 2; i++)
		do {
			to[1000] = 'x';
			int r = ws_deflate_unpack(d, &parts[i], to, 1000, &n);
			FUZZ_CHECK(to[1000] == 'x' && n <= 1000);
			if (r)
				return r;
			total += n;
		} while ((n == 1000 || parts[i].n) && total < INFLATED_MAX);
	ws_deflate_unpacked(d);
	return 0;
}

static void check_unpack(const struct ws_deflate_terms *terms, struct slice packed)
{
	struct ws_deflate *d;
	int r = 0;

	FUZZ_CHECK(ws_deflate_new(terms, &d) == 0);
	/* several texts: the later ones refer to the earlier */
	while (packed.n && r == 0) {
		struct slice one = slice_take(packed, 1 + (unsigned char)packed.p[0]);

		r = unpack(d, slice_drop(one, 1));
		FUZZ_CHECK(r == 0 || r == WS_DEFLATE_E_BROKEN);
		packed = slice_drop(packed, one.n);
	}
	ws_deflate_free(d);
}

/* --- cookies --- */

static CURL *new_jar(void)
{
	CURL *easy = curl_easy_init();

	FUZZ_CHECK(easy && !curl_easy_setopt(easy, CURLOPT_COOKIEFILE, ""));
	return easy;
}

static void check_jar(CURL *from, const struct url *url)
{
	CURL *to = new_jar();
	struct buf first, second;
	char *line, *rest;

	buf_init(&first, COOKIES_OUT_MAX);
	buf_init(&second, COOKIES_OUT_MAX);
	FUZZ_CHECK(cookies_write(from, NOW, &first) == 0);
	FUZZ_CHECK(buf_putc(&first, 0) == 0);
	rest = first.mem + first.head;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			FUZZ_CHECK(cookies_read(to, &url, 1, line, NOW) == 0);
	FUZZ_CHECK(cookies_write(to, NOW, &second) == 0);
	FUZZ_CHECK(buf_len(&first) == buf_len(&second) + 1);
	buf_clear(&first);
	FUZZ_CHECK(cookies_for(from, url, NOW, &first) == 0);
	/* or it would be another header */
	FUZZ_CHECK(buf_len(&first) == 0 || !memchr(buf_slice(&first).p, '\n', buf_len(&first)));
	buf_fini(&first);
	buf_fini(&second);
	curl_easy_cleanup(to);
}

static void check_cookies(struct slice header)
{
	CURL *jar = new_jar();
	struct cookies_known known = {.n = 0};
	struct slice whole = header, cookie;
	struct url url;
	unsigned n = 0;

	FUZZ_CHECK(url_parse("https://a.example.com/x/y?z", &url) == 0);
	while (n++ < COOKIES_TAKEN_MAX && ws_answer_next_cookie(&header, &cookie)) {
		FUZZ_CHECK(is_within(cookie, whole));
		FUZZ_CHECK(cookies_take(jar, &url, cookie, NOW) == 0);
	}
	FUZZ_CHECK(cookies_limit(jar, &known) == 0);
	check_jar(jar, &url);
	url_fini(&url);
	curl_easy_cleanup(jar);
}

/* --- the upgrade --- */

static void check_location(struct slice location)
{
	char url[512];
	struct fault why;

	snprintf(url, sizeof(url), "%.*s", SLICE_ARG(slice_take(location, sizeof(url) - 1)));
	redirect_allowed(HTTP_REDIRECTS_SAME_HOST, "https://a.example.com/x", url, 307, 0, &why);
}

static void check_answer(struct slice text)
{
	const struct ws_offer offer = {.subprotocol = "bayeux", .deflate = true};
	struct ws_answer whole, part;
	int r = ws_answer_parse(text, ACCEPT, &offer, &whole);

	FUZZ_CHECK(r == 0 || r == WS_E_MORE || r == WS_E_GARBAGE);
	if (r)
		return;
	FUZZ_CHECK(whole.length <= text.n && is_within(whole.location, text));
	/* the same, and nothing sooner, when no byte more has come yet */
	FUZZ_CHECK(ws_answer_parse(slice_take(text, whole.length), ACCEPT, &offer, &part) == 0);
	FUZZ_CHECK(part.status == whole.status && part.length == whole.length);
	FUZZ_CHECK(ws_answer_parse(slice_take(text, whole.length - 1), ACCEPT, &offer, &part) != 0);
	check_location(whole.location);
	check_cookies(slice_take(text, whole.length));
	if (whole.status == 101 && !whole.fault && whole.deflate.agreed)
		check_unpack(&whole.deflate, slice_drop(text, whole.length));
}

/* --- token servers --- */

static void check_token(struct slice text)
{
	static struct auth_secret access, refresh;
	static char header[2 * AUTH_SECRET_MAX];

	if (!auth_answer_parse(text, &access)) {
		FUZZ_CHECK(access.n > 0 && access.n <= AUTH_SECRET_MAX && !memchr(access.text, '\n', access.n));
		auth_answer_header(AUTH_BEARER, NULL, &access, header, sizeof(header));
		auth_answer_header(AUTH_BASIC, NULL, &access, header, sizeof(header));
	}
	if (!auth_answer_token(text, &access, &refresh))
		FUZZ_CHECK(access.n > 0 && access.text[access.n] == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice text = slice_make(data, n);
	struct ws_deflate_terms terms;

	check_answer(text);
	check_token(text);
	if (n && data[0] == 'D')
		check_unpack(&(struct ws_deflate_terms){.agreed = true, .bits_in = 15, .bits_out = 15},
			     slice_drop(text, 1));
	else
		ws_deflate_parse(text, &terms);
	return 0;
}
