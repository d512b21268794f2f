/*
 * Channels that stay subscribed at the server without a local program: those of the
 * option `subscribe`, and for a time (`linger`) those of a program that left.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void configure(struct world *w, const char *transport, const char *lines)
{
	char server[1024];

	snprintf(server, sizeof(server), "transports = %s\nbackoff = 20ms 100ms\n%s", transport, lines);
	world_configure(w, NULL, server, NULL);
}

static struct world *up(const char *transport, const char *lines)
{
	struct world *w = world_new(NULL);

	configure(w, transport, lines);
	world_start(w);
	return w;
}

/* in how many lines of the daemon's log this text is */
static unsigned log_count(const struct world *w, const char *text)
{
	char line[4096];
	unsigned n = 0;
	FILE *f = fopen(w->log, "re");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, text) != NULL;
	fclose(f);
	return n;
}

/* What the program prints is there, and is not. */
static void status_has(struct world *w, const char *text, bool there)
{
	char *out, *err;

	assert_int_equal(world_command(w, &out, &err, "cometctl", "status", NULL), 0);
	if (!strstr(out, text) == there)
		fail_msg("\"%s\" is %sin: %s", text, there ? "not " : "", out);
	free(out), free(err);
}

/* The reply to status has this at last. */
static void await_status(struct wire *a, const char *text)
{
	for (int i = 0; i < 100000; i++) {
		struct slice result = wire_ask(a, "status", "%s", "")->result;

		if (memmem(result.p, result.n, text, strlen(text)))
			return;
	}
	fail_msg("status never has %s", text);
}

static void reload(struct world *w, const char *printed)
{
	char *out, *err;

	assert_int_equal(world_command(w, &out, &err, "cometctl", "reload", NULL), 0);
	assert_non_null(strstr(out, printed));
	free(out), free(err);
}

/* No program is connected. A program that comes later needs no subscribe at the server. */
static void subscribed_from_the_start(void **state)
{
	struct world *w = up(*state, "subscribe = /k/one\nsubscribe = /k/two/**\n");

	fake_await(w->fake, "subscribe", "/k/one", 1);
	fake_await(w->fake, "subscribe", "/k/two/**", 1);
	struct wire *a = world_peer(w, "a");
	wire_ok(a, "subscribe", ",\"channels\":[\"/k/one\",\"/other\"]");
	fake_command(w->fake, "publish /k/one 1");
	wire_expect(a, PROTOCOL_OP_MESSAGE);
	wire_ok(a, "unsubscribe", ",\"channels\":[\"/k/one\",\"/other\"]");
	fake_await(w->fake, "unsubscribe", "/other", 1);
	assert_int_equal(fake_count(w->fake, "subscribe", "/k/one"), 1);
	assert_int_equal(fake_count(w->fake, "unsubscribe", "/k/one"), 0);
	status_has(w, "keeps /k/one subscribed\n", true);
	status_has(w, "keeps /k/two/** subscribed\n", true);
	wire_close(a);
	world_free(w);
}

static void subscribed_in_each_session(void **state)
{
	struct world *w = up(*state, "subscribe = /k\n");

	fake_await(w->fake, "subscribe", "/k", 1);
	fake_command(w->fake, "expire");
	fake_await(w->fake, "session", NULL, 2);
	fake_await(w->fake, "subscribe", "/k", 2);
	world_free(w);
}

/* Added and removed in the same session; one that stays is not asked for again. */
static void a_reload_adds_and_removes(void **state)
{
	struct world *w = up(*state, "subscribe = /k/one\nsubscribe = /k/two\n");
	char *out, *err;

	fake_await(w->fake, "subscribe", "/k/one", 1);
	fake_await(w->fake, "subscribe", "/k/two", 1);
	configure(w, *state, "subscribe = /k/two\nsubscribe = /k/three\n");
	reload(w, "demo: subscribe");
	fake_await(w->fake, "subscribe", "/k/three", 1);
	fake_await(w->fake, "unsubscribe", "/k/one", 1);
	assert_int_equal(fake_count(w->fake, "subscribe", "/k/two"), 1);
	assert_int_equal(fake_count(w->fake, "unsubscribe", "/k/two"), 0);
	assert_int_equal(fake_count(w->fake, "session", NULL), 1);
	/* with another session at the same time, that one subscribes what is new */
	configure(w, *state, "subscribe = /k/four\nheader = X: 1\n");
	reload(w, "demo: subscribe");
	fake_await(w->fake, "subscribe", "/k/four", 1);
	assert_int_equal(fake_count(w->fake, "subscribe", "/k/three"), 1);
	configure(w, *state, "subscribe = k/five\nheader = X: 1\n");
	assert_int_not_equal(world_command(w, &out, &err, "cometctl", "reload", NULL), 0);
	assert_non_null(strstr(err, "\"k/five\" is not a channel or pattern: it must begin with \"/\""));
	free(out), free(err);
	/* without the option, none */
	configure(w, *state, "header = X: 1\n");
	reload(w, "demo: subscribe");
	fake_await(w->fake, "unsubscribe", "/k/four", 1);
	world_free(w);
}

/* A final refusal is logged once, however many sessions repeat it, and shown. The next session asks again. */
static void refused(void **state)
{
	struct world *w = world_new(NULL);
	const char *logged = "the server refuses the channel of the option subscribe";

	fake_command(w->fake, "rule type=subscribe channel=/k times=all refuse \"403::not you\"");
	configure(w, *state, "subscribe = /k\nsubscribe = /l\n");
	world_start(w);
	struct wire *a = world_peer(w, "a");
	await_status(a, "[{\"channel\":\"/k\",\"refused\":true,\"reason\":\"403::not you\"},{\"channel\":\"/l\"}]");
	/* a member's request asks again */
	wire_assert_error(wire_ask(a, "subscribe", ",\"channel\":\"/k\""), "refused");
	assert_int_equal(fake_count(w->fake, "subscribe", "/k"), 2);
	status_has(w, "keeps /k subscribed, but the server refuses it: 403::not you\n", true);
	status_has(w, "keeps /l subscribed\n", true);
	assert_int_equal(log_count(w, logged), 1);
	for (unsigned long i = 2; i < 4; i++) {
		fake_command(w->fake, "expire");
		fake_await(w->fake, "session", NULL, i);
		fake_await(w->fake, "subscribe", "/k", i + 1);
		await_status(a, "\"refused\":true");
	}
	fake_command(w->fake, "unrule");
	wire_ok(a, "subscribe", ",\"channel\":\"/k\"");
	fake_command(w->fake, "publish /k 1");
	wire_expect(a, PROTOCOL_OP_MESSAGE);
	status_has(w, "keeps /k subscribed\n", true);
	assert_int_equal(log_count(w, logged), 1);
	wire_close(a);
	world_free(w);
}

/* ---- for a time, after a program left ---- */

/* The channel stays subscribed while no program is there, and another takes it over. */
static void a_program_returns(void **state)
{
	struct world *w = up(*state, "linger = 1h\n");
	struct wire *a = world_peer(w, "a");

	wire_ok(a, "subscribe", ",\"channel\":\"/x\"");
	wire_close(a);
	struct wire *b = world_peer(w, "b");
	await_status(b, "\"lingering\":1");
	fake_command(w->fake, "publish /x 1");
	wire_ok(b, "subscribe", ",\"channel\":\"/x\"");
	fake_command(w->fake, "publish /x 2");
	while (!slice_starts(wire_expect(b, PROTOCOL_OP_MESSAGE)->message, SLICE("{\"data\":2,")))
		;
	assert_int_equal(fake_count(w->fake, "subscribe", "/x"), 1);
	assert_int_equal(fake_count(w->fake, "unsubscribe", NULL), 0);
	/* it is not needed any more */
	wire_ok(b, "unsubscribe", ",\"channel\":\"/x\"");
	fake_await(w->fake, "unsubscribe", "/x", 1);
	wire_close(b);
	assert_int_equal(world_stop(w), 0);
	world_free(w);
}

/* No program comes: the subscription ends. A reload without the option ends others at once. */
static void none_returns(void **state)
{
	struct world *w = up(*state, "linger = 100ms\n");
	struct wire *a = world_peer(w, "a");

	wire_ok(a, "subscribe", ",\"channel\":\"/x\"");
	wire_close(a);
	fake_await(w->fake, "unsubscribe", "/x", 1);
	configure(w, *state, "linger = 1h\n");
	reload(w, "demo: linger");
	a = world_peer(w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/y\"");
	wire_close(a);
	a = world_peer(w, "a");
	await_status(a, "\"lingering\":1");
	assert_int_equal(fake_count(w->fake, "unsubscribe", "/y"), 0);
	configure(w, *state, "linger = off\n");
	reload(w, "demo: linger");
	fake_await(w->fake, "unsubscribe", "/y", 1);
	wire_close(a);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(subscribed_from_the_start),
		ON_BOTH(subscribed_in_each_session),
		ON_BOTH(a_reload_adds_and_removes),
		ON_BOTH(refused),
		ON_BOTH(a_program_returns),
		ON_BOTH(none_returns),
	};

	return scenario_run("kept", tests, NULL, NULL);
}
