/*
 * The session of a server outlives the daemon: after kill -9 the next daemon goes on with it, so the server sends what
 * was not acknowledged; a stop ends it; where the server has forgotten it, a new one follows with a gap.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool file_has(const struct world *w, const char *name, const char *text)
{
	char path[160];
	struct buf content;
	ssize_t n = 1;

	snprintf(path, sizeof(path), "%s/%s", w->state, name);
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	buf_init(&content, 64u << 20);
	while (n > 0) {
		char piece[65536];

		n = (ssize_t)fread(piece, 1, sizeof(piece), f);
		assert_int_equal(buf_put(&content, slice_make(piece, (size_t)n)), 0);
	}
	fclose(f);
	bool has = buf_len(&content) && memmem(buf_slice(&content).p, buf_len(&content), text, strlen(text));
	buf_fini(&content);
	return has;
}

/* Waits until the files of the state have this text. */
static void await_saved(struct world *w, struct wire *a, const char *text)
{
	int64_t end = wire_now() + SCENARIO_DEADLINE_MS;

	while (!file_has(w, "state.db-wal", text) && !file_has(w, "state.db", text)) {
		if (wire_now() > end)
			fail_msg("not saved: %s", text);
		wire_ok(a, "ping", "%s", "");
	}
}

static struct world *up(const char *transport, const char *more)
{
	struct world *w = world_new(NULL);
	char server[256];

	world_keep_state(w);
	snprintf(server, sizeof(server), "transports = %s\n%s", transport, more ? more : "");
	world_configure(w, NULL, server, NULL);
	world_start(w);
	return w;
}

/* A peer that wants these channels; the daemon waits for it before it fetches what the server has kept. */
static struct wire *subscriber(struct world *w, const char *channels)
{
	struct wire *a = wire_hello(w->socket, "a");

	wire_ok(a, "subscribe", ",\"channels\":%s", channels);
	return a;
}

static bool is_data(const struct message *m, const char *data)
{
	char text[64];

	snprintf(text, sizeof(text), "\"data\":%s,", data);
	return memmem(m->message.p, m->message.n, text, strlen(text)) != NULL;
}

/* A message with this data; before it only some that are delivered again. */
static void expect_data(struct wire *a, const char *data)
{
	while (!is_data(wire_expect(a, PROTOCOL_OP_MESSAGE), data))
		;
}

/* Makes a session with these channels, of which the state knows, and returns the peer that wants them. */
static struct wire *make_session(struct world *w, const char *channels)
{
	struct wire *a = world_peer(w, "a");
	char text[128];

	wire_ok(a, "subscribe", ",\"channels\":%s", channels);
	fake_await(w->fake, "held", NULL, 1);
	snprintf(text, sizeof(text), "\"subscribed\":%s", channels);
	await_saved(w, a, text);
	/* when the next transaction has begun, that one is complete */
	wire_ok(a, "subscribe", ",\"channel\":\"/barrier\"");
	await_saved(w, a, "\"/barrier\"");
	return a;
}

static void kill_session(struct world *w, const char *channels)
{
	struct wire *a = make_session(w, channels);

	world_kill(w);
	wire_close(a);
}

static void a_killed_daemon_goes_on(void **state)
{
	struct world *w = up(*state, NULL);
	struct wire *a;

	kill_session(w, "[\"/a\",\"/b\"]");
	fake_command(w->fake, "publish /a 2");
	fake_command(w->fake, "publish /b 3");
	for (unsigned round = 0; round < 3; round++) {
		world_start(w);
		a = subscriber(w, "[\"/a\",\"/b\"]");
		expect_data(a, round ? "4" : "2");
		if (!round)
			expect_data(a, "3");
		wire_state(a, "demo", "connected");
		fake_command(w->fake, "publish /a 1%u", round);
		expect_data(a, round == 0 ? "10" : round == 1 ? "11" : "12");
		world_kill(w);
		wire_close(a);
		fake_command(w->fake, "publish /b 4");
	}
	assert_int_equal(fake_count(w->fake, "handshake", NULL), 1);
	world_start(w);
	a = subscriber(w, "[\"/a\",\"/b\"]");
	expect_data(a, "4");
	wire_close(a);
	world_free(w);
}

/* What was delivered and not acknowledged comes again from the server: it is left out, and what looks like it is not. */
static void repeats_are_left_out(void **state)
{
	struct world *w = up("websocket", NULL);
	struct wire *a = make_session(w, "[\"/a\"]");

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		/* the next connect is not answered, so its events are not acknowledged */
		fake_command(w->fake, "mark");
		fake_command(w->fake, "rule type=connect hold");
		fake_command(w->fake, "publish /a 6");
		assert_true(is_data(wire_expect(a, PROTOCOL_OP_MESSAGE), "6"));
		fake_await(w->fake, "held", NULL, 1);
		fake_command(w->fake, "publish /a 7");
		assert_true(is_data(wire_expect(a, PROTOCOL_OP_MESSAGE), "7"));
		await_saved(w, a, "\"marks\":");
		world_kill(w);
		wire_close(a);
		world_start(w);
		a = subscriber(w, "[\"/a\"]");
		fake_command(w->fake, "publish /a 7");
		fake_command(w->fake, "publish /a 8");
		assert_true(is_data(wire_expect(a, PROTOCOL_OP_MESSAGE), "7"));
		assert_true(is_data(wire_expect(a, PROTOCOL_OP_MESSAGE), "8"));
		/* one was sent twice */
		fake_await(w->fake, "event", "/a", 5);
		fake_await(w->fake, "held", NULL, 2);
	}
	wire_close(a);
	world_free(w);
}

/* It is ended at the server, and nothing of it is kept. */
static void a_stopped_daemon_ends_it(void **state)
{
	struct world *w = up(*state, NULL);
	struct wire *a = make_session(w, "[\"/a\"]");

	assert_int_equal(world_stop(w), 0);
	wire_close(a);
	fake_await(w->fake, "gone", NULL, 1);
	assert_false(file_has(w, "state.db-wal", "clientId"));
	assert_false(file_has(w, "state.db", "clientId"));
	world_start(w);
	fake_await(w->fake, "handshake", NULL, 2);
	world_free(w);
}

/* What the server was asked for after the last snapshot is not forgotten: each wanted channel is subscribed again. */
static void the_state_may_be_old(void **state)
{
	struct world *w = up(*state, NULL);
	struct wire *a = make_session(w, "[\"/a\",\"/b\"]");

	wire_ok(a, "unsubscribe", ",\"channel\":\"/a\"");
	fake_await(w->fake, "unsubscribe", "/a", 1);
	world_kill(w);
	wire_close(a);
	world_start(w);
	a = subscriber(w, "[\"/a\",\"/c\"]");
	fake_await(w->fake, "subscribe", "/a", 2);
	fake_await(w->fake, "subscribe", "/c", 1);
	fake_command(w->fake, "publish /a 1");
	expect_data(a, "1");
	assert_int_equal(fake_count(w->fake, "handshake", NULL), 1);
	wire_close(a);
	world_free(w);
}

/* Without acknowledgements, what was on the way is lost: a gap. */
static void gaps_are_reported(struct world *w, unsigned handshakes)
{
	struct wire *a;

	world_start(w);
	a = subscriber(w, "[\"/a\"]");
	assert_true(wire_state(a, "demo", "connected")->gap);
	assert_int_equal(fake_count(w->fake, "handshake", NULL), handshakes);
	fake_await(w->fake, "subscribe", "/a", 2);
	fake_command(w->fake, "publish /a 7");
	expect_data(a, "7");
	wire_close(a);
	world_free(w);
}

static void a_forgotten_session_is_made_again(void **state)
{
	struct world *w = up(*state, NULL);

	kill_session(w, "[\"/a\"]");
	fake_command(w->fake, "expire");
	gaps_are_reported(w, 2);
}

static void without_acknowledgements_there_is_a_gap(void **state)
{
	struct world *w = up(*state, NULL);

	fake_command(w->fake, "set ack off");
	world_kill(w);
	world_start(w);
	(void)state;
	kill_session(w, "[\"/a\"]");
	gaps_are_reported(w, (unsigned)fake_count(w->fake, "handshake", NULL));
}

/* Other options: another session. The old one is not touched. */
static void changed_options_need_a_new_one(void **state)
{
	struct world *w = up(*state, NULL);
	char server[128];

	kill_session(w, "[\"/a\"]");
	snprintf(server, sizeof(server), "transports = %s\nheader = X-Other: 1\n", (const char *)*state);
	world_configure(w, NULL, server, NULL);
	world_start(w);
	fake_await(w->fake, "handshake", NULL, 2);
	assert_true(world_log_has(w, "cannot be continued; a new one is made"));
	assert_true(world_log_has(w, "options of the server have changed"));
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(a_killed_daemon_goes_on),
		{"websocket: repeats_are_left_out", repeats_are_left_out, NULL, NULL, NULL},
		ON_BOTH(a_stopped_daemon_ends_it),
		ON_BOTH(the_state_may_be_old),
		ON_BOTH(a_forgotten_session_is_made_again),
		LONG_POLLING(without_acknowledgements_there_is_a_gap),
		LONG_POLLING(changed_options_need_a_new_one),
	};

	return scenario_run("resume", tests, NULL, NULL);
}
