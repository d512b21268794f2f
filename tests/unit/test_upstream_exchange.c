/*
 * upstream, when the options change at run time: in whichever state the session is, it says goodbye, another one
 * begins in its place, and members receive each message, or a gap. And servers that come and go.
 */
#include "tests/unit/upstream_world.h"

#include "auth/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned exchanged;

static void on_exchanged(void *ctx)
{
	(void)ctx;
	exchanged++;
}

static void on_replaced(void *ctx)
{
	(void)ctx;
	fail_msg("an exchange that was replaced or cancelled has taken place");
}

static void exchange(struct world *w)
{
	exchanged = 0;
	assert_int_equal(upstream_exchange(w->u, &w->o, on_exchanged, w, &w->why), 0);
	assert_int_equal(exchanged, 0);
}

static bool is_exchanged(struct world *w)
{
	heard(w, "-");
	return exchanged == 1;
}

/* The server knows a subscription to this channel. */
static bool is_subscribed(struct world *w, const char *channel)
{
	heard(w, "-");
	return strstr(fake_command(w->fake, "subscriptions"), channel);
}

/* The exchange takes place, and the member receives messages again, after a gap. */
static void until_back(struct world *w, uint64_t generation)
{
	char text[64];

	UNTIL(is_exchanged(w));
	until_connected(w);
	assert_int_equal(info_of(w).generation, generation);
	if (generation > 1) {
		hear(w, "\"state\":\"connected\"");
		assert_true(info_of(w).gap);
	}
	UNTIL(is_subscribed(w, ":/a"));
	snprintf(text, sizeof(text), "\"after-%u\"", (unsigned)generation);
	fake_command(w->fake, "publish /a %s", text);
	hear(w, text);
	assert_int_equal(exchanged, 1);
}

static void begin(struct world *w, enum session_transport first)
{
	use(w, first, 1);
	start(w);
	subscribe(w, "/a");
	until_connected(w);
	await(w, "held", NULL, 1);
}

/* --- the states --- */

static void exchange_connected(struct world *w, enum session_transport first,
			       enum session_transport then)
{
	static const char *const headers[] = {"X-Key: second"};
	const char *text;

	/* with acknowledgements, the server sends again at the disconnect what it does not know to have arrived */
	w->o.session.ack = false;
	begin(w, first);
	fake_command(w->fake, "burst /a 100 m");
	hear(w, "\"m-100\"");
	w->o.http.headers = (struct strings){headers, 1};
	use(w, then, 1);
	buf_clear(&w->heard);
	exchange(w);
	/* the goodbye has what it needs, and all that follows has the new header */
	await(w, "disconnect", NULL, 1);
	fake_command(w->fake, "require-header X-Key second");
	until_back(w, 2);
	assert_int_equal(fake_count(w->fake, "handshake", NULL), 2);
	assert_int_equal(fake_count(w->fake, "gone", NULL), 1);
	assert_int_equal(fake_number(w->fake, "sessions"), 1);
	assert_int_equal(fake_number(w->fake, "max-concurrent-connects"), 1);
	assert_int_equal(info_of(w).transport, then);
	/* the member, in this order */
	assert_int_equal(buf_putc(&w->heard, '\0'), 0);
	text = buf_slice(&w->heard).p;
	text = strstr(text, "\"state\":\"disconnecting\"");
	assert_non_null(text);
	assert_non_null(strstr(text, "\"reason\":\"its options changed; a new session follows\""));
	text = strstr(text, "\"state\":\"off\"");
	assert_non_null(text);
	text = strstr(text, "\"state\":\"handshaking\"");
	assert_non_null(text);
	text = strstr(text, "\"state\":\"connected\"");
	assert_non_null(text);
	assert_non_null(strstr(text, "\"gap\":true"));
	/* messages are counted on, and counters, too; a confirmation after a wait takes a number */
	text = strstr(text, "\"op\":\"message\"");
	assert_non_null(text);
	text = strstr(text, "\"seq\":");
	assert_true(text && strtoull(text + strlen("\"seq\":"), NULL, 10) > 100);
	assert_int_equal(info_of(w).counts.received, 101);
	assert_int_equal(info_of(w).counts.handshakes, 2);
}

static void test_longpoll(void **state)
{
	exchange_connected(*state, SESSION_LONG_POLLING, SESSION_LONG_POLLING);
}

static void test_websocket(void **state)
{
	exchange_connected(*state, SESSION_WEBSOCKET, SESSION_WEBSOCKET);
}

static void test_websocket_to_longpoll(void **state)
{
	exchange_connected(*state, SESSION_WEBSOCKET, SESSION_LONG_POLLING);
}

static void test_longpoll_to_websocket(void **state)
{
	exchange_connected(*state, SESSION_LONG_POLLING, SESSION_WEBSOCKET);
}

/* Before its start it exchanges the options alone; after that it is started as ever. */
static void test_not_started(void **state)
{
	struct world *w = *state;

	assert_int_equal(upstream_new(w->loop, w->curl, w->hub, &w->o, &w->why, &w->u), 0);
	ask(w, "{\"op\":\"subscribe\",\"id\":1,\"channel\":\"/a\"}");
	exchange(w);
	UNTIL(is_exchanged(w));
	wire_settle(w->loop);
	assert_int_equal(fake_count(w->fake, "handshake", NULL), 0);
	upstream_start(w->u);
	until_back(w, 1);
}

/* `rule`: what is under way for ever when the options change */
static void exchange_during(struct world *w, enum session_transport transport, const char *rule)
{
	fake_command(w->fake, "%s", rule);
	use(w, transport, 1);
	start(w);
	ask(w, "{\"op\":\"subscribe\",\"id\":1,\"channel\":\"/a\"}");
	await(w, "parked", NULL, 1);
	exchange(w);
	until_back(w, info_of(w).generation + 1);
	hear(w, "\"id\":1,\"ok\":true");
	fake_command(w->fake, "release");
	until_connected(w);
}

static void test_handshaking(void **state)
{
	exchange_during(*state, SESSION_LONG_POLLING, "rule type=handshake hold");
}

static void test_handshaking_websocket(void **state)
{
	exchange_during(*state, SESSION_WEBSOCKET, "rule type=handshake hold");
}

static void test_connecting(void **state)
{
	struct world *w = *state;

	fake_command(w->fake, "rule type=connect hold");
	use(w, SESSION_LONG_POLLING, 1);
	start(w);
	ask(w, "{\"op\":\"subscribe\",\"id\":1,\"channel\":\"/a\"}");
	await(w, "parked", NULL, 1);
	exchange(w);
	until_back(w, 2);
}

/* The server is away, and the pause is long; the new URL is another server. */
static void test_to_another_url(void **state)
{
	static const char *const options[] = {"--timeout", "60000", "--max-interval", "60000", NULL};
	struct world *w = *state;
	struct fake *first = w->fake;

	begin(w, SESSION_LONG_POLLING);
	fake_command(w->fake, "stop-listening");
	fake_command(w->fake, "cut all rst");
	UNTIL(is_in(w, SESSION_UNCONNECTED));
	w->fake = fake_start(options);
	snprintf(w->url, sizeof(w->url), "http://127.0.0.1:%u/other", (unsigned)fake_port(w->fake));
	buf_clear(&w->heard);
	exchange(w);
	until_back(w, 2);
	assert_true(slice_eq(info_of(w).url, slice_of(w->url)));
	assert_int_equal(fake_count(w->fake, "handshake", NULL), 1);
	fake_stop(first);
}

/* Forbidden for good: with other options it is tried again. */
static void test_halted(void **state)
{
	struct world *w = *state;

	fake_command(w->fake, "rule type=handshake refuse \"403::no\" advice {\"reconnect\":\"none\"}");
	w->o.session.on_none = SESSION_STOP;
	start(w);
	ask(w, "{\"op\":\"subscribe\",\"id\":1,\"channel\":\"/a\"}");
	UNTIL(is_in(w, SESSION_HALTED));
	/* its subscription was refused, which is the server's word, not the reload's */
	hear(w, "\"ok\":false");
	exchange(w);
	UNTIL(is_exchanged(w));
	until_connected(w);
	subscribe(w, "/a");
	until_back(w, 1);
}

/* A batch that the server never answers: it has its outcome, and what waits in the queue has, too. */
static void test_batch_in_flight(void **state)
{
	struct world *w = *state;
	uint64_t base;

	begin(w, SESSION_LONG_POLLING);
	fake_command(w->fake, "rule type=publish hold");
	ask(w, "{\"op\":\"publish\",\"id\":2,\"channel\":\"/first\",\"data\":1}");
	await(w, "parked", NULL, 1);
	ask(w, "{\"op\":\"publish\",\"id\":3,\"channel\":\"/second\",\"data\":1}");
	base = clock_boot_ms();
	clock_fake(1700000000000, base);
	wire_settle(w->loop);
	exchange(w);
	hear(w, "\"id\":3,\"ok\":false,\"error\":{\"code\":\"not-sent\"");
	ask(w, "{\"op\":\"publish\",\"id\":4,\"channel\":\"/third\",\"data\":1}");
	hear(w, "\"id\":4,\"ok\":false,\"error\":{\"code\":\"not-sent\"");
	clock_fake(1700000000000, base + 1000);
	hear(w, "\"id\":2,\"ok\":false,\"error\":{\"code\":\"unknown-outcome\"");
	until_back(w, 2);
	assert_int_equal(fake_count(w->fake, "publish", NULL), 1);
}

/* It is not waited for longer than promised. */
static void test_goodbye_unanswered(void **state)
{
	struct world *w = *state;
	uint64_t base;

	begin(w, SESSION_LONG_POLLING);
	fake_command(w->fake, "rule type=disconnect silent");
	base = clock_boot_ms();
	clock_fake(1700000000000, base);
	wire_settle(w->loop);
	exchange(w);
	await(w, "disconnect", NULL, 1);
	clock_fake(1700000000000, base + 1999);
	wire_settle(w->loop);
	assert_int_equal(exchanged, 0);
	clock_fake(1700000000000, base + 2000);
	until_back(w, 2);
}

/* Reading waits for a receiver: that does not hold up the exchange. */
static void test_paused(void **state)
{
	static char data[60001];
	struct world *w = *state;
	uint64_t total;

	memset(data, 'x', sizeof(data) - 1);
	w->member.outbox.bytes_max = 1u << 20;
	begin(w, SESSION_WEBSOCKET);
	for (int i = 0; i < 100; i++)
		fake_command(w->fake, "publish /a \"%s\"", data);
	UNTIL((wire_settle(w->loop), hub_server_paused(hub_find_server(w->hub, SLICE("one")), &total)));
	exchange(w);
	UNTIL((wire_settle(w->loop), exchanged == 1));
	w->member.outbox.bytes_max = 64u << 20;
	until_back(w, 2);
}

/* --- credentials --- */

struct source {
	struct auth_source source;
	unsigned *fetches, *freed;
};

static int fetch(struct auth_source *s, struct fault *why)
{
	(void)why;
	++*LIST_OF(s, struct source, source)->fetches;
	return 0;
}

static void free_source(struct auth_source *s)
{
	++*LIST_OF(s, struct source, source)->freed;
	free(LIST_OF(s, struct source, source));
}

/* Credentials from a source that never answers. */
static struct auth *make_auth(struct world *w, unsigned *fetches, unsigned *freed)
{
	static const struct auth_source_type type = {fetch, free_source};
	struct source *s = calloc(1, sizeof(*s));
	struct auth_options o = {.name = "one", .kind = AUTH_BEARER, .source = &s->source,
				 .backoff_min = 1000, .backoff_max = 1000};
	struct auth *a;

	assert_non_null(s);
	*s = (struct source){.source = {.type = &type}, .fetches = fetches, .freed = freed};
	assert_int_equal(auth_new(w->loop, &o, &a), 0);
	return a;
}

/* While one is fetched; and one that failed, or was replaced, leaves nothing. */
static void test_fetching(void **state)
{
	struct world *w = *state;
	unsigned fetches = 0, freed = 0;

	w->o.auth = make_auth(w, &fetches, &freed);
	start(w);
	ask(w, "{\"op\":\"subscribe\",\"id\":1,\"channel\":\"/a\"}");
	UNTIL((wire_settle(w->loop), fetches == 1));
	/* another source, the same story; twice */
	w->o.auth = make_auth(w, &fetches, &freed);
	exchange(w);
	assert_int_equal(freed, 0);
	UNTIL(is_exchanged(w));
	assert_int_equal(freed, 1);
	UNTIL((wire_settle(w->loop), fetches == 2));
	w->o.auth = make_auth(w, &fetches, &freed);
	assert_int_equal(upstream_exchange(w->u, &w->o, on_replaced, w, &w->why), 0);
	w->o.auth = NULL;
	exchange(w);
	assert_int_equal(freed, 2);
	until_back(w, 1);
	assert_int_equal(freed, 3);
	assert_int_equal(fetches, 2);
	w->o.auth = make_auth(w, &fetches, &freed);
	w->urls[0] = "ftp://h/";
	assert_int_equal(upstream_exchange(w->u, &w->o, on_replaced, w, &w->why), -EINVAL);
	assert_int_equal(freed, 4);
	assert_non_null(strstr(w->why.text, "http://"));
	w->o.auth = NULL;
	assert_true(is_in(w, SESSION_CONNECTED));
}

/* --- cookies --- */

/* What the old session got as a cookie is in the file before the new one reads it. */
static void test_cookies(void **state)
{
	struct world *w = *state;
	char directory[] = "/tmp/test-exchange-XXXXXX", path[64];

	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/jar", directory);
	w->o.cookies.path = path;
	fake_command(w->fake, "rule type=connect header \"Set-Cookie: k=v; Max-Age=1000\"");
	begin(w, SESSION_LONG_POLLING);
	fake_command(w->fake, "rule type=disconnect hold");
	exchange(w);
	await(w, "parked", NULL, 1);
	/* the next handshake is refused without it; what follows has cookies of its session, too */
	fake_command(w->fake, "require-header Cookie k=v");
	fake_command(w->fake, "rule type=handshake hold");
	fake_command(w->fake, "mark");
	fake_command(w->fake, "release");
	await(w, "parked", NULL, 1);
	assert_int_equal(exchanged, 1);
	fake_command(w->fake, "require-header off");
	fake_command(w->fake, "release");
	until_connected(w);
	upstream_free(w->u);
	w->u = NULL;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0);
}

/* --- several calls --- */

static void test_twice(void **state)
{
	static const char *const headers[] = {"X-Key: third"};
	struct world *w = *state;

	begin(w, SESSION_LONG_POLLING);
	fake_command(w->fake, "rule type=disconnect hold");
	assert_int_equal(upstream_exchange(w->u, &w->o, on_replaced, w, &w->why), 0);
	await(w, "parked", NULL, 1);
	/* the options of the second are those that count */
	w->o.http.headers = (struct strings){headers, 1};
	exchange(w);
	fake_command(w->fake, "require-header X-Key third");
	fake_command(w->fake, "release");
	until_back(w, 2);
	exchange(w);
	until_back(w, 3);
	assert_int_equal(fake_count(w->fake, "handshake", NULL), 3);
	assert_int_equal(fake_count(w->fake, "disconnect", NULL), 2);
}

/* It stops: an exchange that waits is cancelled; one asked for meanwhile exchanges what a later start uses. */
static void test_stopping(void **state)
{
	struct world *w = *state;

	begin(w, SESSION_LONG_POLLING);
	assert_int_equal(upstream_exchange(w->u, &w->o, on_replaced, w, &w->why), 0);
	upstream_stop(w->u, on_stopped, w);
	wire_until(w->loop, &w->stopped);
	assert_int_equal(info_of(w).state, SESSION_OFF);
	assert_int_equal(fake_count(w->fake, "handshake", NULL), 1);
	w->stopped = false;
	upstream_start(w->u);
	until_connected(w);
	upstream_stop(w->u, on_stopped, w);
	exchange(w);
	wire_until(w->loop, &w->stopped);
	assert_int_equal(exchanged, 1);
	wire_settle(w->loop);
	assert_int_equal(fake_count(w->fake, "handshake", NULL), 2);
	assert_int_equal(info_of(w).state, SESSION_OFF);
	upstream_start(w->u);
	until_back(w, 3);
}

/* --- servers that come and go --- */

static void free_when_stopped(void *ctx)
{
	struct upstream **u = ctx;

	upstream_free(*u);
	*u = NULL;
}

static void test_come_and_go(void **state)
{
	struct world *w = *state;
	struct upstream *two;

	begin(w, SESSION_LONG_POLLING);
	w->o.name = "two";
	w->o.is_default = false;
	buf_clear(&w->heard);
	assert_int_equal(upstream_new(w->loop, w->curl, w->hub, &w->o, &w->why, &two), 0);
	upstream_start(two);
	/* a member that knows nothing of it yet */
	hear(w, "\"seq\":0,\"state\":\"handshaking\"");
	ask(w, "{\"op\":\"subscribe\",\"id\":2,\"server\":\"two\",\"channel\":\"/b\"}");
	hear(w, "\"state\":\"connected\"");
	UNTIL(is_subscribed(w, ":/b"));
	fake_command(w->fake, "publish /b \"both\"");
	/* the first number is that of the confirmation, if that came after a wait */
	hear(w, "{\"op\":\"message\",\"server\":\"two\",\"seq\":");
	upstream_remove(two, free_when_stopped, &two);
	hear(w, "{\"op\":\"subscription\",\"server\":\"two\",\"channel\":\"/b\",\"ok\":false,\"error\":"
		"{\"code\":\"unknown-server\"");
	assert_null(two);
	assert_true(has(&w->heard, "\"state\":\"off\""));
	assert_true(has(&w->heard, "\"reason\":\"taken out of the configuration\""));
	assert_null(hub_find_server(w->hub, SLICE("two")));
	assert_true(is_in(w, SESSION_CONNECTED));
	assert_int_equal(info_of(w).generation, 1);
}

/* A loss that is not reported yet is, as soon as the option says so. */
static void test_grace(void **state)
{
	struct world *w = *state;

	w->o.grace = UINT64_MAX;
	begin(w, SESSION_LONG_POLLING);
	fake_command(w->fake, "stop-listening");
	fake_command(w->fake, "cut all rst");
	UNTIL(is_in(w, SESSION_UNCONNECTED));
	heard(w, "-");
	assert_false(has(&w->heard, "\"state\":\"unconnected\""));
	upstream_set_grace(w->u, 0);
	hear(w, "\"state\":\"unconnected\"");
	upstream_set_default(w->u, false);
	assert_null(hub_find_server(w->hub, SLICE_NULL));
	w->o.is_default = true;
	fake_command(w->fake, "listen");
	exchange(w);
	assert_non_null(hub_find_server(w->hub, SLICE_NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UPSTREAM_TEST(test_longpoll),
		UPSTREAM_TEST(test_websocket),
		UPSTREAM_TEST(test_websocket_to_longpoll),
		UPSTREAM_TEST(test_longpoll_to_websocket),
		UPSTREAM_TEST(test_not_started),
		UPSTREAM_TEST(test_handshaking),
		UPSTREAM_TEST(test_handshaking_websocket),
		UPSTREAM_TEST(test_connecting),
		UPSTREAM_TEST(test_to_another_url),
		UPSTREAM_TEST(test_halted),
		UPSTREAM_TEST(test_batch_in_flight),
		UPSTREAM_TEST(test_goodbye_unanswered),
		UPSTREAM_TEST(test_paused),
		UPSTREAM_TEST(test_fetching),
		UPSTREAM_TEST(test_cookies),
		UPSTREAM_TEST(test_twice),
		UPSTREAM_TEST(test_stopping),
		UPSTREAM_TEST(test_come_and_go),
		UPSTREAM_TEST(test_grace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
