/*
 * Credentials with a server that requires them: they expire in every way that
 * servers report, and the bridge recovers by itself; sources that fail or hang affect
 * no other server; no secret appears anywhere.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUICK "backoff = 50ms 200ms\nhalt-retry = 10m\n"
#define CANARY "s3cr3t-canary"

static void put_file(const struct world *w, const char *name, mode_t mode, const char *text)
{
	char path[128], next[136];

	/* replaced atomically, as a secret should be */
	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	snprintf(next, sizeof(next), "%s.new", path);
	FILE *f = fopen(next, "we");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fchmod(fileno(f), mode), 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(rename(next, path), 0);
}

/* `more`: further lines, in which %s is replaced by the directory */
static struct world *prepare_held(void **state, const char *dialect, const char *more,
				  const char *held_ms)
{
	const char *const options[] = {"--dialect", dialect, "--timeout", held_ms, NULL};
	struct world *w = world_new(options);
	char server[1024], lines[512];

	snprintf(lines, sizeof(lines), more, w->dir);
	snprintf(server, sizeof(server), QUICK "transports = %s\n%s", (const char *)*state, lines);
	world_configure(w, NULL, server, NULL);
	return w;
}

static struct world *prepare(void **state, const char *dialect, const char *more)
{
	return prepare_held(state, dialect, more, "60000");
}

#define FILE_SOURCE "credential-file = %s/token\n"
#define COMMAND_SOURCE "credential-command = %s/source\n"

static void require(struct world *w, const char *value)
{
	fake_command(w->fake, "require-header Authorization %s", value);
}

static void assert_works(struct wire *a, int n)
{
	char expected[128];

	wire_ok(a, "publish", ",\"channel\":\"/c\",\"data\":%d", n);
	snprintf(expected, sizeof(expected), "\"data\":%d", n);
	for (;;) {
		const struct message *m = wire_expect(a, PROTOCOL_OP_MESSAGE);

		if (memmem(m->message.p, m->message.n, expected, strlen(expected)))
			return;
	}
}

static void assert_receives(struct world *w, struct wire *a, int n)
{
	char expected[64];

	fake_command(w->fake, "publish /c {\"n\":%d}", n);
	snprintf(expected, sizeof(expected), "{\"n\":%d}", n);
	const struct message *m = wire_expect(a, PROTOCOL_OP_MESSAGE);
	assert_non_null(memmem(m->message.p, m->message.n, expected, strlen(expected)));
}

static void kinds_of_credentials(void **state)
{
	static const struct {
		const char *option, *file, *name, *value;
	} kinds[] = {
		{"", "tok\n", "Authorization", "Bearer tok"},
		{"credential = bearer\n", "{\"access_token\":\"tok\"}", "Authorization", "Bearer tok"},
		{"credential = basic\n", "user:pass word\r\n", "Authorization",
		 "Basic dXNlcjpwYXNzIHdvcmQ="},
		{"credential = header X-Key\n", "the key", "X-Key", "the key"},
		{"credential = header Authorization\n", "OAuth 00D!x", "Authorization",
		 "OAuth 00D!x"},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char more[256];

		snprintf(more, sizeof(more), "%s" FILE_SOURCE, kinds[i].option, "%s");
		struct world *w = prepare(state, "cometd", more);
		put_file(w, "token", 0600, kinds[i].file);
		fake_command(w->fake, "require-header %s %s", kinds[i].name, kinds[i].value);
		world_start(w);
		struct wire *a = world_peer(w, "a");
		wire_ok(a, "subscribe", ",\"channel\":\"/c\"");
		assert_works(a, 1);
		assert_int_equal(fake_count(w->fake, "refused", NULL), 0);
		wire_close(a);
		world_free(w);
	}
}

/* not in a header, but in the ext of the handshake, together with other fields */
static void credential_in_the_handshake(void **state)
{
	struct world *w = prepare(state, "cometd", "credential = ext authentication/token\n"
				  "ext = handshake {\"authentication\":{\"user\":\"me\"},\"x\":1}\n"
				  FILE_SOURCE);

	put_file(w, "token", 0600, "one\n");
	fake_command(w->fake, "rule type=handshake times=all refuse 403::no");
	world_start(w);
	struct wire *a = wire_hello_reason(w->socket, "a", "demo", "waiting for credentials: ");
	assert_true(fake_log_has(w->fake,
				 "{\"authentication\":{\"user\":\"me\",\"token\":\"one\"},\"x\":1,"));
	put_file(w, "token", 0600, "two");
	fake_command(w->fake, "unrule");
	fake_await(w->fake, "held", NULL, 1);
	put_file(w, "token", 0600, "three");
	fake_command(w->fake, "mark");
	fake_command(w->fake, "expire");
	fake_command(w->fake, "cut");
	fake_await(w->fake, "held", NULL, 1);
	assert_true(fake_log_has(w->fake, "\"token\":\"three\"},\"x\":1,"));
	assert_false(world_log_has(w, "three"));
	wire_close(a);
	world_free(w);
}

/* the only action is to replace the file */
static void expiry_in_the_middle(void **state)
{
	/* a connect that is cut stays held, and while it does, none of a new session is */
	struct world *w = prepare_held(state, "cometd", FILE_SOURCE, "5000");

	put_file(w, "token", 0600, "one");
	require(w, "Bearer one");
	world_start(w);
	struct wire *a = world_peer(w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/c\"");
	fake_await(w->fake, "held", NULL, 1);
	/* the old one goes first: the bridge waits until there is another */
	require(w, "Bearer two");
	fake_command(w->fake, "mark");
	fake_command(w->fake, "cut");
	wire_await_reason(a, "demo", "waiting for credentials");
	put_file(w, "token", 0600, "two");
	wire_state(a, "demo", "connected");
	/* no request is under way that could show an old token */
	fake_await(w->fake, "held", NULL, 1);
	/* the new one arrives before the old one expires: no failure */
	put_file(w, "token", 0600, "three");
	require(w, "Bearer three");
	fake_command(w->fake, "mark");
	fake_command(w->fake, "cut");
	wire_state(a, "demo", "connected");
	assert_works(a, 1);
	assert_int_equal(fake_count(w->fake, "handshake", NULL), 0);
	wire_close(a);
	world_free(w);
}

/* A gateway answers one request with 403, or with 401 whatever the credential: its publisher gets the
   error, and the shared session continues after at most one handshake. */
static void a_rejected_request_is_its_publishers(void **state)
{
	struct world *w = prepare(state, "cometd", "credential = bearer\n" FILE_SOURCE);
	const struct message *m;

	put_file(w, "token", 0600, "first");
	fake_command(w->fake, "rule type=publish channel=/forbidden times=all status 403");
	fake_command(w->fake, "rule type=publish channel=/rejected times=all status 401");
	fake_command(w->fake, "rule type=subscribe channel=/forbidden times=all status 403");
	world_start(w);
	struct wire *a = world_peer(w, "a"), *b = world_peer(w, "b");
	wire_ok(a, "subscribe", ",\"channel\":\"/fine\"");
	for (int i = 0; i < 5; i++) {
		uint64_t bad = wire_request(b, "publish", ",\"channel\":\"/forbidden\",\"data\":1");
		uint64_t good = wire_request(b, "publish", ",\"channel\":\"/fine\",\"data\":%d", i);
		wire_ok(a, "publish", ",\"channel\":\"/fine\",\"data\":1");
		m = wire_reply(b, bad);
		wire_assert_error(m, "refused");
		assert_non_null(memmem(m->error.p, m->error.n, "HTTP status 403", 15));
		wire_reply_ok(b, good);
	}
	wire_assert_error(wire_ask(b, "subscribe", ",\"channel\":\"/forbidden\""), "refused");
	uint64_t bad = wire_request(b, "publish", ",\"channel\":\"/rejected\",\"data\":1");
	fake_await(w->fake, "publish", "/rejected", 2);
	wire_ok(a, "publish", ",\"channel\":\"/fine\",\"data\":1");
	m = wire_reply(b, bad);
	wire_assert_error(m, "refused");
	assert_non_null(memmem(m->error.p, m->error.n, "HTTP status 401", 15));
	assert_int_equal(fake_count(w->fake, "handshake", NULL), 1);
	wire_close(a);
	wire_close(b);
	world_free(w);
}

static void salesforce_rejects(void **state)
{
	static const char *const rules[] = {
		"rule type=connect refuse \"401::Authentication invalid\" "
		"advice {\"reconnect\":\"none\"}",
		"rule type=connect refuse \"403::x\" field ext {\"sfdc\":{\"failureReason\":"
		"\"401::Authentication invalid\"}} advice {\"reconnect\":\"none\"}",
		"rule type=connect status 401",
		"rule type=connect status 403",
	};
	struct world *w = prepare(state, "salesforce", COMMAND_SOURCE);
	const int n = (int)(sizeof(rules) / sizeof(rules[0]));
	char token[64];

	put_file(w, "source", 0700, "#!/bin/sh\ncd \"${0%/*}\"\nn=$(cat n 2>/dev/null || echo 0)\n"
				    "n=$((n+1))\necho $n >n\necho token-$n\n");
	require(w, "Bearer token-1");
	world_start(w);
	struct wire *a = world_peer(w, "a");
	fake_command(w->fake, "require-header off");
	wire_ok(a, "subscribe", ",\"channel\":\"/c\"");
	fake_await(w->fake, "held", NULL, 1);
	for (int i = 0; i < n; i++) {
		fake_command(w->fake, "mark");
		fake_command(w->fake, "%s", rules[i]);
		fake_command(w->fake, "cut");
		wire_await_reason(a, "demo", "waiting for credentials");
		assert_true(wire_state(a, "demo", "connected")->gap);
		/* an HTTP 401 does not end the session, which continues */
		bool over = i < 2;
		fake_await(w->fake, over ? "subscribe" : "held", over ? "/c" : NULL, 1);
		assert_int_equal(fake_count(w->fake, "handshake", NULL), over);
		/* the next rule and cut must match the new session's held connect; the connect of a
		   dropped session is held, too, until an event finds its connection closed */
		fake_command(w->fake, "mark");
		assert_receives(w, a, i);
		fake_await(w->fake, "held", NULL, 1);
	}
	/* one fetch for each, and it is the newest that is sent */
	snprintf(token, sizeof(token), "Bearer token-%d", n + 1);
	require(w, token);
	fake_command(w->fake, "cut");
	wire_state(a, "demo", "connected");
	assert_receives(w, a, n);
	assert_int_equal(fake_count(w->fake, "refused", NULL), 0);
	wire_close(a);
	world_free(w);
}

/* the policy "refresh": a server that ends sessions may do so because of who we are */
static void kicked_for_other_credentials(void **state)
{
	struct world *w = prepare(state, "cometd", COMMAND_SOURCE "on-disconnect = refresh\n");

	put_file(w, "source", 0700, "#!/bin/sh\ncd \"${0%/*}\"\nn=$(cat n 2>/dev/null || echo 0)\n"
				    "n=$((n+1))\necho $n >n\necho token-$n\n");
	world_start(w);
	struct wire *a = world_peer(w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/c\"");
	fake_await(w->fake, "held", NULL, 1);
	require(w, "Bearer token-2");
	fake_command(w->fake, "kick");
	wire_await_reason(a, "demo", "waiting for credentials: the server ended the session");
	assert_true(wire_state(a, "demo", "connected")->gap);
	assert_works(a, 1);
	wire_close(a);
	world_free(w);
}

/* only the server with such a source waits, and its state has the reason */
static void bad_sources(void **state)
{
	static const struct {
		const char *script, *reason;
	} bad[] = {
		{"#!/bin/sh\necho no luck >&2; exit 1\n", "status 1; run it by hand to see its standard error"},
		{"#!/bin/sh\nexec sleep 1000\n", "took too long"},
		{"#!/bin/sh\nexec yes " CANARY "\n", "printed too much"},
		{"#!/bin/sh\n", "it is empty"},
		{"#!/bin/sh\nprintf '" CANARY "\\n" CANARY "'\n", "more than one line"},
		{"#!/bin/sh\necho '{\"token\":\"" CANARY "\",}'\n", "not JSON"},
		{"#!/no/such/interpreter\n", "cannot be run"},
	};
	char rest[512];
	struct world *w = world_new(NULL);

	snprintf(rest, sizeof(rest), "[server other]\nurl = http://127.0.0.1:%u/cometd\n"
		 "transports = %s\n", fake_port(w->fake), (const char *)*state);
	char server[512];
	snprintf(server, sizeof(server), QUICK "transports = %s\ncredential-timeout = 1s\n"
		 "credential-command = %s/source\n", (const char *)*state, w->dir);
	world_configure(w, NULL, server, rest);
	put_file(w, "source", 0700, bad[0].script);
	world_start(w);
	struct wire *a = wire_hello_reason(w->socket, "a", "demo", bad[0].reason);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (i > 0) {
			put_file(w, "source", 0700, bad[i].script);
			wire_await_reason(a, "demo", bad[i].reason);
		}
		wire_ok(a, "publish", ",\"server\":\"other\",\"channel\":\"/c\",\"data\":1");
	}
	put_file(w, "source", 0700, "#!/bin/sh\necho '{\"token\":\"ok\",\"expires_in\":3600}'\n");
	wire_state(a, "demo", "connected");
	assert_false(world_log_has(w, CANARY));
	wire_close(a);
	world_free(w);
}

/* credential after credential is rejected: few handshakes, and one fetch for each */
static void rejected_again_and_again(void **state)
{
	struct world *w = prepare(state, "cometd", COMMAND_SOURCE);

	put_file(w, "source", 0700, "#!/bin/sh\necho x >>\"${0%/*}/n\"\necho token\n");
	require(w, "Bearer another");
	world_start(w);
	struct wire *a = wire_hello(w->socket, "a");
	fake_await(w->fake, "refused", NULL, 4);
	wire_await_reason(a, "demo", "waiting for credentials");
	require(w, "Bearer token");
	wire_state(a, "demo", "connected");
	long refused = (long)fake_count(w->fake, "refused", NULL);
	char command[128];
	snprintf(command, sizeof(command), "wc -l <%s/n", w->dir);
	FILE *f = popen(command, "re");
	long fetched = 0;
	assert_int_equal(fscanf(f, "%ld", &fetched), 1);
	pclose(f);
	assert_int_equal(fetched, refused + 1);
	wire_close(a);
	world_free(w);
}

static void assert_clean(const char *where, const char *text)
{
	/* the secret, and the same as Basic makes it of "canary:…" */
	if (strstr(text, CANARY) || strstr(text, "Y2FuYXJ5OnMzY3IzdC1jYW5hcnk="))
		fail_msg("a secret in %s:\n%s", where, text);
}

static char *read_all(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = calloc(1, 1 << 20);

	assert_non_null(f);
	assert_non_null(text);
	assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
	fclose(f);
	return text;
}

/* the log at its highest level, the status, errors, and what ps shows */
static void no_secret_is_seen(void **state)
{
	struct world *w = prepare(state, "cometd", "credential = basic\n" COMMAND_SOURCE);
	char path[64], *out, *err;

	put_file(w, "source", 0700, "#!/bin/sh\necho canary:" CANARY "\n");
	require(w, "Basic Y2FuYXJ5OnMzY3IzdC1jYW5hcnk=");
	world_start(w);
	struct wire *a = world_peer(w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/c\"");
	assert_works(a, 1);
	/* it is rejected, by a server that repeats it in its error, and comes back */
	fake_command(w->fake, "rule type=publish refuse 403::no");
	const struct message *m = wire_ask(a, "publish", ",\"channel\":\"/c\",\"data\":1");
	assert_false(m->ok);
	assert_null(memmem(m->error.p ? m->error.p : "", m->error.n, CANARY, strlen(CANARY)));
	require(w, "Basic bm9uZQ==");
	fake_command(w->fake, "cut");
	wire_await_reason(a, "demo", "waiting for credentials");
	assert_int_equal(world_command(w, &out, &err, "cometctl", "--json", "status", NULL), 0);
	assert_clean("the status", out);
	assert_clean("cometctl's stderr", err);
	free(out);
	free(err);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", w->daemon);
	out = read_all(path);
	assert_clean("the command line", out);
	free(out);
	out = read_all(w->log);
	assert_clean("the log", out);
	free(out);
	wire_close(a);
	world_free(w);
}

/* A credential that comes at once is nothing to be warned of. */
static void a_healthy_start_warns_of_nothing(void **state)
{
	struct world *w = world_new(NULL);
	char server[256];

	(void)state;
	snprintf(server, sizeof(server), "credential-command = /bin/echo token\n");
	world_configure(w, NULL, server, NULL);
	world_start(w);
	wire_close(world_peer(w, "a"));
	assert_true(world_log_has(w, "<5>connected server=demo"));
	assert_false(world_log_has(w, "<4>"));
	assert_false(world_log_has(w, "reason=\"\""));
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(kinds_of_credentials),
		ON_BOTH(credential_in_the_handshake),
		ON_BOTH(expiry_in_the_middle),
		LONG_POLLING(salesforce_rejects),
		LONG_POLLING(a_rejected_request_is_its_publishers),
		ON_BOTH(kicked_for_other_credentials),
		LONG_POLLING(bad_sources),
		ON_BOTH(rejected_again_and_again),
		ON_BOTH(no_secret_is_seen),
		LONG_POLLING(a_healthy_start_warns_of_nothing),
	};

	return scenario_run("auth", tests, NULL, NULL);
}
