/*
 * What the bridge is for: many local processes, one session, every message
 * once, in order and byte for byte. Each test runs over both transports.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world *up(void **state)
{
	char server[64];

	snprintf(server, sizeof(server), "transports = %s", (const char *)*state);
	return world_up(NULL, server);
}

static void assert_message(struct wire *w, const char *text)
{
	const struct message *m = wire_expect(w, PROTOCOL_OP_MESSAGE);

	if (!slice_eq(m->message, slice_of(text)))
		fail_msg("expected %s, got %.*s", text, SLICE_ARG(m->message));
}

static void subscriber_receives_publish(void **state)
{
	struct world *w = up(state);
	struct wire *a = world_peer(w, "a"), *b = world_peer(w, "b");

	wire_ok(a, "subscribe", ",\"channel\":\"/a/b\"");
	wire_ok(b, "publish", ",\"channel\":\"/a/b\",\"data\":{\"n\":9007199254740993}");
	assert_message(a, "{\"data\":{\"n\":9007199254740993},\"channel\":\"/a/b\"}");
	wire_assert_none(b, PROTOCOL_OP_MESSAGE);
	wire_close(a);
	wire_close(b);
	world_free(w);
}

/* the first peer subscribes at the server, the last one unsubscribes, and no other does */
static void one_subscription_for_all(void **state)
{
	struct world *w = up(state);
	struct wire *peers[20];

	for (int i = 0; i < 20; i++) {
		peers[i] = world_peer(w, "many");
		wire_ok(peers[i], "subscribe", ",\"channels\":[\"/x\",\"/y\"]");
	}
	fake_command(w->fake, "publish /x 1");
	for (int i = 0; i < 20; i++)
		assert_message(peers[i], "{\"data\":1,\"channel\":\"/x\"}");
	for (int i = 0; i < 19; i++)
		wire_close(peers[i]);
	fake_command(w->fake, "publish /y 2");
	assert_message(peers[19], "{\"data\":2,\"channel\":\"/y\"}");
	assert_int_equal(fake_count(w->fake, "handshake", NULL), 1);
	assert_int_equal(fake_count(w->fake, "subscribe", "/x"), 1);
	assert_int_equal(fake_count(w->fake, "subscribe", "/y"), 1);
	assert_int_equal(fake_count(w->fake, "unsubscribe", NULL), 0);
	wire_close(peers[19]);
	fake_await(w->fake, "unsubscribe", "/x", 1);
	fake_await(w->fake, "unsubscribe", "/y", 1);
	world_free(w);
}

static void overlapping_patterns_deliver_once(void **state)
{
	struct world *w = up(state);
	struct wire *a = world_peer(w, "a"), *b = world_peer(w, "b");

	wire_ok(a, "subscribe", ",\"channels\":[\"/o/x\",\"/o/*\",\"/o/**\",\"/**\"]");
	wire_ok(b, "subscribe", ",\"channel\":\"/o/*\"");
	fake_command(w->fake, "publish /o/x 1");
	fake_command(w->fake, "publish /o/x/y 2");
	fake_command(w->fake, "publish /o/x 3");
	assert_message(a, "{\"data\":1,\"channel\":\"/o/x\"}");
	assert_message(a, "{\"data\":2,\"channel\":\"/o/x/y\"}");
	assert_message(a, "{\"data\":3,\"channel\":\"/o/x\"}");
	wire_assert_none(a, PROTOCOL_OP_MESSAGE);
	assert_message(b, "{\"data\":1,\"channel\":\"/o/x\"}");
	assert_message(b, "{\"data\":3,\"channel\":\"/o/x\"}");
	wire_assert_none(b, PROTOCOL_OP_MESSAGE);
	wire_close(a);
	wire_close(b);
	world_free(w);
}

static void odd_data_stays_as_it_is(void **state)
{
	static const char *const data[] = {
		"null", "0", "\"\"", "false", "[]", "{}", "-0.0", "1e400",
		"18446744073709551615", "\"\\ud83d\\ude00\\u0000\"",
		"\"Привет, 你好, שלום, مرحبا, नमस्ते, 🎉\"",
		"{\"z\":1,\"a\":2,\"a\":3}", "{\"clientId\":\"kept, it is not the envelope's\"}",
	};
	struct world *w = up(state);
	struct wire *a = world_peer(w, "a");
	char expected[512];

	wire_ok(a, "subscribe", ",\"channel\":\"/odd\"");
	for (size_t i = 0; i < sizeof(data) / sizeof(*data); i++) {
		wire_ok(a, "publish", ",\"channel\":\"/odd\",\"data\":%s", data[i]);
		snprintf(expected, sizeof(expected), "{\"data\":%s,\"channel\":\"/odd\"}", data[i]);
		assert_message(a, expected);
	}
	wire_close(a);
	world_free(w);
}

static void burst_arrives_complete_and_in_order(void **state)
{
	struct world *w = up(state);
	struct wire *a = world_peer(w, "a");
	uint64_t seq = 0;
	char expected[32];

	wire_ok(a, "subscribe", ",\"channel\":\"/burst\"");
	fake_command(w->fake, "burst /burst 10000 n");
	for (int i = 0; i < 10000; i++) {
		const struct message *m = wire_expect(a, PROTOCOL_OP_MESSAGE);
		snprintf(expected, sizeof(expected), "\"n-%d\"", i + 1);
		assert_non_null(memmem(m->message.p, m->message.n, expected, strlen(expected)));
		assert_true(m->seq > seq);
		seq = m->seq;
	}
	wire_assert_none(a, PROTOCOL_OP_MESSAGE);
	wire_assert_none(a, PROTOCOL_OP_LOST);
	wire_close(a);
	world_free(w);
}

static void publishes_keep_their_order(void **state)
{
	struct world *w = up(state);
	struct wire *a = world_peer(w, "a"), *b = world_peer(w, "b");
	char expected[64];
	uint64_t last = 0;

	wire_ok(a, "subscribe", ",\"channel\":\"/order\"");
	for (int i = 0; i < 500; i++)
		last = wire_request(b, "publish", ",\"channel\":\"/order\",\"data\":%d", i);
	for (int i = 0; i < 500; i++) {
		snprintf(expected, sizeof(expected), "{\"data\":%d,\"channel\":\"/order\"}", i);
		assert_message(a, expected);
	}
	wire_reply_ok(b, last);
	wire_close(a);
	wire_close(b);
	world_free(w);
}

static void refused_publish_and_subscribe_give_the_reason(void **state)
{
	struct world *w = up(state);
	struct wire *a = world_peer(w, "a");
	const struct message *m;

	fake_command(w->fake, "rule type=subscribe channel=/deny times=all refuse 403:denied:subscribe_denied");
	fake_command(w->fake, "rule type=publish channel=/deny times=all refuse 403:denied:publish_denied");
	m = wire_ask(a, "subscribe", ",\"channel\":\"/deny\"");
	wire_assert_error(m, "refused");
	assert_non_null(memmem(m->error.p, m->error.n, "subscribe_denied", 16));
	m = wire_ask(a, "publish", ",\"channel\":\"/deny\",\"data\":1");
	wire_assert_error(m, "refused");
	assert_non_null(memmem(m->error.p, m->error.n, "publish_denied", 14));
	wire_ok(a, "subscribe", ",\"channel\":\"/fine\"");
	wire_close(a);
	world_free(w);
}

/* Servers add data to replies, and a token in it is for the publisher alone. */
static void data_in_a_reply_is_the_publishers(void **state)
{
	static const char token[] = "\"data\":{\"userToken\":\"t1\"}";
	struct world *w = up(state);
	struct wire *a = world_peer(w, "a"), *b = world_peer(w, "b");
	const struct message *m;

	wire_ok(b, "subscribe", ",\"channel\":\"/j\"");
	fake_command(w->fake, "rule type=publish times=1 field data {\"userToken\":\"t1\"}");
	m = wire_ask(a, "publish", ",\"channel\":\"/j\",\"data\":1");
	assert_true(m->ok);
	assert_non_null(memmem(m->result.p, m->result.n, token, sizeof(token) - 1));
	assert_message(b, "{\"data\":1,\"channel\":\"/j\"}");
	fake_command(w->fake, "rule type=publish times=1 refuse 403::no field data "
			      "{\"userToken\":\"t1\"}");
	m = wire_ask(a, "publish", ",\"channel\":\"/j\",\"data\":2");
	wire_assert_error(m, "refused");
	assert_non_null(memmem(m->error.p, m->error.n, token, sizeof(token) - 1));
	wire_assert_none(b, PROTOCOL_OP_MESSAGE);
	wire_close(a);
	wire_close(b);
	world_free(w);
}

/* the answer goes to the caller alone, whether the server echoes the id or not */
static void call_is_answered_to_its_caller(void **state)
{
	struct world *w = up(state);
	struct wire *a = world_peer(w, "a"), *b = world_peer(w, "b");
	const struct message *m;

	wire_ok(b, "subscribe", ",\"channels\":[\"/service/echo\",\"/service/echo-noid\"]");
	m = wire_ask(a, "call", ",\"channel\":\"/service/echo\",\"data\":{\"q\":1}");
	assert_true(m->ok);
	assert_non_null(memmem(m->result.p, m->result.n, "\"data\":{\"q\":1}", 14));
	m = wire_ask(a, "call", ",\"channel\":\"/service/echo-noid\",\"data\":{\"q\":2}");
	assert_true(m->ok);
	assert_non_null(memmem(m->result.p, m->result.n, "\"data\":{\"q\":2}", 14));
	wire_assert_none(a, PROTOCOL_OP_MESSAGE);
	wire_assert_none(b, PROTOCOL_OP_MESSAGE);
	assert_int_equal(fake_count(w->fake, "subscribe", NULL), 0);
	wire_close(a);
	wire_close(b);
	world_free(w);
}

/* The service takes its time: others publish and subscribe meanwhile. */
static void a_slow_call_delays_its_caller(void **state)
{
	struct world *w = up(state);
	struct wire *a = world_peer(w, "a"), *b = world_peer(w, "b");

	fake_command(w->fake, "rule type=publish channel=/service/echo times=1 hold");
	uint64_t call = wire_request(a, "call", ",\"channel\":\"/service/echo\",\"data\":1");
	fake_await(w->fake, "parked", NULL, 1);
	wire_ok(b, "subscribe", ",\"channel\":\"/b\"");
	wire_ok(b, "publish", ",\"channel\":\"/b\",\"data\":2");
	assert_message(b, "{\"data\":2,\"channel\":\"/b\"}");
	fake_command(w->fake, "release");
	wire_reply_ok(a, call);
	wire_close(a);
	wire_close(b);
	world_free(w);
}

/* Its publish is answered long before the deadline, the first one having paved the way. */
static void call_in_vain(struct wire *a, const char *channel)
{
	wire_ok(a, "call", ",\"channel\":\"/service/echo\",\"data\":1");
	wire_assert_error(wire_ask(a, "call", ",\"channel\":\"%s\",\"data\":1,\"timeout\":1000", channel),
			  "timeout");
}

static void call_without_answer_times_out(void **state)
{
	struct world *w = up(state);
	struct wire *a = world_peer(w, "a");

	call_in_vain(a, "/service/deaf");
	wire_close(a);
	world_free(w);
}

/* what comes when its call is over is neither the next call's nor a listener's */
static void late_answers_are_nobodys(void **state)
{
	struct world *w = up(state);
	struct wire *a = world_peer(w, "a"), *b = world_peer(w, "b");
	const struct message *m;

	wire_ok(b, "subscribe", ",\"channels\":[\"/service/echo-noid\",\"/service/sync\"]");
	fake_command(w->fake, "rule type=publish channel=/service/echo-noid reply "
			      "{\"channel\":$channel,\"id\":$id,\"successful\":true}");
	call_in_vain(a, "/service/echo-noid");
	fake_command(w->fake, "deliver 1 {\"data\":\"late\",\"channel\":\"/service/echo-noid\"}");
	fake_command(w->fake, "deliver 1 {\"data\":0,\"channel\":\"/service/sync\"}");
	assert_message(b, "{\"data\":0,\"channel\":\"/service/sync\"}");
	m = wire_ask(a, "call", ",\"channel\":\"/service/echo-noid\",\"data\":2");
	assert_true(m->ok);
	assert_non_null(memmem(m->result.p, m->result.n, "\"data\":2", 8));
	wire_assert_none(b, PROTOCOL_OP_MESSAGE);
	m = wire_ask(a, "status", "%s", "");
	assert_non_null(memmem(m->result.p, m->result.n, "\"late_answers\":1", 16));
	wire_close(a);
	wire_close(b);
	world_free(w);
}

static void calls_go_to_services_alone(void **state)
{
	struct world *w = up(state);
	struct wire *a = world_peer(w, "a");

	wire_assert_error(wire_ask(a, "call", ",\"channel\":\"/a\",\"data\":1"), "bad-channel");
	assert_int_equal(fake_count(w->fake, "publish", NULL), 0);
	wire_close(a);
	world_free(w);
}

static void service_messages_reach_listeners(void **state)
{
	struct world *w = up(state);
	struct wire *a = world_peer(w, "a");

	wire_ok(a, "subscribe", ",\"channel\":\"/service/news\"");
	fake_command(w->fake, "deliver 1 {\"data\":{\"k\":1},\"channel\":\"/service/news\"}");
	assert_message(a, "{\"data\":{\"k\":1},\"channel\":\"/service/news\"}");
	assert_int_equal(fake_count(w->fake, "subscribe", NULL), 0);
	wire_close(a);
	world_free(w);
}

/* When a peer disconnects before the server answers its subscribe, only its own interest ends. */
static void a_pending_subscribe_ends_with_its_peer(void **state)
{
	struct world *w = up(state);
	struct wire *a = world_peer(w, "a"), *b = world_peer(w, "b");

	fake_command(w->fake, "rule type=subscribe channel=/alone hold");
	wire_request(a, "subscribe", ",\"channels\":[\"/alone\",\"/both\"]");
	fake_await(w->fake, "parked", NULL, 1);
	uint64_t both = wire_request(b, "subscribe", ",\"channel\":\"/both\"");
	wire_ok(b, "ping", "%s", "");
	wire_close(a);
	wire_ok(b, "ping", "%s", "");
	fake_command(w->fake, "release");
	wire_reply_ok(b, both);
	fake_await(w->fake, "unsubscribe", "/alone", 1);
	fake_command(w->fake, "publish /both 1");
	assert_message(b, "{\"data\":1,\"channel\":\"/both\"}");
	assert_int_equal(fake_count(w->fake, "unsubscribe", "/both"), 0);
	wire_close(b);
	world_free(w);
}

/* A filter reaches the server unchanged; a server that refuses it refuses nothing else. */
static void filters_are_the_servers_business(void **state)
{
	struct world *w = up(state);
	struct wire *a = world_peer(w, "a");

	fake_command(w->fake, "rule type=publish times=1 hold");
	uint64_t busy = wire_request(a, "publish", ",\"channel\":\"/busy\",\"data\":1");
	fake_await(w->fake, "parked", NULL, 1);
	uint64_t bad = wire_request(a, "subscribe", ",\"channel\":\"/topic/X?Name='a/*'\"");
	uint64_t good = wire_request(a, "subscribe", ",\"channel\":\"/topic/Y\"");
	fake_command(w->fake, "release");
	wire_reply_ok(a, busy);
	wire_assert_error(wire_reply(a, bad), "refused");
	wire_reply_ok(a, good);
	wire_close(a);
	world_free(w);
}

/* with upstream:false a peer receives what others subscribed, and subscribes nothing at the server */
static void listening_asks_the_server_nothing(void **state)
{
	struct world *w = up(state);
	struct wire *a = world_peer(w, "a"), *b = world_peer(w, "b");

	wire_ok(b, "subscribe", ",\"channel\":\"/l/**\",\"upstream\":false");
	assert_int_equal(fake_count(w->fake, "subscribe", NULL), 0);
	wire_ok(a, "subscribe", ",\"channel\":\"/l/x\"");
	fake_command(w->fake, "publish /l/x 1");
	assert_message(a, "{\"data\":1,\"channel\":\"/l/x\"}");
	assert_message(b, "{\"data\":1,\"channel\":\"/l/x\"}");
	assert_int_equal(fake_count(w->fake, "subscribe", NULL), 1);
	wire_close(b);
	wire_ok(a, "ping", "%s", "");
	assert_int_equal(fake_count(w->fake, "unsubscribe", NULL), 0);
	wire_close(a);
	world_free(w);
}

static void large_messages_pass(void **state)
{
	struct world *w = up(state);
	struct wire *a = world_peer(w, "a");
	size_t n = 1 << 20;
	char *text = malloc(n + 1);

	assert_non_null(text);
	memset(text, 'x', n);
	text[n] = 0;
	fake_command(w->fake, "set ws-max-message 4000000");
	wire_ok(a, "subscribe", ",\"channel\":\"/large\"");
	wire_ok(a, "publish", ",\"channel\":\"/large\",\"data\":\"%s\"", text);
	const struct message *m = wire_expect(a, PROTOCOL_OP_MESSAGE);
	assert_true(m->message.n > n);
	assert_non_null(memmem(m->message.p, m->message.n, text, n));
	free(text);
	wire_close(a);
	world_free(w);
}

static void stopping_sends_closing(void **state)
{
	struct world *w = up(state);
	struct wire *a = world_peer(w, "a");

	assert_int_equal(world_stop(w), 0);
	const struct message *m = wire_expect(a, PROTOCOL_OP_CLOSING);
	assert_true(slice_eq(m->code, SLICE("shutdown")));
	wire_expect_eof(a);
	assert_int_equal(fake_count(w->fake, "disconnect", NULL), 1);
	wire_close(a);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(subscriber_receives_publish),
		ON_BOTH(one_subscription_for_all),
		ON_BOTH(overlapping_patterns_deliver_once),
		ON_BOTH(odd_data_stays_as_it_is),
		ON_BOTH(burst_arrives_complete_and_in_order),
		ON_BOTH(publishes_keep_their_order),
		ON_BOTH(refused_publish_and_subscribe_give_the_reason),
		ON_BOTH(data_in_a_reply_is_the_publishers),
		ON_BOTH(call_is_answered_to_its_caller),
		ON_BOTH(a_slow_call_delays_its_caller),
		ON_BOTH(call_without_answer_times_out),
		ON_BOTH(late_answers_are_nobodys),
		ON_BOTH(calls_go_to_services_alone),
		ON_BOTH(service_messages_reach_listeners),
		ON_BOTH(a_pending_subscribe_ends_with_its_peer),
		ON_BOTH(filters_are_the_servers_business),
		ON_BOTH(listening_asks_the_server_nothing),
		ON_BOTH(large_messages_pass),
		ON_BOTH(stopping_sends_closing),
	};

	return scenario_run("traffic", tests, NULL, NULL);
}
