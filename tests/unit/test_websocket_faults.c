/*
 * What a server must not do once a WebSocket is open: too much of anything, and
 * frames that break the protocol.
 */
#include "io/websocket.h"
#include "tests/unit/testing.h"
#include "tests/unit/ws_world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_##name, ws_world_setup, ws_world_teardown)
		T(message_max), T(queue_max), T(ping_flood), T(turn_max), T(breaches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
