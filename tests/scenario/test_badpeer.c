/*
 * Local processes that send invalid requests: each gets a clear answer, and another
 * process receives every message all the time.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world *w;
static struct wire *good;      /* subscribed to /good before any test */
static int good_n;

static int setup(void **state)
{
	(void)state;
	w = world_up(NULL, NULL);
	good = world_peer(w, "good");
	wire_ok(good, "subscribe", ",\"channel\":\"/good\"");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	wire_close(good);
	world_free(w);
	return 0;
}

/* after each test: the good peer can still publish and receive */
static int good_peer_still_works(void **state)
{
	char expected[64];

	(void)state;
	wire_ok(good, "publish", ",\"channel\":\"/good\",\"data\":%d", ++good_n);
	snprintf(expected, sizeof(expected), "{\"data\":%d,\"channel\":\"/good\"}", good_n);
	const struct message *m = wire_expect(good, PROTOCOL_OP_MESSAGE);
	assert_true(slice_eq(m->message, slice_of(expected)));
	return 0;
}

static void assert_closed(struct wire *bad, const char *code)
{
	const struct message *m = wire_expect(bad, PROTOCOL_OP_CLOSING);

	if (!slice_eq(m->code, slice_of(code)))
		fail_msg("expected %s, got %.*s: %.*s", code, SLICE_ARG(m->code), SLICE_ARG(m->reason));
	assert_true(m->reason.n > 0);
	wire_expect_eof(bad);
	wire_close(bad);
}

static void broken_frames_close(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *code;
	} frames[] = {
		{"\0\0\0\0", 4, "bad-frame"},
		{"\xff\xff\xff\xff", 4, "too-large"},
		{"\x7f\xff\xff\xff", 4, "too-large"},
		{"\0\x40\0\x01", 4, "too-large"},
		{"\0\0\0\1x", 5, "bad-frame"},
		{"\0\0\0\2[]", 6, "bad-frame"},
		{"\0\0\0\3{\"\xff", 7, "bad-frame"},
		{"\0\0\0\3{}}", 7, "bad-frame"},
		{"\0\0\0\x0e{\"op\":\"\xc0\xaf\"}  ", 18, "bad-frame"},
		{"\0\0\0\x0f{\"op\":\"\\ud800\"}", 19, "bad-frame"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(frames) / sizeof(*frames); i++)
		for (int greeted = 0; greeted < 2; greeted++) {
			struct wire *bad = greeted ? wire_hello(w->socket, "bad") : wire_open(w->socket);
			wire_send_bytes(bad, frames[i].bytes, frames[i].n);
			assert_closed(bad, frames[i].code);
		}
}

static void deep_json_closes(void **state)
{
	static const size_t depths[] = {40, 1000, 1000000};

	(void)state;
	for (size_t i = 0; i < sizeof(depths) / sizeof(*depths); i++) {
		struct wire *bad = wire_hello(w->socket, "deep");
		char *text = malloc(depths[i] + 1);

		assert_non_null(text);
		memset(text, '[', depths[i]);
		text[depths[i]] = 0;
		wire_send(bad, "{\"op\":\"publish\",\"id\":1,\"channel\":\"/x\",\"data\":%s", text);
		free(text);
		assert_closed(bad, "bad-frame");
	}
}

static void hello_must_come_first(void **state)
{
	struct wire *bad = wire_open(w->socket);

	(void)state;
	wire_request(bad, "subscribe", ",\"channel\":\"/x\"");
	assert_closed(bad, "hello-required");
}

static void hello_comes_once(void **state)
{
	struct wire *bad = wire_hello(w->socket, "twice");

	(void)state;
	wire_request(bad, "hello", ",\"version\":1");
	assert_closed(bad, "hello-twice");
}

static void version_must_be_common(void **state)
{
	struct wire *bad = wire_open(w->socket);

	(void)state;
	wire_assert_error(wire_ask(bad, "hello", ",\"version\":0"), "bad-version");
	assert_closed(bad, "bad-version");
	/* a newer peer is served in our version, whatever fields it adds to its hello */
	struct wire *newer = wire_open(w->socket);
	const struct message *m = wire_ask(newer, "hello", ",\"version\":7,\"colour\":\"blue\"");
	assert_true(m->ok);
	assert_non_null(memmem(m->result.p, m->result.n, "\"version\":1", 11));
	wire_close(newer);
}

static void wrong_requests_are_answered(void **state)
{
	static const struct {
		const char *op, *rest, *code;
	} requests[] = {
		{"frobnicate", "", "unknown-op"},
		{"message", "", "unknown-op"},
		{"subscribe", "", "bad-request"},
		{"subscribe", ",\"chanel\":\"/x\"", "bad-request"},
		{"subscribe", ",\"channel\":7", "bad-request"},
		{"subscribe", ",\"channels\":\"/x\"", "bad-request"},
		{"subscribe", ",\"channels\":[\"/x\",7]", "bad-request"},
		{"subscribe", ",\"channels\":[]", "bad-request"},
		{"subscribe", ",\"channel\":\"/x\",\"overflow\":\"explode\"", "bad-request"},
		{"subscribe", ",\"channel\":\"/x\",\"upstream\":\"no\"", "bad-request"},
		{"subscribe", ",\"channel\":\"x\"", "bad-channel"},
		{"subscribe", ",\"channel\":\"/\"", "bad-channel"},
		{"subscribe", ",\"channel\":\"/a//b\"", "bad-channel"},
		{"subscribe", ",\"channel\":\"/a/*/b\"", "bad-channel"},
		{"subscribe", ",\"channel\":\"/a/**/b\"", "bad-channel"},
		{"subscribe", ",\"channel\":\"/a\\u0000b\"", "bad-channel"},
		{"subscribe", ",\"channel\":\"/ключ\"", "refused"},
		{"subscribe", ",\"channel\":\"/meta/connect\"", "bad-channel"},
		{"subscribe", ",\"channels\":[\"/fine\",\"bad\"]", "bad-channel"},
		{"subscribe", ",\"channel\":\"/x\",\"server\":\"nowhere\"", "unknown-server"},
		{"unsubscribe", ",\"channel\":\"/never\"", "not-subscribed"},
		{"publish", ",\"channel\":\"/x\"", "bad-request"},
		{"publish", ",\"channel\":\"/meta/handshake\",\"data\":1", "bad-channel"},
		{"publish", ",\"channel\":\"/x/*\",\"data\":1", "bad-channel"},
		{"publish", ",\"channel\":\"/x\",\"data\":1,\"ext\":7", "bad-request"},
		{"publish", ",\"channel\":\"/x\",\"data\":1,\"timeout\":-1", "bad-request"},
		{"publish", ",\"channel\":\"/x\",\"data\":1,\"timeout\":1.5", "bad-request"},
		{"publish", ",\"channel\":\"/x\",\"data\":1,\"server\":\"nowhere\"", "unknown-server"},
		{"call", ",\"channel\":\"/meta/connect\",\"data\":1", "bad-channel"},
		{"status", ",\"verbose\":true", "bad-request"},
	};
	struct wire *bad = wire_hello(w->socket, "wrong");

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++)
		wire_assert_error(wire_ask(bad, requests[i].op, "%s", requests[i].rest),
				  requests[i].code);
	wire_ok(bad, "ping", "%s", "");
	wire_close(bad);
	/* nothing of all that reached the server */
	assert_int_equal(fake_count(w->fake, "subscribe", "/fine"), 0);
	assert_int_equal(fake_count(w->fake, "publish", "/x"), 0);
}

static void ids_in_use_are_refused(void **state)
{
	struct wire *bad = wire_hello(w->socket, "ids");

	(void)state;
	wire_send(bad, "{\"op\":\"call\",\"id\":77,\"channel\":\"/service/deaf\",\"data\":1,\"timeout\":300}");
	wire_send(bad, "{\"op\":\"call\",\"id\":77,\"channel\":\"/service/deaf\",\"data\":2,\"timeout\":300}");
	wire_assert_error(wire_reply(bad, 77), "id-in-use");
	wire_assert_error(wire_reply(bad, 77), "timeout");
	wire_close(bad);
}

static void a_request_without_readable_id_closes(void **state)
{
	struct wire *bad = wire_hello(w->socket, "anonymous");

	(void)state;
	wire_send(bad, "{\"op\":\"publish\",\"chanel\":\"/x\",\"data\":1}");
	assert_closed(bad, "bad-request");
}

/* a connection that ends in any abrupt way affects no other peer */
static void abrupt_ends_affect_no_other_peer(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++) {
		struct wire *bad = i % 2 ? wire_hello(w->socket, "rude") : wire_open(w->socket);

		if (i % 4 == 1) {
			wire_ok(bad, "subscribe", ",\"channel\":\"/good\"");
			wire_request(bad, "call", ",\"channel\":\"/service/deaf\",\"data\":1");
			wire_request(bad, "publish", ",\"channel\":\"/good/other\",\"data\":1");
		}
		wire_send_bytes(bad, "\0\0\0\x20{\"op", 8);
		wire_close(bad);
	}
	/* … and is forgotten: its subscriptions, its requests, its connection */
	for (int tries = 0;; tries++) {
		char *out;
		assert_int_equal(world_command(w, &out, NULL, "cometctl", "--json", "status", NULL), 0);
		bool gone = !strstr(out, "\"rude\"");
		free(out);
		if (gone)
			break;
		assert_true(tries < 500);
	}
}

#define THEN_GOOD(test) cmocka_unit_test_setup_teardown(test, NULL, good_peer_still_works)

int main(void)
{
	const struct CMUnitTest tests[] = {
		THEN_GOOD(broken_frames_close),
		THEN_GOOD(deep_json_closes),
		THEN_GOOD(hello_must_come_first),
		THEN_GOOD(hello_comes_once),
		THEN_GOOD(version_must_be_common),
		THEN_GOOD(wrong_requests_are_answered),
		THEN_GOOD(ids_in_use_are_refused),
		THEN_GOOD(a_request_without_readable_id_closes),
		THEN_GOOD(abrupt_ends_affect_no_other_peer),
	};

	return scenario_run("bad peers", tests, setup, teardown);
}
