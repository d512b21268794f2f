/*
 * Any bytes as the small texts that come from configurations, state files and
 * credentials: addresses, lines of a cookie jar, preset cookies, the `ext` of
 * requests, keys that sign tokens. The first byte selects which. What is accepted can
 * be written and read again, and can be sent: it has no line end.
 */
#include "auth/jwt.h"
#include "bayeux/session.h"
#include "net/cookies.h"
#include "net/redirect.h"
#include "net/url.h"
#include "protocol/json_read.h"
#include "protocol/utf8.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>

const char *const fuzz_seeds = "tests/fuzz/corpus/settings";

enum { TEXT_MAX = 4000, OUT_MAX = 1 << 16 };
/* so late that libcurl, which looks at the clock by itself, takes nothing for over sooner than we */
#define NOW UINT64_C(4000000000000)

static bool is_one_line(const char *text)
{
	return strcspn(text, "\r\n") == strlen(text);
}

/* ---- addresses ---- */

static void check_url(const struct url *u)
{
	struct url again;

	FUZZ_CHECK(strncmp(u->http, u->secure ? "https://" : "http://", u->secure ? 8 : 7) == 0);
	FUZZ_CHECK(u->host[0] && u->authority[0] && u->target[0] == '/');
	FUZZ_CHECK(is_one_line(u->http) && is_one_line(u->authority) && is_one_line(u->target));
	FUZZ_CHECK(!strpbrk(u->authority, "@ ") && !strchr(u->target, ' '));
	FUZZ_CHECK(url_parse(u->http, &again) == 0);
	FUZZ_CHECK(strcmp(u->http, again.http) == 0 && strcmp(u->host, again.host) == 0);
	FUZZ_CHECK(strcmp(u->authority, again.authority) == 0);
	FUZZ_CHECK(strcmp(u->target, again.target) == 0 && u->secure == again.secure);
	url_fini(&again);
}

/* The first line is an address, the second one relative to it, or where it redirects to. */
static void try_urls(char *text)
{
	char *second = strchr(text, '\n');
	struct fault why;
	struct url base, u;
	bool follows;

	if (second)
		*second++ = '\0';
	if (url_parse(text, &base))
		return;
	check_url(&base);
	if (url_append(&base, "connect", &u) == 0) {
		check_url(&u);
		url_fini(&u);
	}
	if (second && url_resolve(&base, second, &u) == 0) {
		check_url(&u);
		url_fini(&u);
	}
	follows = second && redirect_allowed(HTTP_REDIRECTS_SAME_HOST, base.http, second, 307, 0,
					     &why);
	if (follows && url_parse(second, &u) == 0) {
		FUZZ_CHECK(strcasecmp(u.host, base.host) == 0 && (u.secure || !base.secure));
		url_fini(&u);
	}
	url_fini(&base);
}

/* ---- cookies ---- */

static CURL *new_jar(void)
{
	CURL *easy = curl_easy_init();

	FUZZ_CHECK(easy && !curl_easy_setopt(easy, CURLOPT_COOKIEFILE, ""));
	return easy;
}

/* What the jar holds is one header line, and a file that can be read again. */
static void check_jar(CURL *jar, const struct url *url)
{
	CURL *again = new_jar();
	struct buf out;
	char *line, *rest;

	buf_init(&out, OUT_MAX);
	FUZZ_CHECK(cookies_for(jar, url, NOW, &out) == 0 && buf_putc(&out, '\0') == 0);
	FUZZ_CHECK(is_one_line(out.mem + out.head));
	buf_clear(&out);
	FUZZ_CHECK(cookies_write(jar, NOW, &out) == 0 && buf_putc(&out, '\0') == 0);
	rest = out.mem + out.head;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			FUZZ_CHECK(cookies_read(again, &url, 1, line, NOW) == 0);
	buf_fini(&out);
	curl_easy_cleanup(again);
}

static void try_cookies(char *text, bool preset)
{
	CURL *jar = new_jar();
	const struct url *urls[1];
	struct url url;
	char *line;

	FUZZ_CHECK(url_parse("https://a.example.com/x/y?z", &url) == 0);
	urls[0] = &url;
	while ((line = strsep(&text, "\n"))) {
		int r = 0;

		if (!preset)
			r = cookies_read(jar, urls, 1, line, NOW);
		else if (cookies_valid(line))
			FUZZ_CHECK(cookies_preset(jar, &url, line, NOW) == 0);
		FUZZ_CHECK(r == 0 || r == COOKIES_E_NONE);
	}
	check_jar(jar, &url);
	url_fini(&url);
	curl_easy_cleanup(jar);
}

/* ---- ext ---- */

static void ignore_wake(void *ctx)
{
	(void)ctx;
}

static int is_object(void *ctx, const struct json_value *value)
{
	(void)ctx;
	return value->kind != JSON_OBJECT;
}

/* An ext or fields that were accepted leave with the handshake, in a text that is JSON. */
static void try_ext(struct slice object, bool fields)
{
	struct session_options o;
	struct session_batch batch;
	struct session_event event;
	struct session *s;
	struct buf out;
	int r;

	session_options_default(&o);
	o.seed = 1;
	FUZZ_CHECK(session_new(&o, (struct wake){ignore_wake, NULL}, &s) == 0);
	r = fields ? session_set_fields(s, SESSION_EXT_HANDSHAKE, object) :
		     session_set_ext(s, SESSION_EXT_HANDSHAKE, object);
	FUZZ_CHECK(r == 0 || r == -EINVAL || r == -EMSGSIZE);
	session_start(s, 1000);
	while (session_next(s, 1000, &event) == 0)
		;
	buf_init(&out, 1 << 20);
	FUZZ_CHECK(session_take_batch(s, 1000, &out, &batch) == 0);
	FUZZ_CHECK(json_read_array(buf_slice(&out), is_object, NULL) == 0);
	buf_fini(&out);
	session_free(s);
}

/* ---- keys ---- */

static void try_key(struct slice key)
{
	const struct auth_jwt jwt = {.key_id = "k\"", .issuer = "i", .subject = "s\n",
				     .audience = "a", .id = "1", .issued = 1, .lifetime = 60};
	struct buf out;
	const char *why;

	buf_init(&out, OUT_MAX);
	why = auth_jwt_put(&jwt, key, &out);
	FUZZ_CHECK(why ? utf8_valid(slice_of(why)) : buf_len(&out) > 0);
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char text[TEXT_MAX + 1];
	struct slice rest = slice_take(slice_drop(slice_make(data, n), 1), TEXT_MAX);

	if (n == 0)
		return 0;
	if (rest.n)
		memcpy(text, rest.p, rest.n);
	text[rest.n] = '\0';
	switch (data[0]) {
	case 'u':
		try_urls(text);
		break;
	case 'j':
	case 'p':
		try_cookies(text, data[0] == 'p');
		break;
	case 'e':
	case 'f':
		try_ext(rest, data[0] == 'f');
		break;
	case 'k':
		try_key(rest);
		break;
	}
	return 0;
}
