/*
 * A server with two URLs, each a fake server: the first one fails and the second
 * takes over, then the first one is used again when it is back. Each process gets
 * the gap and need not act. No step waits for a time, only for a state.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUICK "backoff = 50ms 200ms\nhalt-retry = 100ms\n"
/* handshakes until the first is due again; each takes a few of those pauses */
#define PATIENCE 200

struct pair {
	struct world *w;        /* with the first */
	struct fake *second;
	char first_url[64], second_url[64];
};

static void pair_new(struct pair *p, void **state, const char *const *second_options,
		     const char *more)
{
	char server[512];

	p->w = world_new(NULL);
	p->second = fake_start(second_options);
	snprintf(p->first_url, sizeof(p->first_url), "http://127.0.0.1:%u/cometd",
		 fake_port(p->w->fake));
	snprintf(p->second_url, sizeof(p->second_url), "http://127.0.0.1:%u/cometd",
		 fake_port(p->second));
	snprintf(server, sizeof(server), "url = %s?token=hunter2\n" QUICK "transports = %s\n%s",
		 p->second_url, (const char *)*state, more);
	world_configure(p->w, NULL, server, NULL);
}

static void pair_free(struct pair *p)
{
	world_free(p->w);
	fake_stop(p->second);
}

static bool at(const struct message *m, const char *url)
{
	return slice_eq(m->url, slice_of(url));
}

static void receive(struct wire *w, const char *channel, int n)
{
	char expected[128];

	snprintf(expected, sizeof(expected), "{\"data\":%d,\"channel\":\"%s\"}", n, channel);
	while (!slice_eq(wire_expect(w, PROTOCOL_OP_MESSAGE)->message, slice_of(expected)))
		;
}

static void works(struct wire *w, const char *channel, int n)
{
	wire_ok(w, "publish", ",\"channel\":\"%s\",\"data\":%d", channel, n);
	receive(w, channel, n);
}

/* The first is killed under a session with a subscription. */
static struct wire *lose_first(struct pair *p)
{
	struct wire *a = world_peer(p->w, "a");

	wire_ok(a, "subscribe", ",\"channel\":\"/f\"");
	works(a, "/f", 1);
	assert_int_equal(fake_count(p->second, "request", NULL), 0);
	fake_kill(p->w->fake);
	const struct message *m = wire_state(a, "demo", "connected");
	assert_true(m->gap);
	assert_true(at(m, p->second_url));
	return a;
}

static struct wire *fail_over(struct pair *p)
{
	struct wire *a = lose_first(p);

	works(a, "/f", 2);
	assert_int_equal(fake_count(p->second, "subscribe", "/f"), 1);
	return a;
}

static void assert_status_shows(struct world *w, const char *url)
{
	char *out;

	assert_int_equal(world_command(w, &out, NULL, "cometctl", "status", NULL), 0);
	assert_non_null(strstr(out, url));
	assert_null(strstr(out, "hunter2"));
	free(out);
	assert_int_equal(world_command(w, &out, NULL, "cometctl", "--json", "status", NULL), 0);
	assert_non_null(strstr(out, url));
	assert_null(strstr(out, "hunter2"));
	free(out);
	assert_false(world_log_has(w, "hunter2"));
}

static void second_takes_over_and_first_comes_back(void **state)
{
	struct pair p;
	const struct message *m;
	int n = 0;

	pair_new(&p, state, NULL, "url-return = wait 1s\n");
	world_start(p.w);
	struct wire *a = fail_over(&p);
	assert_status_shows(p.w, p.second_url);
	fake_restart(p.w->fake);
	/* nothing drives it back, until it needs a handshake and the time has come */
	do {
		assert_true(n++ < PATIENCE);
		fake_command(p.second, "expire");
		m = wire_state(a, "demo", "connected");
		assert_true(m->gap);
	} while (at(m, p.second_url));
	assert_true(at(m, p.first_url));
	works(a, "/f", 3);
	assert_status_shows(p.w, p.first_url);
	wire_close(a);
	pair_free(&p);
}

/* "break": a session that works is ended for the first URL */
static void first_at_any_price(void **state)
{
	static const char *const options[] = {"--timeout", "200", NULL};
	const struct message *m;
	struct pair p;

	pair_new(&p, state, options, "url-return = break 1s\n");
	world_start(p.w);
	/* the second is left as soon as a second has passed: nothing may be asked of it */
	struct wire *a = lose_first(&p);
	fake_restart(p.w->fake);
	do
		m = wire_state(a, "demo", "connected");
	while (at(m, p.second_url));
	assert_true(m->gap);
	works(a, "/f", 3);
	wire_close(a);
	pair_free(&p);
}

static void both_come_and_go(void **state)
{
	struct pair p;

	pair_new(&p, state, NULL, "url-return = never\n");
	world_start(p.w);
	struct wire *a = fail_over(&p);
	for (int i = 3; i < 7; i++) {
		bool to_first = i % 2;
		struct fake *dies = to_first ? p.second : p.w->fake;

		fake_restart(to_first ? p.w->fake : p.second);
		fake_kill(dies);
		const struct message *m = wire_state(a, "demo", "connected");
		assert_true(m->gap);
		assert_true(at(m, to_first ? p.first_url : p.second_url));
		works(a, "/f", i);
	}
	fake_restart(p.w->fake);
	wire_close(a);
	pair_free(&p);
}

static void first_is_down_at_the_start(void **state)
{
	struct pair p;

	pair_new(&p, state, NULL, "");
	fake_kill(p.w->fake);
	world_start(p.w);
	struct wire *a = wire_hello(p.w->socket, "early");
	uint64_t id = wire_request(a, "publish", ",\"channel\":\"/f\",\"data\":1");
	wire_reply_ok(a, id);
	assert_int_equal(fake_count(p.second, "publish", "/f"), 1);
	fake_restart(p.w->fake);
	wire_close(a);
	pair_free(&p);
}

/* a server that refuses is there, and no other is bothered */
static void refusals_stay_where_they_are(void **state)
{
	struct pair p;

	pair_new(&p, state, NULL, "");
	fake_command(p.w->fake, "rule type=handshake times=4 refuse 403::handshake_denied");
	world_start(p.w);
	struct wire *a = world_peer(p.w, "a");
	assert_int_equal(fake_count(p.w->fake, "handshake", NULL), 5);
	assert_int_equal(fake_count(p.second, "request", NULL), 0);
	wire_close(a);
	pair_free(&p);
}

/* the server is there, but its Bayeux is not: 503 for whatever it is asked */
static void broken_server_is_left(void **state)
{
	struct pair p;

	pair_new(&p, state, NULL, "");
	fake_command(p.w->fake, "ws off 503");
	fake_command(p.w->fake, "lp off 503");
	world_start(p.w);
	struct wire *a = world_peer(p.w, "a");
	assert_int_equal(fake_count(p.second, "session", NULL), 1);
	wire_close(a);
	pair_free(&p);
}

/* Nothing is refused and nothing answers: deadlines find it out. The second has the same ones. */
static void silent_server_is_left(void **state)
{
	struct pair p;

	pair_new(&p, state, NULL, "connect-timeout = 1s\nrequest-timeout = 1s\n");
	fake_pause(p.w->fake);
	world_start(p.w);
	struct wire *a = world_peer(p.w, "a");
	assert_true(fake_count(p.second, "session", NULL) >= 1);
	fake_resume(p.w->fake);
	wire_close(a);
	pair_free(&p);
}

#define ON_ALL(test) ON_BOTH(test), {"both: " #test, test, NULL, NULL, (void *)"websocket, long-polling"}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_ALL(second_takes_over_and_first_comes_back),
		ON_ALL(first_at_any_price),
		ON_ALL(both_come_and_go),
		ON_ALL(first_is_down_at_the_start),
		ON_ALL(refusals_stay_where_they_are),
		ON_ALL(broken_server_is_left),
		ON_ALL(silent_server_is_left),
	};

	return scenario_run("failover", tests, NULL, NULL);
}
