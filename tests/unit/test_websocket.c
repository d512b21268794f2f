/*
 * net/websocket after the handshake, with a server controlled by the test: texts in one
 * piece, in fragments and compressed, timeouts, and every way to close.
 */
#include "net/websocket.h"
#include "net/ws_deflate.h"
#include "tests/unit/testing.h"
#include "tests/unit/ws_world.h"

#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- texts --- */
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
	unpack(other, s, &plain);
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
	static char big[10u << 20];
	struct world *w = *state;
	struct ws_deflate *other;

	/* a few bytes become many, a piece at a time */
	other = open_packed(w, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
	say_packed(w, other, slice_make(big, sizeof(big)));
	wire_until(w->loop, &w->got_text);
	assert_int_equal(buf_len(&w->text), sizeof(big));
	assert_true(w->pieces >= sizeof(big) >> 16);
	ws_deflate_free(other);
	redial(w);

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

static void test_close_handshake(void **state)
{
	struct world *w = *state;

	open_ws(w);
	websocket_free(w->ws);
	w->ws = NULL;
	expect_close(w, 1000);
	wire_gone(w->c);
	/* while it connects, nothing is reported */
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
	/* the second one is in the same read, and is dropped */
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

/* "off" is off: nothing is asked, nothing ends; and what we refuse ends all the same */
/* A short interval holds, although a pong may take longer. */
static void test_silence_short(void **state)
{
	struct world *w = *state;
	struct slice s;

	w->options.ping_interval = 1000;
	freeze(w);
	open_ws(w);
	for (unsigned i = 1; i < 5; i++) {
		at(w, 1000 * i);
		assert_int_equal(hear_frame(w, &s), FIN | PING);
		say_frame(w, FIN | PONG, "", 0);
		wire_settle(w->loop);
	}
}

static void test_silence_unlimited(void **state)
{
	struct world *w = *state;
	size_t n = 1u << 20;
	char *text = malloc(n + 1);

	fill(text, n);
	w->options.ping_interval = 0;
	freeze(w);
	open_ws(w);
	at(w, 86400000);
	assert_int_equal(wire_heard(w->c).n, 0);
	assert_false(w->closed);
	wire_deaf(w->c);
	while (websocket_send(w->ws, slice_make(text, n)) == 0)
		wire_settle(w->loop);
	wire_say_bytes(w->c, "\x82\x01x", 3);
	wire_settle(w->loop);
	at(w, 86410000);
	until_closed(w, "binary");
	free(text);
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

/* no close frame can be sent to a peer that does not read any more */
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
	/* rejected by us, without being able to send a close frame */
	open_ws(w);
	wire_deaf(w->c);
	while (websocket_send(w->ws, slice_make(text, n)) == 0)
		wire_settle(w->loop);
	wire_say_bytes(w->c, "\x82\x01x", 3);
	wire_settle(w->loop);
	/* the kernel may have accepted the close frame after all; the end and its reason are the same */
	at(w, 70000);
	until_closed(w, "binary");
	free(text);
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
	char url[64];
	int fd;

	assert_int_equal(http_client_new(&w->http, &w->client), 0);
	snprintf(url, sizeof(url), "ws://127.0.0.1:%u/", wire_refusing_port(&fd));
	assert_int_equal(url_parse(url, &w->url), 0);
	fail_to_dial(w, 100);
	fds = count_fds();
	bytes = mallinfo2().uordblks;
	fail_to_dial(w, 1000);
	assert_int_equal(count_fds(), fds);
	assert_in_range(mallinfo2().uordblks, 0, bytes + 4096);
	close(fd);
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
#define T(name) cmocka_unit_test_setup_teardown(test_##name, ws_world_setup, ws_world_teardown)
		T(sizes), T(burst), T(byte_by_byte), T(many_fragments), T(packed), T(packed_faults),
		T(close_codes), T(cut), T(close_handshake), T(free_in_callbacks), T(silence), T(silence_short),
		T(silence_unlimited), T(suspend),
		T(silence_blocked), T(many_refusals), T(each_allocation), T(allocations_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
