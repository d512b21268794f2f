/*
 * The waits and sizes that an administrator sets, through the whole bridge:
 * each ends what it is meant to end, and nothing else.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUICK "backoff = 50ms 200ms\n"

static struct world *up(void **state, const char *more)
{
	char server[512];

	snprintf(server, sizeof(server), QUICK "transports = %s\n%s", (const char *)*state, more);
	return world_up(NULL, server);
}

static void publish_of(struct wire *a, size_t n, const char *code)
{
	char *data = calloc(1, n + 1);

	assert_non_null(data);
	memset(data, 'x', n);
	const struct message *m =
		wire_ask(a, "publish", ",\"channel\":\"/l\",\"data\":\"%s\",\"timeout\":60000", data);
	if (code)
		wire_assert_error(m, code);
	else
		assert_true(m->ok);
	free(data);
}

/* one byte above the server's limit would make it close the connection */
static void large_texts_never_leave(void **state)
{
	struct world *w = up(state, "max-sent = 1K\n");
	struct wire *a = world_peer(w, "a");

	fake_command(w->fake, "set ws-max-message 1024");
	wire_ok(a, "subscribe", ",\"channel\":\"/l\"");
	fake_await(w->fake, "held", NULL, 1);
	fake_command(w->fake, "mark");
	publish_of(a, 5000, "too-large");
	publish_of(a, 1020, "too-large");
	publish_of(a, 980, "too-large");
	publish_of(a, 800, NULL);
	/* many at once are divided into texts within the limit */
	for (uint64_t id = 100; id < 140; id++)
		wire_send(a, "{\"op\":\"publish\",\"id\":%u,\"channel\":\"/l\",\"data\":\"%0100u\"}",
			  (unsigned)id, (unsigned)id);
	for (uint64_t id = 100; id < 140; id++)
		wire_reply_ok(a, id);
	assert_int_equal(fake_count(w->fake, "publish", "/l"), 41);
	assert_int_equal(fake_count(w->fake, "ws-close", NULL), 0);
	assert_int_equal(fake_count(w->fake, "handshake", NULL), 0);
	wire_close(a);
	world_free(w);
}

/* the server would hold for 30 s, and holds as long as it is asked to */
static void the_requested_timeouts_reach_the_server(void **state)
{
	struct world *w = up(state, "wanted-timeout = 1s\nwanted-interval = 10ms\n");
	struct wire *a = world_peer(w, "a");

	fake_await(w->fake, "held", NULL, 3);
	assert_true(fake_log_has(w->fake, "\"advice\":{\"timeout\":1000,\"interval\":10}"));
	assert_int_equal(fake_count(w->fake, "handshake", NULL), 1);
	wire_close(a);
	world_free(w);
}

/* a publish may wait a minute, but no request for its reply; the held connect goes on */
static void a_request_has_its_deadline(void **state)
{
	struct world *w = up(state, "request-timeout = 1s\nnetwork-delay = 10m\n");
	struct wire *a = world_peer(w, "a");

	fake_await(w->fake, "held", NULL, 1);
	fake_command(w->fake, "mark");
	fake_command(w->fake, "rule type=publish channel=/l silent");
	publish_of(a, 1, "unknown-outcome");
	/* its second passes once more where the machine is slow */
	for (int i = 0; !wire_ask(a, "publish", ",\"channel\":\"/l\",\"data\":1")->ok; i++)
		assert_true(i < 30);
	assert_int_equal(fake_count(w->fake, "handshake", NULL), 0);
	assert_int_equal(fake_count(w->fake, "connect", NULL), 0);
	/* a handshake has the same */
	fake_command(w->fake, "rule type=handshake silent");
	fake_command(w->fake, "expire");
	assert_true(wire_state(a, "demo", "connected")->gap);
	fake_await(w->fake, "handshake", NULL, 2);
	wire_close(a);
	world_free(w);
}

/* Nothing is refused and nothing answers: the connection, its upgrade and its requests end by time. */
static void a_held_connect_has_its_deadline(void **state)
{
	struct world *w = world_new((const char *const[]){"--timeout", "300", NULL});
	char server[512];

	snprintf(server, sizeof(server),
		 QUICK "connect-timeout = 5s\nnetwork-delay = 1s\nwebsocket-ping = off\n"
		       "transports = %s\n", (const char *)*state);
	world_configure(w, NULL, server, NULL);
	world_start(w);
	struct wire *a = world_peer(w, "a");
	fake_await(w->fake, "held", NULL, 2);
	fake_pause(w->fake);
	wire_state(a, "demo", "unconnected");
	fake_resume(w->fake);
	wire_state(a, "demo", "connected");
	wire_close(a);
	world_free(w);
}

static bool is_shown(struct world *w, const char *state)
{
	char *out, text[64];

	assert_int_equal(world_command(w, &out, NULL, "cometctl", "--json", "status", NULL), 0);
	snprintf(text, sizeof(text), "\"state\":\"%s\"", state);
	bool found = strstr(out, text);
	free(out);
	return found;
}

/* a peer that has got no state but "connected" */
static struct wire *connected_peer(struct world *w)
{
	wire_close(world_peer(w, "early"));
	return wire_hello(w->socket, "a");
}

/* a link that returns without a gap is not reported to peers, but is counted in the status */
static void a_short_loss_is_not_reported(void **state)
{
	struct world *w = up(state, "connection-timeout = unlimited\n");
	struct wire *a = connected_peer(w);

	wire_ok(a, "subscribe", ",\"channel\":\"/l\"");
	for (unsigned i = 1; i < 4; i++) {
		fake_await(w->fake, "held", NULL, i);
		fake_command(w->fake, "cut");
	}
	fake_await(w->fake, "held", NULL, 4);
	assert_int_equal(fake_count(w->fake, "session", NULL), 1);
	wire_assert_none(a, PROTOCOL_OP_STATE);
	/* the server is gone for longer, and has forgotten us */
	fake_kill(w->fake);
	while (is_shown(w, "connected"))
		;
	wire_assert_none(a, PROTOCOL_OP_STATE);
	struct wire *b = wire_hello(w->socket, "b");
	fake_restart(w->fake);
	assert_true(wire_expect(a, PROTOCOL_OP_STATE)->gap);
	wire_state(b, "demo", "connected");
	assert_true(is_shown(w, "connected"));
	wire_close(a);
	wire_close(b);
	world_free(w);
}

static void a_long_loss_is_reported(void **state)
{
	struct world *w = up(state, "connection-timeout = 300ms\n");
	struct wire *a = connected_peer(w);

	fake_kill(w->fake);
	const struct message *m = wire_expect(a, PROTOCOL_OP_STATE);
	assert_false(slice_eq(m->state, SLICE("connected")));
	fake_restart(w->fake);
	assert_true(wire_state(a, "demo", "connected")->gap);
	wire_close(a);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(large_texts_never_leave),
		ON_BOTH(the_requested_timeouts_reach_the_server),
		{"long-polling: a_request_has_its_deadline", a_request_has_its_deadline, NULL, NULL,
		 (void *)"long-polling"},
		ON_BOTH(a_held_connect_has_its_deadline),
		ON_BOTH(a_short_loss_is_not_reported),
		ON_BOTH(a_long_loss_is_reported),
	};

	return scenario_run("limits", tests, NULL, NULL);
}
