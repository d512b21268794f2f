/*
 * The daemon with the example extension (daemon/examples/tenant.c), over both
 * transports: what it changes and deletes in outgoing and incoming messages, its
 * tokens, and the report when it cannot start. Nothing is lost or duplicated while it
 * deletes messages and connections are cut.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <cometd-bridge-extension.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define QUICK "backoff = 50ms 200ms\nhalt-retry = 10m\n"
#define TENANT "tenant=north wrap=/wrapped/ private=/private/"

/* A daemon with the transport of the test and the example extension, which gets `config`. */
static struct world *prepare(void **state, const char *config, const char *more)
{
	struct world *w = world_new((const char *const[]){"--timeout", "60000", NULL});
	char server[1024];

	snprintf(server, sizeof(server), QUICK "transports = %s\nextension = %s/.libs/tenant.so %s\n%s",
		 (const char *)*state, getenv("top_builddir"), config, more);
	world_configure(w, NULL, server, NULL);
	return w;
}

static void expect_message(struct wire *a, const char *part)
{
	const struct message *m = wire_expect(a, PROTOCOL_OP_MESSAGE);

	if (!memmem(m->message.p, m->message.n, part, strlen(part)))
		fail_msg("heard %.*s and not %s", SLICE_ARG(m->message), part);
}

static void requests_speak_for_the_tenant(void **state)
{
	struct world *w = prepare(state, TENANT, "ext = publish {\"site\":7}\n");

	world_start(w);
	struct wire *a = world_peer(w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/a\"");
	wire_ok(a, "publish", ",\"channel\":\"/a\",\"data\":{\"n\":9007199254740993},"
			      "\"ext\":{\"own\":1}");
	/* in addition to fields of a program, the configuration and the built-in extensions */
	expect_message(a, "\"ext\":{\"own\":1,\"site\":7,\"tenant\":\"north\"}");
	assert_true(fake_log_has(w->fake, "{\"n\":9007199254740993}"));
	assert_true(fake_log_has(w->fake, "\"subscription\":\"/a\",\"ext\":{\"tenant\":\"north\"}"));
	assert_true(fake_log_has(w->fake, "\"ext\":{\"tenant\":\"north\",\"ack\":true"));
	assert_true(world_log_has(w, "speaks for tenant"));
	wire_close(a);
	world_free(w);
}

static void data_is_wrapped_and_unwrapped(void **state)
{
	struct world *w = prepare(state, TENANT, "");

	world_start(w);
	struct wire *a = world_peer(w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/wrapped/*\"");
	wire_ok(a, "publish", ",\"channel\":\"/wrapped/x\",\"data\":{\"n\":1.50}");
	expect_message(a, "\"data\":{\"n\":1.50}");
	assert_true(fake_log_has(w->fake, "\"data\":{\"tenant\":\"north\",\"data\":{\"n\":1.50}}"));
	/* what is not of that form comes as it is */
	fake_command(w->fake, "publish /wrapped/x {\"tenant\":\"south\",\"data\":2}");
	expect_message(a, "\"data\":{\"tenant\":\"south\",\"data\":2}");
	wire_close(a);
	world_free(w);
}

static unsigned deleted(struct wire *a)
{
	const struct message *m = wire_ask(a, "status", "%s", "");
	const char *at = memmem(m->result.p, m->result.n, "\"deleted\":", 10);

	assert_non_null(at);
	return (unsigned)atoi(at + 10);
}

static void private_channels_stay_private(void **state)
{
	struct world *w = prepare(state, TENANT, "");

	world_start(w);
	struct wire *a = world_peer(w, "a");
	const struct message *m = wire_ask(a, "publish", ",\"channel\":\"/private/x\",\"data\":1");
	wire_assert_error(m, "refused");
	assert_non_null(memmem(m->error.p, m->error.n, "404::message_deleted", 20));
	m = wire_ask(a, "subscribe", ",\"channel\":\"/private/**\"");
	wire_assert_error(m, "refused");
	assert_non_null(memmem(m->error.p, m->error.n, "404::message_deleted", 20));
	assert_int_equal(fake_count(w->fake, "publish", NULL), 0);
	assert_int_equal(fake_count(w->fake, "subscribe", NULL), 0);
	assert_int_equal(deleted(a), 2);
	/* the channel is not lost for ever: others are */
	wire_ok(a, "subscribe", ",\"channel\":\"/**\"");
	fake_await(w->fake, "held", NULL, 1);
	fake_command(w->fake, "publish /private/x 1");
	fake_command(w->fake, "publish /public/x 2");
	expect_message(a, "/public/x");
	wire_assert_none(a, PROTOCOL_OP_MESSAGE);
	assert_int_equal(deleted(a), 3);
	wire_close(a);
	world_free(w);
}

#define ROUNDS 12
#define BURST 20

/* Half of what comes is deleted, while connections are cut: the other half comes once, in order. */
static void deleting_loses_nothing_else(void **state)
{
	static const char *const cuts[] = {"cut", "cut all rst",
					   "rule type=connect times=1 cut 300 reset"};
	struct world *w = prepare(state, TENANT, "");
	char expected[64];

	world_start(w);
	struct wire *a = world_peer(w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/**\"");
	for (int round = 0; round < ROUNDS; round++) {
		fake_command(w->fake, "burst /private/x %d p%d", BURST, round);
		fake_command(w->fake, "burst /r %d r%d", BURST, round);
		fake_command(w->fake, "%s", cuts[round % 3]);
		fake_command(w->fake, "burst /private/x %d q%d", BURST, round);
	}
	for (int i = 0; i < ROUNDS * BURST; i++) {
		snprintf(expected, sizeof(expected), "\"data\":\"r%d-%d\"", i / BURST, i % BURST + 1);
		expect_message(a, expected);
	}
	/* the last of them may arrive after that */
	fake_command(w->fake, "publish /r \"end\"");
	expect_message(a, "\"end\"");
	wire_assert_none(a, PROTOCOL_OP_MESSAGE);
	assert_int_equal(deleted(a), 2 * ROUNDS * BURST);
	assert_int_equal(fake_count(w->fake, "session", NULL), 1);
	wire_close(a);
	world_free(w);
}

/* ---- its tokens ---- */

static void put_file(const struct world *w, const char *name, const char *text, char path[160])
{
	snprintf(path, 160, "%s/%s", w->dir, name);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fchmod(fileno(f), 0600), 0);
	assert_int_equal(fclose(f), 0);
}

static void it_gives_the_credential(void **state)
{
	struct world *w = world_new((const char *const[]){"--timeout", "60000", NULL});
	char server[1024], path[160];

	put_file(w, "tenant", "tenant=north\ntoken=canary-one\ntoken=canary-two\n", path);
	snprintf(server, sizeof(server), QUICK "transports = %s\nextension = %s/.libs/tenant.so @%s\n"
		 "credential-extension = tenant\n", (const char *)*state, getenv("top_builddir"), path);
	world_configure(w, NULL, server, NULL);
	fake_command(w->fake, "require-header Authorization Bearer canary-one");
	world_start(w);
	struct wire *a = world_peer(w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/c\"");
	assert_int_equal(fake_count(w->fake, "refused", NULL), 0);
	fake_await(w->fake, "held", NULL, 1);
	/* rejected: it is asked for another one */
	fake_command(w->fake, "require-header Authorization Bearer canary-two");
	fake_command(w->fake, "cut");
	wire_state(a, "demo", "connected");
	wire_ok(a, "publish", ",\"channel\":\"/c\",\"data\":1");
	expect_message(a, "\"data\":1");
	assert_false(world_log_has(w, "canary"));
	wire_close(a);
	world_free(w);
}

static void a_missing_token_is_reported(void **state)
{
	struct world *w = prepare(state, TENANT, "credential-extension = tenant\n");

	world_start(w);
	wire_close(wire_hello_reason(w->socket, "a", "demo",
				     "waiting for credentials: extension tenant: "
				     "its configuration has no token=TEXT"));
	world_free(w);
}

/* ---- failures are reported ---- */

/* An instance that only fails is disabled; messages pass without it, and the status shows that. */
static void disabled_ones_are_in_the_status(void **state)
{
	struct world *w = world_new((const char *const[]){"--timeout", "60000", NULL});
	char server[1024], *out;

	snprintf(server, sizeof(server), QUICK "transports = %s\nextension = %s/.libs/tenant.so %s\n"
		 "extension = %s/.libs/plugin-good.so\n", (const char *)*state,
		 getenv("top_builddir"), TENANT, getenv("top_builddir"));
	world_configure(w, NULL, server, NULL);
	world_start(w);
	struct wire *a = world_peer(w, "a");
	assert_int_equal(world_command(w, &out, NULL, "cometctl", "--json", "status", NULL), 0);
	assert_null(strstr(out, "disabled"));
	free(out);
	for (int i = 0; i < COMETD_EXTENSION_FAILURES_MAX; i++)
		wire_ok(a, "publish", ",\"channel\":\"/fail\",\"data\":1");
	assert_int_equal(world_command(w, &out, NULL, "cometctl", "--json", "status", NULL), 0);
	assert_non_null(strstr(out, "\"disabled_extensions\":[\"plugin-good\"]}"));
	free(out);
	assert_int_equal(world_command(w, &out, NULL, "cometctl", "status", NULL), 0);
	assert_non_null(strstr(out, "\n  extension plugin-good failed too often"));
	free(out);
	wire_close(a);
	world_free(w);
}

static int run(struct world *w, const char *option, char **ret_err)
{
	return world_command(w, NULL, ret_err, "cometd-bridged", "--config", w->config, option, NULL);
}

static void what_cannot_be_loaded(void **state)
{
	struct world *w = world_new(NULL);
	char expected[256], *err;

	(void)state;
	world_configure(w, NULL, "extension = nowhere secret=canary\n", NULL);
	/* the line of the option, whether the daemon starts or only checks */
	snprintf(expected, sizeof(expected), "error: %s:7: [server demo]: extension nowhere: ",
		 w->config);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(run(w, i ? "--check-config" : NULL, &err), 78);
		if (!strstr(err, expected) || strstr(err, "canary"))
			fail_msg("%s", err);
		free(err);
	}
	world_free(w);
}

static void what_does_not_want_to_start(void **state)
{
	struct world *w = prepare(state, "colour=canary", "");
	char expected[256], *err;

	assert_int_equal(run(w, "--check-config", &err), 0);
	assert_string_equal(err, "");
	free(err);
	assert_int_equal(run(w, NULL, &err), 1);
	snprintf(expected, sizeof(expected), "%s:5: [server demo]: extension tenant: word 1 of its "
					     "configuration is none of", w->config);
	if (!strstr(err, expected) || strstr(err, "canary"))
		fail_msg("%s", err);
	free(err);
	world_free(w);
}

int main(void)
{
#define BOTH(name)                                                                                 \
	cmocka_unit_test_prestate(name, "long-polling"), cmocka_unit_test_prestate(name, "websocket")
	const struct CMUnitTest tests[] = {
		BOTH(requests_speak_for_the_tenant),
		BOTH(data_is_wrapped_and_unwrapped),
		BOTH(private_channels_stay_private),
		BOTH(deleting_loses_nothing_else),
		BOTH(it_gives_the_credential),
		cmocka_unit_test_prestate(a_missing_token_is_reported, "long-polling"),
		BOTH(disabled_ones_are_in_the_status),
		cmocka_unit_test(what_cannot_be_loaded),
		cmocka_unit_test_prestate(what_does_not_want_to_start, "websocket"),
	};

	return scenario_run("plugin", tests, NULL, NULL);
}
