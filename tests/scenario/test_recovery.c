/*
 * Servers that fail in every way, and a daemon that recovers by itself: each process
 * gets the gap, then publish and receive work again. Backoff is short to keep the
 * tests fast; every wait is for an event.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUICK "backoff = 50ms 200ms\nhalt-retry = 100ms\n"

static struct world *up(void **state, const char *more)
{
	char server[512];

	snprintf(server, sizeof(server), QUICK "transports = %s\n%s", (const char *)*state, more);
	return world_up(NULL, server);
}

/* a publish by `from` is received by `to` */
static void assert_works(struct wire *from, struct wire *to, const char *channel, int n)
{
	char expected[128];

	wire_ok(from, "publish", ",\"channel\":\"%s\",\"data\":%d", channel, n);
	snprintf(expected, sizeof(expected), "{\"data\":%d,\"channel\":\"%s\"}", n, channel);
	for (;;) {
		const struct message *m = wire_expect(to, PROTOCOL_OP_MESSAGE);
		if (slice_eq(m->message, slice_of(expected)))
			return;
	}
}

/* The same where deadlines are short: what ends by one, for the machine is slow, is done again. */
static void until_works(struct wire *a, const char *channel)
{
	const struct message *m;
	int tries = 0;

	do {
		uint64_t id = wire_request(a, "publish", ",\"channel\":\"%s\",\"data\":1", channel);

		assert_true(tries++ < 30);
		do
			m = wire_next(a);
		while (m->op != PROTOCOL_OP_MESSAGE &&
		       !(m->op == PROTOCOL_OP_REPLY && m->id == id && !m->ok) &&
		       !(m->op == PROTOCOL_OP_STATE && m->gap));
	} while (m->op != PROTOCOL_OP_MESSAGE);
}

/* the server is gone and comes back with no memory of us, twice */
static void restarted_server(void **state)
{
	struct world *w = up(state, "");
	struct wire *a = world_peer(w, "a");

	wire_ok(a, "subscribe", ",\"channel\":\"/r\"");
	assert_works(a, a, "/r", 1);
	for (int i = 0; i < 2; i++) {
		fake_kill(w->fake);
		wire_state(a, "demo", "unconnected");
		fake_restart(w->fake);
		assert_true(wire_state(a, "demo", "connected")->gap);
		assert_works(a, a, "/r", 2 + i);
		assert_int_equal(fake_count(w->fake, "subscribe", "/r"), 1);
	}
	wire_close(a);
	world_free(w);
}

static void server_down_at_start(void **state)
{
	struct world *w = world_new(NULL);
	char server[256];

	snprintf(server, sizeof(server), QUICK "transports = %s", (const char *)*state);
	world_configure(w, NULL, server, NULL);
	fake_kill(w->fake);
	world_start(w);
	struct wire *a = wire_hello(w->socket, "early");
	const struct message *m = wire_ask(a, "subscribe", ",\"channel\":\"/r\"");
	assert_true(m->ok);
	assert_non_null(memmem(m->result.p, m->result.n, "\"pending\":true", 14));
	uint64_t id = wire_request(a, "publish", ",\"channel\":\"/r\",\"data\":7");
	fake_restart(w->fake);
	assert_true(wire_expect(a, PROTOCOL_OP_SUBSCRIPTION)->ok);
	/* the channel is subscribed before the waiting publish is sent, so its event arrives */
	m = wire_expect(a, PROTOCOL_OP_MESSAGE);
	assert_true(slice_eq(m->message, SLICE("{\"data\":7,\"channel\":\"/r\"}")));
	wire_reply_ok(a, id);
	wire_close(a);
	world_free(w);
}

/* a short cut is resumed: same session, nothing subscribed again */
static void cut_connections_are_resumed(void **state)
{
	struct world *w = up(state, "");
	struct wire *a = world_peer(w, "a");

	wire_ok(a, "subscribe", ",\"channel\":\"/r\"");
	fake_await(w->fake, "held", NULL, 1);
	fake_command(w->fake, "cut");
	wire_state(a, "demo", "unconnected");
	wire_state(a, "demo", "connected");
	assert_works(a, a, "/r", 1);
	assert_int_equal(fake_count(w->fake, "handshake", NULL), 1);
	assert_int_equal(fake_count(w->fake, "subscribe", "/r"), 1);
	wire_close(a);
	world_free(w);
}

static void expired_session_is_replaced(void **state)
{
	struct world *w = up(state, "");
	struct wire *a = world_peer(w, "a");

	wire_ok(a, "subscribe", ",\"channel\":\"/r\"");
	fake_await(w->fake, "held", NULL, 1);
	/* a cut that came after the new session would be a second loss, and no gap */
	fake_command(w->fake, "expire");
	assert_true(wire_state(a, "demo", "connected")->gap);
	assert_works(a, a, "/r", 1);
	assert_int_equal(fake_count(w->fake, "handshake", NULL), 2);
	wire_close(a);
	world_free(w);
}

/* With ack, a server sends what was not acknowledged again: an event that cannot be read counts as
   received, and costs nothing but itself. */
static void unreadable_event_is_left_out(void **state)
{
	struct world *w = up(state, "");
	struct wire *a = world_peer(w, "a");
	char deep[81] = "";

	memset(deep, '[', 40);
	memset(deep + 40, ']', 40);
	wire_ok(a, "subscribe", ",\"channel\":\"/r\"");
	fake_await(w->fake, "held", NULL, 1);
	fake_command(w->fake, "publish /r %s", deep);
	const struct message *m = wire_expect(a, PROTOCOL_OP_LOST);
	assert_int_equal(m->count, 1);
	assert_true(slice_eq(m->code, SLICE("unreadable")));
	assert_true(slice_eq(m->channel, SLICE("/r")));
	assert_works(a, a, "/r", 1);
	/* no connection was given up for it */
	wire_assert_none(a, PROTOCOL_OP_STATE);
	wire_close(a);
	world_free(w);
}

/* The reply to a publish is "unknown session": the publish had no effect, a new session is made at once,
   and the publish is sent again. */
static void expiry_noticed_by_a_publish(void **state)
{
	struct world *w = up(state, "");
	struct wire *a = world_peer(w, "a");

	wire_ok(a, "subscribe", ",\"channel\":\"/r\"");
	fake_await(w->fake, "held", NULL, 1);
	fake_command(w->fake, "mark");
	fake_command(w->fake, "rule type=publish times=1 refuse 402::session_unknown");
	wire_ok(a, "publish", ",\"channel\":\"/r\",\"data\":1");
	wire_expect(a, PROTOCOL_OP_MESSAGE);
	fake_await(w->fake, "connect", NULL, 1);
	assert_int_equal(fake_count(w->fake, "publish", "/r"), 2);
	/* it is gone indeed: several of one batch go to the next one */
	fake_command(w->fake, "expire");
	wire_request(a, "publish", ",\"channel\":\"/r\",\"data\":2");
	uint64_t last = wire_request(a, "publish", ",\"channel\":\"/r\",\"data\":3");
	wire_reply_ok(a, last - 1);
	wire_reply_ok(a, last);
	assert_works(a, a, "/r", 4);
	wire_close(a);
	world_free(w);
}

/* A limit in a later session is reported, the channel asked for again, and a denial is logged and
   ends cometctl. */
static void refused_in_a_later_session(void **state)
{
	struct world *w = up(state, "");
	struct wire *a = world_peer(w, "a");
	char *out, *err;

	wire_ok(a, "subscribe", ",\"channel\":\"/r\"");
	fake_await(w->fake, "held", NULL, 1);
	fake_command(w->fake, "rule type=subscribe times=1 refuse \"403::limit\"");
	fake_command(w->fake, "expire");
	const struct message *m = wire_expect(a, PROTOCOL_OP_SUBSCRIPTION);
	assert_true(m->ok && m->pending);
	assert_non_null(memmem(m->error.p, m->error.n, "403::limit", 10));
	m = wire_expect(a, PROTOCOL_OP_SUBSCRIPTION);
	assert_true(m->ok && !m->pending);
	assert_works(a, a, "/r", 1);
	assert_true(world_log_has(w, "trying again: 403::limit"));
	/* it holds /r when it asks for /x */
	const char *argv[] = {"cometctl", "sub", "/r", "/x", NULL};
	struct process *p = world_run(w, argv);
	fake_await(w->fake, "subscribe", "/x", 1);
	fake_command(w->fake, "rule type=subscribe refuse \"403::denied\"");
	fake_command(w->fake, "expire");
	m = wire_expect(a, PROTOCOL_OP_SUBSCRIPTION);
	assert_false(m->ok);
	assert_int_equal(process_wait(p, &out, &err), 5);
	assert_non_null(strstr(err, "403::denied"));
	assert_true(world_log_has(w, "its subscriptions end: 403::denied"));
	free(out);
	free(err);
	wire_close(a);
	world_free(w);
}

static void kicked_session_comes_back(void **state)
{
	struct world *w = up(state, "");
	struct wire *a = world_peer(w, "a");

	wire_ok(a, "subscribe", ",\"channel\":\"/r\"");
	fake_await(w->fake, "held", NULL, 1);
	fake_command(w->fake, "kick");
	assert_true(wire_state(a, "demo", "connected")->gap);
	assert_works(a, a, "/r", 1);
	wire_close(a);
	world_free(w);
}

static void assert_ended(struct wire *w, const char *channel)
{
	const struct message *m = wire_expect(w, PROTOCOL_OP_SUBSCRIPTION);

	assert_true(slice_eq(m->channel, slice_of(channel)));
	assert_false(m->ok);
	assert_non_null(memmem(m->error.p, m->error.n, "is not renewed", 14));
}

/* The policy "stop": no new attempt, no request is left pending, and the state has the reason. */
static void end_is_the_end(void **state)
{
	static const struct {
		const char *option, *command, *reason;
	} ways[] = {
		{"on-disconnect = stop\n", "kick", "the server ended the session"},
		{"on-none = stop\n",
		 "rule type=handshake refuse 403::handshake_denied advice {\"reconnect\":\"none\"}",
		 "403 handshake_denied"},
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct world *w = up(state, ways[i].option);
		struct wire *a = world_peer(w, "a");
		wire_ok(a, "subscribe", ",\"channel\":\"/r\"");
		fake_await(w->fake, "held", NULL, 1);
		fake_command(w->fake, "%s", ways[i].command);
		fake_command(w->fake, "expire");
		fake_command(w->fake, "cut");
		const struct message *m = wire_state(a, "demo", "halted");
		assert_false(message_has(m, PROTOCOL_FIELD_RETRY_IN));
		assert_non_null(memmem(m->reason.p, m->reason.n, ways[i].reason,
				       strlen(ways[i].reason)));
		assert_ended(a, "/r");
		fake_command(w->fake, "mark");
		/* ten minutes to wait for, and none of it is waited */
		wire_assert_error(wire_ask(a, "publish",
					   ",\"channel\":\"/r\",\"data\":1,\"timeout\":600000"),
				  "not-sent");
		m = wire_ask(a, "subscribe", ",\"channel\":\"/s\"");
		assert_non_null(memmem(m->result.p, m->result.n, "\"pending\":true", 14));
		assert_ended(a, "/s");
		assert_int_equal(fake_count(w->fake, "request", NULL), 0);
		wire_close(a);
		world_free(w);
	}
}

/* nothing is reset, nothing answers: deadlines notice it */
static void silent_server_is_noticed(void **state)
{
	struct world *w;
	char server[256];

	snprintf(server, sizeof(server), QUICK "transports = %s\nnetwork-delay = 1s\n"
		 "websocket-ping = 1s\n", (const char *)*state);
	w = world_up((const char *const[]){"--timeout", "500", NULL}, server);
	struct wire *a = world_peer(w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/r\"");
	fake_pause(w->fake);
	wire_state(a, "demo", "unconnected");
	fake_resume(w->fake);
	wire_state(a, "demo", "connected");
	until_works(a, "/r");
	wire_close(a);
	world_free(w);
}

static void refused_handshake_is_tried_again(void **state)
{
	static const char *const rules[] = {
		"rule type=handshake times=3 refuse 403::handshake_denied",
		"rule type=handshake times=2 omit advice",
		"rule type=handshake times=2 refuse 503::busy",
		"rule type=handshake times=2 advice {\"reconnect\":\"handshake\"}",
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		struct world *w = world_new(NULL);
		char server[256];

		snprintf(server, sizeof(server), QUICK "transports = %s", (const char *)*state);
		world_configure(w, NULL, server, NULL);
		fake_command(w->fake, "%s", rules[i]);
		world_start(w);
		struct wire *a = world_peer(w, "a");
		wire_ok(a, "subscribe", ",\"channel\":\"/r\"");
		assert_works(a, a, "/r", 1);
		wire_close(a);
		world_free(w);
	}
}

/* at once, or when the session is back */
static bool is_subscribed(struct wire *a, const char *channel)
{
	const struct message *m = wire_ask(a, "subscribe", ",\"channel\":\"%s\"", channel);

	if (!m->ok || !memmem(m->result.p, m->result.n, "pending", 7))
		return m->ok;
	do
		m = wire_expect(a, PROTOCOL_OP_SUBSCRIPTION);
	while (m->pending);
	return m->ok;
}

/* every way in which an HTTP answer can be wrong, on each kind of message */
static void wrong_http_answers(void **state)
{
	static const char *const kinds[] = {"handshake", "connect", "subscribe"};
	static const char *const actions[] = {
		"status 400", "status 401", "status 403", "status 404", "status 408", "status 413",
		"status 429", "status 500", "status 502", "status 503", "status 504", "html",
		"redirect 302 http://127.0.0.1:1/", "body []", "body [{\"channel\":", "close", "reset",
		"cut 10", "cut-head 5", "chunk 1", "gzip", "body {\"no\":\"channel\"}", "body \"text\"",
	};

	(void)state;
	struct world *w = world_up(NULL, QUICK "transports = long-polling");
	struct wire *a = world_peer(w, "a");
	int n = 0;
	for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++)
		for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
			/* without a connect to lose, a cut is no loss */
			fake_await(w->fake, "held", NULL, 1);
			fake_command(w->fake, "rule type=%s times=1 %s", kinds[k], actions[i]);
			fake_command(w->fake, k == 0 ? "expire" : "cut");
			wire_state(a, "demo", "unconnected");
			wire_state(a, "demo", "connected");
			/* 413: the server will not have it; a second time it does */
			if (!is_subscribed(a, "/r"))
				assert_true(is_subscribed(a, "/r"));
			fake_command(w->fake, "mark");
			assert_works(a, a, "/r", ++n);
			wire_ok(a, "unsubscribe", ",\"channel\":\"/r\"");
		}
	wire_close(a);
	world_free(w);
}

/* a publish that may have taken effect is not repeated, and its reply is unknown-outcome */
static void publish_outcomes_are_distinguished(void **state)
{
	struct world *w = up(state, "");
	struct wire *a = world_peer(w, "a");

	fake_await(w->fake, "held", NULL, 1);
	fake_kill(w->fake);
	/* this loss and no earlier one: only then nothing is written to the dead connection */
	wire_state(a, "demo", "unconnected");
	wire_assert_error(wire_ask(a, "publish", ",\"channel\":\"/p/late\",\"data\":1,\"timeout\":300"),
			  "not-sent");
	fake_restart(w->fake);
	wire_state(a, "demo", "connected");
	assert_int_equal(fake_count(w->fake, "publish", "/p/late"), 0);
	fake_await(w->fake, "held", NULL, 1);
	fake_command(w->fake, "rule type=publish channel=/p/lost times=1 close");
	wire_assert_error(wire_ask(a, "publish", ",\"channel\":\"/p/lost\",\"data\":1"),
			  "unknown-outcome");
	wire_ok(a, "publish", ",\"channel\":\"/p/good\",\"data\":1");
	assert_int_equal(fake_count(w->fake, "publish", "/p/lost"), 1);
	wire_close(a);
	world_free(w);
}

/* what was answered and did not arrive may have held events: a gap, though we stay connected */
static void lost_answers_are_gaps(void **state)
{
	static const char *const actions[] = {"cut 10", "close", "status 502", "status 504"};

	(void)state;
	struct world *w = world_up(NULL, QUICK "transports = long-polling\nack = no");
	struct wire *a = world_peer(w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/r\"");
	assert_works(a, a, "/r", 0);
	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
		fake_command(w->fake, "rule type=publish channel=/p times=1 %s", actions[i]);
		wire_assert_error(wire_ask(a, "publish", ",\"channel\":\"/p\",\"data\":1"),
				  "unknown-outcome");
		assert_true(wire_state(a, "demo", "connected")->gap);
	}
	assert_works(a, a, "/r", 1);
	wire_close(a);
	world_free(w);
}

static void publish_waits_for_the_server(void **state)
{
	struct world *w = up(state, "");
	struct wire *a = world_peer(w, "a");

	fake_kill(w->fake);
	wire_state(a, "demo", "unconnected");
	uint64_t id = wire_request(a, "publish", ",\"channel\":\"/w\",\"data\":1");
	fake_restart(w->fake);
	wire_reply_ok(a, id);
	assert_int_equal(fake_count(w->fake, "publish", "/w"), 1);
	wire_close(a);
	world_free(w);
}

static void websocket_refused_means_long_polling(void **state)
{
	(void)state;
	struct world *w = world_new(NULL);
	world_configure(w, NULL, QUICK "transports = websocket, long-polling", NULL);
	fake_command(w->fake, "ws off");
	world_start(w);
	struct wire *a = world_peer(w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/r\"");
	assert_works(a, a, "/r", 1);
	char *out;
	assert_int_equal(world_command(w, &out, NULL, "cometctl", "--json", "status", NULL), 0);
	assert_non_null(strstr(out, "\"transport\":\"long-polling\""));
	free(out);
	wire_close(a);
	world_free(w);
}

/* WebSocket worked, then stops working in the middle of a session: it must not be a trap */
static void websocket_lost_at_run_time(void **state)
{
	(void)state;
	struct world *w = world_up(NULL, QUICK "transports = websocket, long-polling\n");
	struct wire *a = world_peer(w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/r\"");
	fake_await(w->fake, "held", NULL, 1);
	fake_command(w->fake, "ws off");
	fake_command(w->fake, "cut");
	wire_state(a, "demo", "unconnected");
	wire_state(a, "demo", "connected");
	assert_works(a, a, "/r", 1);
	wire_close(a);
	world_free(w);
}

/* a server that answers every connect at once must not make us spin */
static void instant_connects_do_not_spin(void **state)
{
	struct world *w = world_new((const char *const[]){"--timeout", "1", NULL});
	char server[256];

	snprintf(server, sizeof(server), QUICK "transports = %s", (const char *)*state);
	world_configure(w, NULL, server, NULL);
	world_start(w);
	struct wire *a = world_peer(w, "a");
	/* measured from before the first count to after the last, so a stall only makes it longer */
	int64_t begun = wire_now();
	unsigned long before = fake_number(w->fake, "count connect");
	/* an unanswered call takes a second on the daemon's clock */
	wire_assert_error(wire_ask(a, "call", ",\"channel\":\"/service/deaf\",\"data\":1,\"timeout\":1000"),
			  "timeout");
	long connects = (long)(fake_number(w->fake, "count connect") - before);
	assert_true(connects * 1000 <= 25 * (wire_now() - begun));
	wire_close(a);
	world_free(w);
}

static void fail_and_recover(struct world *w, struct wire *a, const char *how)
{
	fake_command(w->fake, "mark");
	fake_command(w->fake, "%s", how);
	wire_state(a, "demo", "unconnected");
	wire_state(a, "demo", "connected");
	fake_await(w->fake, "held", NULL, 1);
}

/* descriptors and memory return to where they were, however often the server fails */
static void failures_leak_nothing(void **state)
{
	char server[256];

	snprintf(server, sizeof(server),
		 "backoff = 10ms 20ms\ntransports = %s",
		 (const char *)*state);
	struct world *w = world_up(NULL, server);
	struct wire *a = world_peer(w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/r\"");
	fake_await(w->fake, "held", NULL, 1);
	for (int i = 0; i < 20; i++)
		fail_and_recover(w, a, "cut");
	unsigned fds = world_daemon_fds(w), rss = world_daemon_rss(w);
	for (int i = 0; i < 300; i++)
		fail_and_recover(w, a, i % 3 ? "cut" : "kick");
	assert_true(world_daemon_fds(w) <= fds + 1);
	assert_true(world_daemon_rss(w) <= rss + 2048);
	assert_works(a, a, "/r", 1);
	wire_close(a);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(restarted_server),
		ON_BOTH(server_down_at_start),
		ON_BOTH(cut_connections_are_resumed),
		ON_BOTH(expired_session_is_replaced),
		ON_BOTH(expiry_noticed_by_a_publish),
		ON_BOTH(refused_in_a_later_session),
		ON_BOTH(unreadable_event_is_left_out),
		ON_BOTH(kicked_session_comes_back),
		ON_BOTH(end_is_the_end),
		ON_BOTH(silent_server_is_noticed),
		ON_BOTH(refused_handshake_is_tried_again),
		cmocka_unit_test(wrong_http_answers),
		ON_BOTH(publish_outcomes_are_distinguished),
		cmocka_unit_test(lost_answers_are_gaps),
		ON_BOTH(publish_waits_for_the_server),
		cmocka_unit_test(websocket_refused_means_long_polling),
		cmocka_unit_test(websocket_lost_at_run_time),
		ON_BOTH(instant_connects_do_not_spin),
		ON_BOTH(failures_leak_nothing),
	};

	return scenario_run("recovery", tests, NULL, NULL);
}
