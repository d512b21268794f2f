/*
 * upstream/transport: both kinds with one interface, with a server controlled by the test.
 * The result of each batch is reported once, or never if we aborted it.
 */
#include "base/fault.h"
#include "net/ws_upgrade.h"
#include "tests/unit/testing.h"
#include "tests/unit/wire.h"
#include "upstream/transport.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct world {
	struct loop *loop;
	struct curl_loop *curl;
	struct wire *wire;
	struct http_client *client;
	struct endpoints endpoints;
	struct transport_parts parts;
	struct transport *t;
	char diary[1024];                /* what was called back */
	bool news;
	struct loop_hook pull;
	bool abort_in_piece;
	unsigned heard[8];               /* calls, by batch */
	struct session_failure failure;
	char reason[256];                /* of it, copied */
	struct fault why;
};

static void note(struct world *w, const char *format, ...)
{
	size_t n = strlen(w->diary);
	va_list ap;

	va_start(ap, format);
	vsnprintf(w->diary + n, sizeof(w->diary) - n, format, ap);
	va_end(ap);
	w->news = true;
}

static void on_heard(void *ctx, uint64_t batch)
{
	struct world *w = ctx;

	w->heard[batch]++;
}

static void take_failure(struct world *w, const struct session_failure *f)
{
	w->failure = *f;
	assert_true(f->reason.n > 0);
	snprintf(w->reason, sizeof(w->reason), "%.*s", SLICE_ARG(f->reason));
}

static void pull(void *ctx)
{
	struct world *w = ctx;
	struct transport_input in;

	while (transport_next(w->t, &in) == 0) {
		if (in.failure)
			take_failure(w, in.failure);
		switch (in.kind) {
		case TRANSPORT_PIECE:
			note(w, "piece %d %.*s;", (int)in.batch, SLICE_ARG(in.piece));
			if (w->abort_in_piece)
				assert_true(transport_abort(w->t, in.batch));
			break;
		case TRANSPORT_TEXT_END:
			note(w, "text end;");
			break;
		case TRANSPORT_END:
			note(w, "end %d;", (int)in.batch);
			break;
		case TRANSPORT_FAILED:
			note(w, "failed %d;", (int)in.batch);
			break;
		case TRANSPORT_CLOSED:
			note(w, "closed;");
			break;
		}
	}
}

static void on_ready(void *ctx)
{
	struct world *w = ctx;

	loop_at_end(w->loop, &w->pull);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	const struct endpoint_options nothing_else = {{NULL}, ENDPOINT_APPEND_NOTHING};
	struct http_options o;

	http_options_default(&o);
	/* no slow machine ends it */
	o.connect_timeout = 3600000;
	if (!w || loop_new(&w->loop) || curl_loop_new(w->loop, &w->curl) || http_client_new(&o, &w->client))
		return -1;
	w->wire = wire_new(w->loop);
	if (endpoints_resolve(wire_url(w->wire, "http", "/cometd"), &nothing_else, &w->endpoints))
		return -1;
	w->parts = (struct transport_parts){w->loop, w->curl, w->client, &w->endpoints, .websocket = {0}};
	websocket_options_default(&w->parts.websocket);
	loop_hook_init(&w->pull, pull, w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	transport_free(w->t);
	loop_hook_cancel(&w->pull);
	http_client_free(w->client);
	curl_loop_free(w->curl);
	wire_free(w->wire);
	loop_free(w->loop);
	endpoints_fini(&w->endpoints);
	free(w);
	return 0;
}

static void make(struct world *w, enum session_transport kind)
{
	const struct transport_events events = {on_ready, on_heard, w};

	if (kind == SESSION_WEBSOCKET)
		assert_int_equal(transport_websocket_new(&w->parts, &events, &w->t), 0);
	else
		assert_int_equal(transport_longpoll_new(&w->parts, &events, &w->t), 0);
}

static int try_send(struct world *w, uint64_t id, enum session_lane lane, struct slice text)
{
	const struct session_batch batch = {.id = id, .lane = lane};

	return transport_send(w->t, &batch, text, &w->why);
}

static void send_on(struct world *w, uint64_t id, enum session_lane lane, const char *text)
{
	assert_int_equal(try_send(w, id, lane, slice_of(text)), 0);
}

static void expect(struct world *w, const char *diary)
{
	wire_until(w->loop, &w->news);
	wire_settle(w->loop);
	assert_string_equal(w->diary, diary);
	w->diary[0] = 0;
	w->news = false;
}

static void answer(struct wire_conn *c, unsigned status, const char *body)
{
	char text[512];

	snprintf(text, sizeof(text), "HTTP/1.1 %u X\r\nRetry-After: 2\r\nContent-Length: %zu\r\n\r\n%s",
		 status, strlen(body), body);
	wire_say(c, text);
}

/* --- long-polling --- */

static void test_two_lanes(void **state)
{
	struct world *w = *state;
	struct wire_conn *held, *c;

	make(w, SESSION_LONG_POLLING);
	send_on(w, 1, SESSION_LANE_CONNECT, "[1]");
	held = wire_accept(w->wire);
	assert_non_null(strstr(wire_request(held), "\r\n\r\n[1]"));
	send_on(w, 2, SESSION_LANE_COMMAND, "[2]");
	c = wire_accept(w->wire);
	assert_non_null(strstr(wire_request(c), "\r\n\r\n[2]"));
	/* one at a time on each lane */
	assert_int_equal(try_send(w, 3, SESSION_LANE_COMMAND, SLICE("[3]")), -EBUSY);
	answer(c, 200, "[\"two\"]");
	expect(w, "piece 2 [\"two\"];end 2;");
	answer(held, 200, "[\"one\"]");
	expect(w, "piece 1 [\"one\"];end 1;");
	/* nothing to read is for the session to judge */
	send_on(w, 4, SESSION_LANE_CONNECT, "[4]");
	wire_request(held);
	answer(held, 200, "");
	expect(w, "end 4;");
}

/* each read of an answer counts as activity, also of its header and of incomplete messages */
static void test_longpoll_arrival(void **state)
{
	struct world *w = *state;
	struct wire_conn *c;
	unsigned before;

	make(w, SESSION_LONG_POLLING);
	send_on(w, 1, SESSION_LANE_CONNECT, "[1]");
	c = wire_accept(w->wire);
	wire_request(c);
	for (const char *p = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"; *p; p++) {
		before = w->heard[1];
		wire_say_bytes(c, p, 1);
		/* libcurl reports complete lines of the header */
		while (*p == '\n' && w->heard[1] == before)
			assert_int_equal(loop_turn(w->loop, true), 0);
	}
	before = w->heard[1];
	wire_say(c, "[");
	while (w->heard[1] == before)
		assert_int_equal(loop_turn(w->loop, true), 0);
	assert_int_equal(w->heard[0], 0);
}

static const struct {
	unsigned status;
	enum session_failure_kind kind;
	bool unsupported;
} statuses[] = {
	{204, SESSION_BROKEN, false}, {302, SESSION_BROKEN, false}, {400, SESSION_BROKEN, false},
	{401, SESSION_BROKEN, false}, {404, SESSION_BROKEN, false}, {405, SESSION_BROKEN, true},
	{413, SESSION_TOO_LARGE, false}, {500, SESSION_BROKEN, false}, {503, SESSION_BROKEN, false},
};

static void test_statuses(void **state)
{
	struct world *w = *state;
	char reason[64];

	make(w, SESSION_LONG_POLLING);
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		struct wire_conn *c;

		send_on(w, 1, SESSION_LANE_COMMAND, "[]");
		c = wire_accept(w->wire);
		wire_request(c);
		answer(c, statuses[i].status, "");
		expect(w, "failed 1;");
		assert_int_equal(w->failure.kind, statuses[i].kind);
		assert_int_equal(w->failure.http_status, statuses[i].status);
		assert_int_equal(w->failure.unsupported, statuses[i].unsupported);
		assert_int_equal(w->failure.retry_after, 2000);
		wire_close(c);
		snprintf(reason, sizeof(reason), "HTTP status %u", statuses[i].status);
		assert_string_equal(w->reason, reason);
		wire_settle(w->loop);
	}
}

static void test_longpoll_failures(void **state)
{
	struct world *w = *state;
	struct wire_conn *c;

	make(w, SESSION_LONG_POLLING);
	send_on(w, 1, SESSION_LANE_COMMAND, "[]");
	c = wire_accept(w->wire);
	wire_request(c);
	wire_reset(c);
	expect(w, "failed 1;");
	assert_int_equal(w->failure.kind, SESSION_BROKEN);
	wire_free(w->wire);
	w->wire = NULL;
	send_on(w, 2, SESSION_LANE_CONNECT, "[]");
	expect(w, "failed 2;");
	assert_int_equal(w->failure.kind, SESSION_NOT_SENT);
}

static void test_longpoll_abort(void **state)
{
	struct world *w = *state;
	struct wire_conn *held, *c;

	make(w, SESSION_LONG_POLLING);
	assert_false(transport_abort(w->t, 0));
	send_on(w, 1, SESSION_LANE_CONNECT, "[]");
	held = wire_accept(w->wire);
	wire_request(held);
	send_on(w, 2, SESSION_LANE_COMMAND, "[]");
	c = wire_accept(w->wire);
	wire_request(c);
	assert_false(transport_abort(w->t, 3));
	assert_true(transport_abort(w->t, 1));
	wire_gone(held);
	assert_false(wire_is_gone(c));
	assert_false(transport_abort(w->t, 1));
	/* the lane is free again */
	send_on(w, 3, SESSION_LANE_CONNECT, "[]");
	held = wire_accept(w->wire);
	wire_request(held);
	assert_true(transport_abort(w->t, 0));
	wire_gone(held);
	wire_gone(c);
	assert_string_equal(w->diary, "");
	/* aborted because of its own text: the end is not reported then */
	w->abort_in_piece = true;
	send_on(w, 4, SESSION_LANE_COMMAND, "[]");
	c = wire_accept(w->wire);
	wire_request(c);
	answer(c, 200, "[]");
	expect(w, "piece 4 [];");
}

/* --- WebSocket --- */

/* accepts the connection and the upgrade */
static struct wire_conn *upgrade(struct world *w)
{
	struct wire_conn *c = wire_accept(w->wire);
	char key[WS_KEY_SIZE], accept[WS_ACCEPT_SIZE], text[512];

	snprintf(key, sizeof(key), "%.24s", strstr(wire_request(c), "Sec-WebSocket-Key: ") + 19);
	assert_int_equal(ws_accept(key, accept), 0);
	snprintf(text, sizeof(text), "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		 "Sec-WebSocket-Accept: %s\r\n\r\n", accept);
	wire_say(c, text);
	return c;
}

/* the payload of the next frame of the client, which is short */
static const char *hear_short(struct wire_conn *c)
{
	static char text[126];
	const unsigned char *p;
	size_t n;

	wire_hear_bytes(c, 6);
	n = (unsigned char)wire_heard(c).p[1] & 0x7f;
	wire_hear_bytes(c, 6 + n);
	p = (const unsigned char *)wire_heard(c).p;
	for (size_t i = 0; i < n; i++)
		text[i] = (char)(p[6 + i] ^ p[2 + i % 4]);
	text[n] = 0;
	wire_forget(c, 6 + n);
	return text;
}

static void test_one_socket(void **state)
{
	struct world *w = *state;
	unsigned before;
	struct wire_conn *c;

	make(w, SESSION_WEBSOCKET);
	wire_settle(w->loop);
	assert_int_equal(wire_count(w->wire), 0);
	/* the first batch opens it, the others follow, whatever their lane */
	send_on(w, 1, SESSION_LANE_CONNECT, "[1]");
	send_on(w, 2, SESSION_LANE_COMMAND, "[2]");
	c = upgrade(w);
	assert_string_equal(hear_short(c), "[1]");
	assert_string_equal(hear_short(c), "[2]");
	send_on(w, 3, SESSION_LANE_COMMAND, "[3]");
	assert_string_equal(hear_short(c), "[3]");
	wire_say_bytes(c, "\x81\x02[]", 4);
	expect(w, "piece 0 [];text end;");
	before = w->heard[0];
	assert_true(before > 0);
	wire_say_bytes(c, "\x89\x00", 2);
	/* the pong */
	assert_string_equal(hear_short(c), "");
	/* which is no part of a reply */
	assert_int_equal(w->heard[0], before);
	assert_int_equal(wire_count(w->wire), 1);
	/* it ends, and the next batch opens another */
	wire_say_bytes(c, "\x88\x02\x03\xe9", 4);
	expect(w, "closed;");
	assert_int_equal(w->failure.kind, SESSION_BROKEN);
	assert_int_equal(w->failure.close_code, 1001);
	send_on(w, 4, SESSION_LANE_CONNECT, "[4]");
	c = upgrade(w);
	assert_string_equal(hear_short(c), "[4]");
	wire_say_bytes(c, "\x88\x02\x03\xf1", 4);
	expect(w, "closed;");
	assert_int_equal(w->failure.kind, SESSION_TOO_LARGE);
	assert_int_equal(w->failure.close_code, 1009);
}

static void test_not_opened(void **state)
{
	struct world *w = *state;
	struct wire_conn *c;

	make(w, SESSION_WEBSOCKET);
	send_on(w, 1, SESSION_LANE_CONNECT, "[1]");
	c = wire_accept(w->wire);
	wire_request(c);
	answer(c, 404, "");
	expect(w, "closed;");
	assert_int_equal(w->failure.kind, SESSION_NOT_SENT);
	assert_true(w->failure.unsupported);
	assert_int_equal(w->failure.http_status, 404);
	send_on(w, 2, SESSION_LANE_CONNECT, "[2]");
	c = wire_accept(w->wire);
	wire_request(c);
	answer(c, 503, "");
	expect(w, "closed;");
	assert_int_equal(w->failure.kind, SESSION_NOT_SENT);
	assert_false(w->failure.unsupported);
	assert_int_equal(w->failure.retry_after, 2000);
}

static void test_websocket_abort(void **state)
{
	struct world *w = *state;
	struct wire_conn *c;

	make(w, SESSION_WEBSOCKET);
	assert_false(transport_abort(w->t, 1));
	send_on(w, 1, SESSION_LANE_CONNECT, "[1]");
	c = upgrade(w);
	assert_string_equal(hear_short(c), "[1]");
	assert_true(transport_abort(w->t, 1));
	wire_gone(c);
	assert_string_equal(w->diary, "");
	/* from within its own text */
	w->abort_in_piece = true;
	send_on(w, 2, SESSION_LANE_CONNECT, "[2]");
	c = upgrade(w);
	wire_say_bytes(c, "\x81\x02[]\x81\x02[]", 8);
	expect(w, "piece 0 [];");
	wire_gone(c);
}

/* a batch that finds no room fails alone: what was taken before goes on its way */
static void test_queue_full(void **state)
{
	struct world *w = *state;
	struct wire_conn *c;
	char *large = calloc(1, 1u << 20);
	size_t taken = 0;
	int r;

	w->parts.websocket.queue_max = 2u << 20;
	make(w, SESSION_WEBSOCKET);
	send_on(w, 1, SESSION_LANE_COMMAND, "[1]");
	c = upgrade(w);
	assert_string_equal(hear_short(c), "[1]");
	wire_deaf(c);
	memset(large, 'x', 1u << 20);
	while ((r = try_send(w, 2, SESSION_LANE_COMMAND, slice_make(large, 1u << 20))) == 0) {
		taken++;
		wire_settle(w->loop);
	}
	assert_int_equal(r, -EMSGSIZE);
	wire_listen(c);
	wire_hear_bytes(c, taken * ((1u << 20) + 14));
	assert_int_equal(wire_heard(c).n, taken * ((1u << 20) + 14));
	wire_forget(c, wire_heard(c).n);
	send_on(w, 3, SESSION_LANE_COMMAND, "[3]");
	assert_string_equal(hear_short(c), "[3]");
	assert_string_equal(w->diary, "");
	free(large);
}

static void test_header_file(void **state)
{
	struct world *w = *state;
	static const char nowhere[] = "/nowhere/at/all";
	struct http_options o;

	http_options_default(&o);
	o.header_file = nowhere;
	http_client_free(w->client);
	assert_int_equal(http_client_new(&o, &w->client), 0);
	w->parts.client = w->client;
	for (int kind = 0; kind < SESSION_TRANSPORTS; kind++) {
		make(w, (enum session_transport)kind);
		assert_int_equal(try_send(w, 1, SESSION_LANE_CONNECT, SLICE("[]")), -ENOENT);
		assert_non_null(strstr(w->why.text, "/nowhere/at/all"));
		transport_free(w->t);
		w->t = NULL;
	}
	wire_settle(w->loop);
	assert_int_equal(wire_count(w->wire), 0);
	assert_string_equal(w->diary, "");
}

static void test_each_allocation(void **state)
{
	struct world *w = *state;
	const struct transport_events events = {on_ready, on_heard, w};

	FAIL_EACH_ALLOCATION {
		struct transport *lp = NULL, *ws = NULL;
		const struct session_batch batch = {.id = 1};
		int r = transport_longpoll_new(&w->parts, &events, &lp);

		if (!r)
			r = transport_websocket_new(&w->parts, &events, &ws);
		if (!r)
			r = transport_send(lp, &batch, SLICE("[]"), &w->why);
		if (!r)
			r = transport_send(ws, &batch, SLICE("[]"), &w->why);
		if (r)
			assert_int_equal(r, -ENOMEM);
		transport_free(lp);
		transport_free(ws);
	}
	assert_string_equal(w->diary, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
		T(two_lanes), T(longpoll_arrival), T(statuses), T(longpoll_failures), T(longpoll_abort), T(one_socket),
		T(not_opened), T(websocket_abort), T(queue_full), T(header_file), T(each_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
