/*
 * Answers that are wrong in the middle, too many, or packed to burst: each ends
 * its request with a reason and within its ceilings, and the next one is well.
 */
#include "net/cookies.h"
#include "net/http_post.h"
#include "tests/unit/http_world.h"
#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNKED OK_HEAD "Transfer-Encoding: chunked\r\n\r\n"
#define GOOD "Content-Length: 2\r\n\r\n[]"

/* Sends one request, whose complete answer is this, and returns the outcome. */
static void answer(struct world *w, const char *text)
{
	struct wire_conn *c;

	start(w);
	c = wire_accept(w->wire);
	wire_request(c);
	wire_say(c, text);
	wire_said(c);
	wire_close(c);
	until_done(w);
}

static void assert_well(struct world *w)
{
	answer(w, OK_HEAD "Connection: close\r\n" GOOD);
	assert_answered(w, 200, "[]");
}

/* --- framing --- */

static const char *const garbage[] = {
	CHUNKED "x\r\n[]\r\n0\r\n\r\n",
	CHUNKED "-2\r\n[]\r\n0\r\n\r\n",
	CHUNKED " \r\n",
	CHUNKED "\r\n[]\r\n",
	CHUNKED "2\r\n[]]\r\n0\r\n\r\n",
	CHUNKED "2\r\n[]2\r\n",
	CHUNKED "fffffffffffffffff\r\n[]",
	CHUNKED "7fffffffffffffff\r\n[]",
	CHUNKED "2\r\n[]\r\n",
	CHUNKED "2\r\n[]\r\n0\r\n",
	CHUNKED "2;",
	OK_HEAD "Transfer-Encoding: nonsense\r\n\r\n[]x",
	OK_HEAD "Content-Length: 3\r\n\r\n[]",
	OK_HEAD "Content-Length: 9223372036854775807\r\n\r\n[]",
	OK_HEAD "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n[]",
	OK_HEAD "Content-Encoding: gzip, gzip, gzip, gzip, gzip, gzip, gzip\r\nContent-Length: 2\r\n\r\n[]",
	OK_HEAD "Content-Encoding: nonsense\r\nContent-Length: 2\r\n\r\n[]",
	"HTTP/1.1 200",
	"HTTP/1.1 2000 OK\r\n" GOOD,
	"HTTP/9.9 200 OK\r\n" GOOD,
	"HTTP/1.1 abc OK\r\n" GOOD,
	/* HTTP/0.9: anything at all would be an answer */
	"[]",
	"\r\n\r\n[]",
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
};

static void test_garbage(void **state)
{
	struct world *w = *state;

	make(w);
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		answer(w, garbage[i]);
		if (w->result.outcome != HTTP_BROKEN || !w->reason[0])
			fail_msg("%s: outcome %d: %s", garbage[i], w->result.outcome, w->body);
		assert_well(w);
	}
}

/* until the request ends: sixteen more of these */
static void send_without_end(struct world *w, const char *begin, const char *more)
{
	struct wire_conn *c;
	char piece[16 * 64] = "";

	assert_true(strlen(more) < 64);
	for (int i = 0; i < 16; i++)
		strcat(piece, more);
	start(w);
	c = wire_accept(w->wire);
	wire_request(c);
	wire_say(c, begin);
	for (unsigned long n = 0; !w->done && !wire_is_gone(c); n++) {
		wire_say(c, piece);
		assert_int_equal(loop_turn(w->loop, false), 0);
		assert_in_range(n, 0, 1000000 / 16);
	}
	until_done(w);
	assert_int_equal(w->result.outcome, HTTP_BROKEN);
	wire_close(c);
	assert_well(w);
}

static void test_endless(void **state)
{
	struct world *w = *state;

	w->options.body_max = 100000;
	make(w);
	send_without_end(w, CHUNKED "2\r\n[]\r\n0\r\n", "X-Trailer: 012345678901234567890123456789\r\n");
	assert_int_equal(w->result.status, 200);
	send_without_end(w, CHUNKED "2\r\n[]\r\n0\r\nX-Trailer: ", "012345678901234567890123456789");
	send_without_end(w, CHUNKED, "1\r\n[\r\n");
	send_without_end(w, "HTTP/1.1 200 ", "012345678901234567890123456789");
	send_without_end(w, "HTTP/1.1 302 Found\r\nLocation: /", "012345678901234567890123456789");
	send_without_end(w, "HTTP/1.1 200 OK\r\n", "a:\r\nb:\r\nc:\r\nd:\r\n");
}

/* as send_without_end(), in large pieces that no header and no body are made of */
static void waste(struct world *w, const char *head, struct slice begin, struct slice more)
{
	struct wire_conn *c;
	char piece[4096];
	size_t sent = 0;

	for (size_t i = 0; i < sizeof(piece) / more.n * more.n; i++)
		piece[i] = more.p[i % more.n];
	start(w);
	c = wire_accept(w->wire);
	wire_request(c);
	wire_say(c, head);
	wire_say_bytes(c, begin.p, begin.n);
	while (!w->done && !wire_is_gone(c)) {
		wire_say_bytes(c, piece, sizeof(piece) / more.n * more.n);
		sent += sizeof(piece);
		assert_int_equal(loop_turn(w->loop, false), 0);
		assert_in_range(sent, 0, 32u << 20);
	}
	until_done(w);
	wire_close(c);
}

/* What is neither header nor body: its amount is bounded, whatever the deadline is. */
static void test_endless_waste(void **state)
{
#define GZIP "Content-Encoding: gzip\r\n"
#define S(text) {text, sizeof(text) - 1}
	static const struct { const char *head; struct slice begin, more; } rows[] = {
		{"Transfer-Encoding: chunked\r\n\r\n", S("2;"), S("extension")},
		{"Transfer-Encoding: chunked\r\n\r\n", S("2 "), S(" ")},
		{"Transfer-Encoding: chunked\r\n\r\n", S("2\r\n[]"), S("\r")},
		{"Transfer-Encoding: chunked\r\n\r\n", S(""), S("0000001;01234567890123456789\r\n[\r\n")},
		/* blocks of nothing, and a name of the packed file */
		{GZIP "\r\n", S("\x1f\x8b\x08\0\0\0\0\0\0\x03"), S("\0\0\0\xff\xff")},
		{GZIP "\r\n", S("\x1f\x8b\x08\x08\0\0\0\0\0\x03"), S("name")},
	};
	struct world *w = *state;
	char head[256];

	w->options.body_max = 100000;
	make(w);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(head, sizeof(head), OK_HEAD "%s", rows[i].head);
		waste(w, head, rows[i].begin, rows[i].more);
		assert_failed(w, HTTP_BROKEN, "the answer is too large");
		assert_well(w);
		/* of an error the status is known */
		snprintf(head, sizeof(head), "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\n%s", rows[i].head);
		waste(w, head, rows[i].begin, rows[i].more);
		assert_int_equal(w->result.outcome, HTTP_ANSWERED);
		assert_int_equal(w->result.status, 503);
		assert_int_equal(w->result.retry_after, 7000);
		assert_well(w);
	}
#undef GZIP
#undef S
}

/* --- packed --- */

/* A bomb of each kind that this libcurl unpacks and that can be made here, sixteen times
   as large as is taken. */
static void test_bombs(void **state)
{
	static const struct { const char *coding, *command; } rows[] = {
		{"gzip", "head -c 16M /dev/zero | gzip -9"},
		{"gzip, gzip", "head -c 16M /dev/zero | gzip -9 | gzip -9"},
		{"deflate", "python3 -c 'import sys,zlib; "
			    "sys.stdout.buffer.write(zlib.compress(bytes(16 << 20)))'"},
		{"zstd", "head -c 16M /dev/zero | zstd -c"},
		{"br", "head -c 16M /dev/zero | brotli -c"},
	};
	struct world *w = *state;
	char *packed = malloc(1 << 20);
	unsigned tried = 0;

	assert_non_null(packed);
	w->options.body_max = 1u << 20;
	make(w);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wire_conn *c;
		char line[300];
		size_t n;
		FILE *f;

		snprintf(line, sizeof(line), "{ %s; } 2>/dev/null", rows[i].command);
		f = popen(line, "r");
		assert_non_null(f);
		n = fread(packed, 1, 1 << 20, f);
		if (pclose(f) || n == 0) {
			print_message("SKIPPED: no program here packs %s\n", rows[i].coding);
			continue;
		}
		start(w);
		c = wire_accept(w->wire);
		wire_request(c);
		snprintf(line, sizeof(line), OK_HEAD "Content-Encoding: %s\r\nContent-Length: %zu\r\n\r\n",
			 rows[i].coding, n);
		wire_say(c, line);
		wire_say_bytes(c, packed, n);
		assert_failed(w, HTTP_BROKEN, "");
		/* where it is not unpacked, it is refused as unknown, and never taken for an answer */
		wire_close(c);
		assert_well(w);
		tried++;
	}
	assert_in_range(tried, 2, 5);
	free(packed);
}

/* --- cookies --- */

static size_t cookies_kept(struct world *w, size_t *ret_bytes)
{
	struct curl_slist *lines = NULL;
	size_t n = 0, bytes = 0;
	CURL *easy;

	assert_int_equal(http_client_easy(w->client, &easy), 0);
	assert_int_equal(curl_easy_getinfo(easy, CURLINFO_COOKIELIST, &lines), 0);
	for (struct curl_slist *l = lines; l; l = l->next, n++)
		bytes += strlen(l->data);
	curl_slist_free_all(lines);
	curl_easy_cleanup(easy);
	*ret_bytes = bytes;
	return n;
}

/* many in each of many answers, and large ones: the session's own is sent still */
static void test_cookie_bomb(void **state)
{
	static char value[3000];
	struct world *w = *state;
	struct wire_conn *c = begin(w);
	const char *request = NULL;
	size_t bytes;

	memset(value, 'v', sizeof(value) - 1);
	wire_say(c, OK_HEAD "Set-Cookie: BAYEUX_BROWSER=mine; Path=/\r\n" GOOD);
	assert_answered(w, 200, "[]");
	for (int i = 0; i < 20; i++) {
		char line[4000];

		start(w);
		request = wire_request(c);
		assert_non_null(strstr(request, "BAYEUX_BROWSER=mine"));
		assert_in_range(strstr(request, "\r\n\r\n") - request, 0, 10000);
		wire_say(c, OK_HEAD);
		for (int k = 0; k < 15; k++) {
			snprintf(line, sizeof(line), "Set-Cookie: c%d-%d=%s; Path=/\r\n", i, k,
				 i % 5 == 0 ? value : "x");
			wire_say(c, line);
		}
		wire_say(c, GOOD);
		assert_answered(w, 200, "[]");
		assert_in_range(cookies_kept(w, &bytes), 1, COOKIES_MAX);
		assert_in_range(bytes, 1, COOKIES_MAX * COOKIE_MAX);
	}
	assert_int_equal(cookies_kept(w, &bytes), COOKIES_MAX);
	/* it can be changed in a jar that is full */
	start(w);
	wire_request(c);
	wire_say(c, OK_HEAD "Set-Cookie: BAYEUX_BROWSER=yours; Path=/\r\n" GOOD);
	assert_answered(w, 200, "[]");
	start(w);
	assert_non_null(strstr(wire_request(c), "BAYEUX_BROWSER=yours"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_##name, http_world_setup, http_world_teardown)
		T(garbage), T(endless), T(endless_waste), T(bombs), T(cookie_bomb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
