/*
 * The loop, the server's end and the WebSocket of a test. All are freed after the test,
 * and the real clock is restored.
 */
#include "tests/unit/ws_world.h"

#include "base/clock.h"
#include "net/ws_upgrade.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void take_text(struct world *w)
{
	w->texts++;
	w->got_text = true;
	w->total += buf_len(&w->coming);
	buf_clear(&w->text);
	assert_int_equal(buf_put(&w->text, buf_slice(&w->coming)), 0);
	buf_clear(&w->coming);
	if (w->free_on_text) {
		websocket_free(w->ws);
		w->ws = NULL;
	}
}

static void take_end(struct world *w, const struct websocket_end *end)
{
	w->closes++;
	w->closed = true;
	w->end = *end;
	snprintf(w->reason, sizeof(w->reason), "%.*s", SLICE_ARG(end->reason));
	if (w->free_on_closed) {
		websocket_free(w->ws);
		w->ws = NULL;
	}
}

void pull(void *ctx)
{
	struct world *w = ctx;
	struct websocket_input in;

	while (!w->hold && w->ws && websocket_next(w->ws, &in) == 0) {
		if (in.kind == WEBSOCKET_CLOSED) {
			take_end(w, in.end);
		} else if (in.kind == WEBSOCKET_TEXT_END) {
			take_text(w);
		} else {
			w->pieces++;
			assert_in_range(in.piece.n, 1, 64u << 10);
			assert_int_equal(buf_put(&w->coming, in.piece), 0);
		}
	}
}

static void on_ready(void *ctx)
{
	struct world *w = ctx;

	loop_at_end(w->loop, &w->pull);
}

static void on_received(void *ctx)
{
	struct world *w = ctx;

	w->heard++;
}

int ws_world_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w || loop_new(&w->loop) || curl_loop_new(w->loop, &w->curl))
		return -1;
	w->wire = wire_new(w->loop);
	http_options_default(&w->http);
	/* no slow machine ends it */
	w->http.connect_timeout = 3600000;
	websocket_options_default(&w->options);
	buf_init(&w->text, 64u << 20);
	buf_init(&w->coming, 64u << 20);
	loop_hook_init(&w->pull, pull, w);
	*state = w;
	return 0;
}

int ws_world_teardown(void **state)
{
	struct world *w = *state;

	websocket_free(w->ws);
	loop_hook_cancel(&w->pull);
	http_client_free(w->client);
	curl_loop_free(w->curl);
	wire_free(w->wire);
	loop_free(w->loop);
	url_fini(&w->url);
	buf_fini(&w->text);
	buf_fini(&w->coming);
	free(w->payload);
	free(w);
	clock_fake(UINT64_MAX, UINT64_MAX);
	return 0;
}

/* --- dialling --- */

int try_dial(struct world *w)
{
	struct websocket_events events = {.ready = on_ready, .received = on_received, .ctx = w};

	return websocket_new(w->loop, w->curl, w->client, &w->url, &w->options, &events, &w->why, &w->ws);
}

void dial(struct world *w)
{
	if (!w->client)
		assert_int_equal(http_client_new(&w->http, &w->client), 0);
	if (!w->url.http)
		assert_int_equal(url_parse(wire_url(w->wire, "ws", "/cometd?x=1"), &w->url), 0);
	w->closed = false;
	assert_int_equal(try_dial(w), 0);
}

/* the upgrade request of a fresh dial */
const char *dialled(struct world *w)
{
	dial(w);
	w->c = wire_accept(w->wire);
	return wire_request(w->c);
}

/* the answer that this request deserves, with more headers */
void say_upgrade(struct wire_conn *c, const char *request, const char *more)
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
void accept_dial(struct world *w, const char *more)
{
	const char *request = dialled(w);

	say_upgrade(w->c, request, more);
}

void open_ws(struct world *w)
{
	accept_dial(w, "");
	wire_settle(w->loop);
}

void redial(struct world *w)
{
	websocket_free(w->ws);
	w->ws = NULL;
	buf_clear(&w->coming);
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

void say_frame(struct world *w, unsigned first, const char *payload, size_t n)
{
	unsigned char head[10] = {(unsigned char)first};
	size_t length = 1 + put_length(head + 1, n, 0);

	wire_say_bytes(w->c, head, length);
	wire_say_bytes(w->c, payload, n);
}

void say_text(struct world *w, const char *text)
{
	say_frame(w, FIN | TEXT, text, strlen(text));
}

void say_close(struct world *w, unsigned code, const char *reason)
{
	char payload[125];
	int n = snprintf(payload + 2, sizeof(payload) - 2, "%s", reason);

	payload[0] = (char)(code >> 8);
	payload[1] = (char)code;
	say_frame(w, FIN | CLOSE, payload, (size_t)n + 2);
}

/* Waits for one frame of the client, whole, masked; the payload until the next call. */
unsigned hear_frame(struct world *w, struct slice *ret)
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

void unpack(struct ws_deflate *d, struct slice packed, struct buf *out)
{
	struct slice parts[] = {packed, WS_DEFLATE_TAIL};
	char to[1000];
	size_t n;

	for (int i = 0; i < 2; i++)
		do {
			assert_int_equal(ws_deflate_unpack(d, &parts[i], to, sizeof(to), &n), 0);
			assert_int_equal(buf_put(out, slice_make(to, n)), 0);
		} while (n == sizeof(to) || parts[i].n);
	ws_deflate_unpacked(d);
}

void expect_text(struct world *w, const char *text)
{
	struct slice s;

	assert_int_equal(hear_frame(w, &s), FIN | TEXT);
	assert_string_equal(s.p, text);
}

void expect_close(struct world *w, unsigned code)
{
	struct slice s;

	assert_int_equal(hear_frame(w, &s), FIN | CLOSE);
	assert_true(s.n >= 2);
	assert_int_equal((unsigned char)s.p[0] << 8 | (unsigned char)s.p[1], code);
}

void until_text(struct world *w, const char *text)
{
	wire_until(w->loop, &w->got_text);
	w->got_text = false;
	assert_true(slice_eq(buf_slice(&w->text), slice_of(text)));
}

void until_closed(struct world *w, const char *reason)
{
	wire_until(w->loop, &w->closed);
	assert_int_equal(w->closes, 1);
	w->closes = 0;
	if (!strstr(w->reason, reason))
		fail_msg("\"%s\" does not say \"%s\"", w->reason, reason);
	assert_int_equal(websocket_send(w->ws, SLICE("too late")), -EPIPE);
	websocket_free(w->ws);
	w->ws = NULL;
	buf_clear(&w->coming);
}

void fill(char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		text[i] = (char)('a' + i * 7 % 26);
	text[n] = 0;
}

/* --- time --- */

static uint64_t frozen;

void freeze(struct world *w)
{
	frozen = clock_boot_ms();
	clock_fake(1700000000000, frozen);
	/* the loop knows what it read last */
	wire_settle(w->loop);
}

void at(struct world *w, uint64_t ms)
{
	clock_fake(1700000000000, frozen + ms);
	wire_settle(w->loop);
}
