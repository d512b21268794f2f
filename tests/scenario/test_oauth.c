/*
 * OAuth 2.0 credentials with a token server in another process: tokens are renewed
 * before they expire and when they are rejected, no publish is lost, and a failing
 * token server affects only its own Bayeux server.
 */
#include "tests/scenario/tokens.h"
#include "tests/scenario/watch.h"
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUICK "backoff = 50ms 200ms\nhalt-retry = 10m\n"
#define CLIENT "client-id = me\nclient-secret-file = $DIR/secret\n"

static void put_file(const struct world *w, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fchmod(fileno(f), 0600), 0);
	assert_int_equal(fclose(f), 0);
}

struct scene {
	struct world *w;
	struct tokens *tokens;
};

/* `more`: further lines of the client, for world_lines() */
static struct scene prepare(void **state, const char *more)
{
	static const char *const options[] = {"--timeout", "60000", NULL};
	struct scene s = {world_new(options), tokens_new("tok")};
	char server[1024], rest[256], *lines = world_lines(s.w, more);

	snprintf(server, sizeof(server), QUICK "transports = %s\noauth = t\n[oauth t]\ntoken-url = %s\n"
		 "%s[server demo]\n",
		 (const char *)*state, tokens_url(s.tokens), lines);
	free(lines);
	snprintf(rest, sizeof(rest), "[server other]\nurl = http://127.0.0.1:%u/cometd\n"
		 "transports = long-polling\n", fake_port(s.w->fake));
	world_configure(s.w, NULL, server, rest);
	put_file(s.w, "secret", "hush\n");
	return s;
}

static void end(struct scene *s)
{
	world_free(s->w);
	tokens_free(s->tokens);
}

/* what only [server demo] needs: the other one has no credential */
static void require(struct world *w, const char *value)
{
	fake_command(w->fake, "require-header Authorization %s", value);
}

static void await_message(struct wire *a, const char *text)
{
	for (;;) {
		const struct message *m = wire_expect(a, PROTOCOL_OP_MESSAGE);

		if (memmem(m->message.p, m->message.n, text, strlen(text)))
			return;
	}
}

static unsigned count_in_log(const struct world *w, const char *text)
{
	char *line = NULL;
	size_t size = 0;
	unsigned n = 0;
	FILE *f = fopen(w->log, "re");

	assert_non_null(f);
	while (getline(&line, &size, f) >= 0)
		n += strstr(line, text) != NULL;
	free(line);
	fclose(f);
	return n;
}

/* until the log has this text `times` times */
static void await_log(const struct world *w, const char *text, unsigned times)
{
	/* started before the log is read, so that no later write is missed */
	int watch = watch_open(w->log, IN_MODIFY);
	int64_t deadline = wire_now() + SCENARIO_DEADLINE_MS;

	while (count_in_log(w, text) < times)
		if (!watch_wait(watch, deadline))
			fail_msg("the log does not say \"%s\" %u times", text, times);
	close(watch);
}

/* no interruption: the next token is available before the first one expires */
static void the_next_before_the_end(void **state)
{
	struct scene s = prepare(state, CLIENT);

	tokens_do(s.tokens, TOKENS_GIVE_ONCE, ",\"expires_in\":1");
	world_start(s.w);
	struct wire *a = world_peer(s.w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/c\"");
	const char *request = tokens_await(s.tokens);
	assert_non_null(strstr(request, "\r\n\r\ngrant_type=client_credentials"));
	/* base64 of "me:hush" */
	assert_non_null(strstr(request, "\r\nAuthorization: Basic bWU6aHVzaA==\r\n"));
	tokens_await(s.tokens);
	await_log(s.w, "a credential was fetched", 2);
	fake_command(s.w->fake, "mark");
	require(s.w, "Bearer tok-2");
	fake_command(s.w->fake, "cut");
	wire_state(a, "demo", "connected");
	wire_ok(a, "publish", ",\"channel\":\"/c\",\"data\":\"after\"");
	await_message(a, "\"after\"");
	assert_int_equal(tokens_count(s.tokens), 2);
	wire_close(a);
	end(&s);
}

/* The token is rejected while programs publish: their publishes wait, and events still arrive. */
static void rejected_in_the_middle(void **state)
{
	struct scene s = prepare(state, CLIENT);
	bool ws = strcmp(*state, "websocket") == 0;

	require(s.w, "Bearer tok-1");
	world_start(s.w);
	struct wire *a = world_peer(s.w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/c\"");
	tokens_await(s.tokens);
	for (int i = 2; i < 5; i++) {
		char token[32], data[32];

		fake_await(s.w->fake, "held", NULL, 1);
		fake_command(s.w->fake, "mark");
		snprintf(token, sizeof(token), "Bearer tok-%d", i);
		require(s.w, token);
		/* a WebSocket shows its token but once; over HTTP it is the publish that is rejected */
		if (ws) {
			fake_command(s.w->fake, "cut");
			wire_state(a, "demo", "unconnected");
		}
		uint64_t id = wire_request(a, "publish", ",\"channel\":\"/c\",\"data\":\"n%d\"", i);
		tokens_await(s.tokens);
		wire_reply_ok(a, id);
		snprintf(data, sizeof(data), "\"n%d\"", i);
		await_message(a, data);
		fake_command(s.w->fake, "publish /c {\"from\":%d}", i);
		snprintf(data, sizeof(data), "{\"from\":%d}", i);
		await_message(a, data);
		assert_int_equal(fake_count(s.w->fake, "publish", "/c"), 1);
	}
	assert_int_equal(tokens_count(s.tokens), 4);
	wire_close(a);
	end(&s);
}

#define SAY(status, body) "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n" body

/* each sets a state with its reason and is asked again after a pause; other servers are not affected */
static void bad_token_servers(void **state)
{
	static const struct {
		enum tokens_action manner;
		const char *text, *reason;
	} bad[] = {
		{TOKENS_REPLY, SAY("400 Bad Request", "{\"error\":\"invalid_grant\","
				 "\"error_description\":\"expired\"}"),
		 "the token server refused: invalid_grant: expired (HTTP 400)"},
		{TOKENS_REPLY, SAY("401 Unauthorized", "{\"error\":\"invalid_client\"}"), "invalid_client"},
		{TOKENS_REPLY, SAY("503 Busy", ""), "the token server answered HTTP 503"},
		{TOKENS_REPLY, SAY("200 OK", "<html>"), "the token server's answer: not JSON"},
		{TOKENS_REPLY, "rubbish\n", "the token server: "},
		{TOKENS_REPLY, "", "the token server: "},
		{TOKENS_FLOOD, NULL, "the answer is too large"},
		{TOKENS_HANG, NULL, "the token server did not answer in time"},
		{TOKENS_ECHO, NULL, "refused: invalid_request: POST /token"},
	};
	struct scene s = prepare(state, CLIENT "[server demo]\ncredential-timeout = 1s\n");

	tokens_do(s.tokens, bad[0].manner, bad[0].text);
	world_start(s.w);
	struct wire *a = wire_hello_reason(s.w->socket, "a", "demo", bad[0].reason);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (i > 0) {
			tokens_do(s.tokens, bad[i].manner, bad[i].text);
			wire_await_reason(a, "demo", bad[i].reason);
		}
		wire_ok(a, "publish", ",\"server\":\"other\",\"channel\":\"/c\",\"data\":1");
	}
	tokens_down(s.tokens);
	wire_await_reason(a, "demo", "the token server: Connection refused");
	wire_ok(a, "publish", ",\"server\":\"other\",\"channel\":\"/c\",\"data\":1");
	tokens_do(s.tokens, TOKENS_GIVE, NULL);
	tokens_up(s.tokens);
	wire_state(a, "demo", "connected");
	assert_false(world_log_has(s.w, "hush"));
	wire_close(a);
	end(&s);
}

/* a daemon that starts again has the refresh token that replaced the first */
static void refresh_tokens_rotate(void **state)
{
	struct scene s = prepare(state, "client-id = me\nrefresh-token-file = $DIR/refresh\n");

	put_file(s.w, "refresh", "first\n");
	tokens_do(s.tokens, TOKENS_GIVE, ",\"refresh_token\":\"second\"");
	world_start(s.w);
	wire_close(world_peer(s.w, "a"));
	assert_non_null(strstr(tokens_await(s.tokens),
			       "grant_type=refresh_token&client_id=me&refresh_token=first"));
	assert_int_equal(world_stop(s.w), 0);
	world_start(s.w);
	wire_close(world_peer(s.w, "a"));
	assert_non_null(strstr(tokens_await(s.tokens), "refresh_token=second"));
	assert_false(world_log_has(s.w, "second"));
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(the_next_before_the_end),
		ON_BOTH(rejected_in_the_middle),
		LONG_POLLING(bad_token_servers),
		LONG_POLLING(refresh_tokens_rotate),
	};

	return scenario_run("oauth", tests, NULL, NULL);
}
