/*
 * upstream/upstream: both transports carry everything, nothing twice and nothing lost;
 * suspend is noticed, stopping has a deadline, failures are logged once without secrets.
 */
#include "tests/unit/upstream_world.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- both transports carry everything --- */

static void converse(struct world *w)
{
	start(w);
	subscribe(w, "/a/*");
	until_connected(w);
	await(w, "held", NULL, 1);
	fake_command(w->fake, "publish /a/b {\"k\":12345678901234567890, \"z\":null}");
	hear(w, "\"data\":{\"k\":12345678901234567890");
	ask(w, "{\"op\":\"publish\",\"id\":2,\"channel\":\"/c\",\"data\":[1]}");
	hear(w, "\"id\":2,\"ok\":true");
	ask(w, "{\"op\":\"call\",\"id\":3,\"channel\":\"/service/echo\",\"data\":\"x\"}");
	hear(w, "\"id\":3,\"ok\":true");
	assert_int_equal(fake_count(w->fake, "handshake", NULL), 1);
	assert_int_equal(fake_count(w->fake, "subscribe", "/a/*"), 1);
	assert_int_equal(fake_count(w->fake, "publish", "/c"), 1);
	assert_int_equal(fake_number(w->fake, "max-concurrent-connects"), 1);
	assert_true(w->changes > 0);
	upstream_stop(w->u, on_stopped, w);
	assert_false(w->stopped);
	wire_until(w->loop, &w->stopped);
	assert_int_equal(fake_count(w->fake, "disconnect", NULL), 1);
	assert_int_equal(info_of(w).state, SESSION_OFF);
}

static void test_longpoll(void **state)
{
	struct world *w = *state;

	use(w, SESSION_LONG_POLLING, 1);
	converse(w);
	assert_int_equal(fake_count(w->fake, "upgrade", NULL), 0);
}

static void test_websocket(void **state)
{
	struct world *w = *state;

	use(w, SESSION_WEBSOCKET, 1);
	converse(w);
	assert_int_equal(fake_count(w->fake, "upgrade", NULL), 1);
	/* all of it on one connection */
	assert_int_equal(fake_count(w->fake, "accept", NULL), 1);
}

static void test_fallback(void **state)
{
	struct world *w = *state;

	fake_command(w->fake, "ws off 404");
	use(w, SESSION_WEBSOCKET, 2);
	converse(w);
	assert_int_equal(fake_count(w->fake, "refused", NULL), 1);
}

static void test_burst(void **state)
{
	struct world *w = *state;
	size_t at = 0;

	start(w);
	subscribe(w, "/a");
	until_connected(w);
	await(w, "held", NULL, 1);
	fake_command(w->fake, "burst /a 10000 m");
	hear(w, "\"m-10000\"");
	assert_int_equal(count(&w->heard, "\"data\":\"m-"), 10000);
	for (int i = 1; i <= 10000; i++) {
		struct slice rest = slice_drop(buf_slice(&w->heard), at);
		char text[16];
		const char *p;

		snprintf(text, sizeof(text), "\"m-%d\"", i);
		p = memmem(rest.p, rest.n, text, strlen(text));
		assert_non_null(p);
		at += (size_t)(p - rest.p);
	}
}

/* --- the share of a turn, and the pace of the receivers --- */

static uint64_t received(struct world *w)
{
	struct hub_stats stats;

	hub_stats(w->hub, &stats);
	return stats.received;
}

/* A turn in which the clock does not advance has a limit, too: after this many messages others get their
   turn. Nothing is lost or handled twice by that. */
static void share_of_a_turn(struct world *w, enum session_transport transport)
{
	uint64_t before, base = clock_boot_ms();

	use(w, transport, 1);
	start(w);
	subscribe(w, "/a");
	until_connected(w);
	await(w, "held", NULL, 1);
	clock_fake(1700000000000, base);
	fake_command(w->fake, "burst /a 20000 m");
	do {
		before = received(w);
		assert_int_equal(loop_turn(w->loop, true), 0);
		assert_in_range(received(w) - before, 0, 4096);
	} while (received(w) < 20000);
	hear(w, "\"m-20000\"");
	assert_int_equal(count(&w->heard, "\"data\":\"m-"), 20000);
	assert_int_equal(received(w), 20000);
	/* what it sends gets through meanwhile, and the session is well */
	assert_true(is_in(w, SESSION_CONNECTED));
	assert_int_equal(info_of(w).generation, 1);
}

static void test_share_longpoll(void **state)
{
	share_of_a_turn(*state, SESSION_LONG_POLLING);
}

static void test_share_websocket(void **state)
{
	share_of_a_turn(*state, SESSION_WEBSOCKET);
}

struct end_of_turn {
	struct world *world;
	struct loop_hook hook;
	uint64_t received;              /* … by the server when the hook ran */
};

static void note_received(void *ctx)
{
	struct end_of_turn *e = ctx;

	e->received = received(e->world);
}

static void on_timer(void *ctx)
{
	struct end_of_turn *e = ctx;

	loop_at_end(e->world->loop, &e->hook);
}

/*
 * While local peers make small requests, the turns of a server with much to report are an eightieth as long, and
 * what others have ready at the end of a turn does not wait for them.
 */
static void short_turns(struct world *w, enum session_transport transport)
{
	struct end_of_turn e = {.world = w};
	struct loop_timer *timer;
	uint64_t before, base = clock_boot_ms();
	unsigned full = 0;

	use(w, transport, 1);
	start(w);
	subscribe(w, "/a");
	until_connected(w);
	await(w, "held", NULL, 1);
	clock_fake(1700000000000, base);
	loop_hook_init(&e.hook, note_received, &e);
	assert_int_equal(loop_timer_new(w->loop, on_timer, &e, &timer), 0);
	fake_command(w->fake, "burst /a 20000 m");
	do {
		before = received(w);
		loop_note_small_request(w->loop);
		loop_timer_at(timer, loop_now(w->loop));
		assert_int_equal(loop_turn(w->loop, true), 0);
		assert_in_range(received(w) - before, 0, 49);
		/* from the second full turn on it is known to have much to report */
		if (full >= 2)
			assert_int_equal(e.received, before);
		full = received(w) - before > 40 ? full + 1 : 0;
	} while (received(w) < 20000);
	loop_timer_free(timer);
	hear(w, "\"m-20000\"");
	assert_int_equal(count(&w->heard, "\"data\":\"m-"), 20000);
}

/* When it stops, its reports come before what its owner does at the end of the turn, however much it has to
   report: the owner ends the requests that have no outcome then. */
static void test_stop_comes_first(void **state)
{
	struct world *w = *state;
	struct end_of_turn e = {.world = w};
	uint64_t before;

	use(w, SESSION_WEBSOCKET, 1);
	start(w);
	subscribe(w, "/a");
	until_connected(w);
	clock_fake(1700000000000, clock_boot_ms());
	loop_hook_init(&e.hook, note_received, &e);
	fake_command(w->fake, "burst /a 20000 m");
	do {
		before = received(w);
		loop_note_small_request(w->loop);
		assert_int_equal(loop_turn(w->loop, true), 0);
	} while (received(w) - before < 40);
	before = received(w);
	upstream_stop(w->u, on_stopped, w);
	loop_at_end(w->loop, &e.hook);
	assert_int_equal(loop_turn(w->loop, true), 0);
	assert_true(e.received > before);
	wire_until(w->loop, &w->stopped);
}

static void test_short_turns_longpoll(void **state)
{
	short_turns(*state, SESSION_LONG_POLLING);
}

static void test_short_turns_websocket(void **state)
{
	short_turns(*state, SESSION_WEBSOCKET);
}

/* 100 messages of 60 KB, 6 MB */
static void publish_all(struct world *w)
{
	static char data[60001];

	memset(data, 'x', sizeof(data) - 1);
	for (int i = 0; i < 100; i++)
		fake_command(w->fake, "publish /a \"%s\"", data);
}

/* For a member that keeps 1 MiB. The tests set the clock forward, much faster than the server on a loaded
   machine sends the rest of an answer, so the session must not give it up. */
static void publish_much(struct world *w)
{
	w->o.session.network_delay = 1000000000;
	w->member.outbox.bytes_max = 1u << 20;
	start(w);
	subscribe(w, "/a");
	until_connected(w);
	await(w, "held", NULL, 1);
	publish_all(w);
}

static bool is_paused(struct world *w)
{
	uint64_t total;

	return hub_server_paused(hub_find_server(w->hub, SLICE("one")), &total);
}

/*
 * Runs two turns and then sets the clock forward by `ms`, if they brought a message or reading pauses. The clock
 * does not run while the server's answer is on its way: that takes real time, in which thousands of turns would
 * end the session.
 */
static bool turns_and_time(struct world *w, uint64_t ms)
{
	uint64_t before = received(w);

	assert_int_equal(loop_turn(w->loop, false), 0);
	assert_int_equal(loop_turn(w->loop, false), 0);
	if (received(w) == before && !is_paused(w))
		return false;
	clock_fake(1700000000000, clock_boot_ms() + ms);
	return true;
}

/* A receiver that keeps reading loses nothing: the server has to wait. */
static void pace_of_a_reader(struct world *w, enum session_transport transport)
{
	bool paused = false;

	use(w, transport, 1);
	publish_much(w);
	for (unsigned turns = 0; w->member.outbox.delivered < 100; turns++) {
		assert_int_equal(loop_turn(w->loop, false), 0);
		paused |= is_paused(w);
		/* not each turn: too little arrives in one to reach the limit */
		if (is_paused(w) || turns % 100 == 99)
			heard(w, "-");
	}
	assert_int_equal(w->member.outbox.lost, 0);
	assert_true(paused);
	UNTIL(!is_paused(w) || heard(w, "never"));
}

static void test_pace_longpoll(void **state)
{
	pace_of_a_reader(*state, SESSION_LONG_POLLING);
}

static void test_pace_websocket(void **state)
{
	pace_of_a_reader(*state, SESSION_WEBSOCKET);
}

/* One that stopped is waited for 200 ms, once, and loses messages; the others have theirs. */
static void test_stopped_reader(void **state)
{
	struct world *w = *state;
	uint64_t base = clock_boot_ms(), total;

	clock_fake(1700000000000, base);
	publish_much(w);
	UNTIL((wire_settle(w->loop), is_paused(w)));
	clock_fake(1700000000000, base + 199);
	wire_settle(w->loop);
	assert_true(is_paused(w));
	clock_fake(1700000000000, base + 210);
	UNTIL((wire_settle(w->loop), received(w) == 100));
	assert_false(hub_server_paused(hub_find_server(w->hub, SLICE("one")), &total));
	assert_int_equal(total, 210);
	assert_true(w->member.outbox.lost > 0);
}

/* One that takes half a mebibyte every 35 ms, and nothing in between, is waited for as long as it needs. */
static void test_reader_in_bursts(void **state)
{
	struct world *w = *state;
	uint64_t base = clock_boot_ms(), total = 0;
	unsigned ticks = 0;

	clock_fake(1700000000000, base);
	publish_much(w);
	UNTIL((wire_settle(w->loop), is_paused(w)));
	for (unsigned i = 0; i < 7; i++)
		publish_all(w);
	while (received(w) < 800) {
		bool went_on = turns_and_time(w, 5);

		ticks += went_on;
		if (went_on && ticks % 7 == 0)
			heard(w, "-");
	}
	hub_server_paused(hub_find_server(w->hub, SLICE("one")), &total);
	assert_in_range(total, 2000, clock_boot_ms() - base);
	assert_int_equal(w->member.outbox.lost, 0);
}

/* One that takes a byte now and then holds the server up for a second, and then half of the time
   at most. */
static void test_trickling_reader(void **state)
{
	struct world *w = *state;
	uint64_t base = clock_boot_ms(), total = 0;
	struct iovec iov;
	size_t n;

	clock_fake(1700000000000, base);
	publish_much(w);
	UNTIL((wire_settle(w->loop), is_paused(w)));
	while (received(w) < 100) {
		assert_int_equal(info_of(w).generation, 1);
		/* empty while the server's answer is on its way */
		assert_int_equal(outbox_peek(&w->member.outbox, &iov, 1, &n), 0);
		outbox_advance(&w->member.outbox, n > 0);
		turns_and_time(w, 10);
		hub_server_paused(hub_find_server(w->hub, SLICE("one")), &total);
		assert_in_range(total, 0, 1010 + (clock_boot_ms() - base - total));
	}
	assert_in_range(total, 500, 10000);
	assert_true(is_in(w, SESSION_CONNECTED));
}

/* --- the clock --- */

static void test_suspend(void **state)
{
	struct world *w = *state;
	uint64_t base = clock_boot_ms();

	clock_fake(1700000000000, base);
	start(w);
	UNTIL(is_in(w, SESSION_CONNECTED));
	await(w, "held", NULL, 1);
	fake_command(w->fake, "mark");
	/* a long wait in which the loop ran is no sleep */
	for (int i = 1; i <= 4; i++) {
		clock_fake(1700000000000, base + (uint64_t)i * 10000);
		wire_settle(w->loop);
	}
	assert_int_equal(fake_count(w->fake, "connect", NULL), 0);
	assert_false(has(&w->log, "machine was suspended"));
	/* a leap is, though nothing was due so soon */
	clock_fake(1700000000000, base + 40000 + 70000);
	await(w, "connect", NULL, 1);
	assert_true(has(&w->log, "machine was suspended"));
	UNTIL(is_in(w, SESSION_CONNECTED));
	assert_int_equal(info_of(w).generation, 1);
}

/* --- stop --- */

/* a server that does not answer the disconnect is waited for only until the deadline */
static void test_stop_unanswered(void **state)
{
	struct world *w = *state;
	uint64_t base;

	start(w);
	until_connected(w);
	fake_command(w->fake, "rule type=disconnect silent");
	base = clock_boot_ms();
	clock_fake(1700000000000, base);
	wire_settle(w->loop);
	upstream_stop(w->u, on_stopped, w);
	await(w, "disconnect", NULL, 1);
	clock_fake(1700000000000, base + 1999);
	wire_settle(w->loop);
	assert_false(w->stopped);
	clock_fake(1700000000000, base + 2000);
	wire_until(w->loop, &w->stopped);
}

static void test_stop_early(void **state)
{
	struct world *w = *state;

	/* before its start, while it connects, and twice */
	assert_int_equal(upstream_new(w->loop, w->curl, w->hub, &w->o, &w->why, &w->u), 0);
	upstream_stop(w->u, on_stopped, w);
	wire_until(w->loop, &w->stopped);
	w->stopped = false;
	upstream_start(w->u);
	assert_int_equal(loop_turn(w->loop, false), 0);
	upstream_stop(w->u, on_stopped, w);
	wire_until(w->loop, &w->stopped);
	assert_int_equal(fake_count(w->fake, "disconnect", NULL), 0);
}

/* --- secrets --- */

static void test_log_keeps_secrets(void **state)
{
	static const char *const headers[] = {"Authorization: s3cret-token"};
	struct world *w = *state;
	w->o.http.headers = (struct strings){headers, 1};
	fake_command(w->fake, "require-header Authorization s3cret-token");
	fake_command(w->fake, "rule type=connect skip=2 header \"Set-Cookie: BAYEUX_BROWSER=s3cret-cookie\" "
			      "status 500");
	start(w);
	subscribe(w, "/a");
	until_connected(w);
	await(w, "held", NULL, 1);
	fake_command(w->fake, "publish /a {\"k\":\"s3cret-data\"}");
	hear(w, "s3cret-data");
	ask(w, "{\"op\":\"publish\",\"id\":2,\"channel\":\"/s\",\"data\":\"s3cret-publish\"}");
	hear(w, "\"id\":2,\"ok\":true");
	fake_command(w->fake, "kick");
	UNTIL(is_in(w, SESSION_UNCONNECTED) || info_of(w).generation > 1);
	until_connected(w);
	fake_command(w->fake, "require-header Authorization other");
	fake_command(w->fake, "cut all rst");
	UNTIL(has(&w->log, "401") || is_in(w, SESSION_OFF));
	assert_true(buf_len(&w->log) > 0);
	assert_false(has(&w->log, "s3cret"));
	assert_false(has(&w->log, "clientId"));
	/* nor does any local process see the session's id */
	assert_false(has(&w->heard, "clientId"));
	/* with its server */
	assert_true(has(&w->log, "connected server=one transport="));
	assert_true(count(&w->log, "> connected server=one") <= 4);
}

/* one warning for a server that stays away, however often it is tried */
static void test_log_failure_once(void **state)
{
	struct world *w = *state;

	/* as in life, where the lines for debugging do not count */
	log_set_level(LOG_L_NOTICE);
	fake_command(w->fake, "stop-listening");
	use(w, SESSION_LONG_POLLING, 1);
	start(w);
	UNTIL(is_in(w, SESSION_UNCONNECTED) && info_of(w).counts.failures >= 5);
	assert_int_equal(count(&w->log, "<4>"), 1);
	assert_true(has(&w->log, "<4> cannot connect: "));
	assert_true(has(&w->log, "Connection refused; trying again "));
	fake_command(w->fake, "listen");
	until_connected(w);
	assert_true(has(&w->log, "<5> connected after "));
	/* news again, as it was well meanwhile */
	fake_command(w->fake, "stop-listening");
	fake_command(w->fake, "cut all rst");
	UNTIL(is_in(w, SESSION_UNCONNECTED) && info_of(w).counts.failures >= 8);
	assert_in_range(count(&w->log, "<4>"), 2, 3);
	assert_int_equal(count(&w->log, "<4> connection lost: "), 1);
}

/* --- what is refused at once --- */

static void test_refused_options(void **state)
{
	struct world *w = *state;
	static const char *const bad[] = {"no header"};

	w->urls[0] = "ftp://h/";
	assert_int_equal(upstream_new(w->loop, w->curl, w->hub, &w->o, &w->why, &w->u),
			 -EINVAL);
	assert_non_null(strstr(w->why.text, "http://"));
	w->urls[0] = w->url;
	w->o.http.headers = (struct strings){bad, 1};
	assert_int_equal(upstream_new(w->loop, w->curl, w->hub, &w->o, &w->why, &w->u),
			 -EINVAL);
	assert_non_null(strstr(w->why.text, "header"));
	w->o.http.headers.n = 0;
	start(w);
	{
		struct upstream *twin = NULL;

		assert_int_equal(upstream_new(w->loop, w->curl, w->hub, &w->o, &w->why, &twin),
				 -EEXIST);
		assert_null(twin);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* those that look at the log come first: each of its call sites has a limit */
		UPSTREAM_TEST(test_log_failure_once),
		UPSTREAM_TEST(test_log_keeps_secrets),
		cmocka_unit_test_setup_teardown(test_suspend, upstream_world_setup_patient,
						upstream_world_teardown),
		UPSTREAM_TEST(test_longpoll),
		UPSTREAM_TEST(test_websocket),
		UPSTREAM_TEST(test_fallback),
		UPSTREAM_TEST(test_burst),
		UPSTREAM_TEST(test_share_longpoll),
		UPSTREAM_TEST(test_share_websocket),
		UPSTREAM_TEST(test_stop_comes_first),
		UPSTREAM_TEST(test_short_turns_longpoll),
		UPSTREAM_TEST(test_short_turns_websocket),
		UPSTREAM_TEST(test_pace_longpoll),
		UPSTREAM_TEST(test_pace_websocket),
		UPSTREAM_TEST(test_stopped_reader),
		UPSTREAM_TEST(test_reader_in_bursts),
		UPSTREAM_TEST(test_trickling_reader),
		UPSTREAM_TEST(test_stop_unanswered),
		UPSTREAM_TEST(test_stop_early),
		UPSTREAM_TEST(test_refused_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
