/*
 * io/websocket, from its dialling to its end, against a server that says exactly
 * the bytes a test wants: upgrades good and bad, frames whole and in pieces, and
 * every way to end.
 */
#include "io/websocket.h"
#include "base/clock.h"
#include "io/cookies.h"
#include "io/http_post.h"
#include "io/ws_deflate.h"
#include "io/ws_upgrade.h"
#include "tests/unit/testing.h"
#include "tests/unit/wire.h"

#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONT = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10, FIN = 0x80 };

struct world {
	struct loop *loop;
	struct curl_loop *curl;
	struct wire *wire;
	struct wire_conn *c;
	struct http_options http;
	struct http_client *client;
	struct websocket_options options;
	struct url url;
	struct websocket *ws;
	char why[CURL_ERROR_SIZE];
	/* what came */
	unsigned texts, closes;
	bool got_text, closed, free_on_text, free_on_closed;
	struct buf text;                 /* the last one */
	size_t total;
	struct websocket_end end;
	char reason[512];
	char *payload;                   /* of the frame heard last */
};

static void on_text(void *ctx, struct slice text)
{
	struct world *w = ctx;

	w->texts++;
	w->got_text = true;
	w->total += text.n;
	buf_clear(&w->text);
	assert_int_equal(buf_put(&w->text, text), 0);
	if (w->free_on_text) {
		websocket_free(w->ws);
		w->ws = NULL;
	}
}

static void on_closed(void *ctx, const struct websocket_end *end)
{
	struct world *w = ctx;

	w->closes++;
	w->closed = true;
	w->end = *end;
	snprintf(w->reason, sizeof(w->reason), "%.*s", SLICE_ARG(end->reason));
	if (w->free_on_closed) {
		websocket_free(w->ws);
		w->ws = NULL;
	}
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w || loop_new(&w->loop) || curl_loop_new(w->loop, &w->curl))
		return -1;
	w->wire = wire_new(w->loop);
	http_options_default(&w->http);
	websocket_options_default(&w->options);
	buf_init(&w->text, 64u << 20);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	websocket_free(w->ws);
	http_client_free(w->client);
	curl_loop_free(w->curl);
	wire_free(w->wire);
	loop_free(w->loop);
	url_fini(&w->url);
	buf_fini(&w->text);
	free(w->payload);
	free(w);
	clock_fake(UINT64_MAX, UINT64_MAX);
	return 0;
}

/* --- dialling --- */

static int try_dial(struct world *w)
{
	struct websocket_events events = {.text = on_text, .closed = on_closed, .ctx = w};

	return websocket_new(w->loop, w->curl, w->client, &w->url, &w->options, &events, w->why, &w->ws);
}

static void dial(struct world *w)
{
	if (!w->client)
		assert_int_equal(http_client_new(&w->http, &w->client), 0);
	if (!w->url.http)
		assert_int_equal(url_parse(wire_url(w->wire, "ws", "/cometd?x=1"), &w->url), 0);
	w->closed = false;
	assert_int_equal(try_dial(w), 0);
}

/* the upgrade request of a fresh dial */
static const char *dialled(struct world *w)
{
	dial(w);
	w->c = wire_accept(w->wire);
	return wire_request(w->c);
}

/* the answer that this request deserves, with more headers */
static void say_upgrade(struct wire_conn *c, const char *request, const char *more)
{
	const char *at = strstr(request, "Sec-WebSocket-Key: ");
	char key[WS_KEY_SIZE], accept[WS_ACCEPT_SIZE], text[1024];

	assert_non_null(at);
	snprintf(key, sizeof(key), "%.24s", at + 19);
	assert_int_equal(ws_accept(key, accept), 0);
	snprintf(text, sizeof(text), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		 "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n", accept);
	wire_say(c, text);
	wire_say(c, more);
	wire_say(c, "\r\n");
}

/* in this order: the connection is there when the request is */
static void accept_dial(struct world *w, const char *more)
{
	const char *request = dialled(w);

	say_upgrade(w->c, request, more);
}

static void open_ws(struct world *w)
{
	accept_dial(w, "");
	wire_settle(w->loop);
}

static void redial(struct world *w)
{
	websocket_free(w->ws);
	w->ws = NULL;
	wire_gone(w->c);
	wire_close(w->c);
}

/* --- frames, from the server's side --- */

static size_t put_length(unsigned char *to, size_t n, unsigned mask)
{
	if (n < 126) {
		to[0] = (unsigned char)(mask | n);
		return 1;
	}
	if (n < 65536) {
		to[0] = (unsigned char)(mask | 126);
		to[1] = (unsigned char)(n >> 8);
		to[2] = (unsigned char)n;
		return 3;
	}
	to[0] = (unsigned char)(mask | 127);
	for (int i = 0; i < 8; i++)
		to[1 + i] = (unsigned char)((uint64_t)n >> (56 - 8 * i));
	return 9;
}

static void say_frame(struct world *w, unsigned first, const char *payload, size_t n)
{
	unsigned char head[10] = {(unsigned char)first};
	size_t length = 1 + put_length(head + 1, n, 0);

	wire_say_bytes(w->c, head, length);
	wire_say_bytes(w->c, payload, n);
}

static void say_text(struct world *w, const char *text)
{
	say_frame(w, FIN | TEXT, text, strlen(text));
}

static void say_close(struct world *w, unsigned code, const char *reason)
{
	char payload[125];
	int n = snprintf(payload + 2, sizeof(payload) - 2, "%s", reason);

	payload[0] = (char)(code >> 8);
	payload[1] = (char)code;
	say_frame(w, FIN | CLOSE, payload, (size_t)n + 2);
}

/* Waits for one frame of the client, whole, masked; the payload until the next call. */
static unsigned hear_frame(struct world *w, struct slice *ret)
{
	const unsigned char *p;
	char *payload;
	size_t head = 2, n;
	unsigned first;

	wire_hear_bytes(w->c, 2);
	p = (const unsigned char *)wire_heard(w->c).p;
	assert_true(p[1] & 0x80);
	n = p[1] & 0x7f;
	head += n == 126 ? 2 : n == 127 ? 8 : 0;
	wire_hear_bytes(w->c, head + 4);
	p = (const unsigned char *)wire_heard(w->c).p;
	if (head > 2) {
		n = 0;
		for (size_t i = 2; i < head; i++)
			n = n << 8 | p[i];
	}
	wire_hear_bytes(w->c, head + 4 + n);
	p = (const unsigned char *)wire_heard(w->c).p;
	free(w->payload);
	payload = w->payload = malloc(n + 1);
	for (size_t i = 0; i < n; i++)
		payload[i] = (char)(p[head + 4 + i] ^ p[head + i % 4]);
	payload[n] = 0;
	first = p[0];
	wire_forget(w->c, head + 4 + n);
	*ret = slice_make(payload, n);
	return first;
}

static void expect_text(struct world *w, const char *text)
{
	struct slice s;

	assert_int_equal(hear_frame(w, &s), FIN | TEXT);
	assert_string_equal(s.p, text);
}

static void expect_close(struct world *w, unsigned code)
{
	struct slice s;

	assert_int_equal(hear_frame(w, &s), FIN | CLOSE);
	assert_true(s.n >= 2);
	assert_int_equal((unsigned char)s.p[0] << 8 | (unsigned char)s.p[1], code);
}

static void until_text(struct world *w, const char *text)
{
	wire_until(w->loop, &w->got_text);
	w->got_text = false;
	assert_true(slice_eq(buf_slice(&w->text), slice_of(text)));
}

static void until_closed(struct world *w, const char *reason)
{
	wire_until(w->loop, &w->closed);
	assert_int_equal(w->closes, 1);
	w->closes = 0;
	if (!strstr(w->reason, reason))
		fail_msg("\"%s\" does not say \"%s\"", w->reason, reason);
	assert_int_equal(websocket_send(w->ws, SLICE("too late")), -EPIPE);
	websocket_free(w->ws);
	w->ws = NULL;
}

/* --- the upgrade --- */

static void test_upgrade(void **state)
{
	struct world *w = *state;
	static const char *const headers[] = {"Authorization: Bearer x"};
	const char *request;

	w->http.headers = headers;
	w->http.n_headers = 1;
	request = dialled(w);
	assert_ptr_equal(strstr(request, "GET /cometd?x=1 HTTP/1.1\r\n"), request);
	assert_non_null(strstr(request, "\r\nHost: 127.0.0.1:"));
	assert_non_null(strstr(request, "\r\nUser-Agent: cometd-bridge/"));
	assert_non_null(strstr(request, "\r\nAuthorization: Bearer x\r\n"));
	assert_null(strstr(request, "Sec-WebSocket-Extensions"));
	assert_null(strstr(request, "Sec-WebSocket-Protocol"));
	/* what is sent before it is open waits, in order */
	assert_int_equal(websocket_send(w->ws, SLICE("one")), 0);
	assert_int_equal(websocket_send(w->ws, SLICE("two")), 0);
	wire_settle(w->loop);
	assert_int_equal(wire_heard(w->c).n, 0);
	say_upgrade(w->c, request, "");
	expect_text(w, "one");
	expect_text(w, "two");
	say_text(w, "[]");
	until_text(w, "[]");
}

/* the answer and the first frames in one piece, and all of it byte by byte */
static void test_upgrade_in_pieces(void **state)
{
	struct world *w = *state;
	char key[WS_KEY_SIZE], accept[WS_ACCEPT_SIZE], text[512];
	int n;

	for (int piecemeal = 0; piecemeal < 2; piecemeal++) {
		snprintf(key, sizeof(key), "%.24s", strstr(dialled(w), "Sec-WebSocket-Key: ") + 19);
		assert_int_equal(ws_accept(key, accept), 0);
		n = snprintf(text, sizeof(text), "HTTP/1.1 101 x\r\nUpgrade: websocket\r\n"
			     "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n\x81\x02[]", accept);
		for (int i = 0; piecemeal && i < n; i++) {
			assert_int_equal(w->texts, 1);
			wire_say_bytes(w->c, text + i, 1);
			assert_int_equal(loop_turn(w->loop, false), 0);
			assert_int_equal(loop_turn(w->loop, false), 0);
		}
		if (!piecemeal)
			wire_say(w->c, text);
		until_text(w, "[]");
		redial(w);
	}
	assert_int_equal(w->texts, 2);
}

static void test_subprotocol(void **state)
{
	struct world *w = *state;
	const char *request;

	w->options.subprotocol = "bayeux";
	request = dialled(w);
	assert_non_null(strstr(request, "\r\nSec-WebSocket-Protocol: bayeux\r\n"));
	say_upgrade(w->c, request, "Sec-WebSocket-Protocol: bayeux\r\n");
	say_text(w, "[]");
	until_text(w, "[]");
	redial(w);
	/* a server without subprotocols says none, and goes on */
	accept_dial(w, "");
	say_text(w, "[]");
	until_text(w, "[]");
	redial(w);
	accept_dial(w, "Sec-WebSocket-Protocol: chat\r\n");
	until_closed(w, "subprotocol");
	assert_true(w->end.unsupported);
	assert_int_equal(w->end.http_status, 101);
}

/* --- compressed --- */

#define PACKED (FIN | 0x40 | TEXT)

/* a pipe that compresses, and the other end of the terms */
static struct ws_deflate *open_packed(struct world *w, const char *more)
{
	const struct ws_deflate_terms terms = {.agreed = true, .bits_in = 15, .bits_out = 15};
	struct ws_deflate *other = NULL;
	const char *request;

	w->options.compression = true;
	request = dialled(w);
	assert_non_null(strstr(request, "\r\nSec-WebSocket-Extensions: " WS_DEFLATE_OFFER "\r\n"));
	say_upgrade(w->c, request, more);
	wire_settle(w->loop);
	assert_int_equal(ws_deflate_new(&terms, &other), 0);
	return other;
}

/* in two fragments, with a ping in between */
static void say_packed(struct world *w, struct ws_deflate *other, struct slice text)
{
	struct buf packed;

	buf_init(&packed, 32u << 20);
	assert_int_equal(ws_deflate_pack(other, text, &packed), 0);
	say_frame(w, 0x40 | TEXT, buf_slice(&packed).p, 5);
	say_frame(w, FIN | PING, "", 0);
	say_frame(w, FIN | CONT, buf_slice(&packed).p + 5, buf_len(&packed) - 5);
	buf_fini(&packed);
}

static void expect_packed(struct world *w, struct ws_deflate *other, struct slice text)
{
	struct slice s;
	struct buf plain;
	unsigned first;

	buf_init(&plain, 32u << 20);
	while ((first = hear_frame(w, &s)) == (FIN | PONG))
		;
	assert_int_equal(first, PACKED);
	assert_true(s.n < text.n);
	assert_int_equal(ws_deflate_unpack(other, s, &plain), 0);
	assert_true(slice_eq(buf_slice(&plain), text));
	buf_fini(&plain);
}

static void test_packed(void **state)
{
	struct world *w = *state;
	char text[300];
	struct ws_deflate *other = open_packed(w, "Sec-WebSocket-Extensions: permessage-deflate\r\n");

	for (int i = 0; i < 3; i++) {
		memset(text, 'a' + i, sizeof(text));
		say_packed(w, other, slice_make(text, sizeof(text)));
		wire_until(w->loop, &w->got_text);
		w->got_text = false;
		assert_true(slice_eq(buf_slice(&w->text), slice_make(text, sizeof(text))));
		assert_int_equal(websocket_send(w->ws, slice_make(text, sizeof(text))), 0);
		expect_packed(w, other, slice_make(text, sizeof(text)));
	}
	/* each side may send as it is, and a short text does */
	say_text(w, "[]");
	until_text(w, "[]");
	assert_int_equal(websocket_send(w->ws, SLICE("short")), 0);
	expect_text(w, "short");
	/* what does not leave is not referred to later */
	w->options.queue_max = 0;
	ws_deflate_free(other);
	redial(w);
	/* a server that does not want it */
	other = open_packed(w, "");
	assert_int_equal(websocket_send(w->ws, slice_make(text, sizeof(text))), -EMSGSIZE);
	ws_deflate_free(other);
}

static void test_packed_faults(void **state)
{
	static char big[100000];
	struct world *w = *state;
	struct ws_deflate *other;

	w->options.message_max = 50000;
	other = open_packed(w, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
	say_packed(w, other, slice_make(big, 50000));
	wire_until(w->loop, &w->got_text);
	assert_int_equal(buf_len(&w->text), 50000);
	say_packed(w, other, slice_make(big, 50001));
	until_closed(w, "too large");
	assert_true(w->end.unreadable);
	ws_deflate_free(other);
	wire_gone(w->c);
	wire_close(w->c);

	other = open_packed(w, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
	say_frame(w, PACKED, "\xff\xff\xff\xff", 4);
	until_closed(w, "cannot be inflated");
	ws_deflate_free(other);
	wire_gone(w->c);
	wire_close(w->c);

	/* without having agreed */
	other = open_packed(w, "");
	say_frame(w, PACKED, "\x00", 1);
	until_closed(w, "broke the WebSocket protocol");
	ws_deflate_free(other);
}

static const struct {
	unsigned status;
	bool unsupported;
} refusals[] = {
	{200, true}, {301, true}, {400, true}, {401, false}, {403, false}, {404, true}, {405, true},
	{407, false}, {408, false}, {410, true}, {426, true}, {429, false}, {500, false}, {502, false},
	{503, false}, {504, false},
};

static void test_refused(void **state)
{
	struct world *w = *state;
	char answer[128];

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		dialled(w);
		snprintf(answer, sizeof(answer), "HTTP/1.1 %u X\r\nRetry-After: 3\r\n"
			 "Location: /elsewhere\r\nContent-Length: 6\r\n\r\n<html>", refusals[i].status);
		wire_say(w->c, answer);
		snprintf(answer, sizeof(answer), "HTTP %u", refusals[i].status);
		until_closed(w, answer);
		assert_int_equal(w->end.http_status, refusals[i].status);
		assert_int_equal(w->end.unsupported, refusals[i].unsupported);
		assert_int_equal(w->end.retry_after, 3000);
		assert_int_equal(w->end.close_code, 0);
		assert_false(w->end.opened);
		wire_gone(w->c);
		wire_close(w->c);
	}
	assert_int_equal(wire_count(w->wire), sizeof(refusals) / sizeof(refusals[0]));
}

static void test_redirected(void **state)
{
	static const char *const rows[][2] = {
		{"https://login.example/x?token=s3cret", "leads to https://login.example/x: upgrades are"},
		{"ws://other.example/", "leads to ?: upgrades are"}, {"/here", "leads to ?: upgrades are"},
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		dialled(w);
		wire_say(w->c, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: ");
		wire_say(w->c, rows[i][0]);
		wire_say(w->c, "\r\n\r\n");
		until_closed(w, rows[i][1]);
		assert_int_equal(w->end.http_status, 302);
		assert_null(strstr(w->reason, "s3cret"));
	}
	assert_int_equal(wire_count(w->wire), 3);
}

static void test_bad_answers(void **state)
{
	struct world *w = *state;
	char filler[] = "X-Filler: 01234567890123456789012345678901234567890123456789\r\n";

	dialled(w);
	wire_say(w->c, "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		       "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
	until_closed(w, "Sec-WebSocket-Accept");
	assert_true(w->end.unsupported);
	assert_false(w->end.opened);

	accept_dial(w, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
	until_closed(w, "extension");

	dialled(w);
	wire_say(w->c, "SSH-2.0-OpenSSH_9.2\r\n");
	until_closed(w, "no HTTP");
	assert_true(w->end.unsupported);

	dialled(w);
	wire_say(w->c, "HTTP/1.1 101 x\r\n");
	while (!w->closed && !wire_is_gone(w->c)) {
		wire_say(w->c, filler);
		assert_int_equal(loop_turn(w->loop, false), 0);
	}
	until_closed(w, "too large");

	/* gone without a word, and in the middle of one: perhaps a restart, so not "unsupported" */
	dialled(w);
	wire_close(w->c);
	until_closed(w, "closed the connection");
	assert_false(w->end.unsupported);
	dialled(w);
	wire_say(w->c, "HTTP/1.1 101 x\r\nUpgr");
	wire_settle(w->loop);
	wire_reset(w->c);
	until_closed(w, "");
	assert_false(w->end.unsupported);
	assert_true(w->reason[0]);
}

static void test_connection_refused(void **state)
{
	struct world *w = *state;

	dial(w);
	wire_free(w->wire);
	w->wire = NULL;
	until_closed(w, "Connection refused");
	assert_false(w->end.unsupported);
	assert_false(w->end.opened);
	w->wire = wire_new(w->loop);
}

/* --- time, which stands still from freeze() on, until at() says what it is --- */

static uint64_t frozen;

static void freeze(struct world *w)
{
	frozen = clock_boot_ms();
	clock_fake(1700000000000, frozen);
	/* the loop knows what it read last */
	wire_settle(w->loop);
}

static void at(struct world *w, uint64_t ms)
{
	clock_fake(1700000000000, frozen + ms);
	wire_settle(w->loop);
}

static void test_slow_upgrade(void **state)
{
	struct world *w = *state;

	freeze(w);
	dialled(w);
	wire_say(w->c, "HTTP/1.1 101 Switching Protocols\r\nUpgr");
	wire_settle(w->loop);
	at(w, w->http.connect_timeout - 1);
	assert_false(w->closed);
	at(w, w->http.connect_timeout);
	until_closed(w, "did not answer the upgrade in time");
	assert_false(w->end.unsupported);
	wire_gone(w->c);
}

static void test_header_file(void **state)
{
	struct world *w = *state;
	static const char *const files[] = {"/nowhere/at/all"};

	w->http.header_files = files;
	w->http.n_header_files = 1;
	assert_int_equal(http_client_new(&w->http, &w->client), 0);
	assert_int_equal(url_parse(wire_url(w->wire, "ws", "/"), &w->url), 0);
	assert_int_equal(try_dial(w), -ENOENT);
	assert_non_null(strstr(w->why, "/nowhere/at/all"));
	wire_settle(w->loop);
	assert_int_equal(wire_count(w->wire), 0);
}

/* --- cookies: one jar for both transports --- */

static void on_post(void *ctx, const struct http_result *r)
{
	assert_int_equal(r->outcome, HTTP_ANSWERED);
	*(bool *)ctx = true;
}

static const char *post(struct world *w, struct http_post *p, bool *done, struct wire_conn **c)
{
	*done = false;
	assert_int_equal(http_post_start(p, wire_url(w->wire, "http", "/cometd/x"), SLICE("[]")), 0);
	if (!*c)
		*c = wire_accept(w->wire);
	return wire_request(*c);
}

static void test_cookies(void **state)
{
	struct world *w = *state;
	struct wire_conn *c = NULL;
	struct http_post *p;
	const char *request;
	bool done;

	assert_int_equal(http_client_new(&w->http, &w->client), 0);
	assert_int_equal(http_post_new(w->curl, w->client, on_post, &done, &p), 0);
	post(w, p, &done, &c);
	wire_say(c, "HTTP/1.1 200 OK\r\nSet-Cookie: BAYEUX_BROWSER=one; Path=/; HttpOnly\r\n"
		    "Set-Cookie: elsewhere=x; Path=/y\r\nSet-Cookie: tls=x; Secure; Path=/\r\n"
		    "Content-Length: 2\r\n\r\n[]");
	wire_until(w->loop, &done);

	request = dialled(w);
	assert_non_null(strstr(request, "\r\nCookie: BAYEUX_BROWSER=one\r\n"));
	say_upgrade(w->c, request, "Set-Cookie: BAYEUX_BROWSER=two; Path=/; HttpOnly\r\nSet-Cookie: lb=1\r\n");
	say_text(w, "[]");
	until_text(w, "[]");

	/* the new one in the place of the old, and the other for the same directory */
	request = post(w, p, &done, &c);
	assert_null(strstr(request, "BAYEUX_BROWSER=one"));
	assert_non_null(strstr(request, "BAYEUX_BROWSER=two"));
	assert_non_null(strstr(request, "lb=1"));
	wire_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]");
	wire_until(w->loop, &done);
	http_post_free(p);
}

/* --- texts --- */

/* as many as libcurl takes from one answer, and the rest is left */
static void test_cookie_flood(void **state)
{
	struct world *w = *state;
	struct curl_slist *lines = NULL;
	char *flood = calloc(1, 60000);
	size_t n = 0;
	CURL *easy;

	assert_non_null(flood);
	for (int i = 0; n < 59000; i++)
		n += (size_t)sprintf(flood + n, "Set-Cookie: c%d=x\r\n", i);
	accept_dial(w, flood);
	free(flood);
	say_text(w, "[]");
	until_text(w, "[]");
	assert_int_equal(http_client_easy(w->client, &easy), 0);
	assert_int_equal(curl_easy_getinfo(easy, CURLINFO_COOKIELIST, &lines), 0);
	n = 0;
	for (struct curl_slist *l = lines; l; l = l->next)
		n++;
	assert_int_equal(n, COOKIES_TAKEN_MAX);
	curl_slist_free_all(lines);
	curl_easy_cleanup(easy);
}

static void fill(char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		text[i] = (char)('a' + i * 7 % 26);
	text[n] = 0;
}

/* at each boundary of the length's encoding, and large */
static void test_sizes(void **state)
{
	static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, 70000, 1 << 20, 5 << 20};
	struct world *w = *state;
	char *text = malloc((5 << 20) + 1);
	struct slice s;

	open_ws(w);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		fill(text, sizes[i]);
		say_text(w, text);
		until_text(w, text);
		assert_int_equal(websocket_send(w->ws, slice_of(text)), 0);
		assert_int_equal(hear_frame(w, &s), FIN | TEXT);
		assert_int_equal(s.n, sizes[i]);
		assert_memory_equal(s.p, text, s.n);
	}
	free(text);
	redial(w);
	w->ws = NULL;
}

static void test_burst(void **state)
{
	struct world *w = *state;
	char text[32];

	open_ws(w);
	for (int i = 0; i < 10000; i++) {
		snprintf(text, sizeof(text), "[%d]", i);
		say_text(w, text);
		assert_int_equal(websocket_send(w->ws, slice_of(text)), 0);
	}
	for (int i = 0; i < 10000; i++) {
		snprintf(text, sizeof(text), "[%d]", i);
		expect_text(w, text);
	}
	while (w->texts < 10000)
		assert_int_equal(loop_turn(w->loop, true), 0);
	until_text(w, "[9999]");
}

static void test_byte_by_byte(void **state)
{
	struct world *w = *state;
	/* a text in three fragments with a ping between them */
	static const char bytes[] = "\x01\x03[\"\xc3" "\x00\x01\xa4" "\x89\x02hi" "\x80\x02\"]";
	struct slice s;

	open_ws(w);
	for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
		assert_int_equal(w->texts, 0);
		wire_say_bytes(w->c, bytes + i, 1);
		wire_settle(w->loop);
	}
	until_text(w, "[\"\xc3\xa4\"]");
	assert_int_equal(hear_frame(w, &s), FIN | PONG);
	assert_string_equal(s.p, "hi");
}

/* half a million fragments of one byte are one text, and cost no more memory than that */
static void test_many_fragments(void **state)
{
	struct world *w = *state;
	size_t n = 500000;
	char *frames = malloc(3 * n);

	open_ws(w);
	for (size_t i = 0; i < n; i++)
		memcpy(frames + 3 * i, i == 0 ? "\x01\x01x" : i == n - 1 ? "\x80\x01x" : "\x00\x01x", 3);
	wire_say_bytes(w->c, frames, 3 * n);
	wire_until(w->loop, &w->got_text);
	assert_int_equal(buf_len(&w->text), n);
	free(frames);
}

/* --- ceilings --- */

static void test_message_max(void **state)
{
	struct world *w = *state;

	w->options.message_max = 10;
	open_ws(w);
	say_text(w, "0123456789");
	until_text(w, "0123456789");
	say_text(w, "01234567890");
	until_closed(w, "too large");
	expect_close(w, 1009);
	assert_true(w->end.opened);
	assert_int_equal(w->end.close_code, 0);
	/* by fragments */
	open_ws(w);
	say_frame(w, TEXT, "012345678", 9);
	say_frame(w, CONT, "9", 1);
	say_frame(w, FIN | CONT, "0", 1);
	until_closed(w, "too large");
	expect_close(w, 1009);
	/* by a length that never comes: nothing is allocated for a claim */
	open_ws(w);
	wire_say_bytes(w->c, "\x81\x7f\x00\x00\x00\xff\xff\xff\xff\xffx", 11);
	until_closed(w, "too large");
	assert_int_equal(w->texts, 1);
}

static void test_queue_max(void **state)
{
	struct world *w = *state;
	size_t n = 1u << 20, sent = 0;
	char *text = malloc(n + 1);
	struct slice s;
	int r;

	fill(text, n);
	w->options.queue_max = 4 * n;
	open_ws(w);
	wire_deaf(w->c);
	/* the kernel's buffers fill, then ours, and then it is said */
	while ((r = websocket_send(w->ws, slice_make(text, n))) == 0 && sent++ < 100)
		wire_settle(w->loop);
	assert_int_equal(r, -EMSGSIZE);
	assert_in_range(sent, 4, 99);
	assert_int_equal(websocket_send(w->ws, slice_make(text, 5 * n)), -EMSGSIZE);
	/* what was taken arrives whole, when the peer reads again */
	wire_listen(w->c);
	for (size_t i = 0; i < sent; i++) {
		assert_int_equal(hear_frame(w, &s), FIN | TEXT);
		assert_int_equal(s.n, n);
		assert_memory_equal(s.p, text, n);
	}
	assert_int_equal(websocket_send(w->ws, SLICE("[]")), 0);
	expect_text(w, "[]");
	free(text);
}

/* who pings without end and does not read fills its own buffers, not ours */
static void test_ping_flood(void **state)
{
	struct world *w = *state;
	enum { N = 20000 };
	struct slice s;

	open_ws(w);
	wire_deaf(w->c);
	for (int i = 0; i < N; i++) {
		say_frame(w, FIN | PING, "0123456789012345678901234567890123456789", 40);
		if (i % 100 == 0)
			assert_int_equal(loop_turn(w->loop, false), 0);
	}
	say_text(w, "[]");
	wire_settle(w->loop);
	wire_listen(w->c);
	until_text(w, "[]");
	for (int i = 0; i < N; i++) {
		assert_int_equal(hear_frame(w, &s), FIN | PONG);
		assert_int_equal(s.n, 40);
	}
}

/* a server that never stops talking does not keep the others waiting for ever */
static void test_turn_max(void **state)
{
	struct world *w = *state;
	size_t n = 8u << 20;
	char *text = malloc(65536 + 1);

	fill(text, 65536);
	open_ws(w);
	for (size_t sent = 0; sent < n; sent += 65536)
		say_text(w, text);
	while (w->total < n) {
		size_t before = w->total;

		assert_int_equal(loop_turn(w->loop, true), 0);
		assert_in_range(w->total - before, 0, (512u << 10) + 2 * 65536);
	}
	free(text);
}

/* --- what a server must not do --- */

static const struct {
	const char *bytes;
	size_t n;
	unsigned code;
	const char *reason;
} breaches[] = {
#define B(bytes, code, reason) {bytes, sizeof(bytes) - 1, code, reason}
	B("\x82\x01x", 1003, "binary"),
	B("\xc1\x01x", 1002, "protocol"),                    /* RSV1: nothing was negotiated */
	B("\xa1\x01x", 1002, "protocol"),
	B("\x91\x01x", 1002, "protocol"),
	B("\x81\x81mask\x15", 1002, "protocol"),             /* a server does not mask */
	B("\x83\x01x", 1002, "protocol"),                    /* reserved opcode */
	B("\x80\x01x", 1002, "protocol"),                    /* nothing to continue */
	B("\x01\x01x\x81\x01y", 1002, "protocol"),           /* a text within a text */
	B("\x81\x01\xff", 1007, "protocol"),                 /* no UTF-8 */
	B("\x81\x02\xc3x", 1007, "protocol"),
	B("\x81\x01\xc3", 1007, "protocol"),                 /* half a character */
	B("\x81\x03\xed\xa0\x80", 1007, "protocol"),         /* a surrogate */
	B("\x88\x02\x03\xec", 1002, "protocol"),             /* 1004 is reserved */
	B("\x09\x01x", 0, "protocol"),                       /* a ping in pieces */
	B("\x89\x7e\x00\x7e", 0, "protocol"),                /* a ping of 126 bytes */
#undef B
};

static void test_breaches(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(breaches) / sizeof(breaches[0]); i++) {
		open_ws(w);
		wire_say_bytes(w->c, breaches[i].bytes, breaches[i].n);
		until_closed(w, breaches[i].reason);
		if (breaches[i].code)
			expect_close(w, breaches[i].code);
		assert_int_equal(w->texts, 0);
		assert_true(w->end.opened);
		assert_false(w->end.unsupported);
		wire_gone(w->c);
	}
}

/* --- ends --- */

static void test_close_codes(void **state)
{
	static const unsigned codes[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 3000, 4999};
	struct world *w = *state;
	char reason[64];

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		open_ws(w);
		say_text(w, "last");
		say_close(w, codes[i], "because");
		say_text(w, "nobody may say this");
		snprintf(reason, sizeof(reason), "%u: because", codes[i]);
		until_closed(w, reason);
		assert_int_equal(w->end.close_code, codes[i]);
		assert_int_equal(w->texts, i + 1);
		expect_close(w, codes[i]);
		wire_gone(w->c);
	}
	open_ws(w);
	say_frame(w, FIN | CLOSE, "", 0);
	until_closed(w, "1005");
	assert_int_equal(w->end.close_code, 1005);
}

static void test_cut(void **state)
{
	struct world *w = *state;

	open_ws(w);
	say_text(w, "last");
	wire_said(w->c);
	wire_close(w->c);
	until_closed(w, "closed the connection");
	assert_int_equal(w->end.close_code, 0);
	assert_true(w->end.opened);
	assert_int_equal(w->texts, 1);
	open_ws(w);
	wire_say_bytes(w->c, "\x81\x05[", 3);
	wire_settle(w->loop);
	wire_reset(w->c);
	until_closed(w, "");
	assert_true(w->reason[0]);
	assert_int_equal(w->texts, 1);
	/* while sending */
	open_ws(w);
	wire_reset(w->c);
	assert_int_equal(websocket_send(w->ws, SLICE("[]")), 0);
	until_closed(w, "");
}

static void test_goodbye(void **state)
{
	struct world *w = *state;

	open_ws(w);
	websocket_free(w->ws);
	w->ws = NULL;
	expect_close(w, 1000);
	wire_gone(w->c);
	/* while it dials, nobody is told */
	dialled(w);
	websocket_free(w->ws);
	w->ws = NULL;
	wire_gone(w->c);
	assert_int_equal(w->closes, 0);
}

static void test_free_in_callbacks(void **state)
{
	struct world *w = *state;

	w->free_on_text = true;
	open_ws(w);
	/* the second one is in the same read, and nobody wants it */
	wire_say_bytes(w->c, "\x81\x01x\x81\x01y", 6);
	until_text(w, "x");
	wire_gone(w->c);
	assert_int_equal(w->texts, 1);
	assert_int_equal(w->closes, 0);

	w->free_on_closed = true;
	open_ws(w);
	say_close(w, 1000, "");
	wire_until(w->loop, &w->closed);
	wire_gone(w->c);

	dialled(w);
	w->closed = false;
	wire_say(w->c, "HTTP/1.1 404 Not Found\r\n\r\n");
	wire_until(w->loop, &w->closed);
	wire_gone(w->c);
	assert_int_equal(w->closes, 2);
	assert_null(w->ws);
}

/* --- silence --- */

static void test_silence(void **state)
{
	struct world *w = *state;
	struct slice s;

	freeze(w);
	open_ws(w);
	/* as long as something comes, nothing is asked */
	at(w, 20000);
	say_text(w, "[]");
	until_text(w, "[]");
	at(w, 44000);
	assert_int_equal(wire_heard(w->c).n, 0);
	/* then a ping, which is answered */
	at(w, 45000);
	assert_int_equal(hear_frame(w, &s), FIN | PING);
	say_frame(w, FIN | PONG, "", 0);
	at(w, 54000);
	assert_false(w->closed);
	at(w, 69000);
	assert_int_equal(wire_heard(w->c).n, 0);
	/* a byte of anything is as good as a pong */
	at(w, 80000);
	assert_int_equal(hear_frame(w, &s), FIN | PING);
	say_text(w, "[]");
	until_text(w, "[]");
	at(w, 91000);
	assert_false(w->closed);
	/* and then really nothing */
	at(w, 105000);
	assert_int_equal(hear_frame(w, &s), FIN | PING);
	at(w, 114999);
	assert_false(w->closed);
	at(w, 115000);
	until_closed(w, "silent for 35 s");
	assert_true(w->end.opened);
}

/* after a suspend the server is given its time to answer */
static void test_suspend(void **state)
{
	struct world *w = *state;
	struct slice s;

	freeze(w);
	open_ws(w);
	at(w, 3600000);
	assert_false(w->closed);
	assert_int_equal(hear_frame(w, &s), FIN | PING);
	say_frame(w, FIN | PONG, "", 0);
	at(w, 3620000);
	assert_false(w->closed);
}

/* a peer that is gone behind a full pipe cannot even be told goodbye */
static void test_silence_blocked(void **state)
{
	struct world *w = *state;
	size_t n = 1u << 20;
	char *text = malloc(n + 1);

	fill(text, n);
	freeze(w);
	open_ws(w);
	wire_deaf(w->c);
	while (websocket_send(w->ws, slice_make(text, n)) == 0)
		wire_settle(w->loop);
	at(w, 25000);
	assert_false(w->closed);
	at(w, 35000);
	until_closed(w, "silent");
	/* refused by us, with no way to say so */
	open_ws(w);
	wire_deaf(w->c);
	while (websocket_send(w->ws, slice_make(text, n)) == 0)
		wire_settle(w->loop);
	wire_say_bytes(w->c, "\x82\x01x", 3);
	wire_settle(w->loop);
	/* the kernel may have found room for the goodbye after all; the end and its reason are the same */
	at(w, 70000);
	until_closed(w, "binary");
	free(text);
}

/* --- proxies --- */

static void write_login(char *path, const char *text)
{
	int fd = mkstemp(path);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void test_proxy(void **state)
{
	struct world *w = *state;
	static const char *const headers[] = {"X-Token: s3cret"};
	char proxy[64], login[] = "/tmp/test-websocket-XXXXXX";
	const char *request;

	snprintf(proxy, sizeof(proxy), "%s", wire_url(w->wire, "http", ""));
	write_login(login, "user:p@ss");
	w->http.proxy = proxy;
	w->http.proxy_login_file = login;
	w->http.headers = headers;
	w->http.n_headers = 1;
	assert_int_equal(url_parse("ws://nowhere.invalid/cometd", &w->url), 0);
	request = dialled(w);
	assert_ptr_equal(strstr(request, "CONNECT nowhere.invalid:80 HTTP/1.1\r\n"), request);
	assert_non_null(strstr(request, "\r\nProxy-Authorization: Basic dXNlcjpwQHNz\r\n"));
	/* not for the proxy */
	assert_null(strstr(request, "s3cret"));
	wire_say(w->c, "HTTP/1.1 200 OK\r\n\r\n");
	request = wire_request(w->c);
	assert_non_null(strstr(request, "GET /cometd HTTP/1.1\r\nHost: nowhere.invalid\r\n"));
	assert_null(strstr(request, "Proxy-Authorization"));
	say_upgrade(w->c, request, "");
	say_text(w, "[]");
	until_text(w, "[]");
	websocket_free(w->ws);
	w->ws = NULL;
	/* one that wants a password says nothing of what the server speaks */
	dialled(w);
	wire_say(w->c, "HTTP/1.1 407 Who are you?\r\nContent-Length: 6\r\n\r\n<html>");
	until_closed(w, "the proxy answered 407: proxy-credential-file is missing or wrong");
	assert_false(w->end.unsupported);
	assert_false(w->end.opened);
	/* the file is read for each opening */
	unlink(login);
	websocket_free(w->ws);
	w->ws = NULL;
	assert_int_equal(try_dial(w), -ENOENT);
	assert_non_null(strstr(w->why, login));
}

/* --- TLS --- */

/* a new websocket of a new client, for its options changed */
static void dial_anew(struct world *w)
{
	websocket_free(w->ws);
	w->ws = NULL;
	http_client_free(w->client);
	w->client = NULL;
	dial(w);
}

static void test_tls(void **state)
{
	struct world *w = *state;
	char dir[] = "/tmp/test-websocket-XXXXXX", cert[64], key[64], command[512];
	char *text = malloc((1 << 20) + 1);
	struct slice s;

	assert_non_null(mkdtemp(dir));
	snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	snprintf(key, sizeof(key), "%s/key.pem", dir);
	snprintf(command, sizeof(command),
		 "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=x "
		 "-addext subjectAltName=IP:127.0.0.1 -keyout %s -out %s 2>/dev/null", key, cert);
	assert_int_equal(system(command), 0);
	wire_free(w->wire);
	w->wire = wire_new_tls(w->loop, cert, key);
	assert_int_equal(url_parse(wire_url(w->wire, "wss", "/cometd"), &w->url), 0);
	/* nobody vouches for it */
	dial(w);
	until_closed(w, "certificate");
	assert_false(w->end.unsupported);
	http_client_free(w->client);
	w->client = NULL;
	wire_accept(w->wire);
	/* somebody does */
	w->http.ca_file = cert;
	open_ws(w);
	fill(text, 1 << 20);
	for (int i = 0; i < 3; i++) {
		say_text(w, text);
		until_text(w, text);
		assert_int_equal(websocket_send(w->ws, slice_of(text)), 0);
		assert_int_equal(hear_frame(w, &s), FIN | TEXT);
		assert_int_equal(s.n, 1 << 20);
		assert_memory_equal(s.p, text, s.n);
	}
	/* many small ones in one record: they lie in OpenSSL, where the descriptor tells nothing */
	for (int i = 0; i < 1000; i++)
		say_text(w, "[]");
	while (w->texts < 1003)
		assert_int_equal(loop_turn(w->loop, true), 0);
	say_close(w, 1001, "");
	until_closed(w, "1001");
	/* what the client is told of TLS holds here, too */
	wire_demand_certificate(w->wire, cert);
	dial_anew(w);
	until_closed(w, "certificate");
	assert_false(w->end.unsupported);
	wire_accept(w->wire);
	w->http.cert_file = cert;
	w->http.key_file = key;
	dial_anew(w);
	w->c = wire_accept(w->wire);
	wire_request(w->c);
	w->http.pin = "sha256//YhKJKSzoTt2b5FP18fvpHo7fJYqQCjAa3HWY3tvRMwE=";
	dial_anew(w);
	until_closed(w, "public key");
	free(text);
	unlink(cert);
	unlink(key);
	rmdir(dir);
}

/* --- memory --- */

static unsigned count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void fail_to_dial(struct world *w, unsigned times)
{
	w->free_on_closed = true;
	for (unsigned i = 0; i < times; i++) {
		w->closed = false;
		assert_int_equal(try_dial(w), 0);
		while (!w->closed)
			assert_int_equal(loop_turn(w->loop, true), 0);
		assert_false(w->end.opened);
	}
}

static void test_many_refusals(void **state)
{
	struct world *w = *state;
	unsigned fds;
	size_t bytes;

	assert_int_equal(http_client_new(&w->http, &w->client), 0);
	assert_int_equal(url_parse(wire_url(w->wire, "ws", "/"), &w->url), 0);
	wire_free(w->wire);
	w->wire = NULL;
	fail_to_dial(w, 100);
	fds = count_fds();
	bytes = mallinfo2().uordblks;
	fail_to_dial(w, 10000);
	assert_int_equal(count_fds(), fds);
	assert_in_range(mallinfo2().uordblks, 0, bytes + 65536);
}

static void test_each_allocation(void **state)
{
	struct world *w = *state;

	assert_int_equal(http_client_new(&w->http, &w->client), 0);
	assert_int_equal(url_parse("ws://127.0.0.1:1/", &w->url), 0);
	FAIL_EACH_ALLOCATION {
		int r = try_dial(w);

		if (!r)
			r = websocket_send(w->ws, SLICE("[]"));
		if (r)
			assert_int_equal(r, -ENOMEM);
		websocket_free(w->ws);
		w->ws = NULL;
	}
}

/* one allocation fails while it opens, or while texts come and go: it goes on, or ends */
static void test_allocations_meanwhile(void **state)
{
	struct world *w = *state;
	bool more = true;
	struct slice s;

	assert_int_equal(buf_put(&w->text, SLICE("room for later")), 0);
	for (unsigned n = 0; more; n++) {
		char request[1024];

		snprintf(request, sizeof(request), "%s", dialled(w));
		say_upgrade(w->c, request, "Set-Cookie: a=b\r\n");
		say_text(w, "[]");
		/* only what we do is to fail, not the server */
		wire_deaf(w->c);
		testing_fail_allocation(n);
		for (int i = 0; i < 10; i++)
			assert_int_equal(loop_turn(w->loop, false), 0);
		if (!w->closed && websocket_send(w->ws, SLICE("[1]")) == 0)
			for (int i = 0; i < 10; i++)
				assert_int_equal(loop_turn(w->loop, false), 0);
		more = testing_allocation_failed();
		wire_listen(w->c);
		if (w->closed) {
			w->closes = 0;
			assert_true(w->reason[0]);
		} else if (!more) {
			assert_int_equal(hear_frame(w, &s), FIN | TEXT);
		}
		websocket_free(w->ws);
		w->ws = NULL;
		wire_gone(w->c);
		wire_close(w->c);
	}
	assert_false(w->closed);
	assert_int_equal(w->end.opened, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
		T(upgrade), T(upgrade_in_pieces), T(subprotocol), T(packed), T(packed_faults), T(refused),
		T(redirected), T(bad_answers),
		T(connection_refused), T(slow_upgrade), T(header_file), T(cookies), T(cookie_flood), T(sizes), T(burst),
		T(byte_by_byte), T(many_fragments), T(message_max), T(queue_max), T(ping_flood),
		T(turn_max), T(breaches), T(close_codes), T(cut), T(goodbye), T(free_in_callbacks),
		T(silence), T(suspend), T(silence_blocked), T(tls), T(proxy), T(many_refusals), T(each_allocation),
		T(allocations_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
