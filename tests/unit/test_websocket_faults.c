/*
 * What a server must not do once a WebSocket is open: too much of anything, and
 * frames that break the protocol.
 */
#include "net/websocket.h"
#include "tests/unit/testing.h"
#include "tests/unit/ws_world.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* --- ceilings --- */

/* A text has no size that is too large: it is handed on as it comes in. A length that never comes
   allocates nothing. */
static void test_large_text(void **state)
{
	struct world *w = *state;
	size_t n = 1u << 20;
	char *text = malloc(n + 1);

	fill(text, n);
	open_ws(w);
	for (int i = 0; i < 40; i++)
		say_frame(w, i == 0 ? TEXT : CONT, text, n);
	while (buf_len(&w->coming) < 40 * n)
		assert_int_equal(loop_turn(w->loop, true), 0);
	assert_int_equal(w->texts, 0);
	say_frame(w, FIN | CONT, "", 0);
	wire_until(w->loop, &w->got_text);
	assert_int_equal(buf_len(&w->text), 40 * n);
	w->got_text = false;
	wire_say_bytes(w->c, "\x81\x7f\x00\x00\x00\xff\xff\xff\xff\xffx", 11);
	while (buf_len(&w->coming) == 0)
		assert_int_equal(loop_turn(w->loop, true), 0);
	assert_false(w->closed);
	free(text);
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
	/* the kernel's buffers fill, then ours, then sending fails */
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

/* What is not pulled is not read: a server that never stops sending fills its own buffers. And
   that is no silence of the server's. */
static void test_not_pulled(void **state)
{
	struct world *w = *state;
	size_t n = 64u << 20, said = 0;
	char *text = malloc(65536 + 1);

	fill(text, 65536);
	freeze(w);
	open_ws(w);
	w->hold = true;
	while (said < n && (said == 0 || wire_has_said(w->c))) {
		say_text(w, text);
		said += 65536;
		wire_settle(w->loop);
	}
	assert_in_range(said, 65536, 32u << 20);
	at(w, 25000);
	at(w, 50000);
	at(w, 100000);
	w->hold = false;
	assert_false(w->closed);
	pull(w);
	while (w->total < said)
		assert_int_equal(loop_turn(w->loop, true), 0);
	assert_false(w->closed);
	free(text);
}

/* endless control frames, which produce no message, do not block others */
static void test_turn_max(void **state)
{
	static char frames[512u << 10];
	struct world *w = *state;
	unsigned turns = 0;

	for (size_t i = 0; i < sizeof(frames); i += 2)
		memcpy(frames + i, "\x8a\x00", 2);
	open_ws(w);
	for (int i = 0; i < 16; i++)
		wire_say_bytes(w->c, frames, sizeof(frames));
	say_text(w, "[]");
	for (; !w->got_text; turns++)
		assert_int_equal(loop_turn(w->loop, true), 0);
	/* nine reads of 64 KiB a turn, at most */
	assert_in_range(turns, 16 * sizeof(frames) / (9u << 16), UINT_MAX);
}

/* A text that is no UTF-8 is for its reader to judge, and costs no connection. */
static void test_unreadable_text(void **state)
{
	static const char *const texts[] = {"\xff", "\xc3x", "\xc3", "\xed\xa0\x80"};
	struct world *w = *state;

	open_ws(w);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		say_text(w, texts[i]);
		until_text(w, texts[i]);
	}
	assert_false(w->closed);
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
	B("\x88\x02\x03\xec", 1002, "protocol"),             /* 1004 is reserved */
	B("\x88\x01\x03", 1002, "protocol"),                 /* half a code */
	B("\x88\x03\x03\xe8\xff", 1007, "protocol"),        /* words that are no UTF-8 */
	B("\x09\x01x", 1002, "protocol"),                    /* a ping in pieces */
	B("\x89\x7e\x00\x7e", 1002, "protocol"),             /* a ping of 126 bytes */
	B("\x8b\x01x", 1002, "protocol"),                    /* a reserved control frame */
	B("\x01\x01x\xc0\x01y", 1002, "protocol"),           /* RSV1 within a text */
	B("\x81\x7e\x00\x05", 1002, "protocol"),             /* a length longer than it must be */
	B("\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x00", 1002, "protocol"),
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
		T(large_text), T(unreadable_text), T(not_pulled), T(queue_max), T(ping_flood), T(turn_max), T(breaches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
