/*
 * No secret appears anywhere. Every source of a secret has a canary, and servers
 * repeat it in all their error messages. The tests then look for it in all output of
 * the daemon: its log at the highest level, states, errors and status for programs,
 * the command line in ps, --check-config, core files.
 */
#include "tests/scenario/tokens.h"
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define QUICK "backoff = 20ms 50ms\nhalt-retry = 20ms\n"
#define CANARY "canary-0123456789"

static void put_file(const struct world *w, const char *name, mode_t mode, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fchmod(fileno(f), mode), 0);
	assert_int_equal(fclose(f), 0);
}

/* --- the hunt --- */

static void assert_clean(const char *where, const char *text, size_t n)
{
	/* the second is the first as base64, after a multiple of three bytes */
	static const char *const traces[] = {"canary", "Y2FuYXJ5", "123456789"};

	for (size_t i = 0; i < sizeof(traces) / sizeof(traces[0]); i++)
		if (memmem(text, n, traces[i], strlen(traces[i])))
			fail_msg("a secret in %s:\n%.*s", where, (int)n, text);
}

static void hunt_file(const char *path)
{
	size_t size = 1u << 22;
	char *text = malloc(size);
	FILE *f = fopen(path, "re");

	assert_non_null(f);
	assert_non_null(text);
	size_t n = fread(text, 1, size, f);
	assert_true(n < size);
	fclose(f);
	assert_clean(path, text, n);
	free(text);
}

static void hunt_command(struct world *w, const char *argv0, const char *a, const char *b)
{
	char *out, *err;

	world_command(w, &out, &err, argv0, a, b, NULL);
	assert_clean("stdout", out, strlen(out));
	assert_clean("stderr", err, strlen(err));
	free(out);
	free(err);
}

/* everything that came to this peer and was not looked at yet */
static void hunt_frames(struct wire *p)
{
	uint64_t id = wire_request(p, "ping", "%s", "");

	for (;;) {
		const struct message *m = wire_next(p);

		assert_clean("a frame", p->taken->text, p->taken->n);
		if (m->op == PROTOCOL_OP_REPLY && m->id == id)
			return;
	}
}

static void hunt_daemon(struct world *w)
{
	char path[64];

	hunt_command(w, "cometctl", "--json", "status");
	hunt_command(w, "cometctl", "status", NULL);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", w->daemon);
	hunt_file(path);
	snprintf(path, sizeof(path), "/proc/%d/environ", w->daemon);
	hunt_file(path);
	hunt_file(w->log);
	char *out, *err;
	world_command(w, &out, &err, "cometd-bridged", "--config", w->config, "--check-config", NULL);
	assert_clean("--check-config", out, strlen(out));
	assert_clean("--check-config", err, strlen(err));
	free(out);
	free(err);
}

/* --- a server that repeats what it was sent --- */

struct place {
	const char *name;
	const char *options;            /* for world_lines() */
	const char *file, *text;        /* with mode 0700 */
	const char *sent;               /* as the server sees it, and repeats it */
};

static const struct place places[] = {
	{"bearer", "credential-file = $DIR/f\n", "f", CANARY "\n", "Bearer " CANARY},
	{"basic", "credential = basic\ncredential-file = $DIR/f\n", "f", "me:" CANARY,
	 "bWU6Y2FuYXJ5LTAxMjM0NTY3ODk= is me and " CANARY},
	{"header X-Key", "credential = header X-Key\ncredential-file = $DIR/f\n", "f", CANARY, CANARY},
	{"header", "header = Authorization: Bearer " CANARY "\n", NULL, NULL, CANARY},
	{"header @", "header = @$DIR/f\n", "f", "X-One: " CANARY "\n", CANARY "..."},
	{"ext @", "ext = handshake @$DIR/f\n", "f",
	 "{\"auth\":{\"token\":\"" CANARY "\"}}", "token=" CANARY ";"},
	{"ext", "credential = ext auth/token\ncredential-file = $DIR/f\n", "f", CANARY, CANARY},
	/* six bytes: a word of its own */
	{"short", "credential = basic\ncredential-file = $DIR/f\n", "f", "me:canary",
	 "bWU6Y2FuYXJ5, me:canary, canary"},
	{"percent-encoded", "credential-file = $DIR/f\n", "f", "canary/+123456789",
	 "canary%2F%2b123456789"},
	{"pass phrase", "credential-file = $DIR/f\n", "f", "one canary two 3", "canary two 3"},
	{"cookie @", "cookie = @$DIR/f\n", "f", "sid=" CANARY "\n", CANARY},
	{"cookie-jar", "cookie-jar = $DIR/f\n", "f",
	 "127.0.0.1\tFALSE\t/\tFALSE\t4102444800\tsid\t" CANARY "\n", CANARY},
	{"command", "credential-command = $DIR/f\n", "f",
	 /* it fails at first, and set -x prints the secret to stderr */
	 "#!/bin/sh\nset -x\n: --secret " CANARY "\nif [ -e \"$0.2\" ]; then echo " CANARY "; exit 0; fi\n"
	 ">\"$0.2\"\nexit 1\n", CANARY},
};

static void send_rules(struct world *w, const char *transport, const char *sent)
{
	fake_command(w->fake, "rule type=handshake refuse \"400::who is %s\"", sent);
	fake_command(w->fake, "rule type=connect refuse \"402:%s:not %s\" field ext "
		     "{\"sfdc\":{\"failureReason\":\"%s\"}}", "x", sent, sent);
	fake_command(w->fake, "rule type=subscribe channel=/x refuse \"403::no %s\"", sent);
	fake_command(w->fake, "rule type=publish channel=/x refuse \"403::no %s\"", sent);
	if (strcmp(transport, "websocket") == 0)
		fake_command(w->fake, "rule type=upgrade status 500 body %s", sent);
}

/* once connected: more of the same, each followed by a new connection */
static void send_more(struct world *w, const char *transport, const char *sent)
{
	bool ws = strcmp(transport, "websocket") == 0;

	for (int i = 0; i < 3; i++) {
		fake_await(w->fake, "held", NULL, 1);
		fake_command(w->fake, "mark");
		if (i == 0)
			fake_command(w->fake, "rule type=connect reply {\"oops\":\"%s\"", sent);
		else if (i == 1 && ws)
			fake_command(w->fake, "rule type=connect ws-close 1011 reason \"%s\"", sent);
		else if (i == 1)
			fake_command(w->fake, "rule type=connect status 500 body %s", sent);
		else
			fake_command(w->fake, "rule type=connect reply {\"channel\":\"/meta/disconnect\","
				     "\"error\":\"gone %s\"},{\"channel\":\"/meta/connect\",\"id\":$id,"
				     "\"successful\":false,\"error\":\"402::%s\",\"advice\":"
				     "{\"reconnect\":\"none\"}}", sent, sent);
		/* else it takes the next session for a second one of the same browser */
		if (i == 2)
			fake_command(w->fake, "expire");
		fake_command(w->fake, "cut");
		fake_await(w->fake, "rule", NULL, 1);
		/* the text that is no JSON is left out, and the WebSocket waits for the reply */
		if (i == 0 && ws)
			fake_command(w->fake, "cut");
	}
	fake_await(w->fake, "held", NULL, 1);
}

static void one_place(const char *transport, const struct place *p)
{
	static const char *const options[] = {"--timeout", "60000", NULL};
	struct world *w = world_new(options);
	char server[1024], *lines = world_lines(w, p->options);

	snprintf(server, sizeof(server), QUICK "transports = %s\n%s", transport, lines);
	free(lines);
	world_configure(w, NULL, server, NULL);
	if (p->file)
		put_file(w, p->file, 0700, p->text);
	send_rules(w, transport, p->sent);
	world_start(w);
	struct wire *witness = wire_hello(w->socket, "witness"), *a = world_peer(w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/c\"");
	assert_false(wire_ask(a, "subscribe", ",\"channel\":\"/x\"")->ok);
	assert_clean("the refusal of a subscribe", a->taken->text, a->taken->n);
	const struct message *m = wire_ask(a, "publish", ",\"channel\":\"/x\",\"data\":1");
	assert_false(m->ok);
	/* masked, not left out */
	assert_non_null(memmem(m->error.p, m->error.n, "********", 8));
	assert_clean("the refusal of a publish", a->taken->text, a->taken->n);
	send_more(w, transport, p->sent);
	hunt_frames(a);
	hunt_frames(witness);
	hunt_daemon(w);
	/* it was there */
	assert_true(world_log_has(w, "********"));
	wire_close(a);
	wire_close(witness);
	world_free(w);
}

static void servers_that_repeat_it(void **state)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		print_message("%s\n", places[i].name);
		one_place(*state, &places[i]);
	}
}

/* A cookie that the server gave is as good as a credential; and a redirect may lead to one. */
static void cookies_and_redirects(void **state)
{
	struct world *w = world_new(NULL);
	char server[256], *url;

	snprintf(server, sizeof(server), QUICK "transports = %s\nredirects = same-host\n",
		 (const char *)*state);
	world_configure(w, NULL, server, NULL);
	fake_command(w->fake, "rule type=%s header \"Set-Cookie: sid=" CANARY "; Path=/\"",
		     strcmp(*state, "websocket") == 0 ? "upgrade" : "handshake");
	fake_command(w->fake, "rule type=publish channel=/x refuse \"403::no " CANARY "\"");
	assert_true(asprintf(&url, "http://127.0.0.1:%u/no-%s", fake_port(w->fake), CANARY) > 0);
	world_start(w);
	struct wire *a = world_peer(w, "a");
	assert_false(wire_ask(a, "publish", ",\"channel\":\"/x\",\"data\":1")->ok);
	assert_clean("the refusal of a publish", a->taken->text, a->taken->n);
	fake_command(w->fake, "rule type=publish channel=/x reply {\"channel\":\"/x\",\"id\":$id,"
		     "\"successful\":false,\"error\":\"403::no canary\\u002d\\u0030123456789\"}");
	const struct message *m = wire_ask(a, "publish", ",\"channel\":\"/x\",\"data\":1");
	assert_non_null(memmem(m->error.p, m->error.n, "no ****", 7));
	assert_clean("the refusal of a publish", a->taken->text, a->taken->n);
	fake_command(w->fake, "rule type=connect redirect 307 %s", url);
	fake_command(w->fake, "rule type=handshake redirect 302 http://nowhere.invalid/no-%s?%s", CANARY,
		     CANARY);
	fake_command(w->fake, "expire");
	fake_command(w->fake, "cut");
	wire_state(a, "demo", "connected");
	hunt_frames(a);
	hunt_daemon(w);
	free(url);
	wire_close(a);
	world_free(w);
}

/* Who knows the client id can act as the session: it is as good as a credential while that lives. */
static void client_id(void **state)
{
	struct world *w = world_new(NULL);
	char server[256];

	snprintf(server, sizeof(server), QUICK "transports = %s\n", (const char *)*state);
	world_configure(w, NULL, server, NULL);
	world_start(w);
	struct wire *a = world_peer(w, "a");
	for (int i = 0; i < 2; i++) {
		fake_command(w->fake, "rule type=publish channel=/x reply {\"channel\":\"/x\",\"id\":$id,"
			     "\"successful\":false,\"error\":\"403:${clientId}:no ${clientId}\","
			     "\"ext\":{\"of\":$clientId}}");
		const struct message *m = wire_ask(a, "publish", ",\"channel\":\"/x\",\"data\":1");
		assert_false(m->ok);
		assert_non_null(memmem(m->error.p, m->error.n, ":********", 9));
		assert_non_null(memmem(m->error.p, m->error.n, "no ********", 11));
		assert_non_null(memmem(m->error.p, m->error.n, "{\"of\":\"********", 15));
		/* and that of the next session */
		fake_command(w->fake, "expire");
		wire_state(a, "demo", "connected");
	}
	wire_close(a);
	world_free(w);
}

/* published and received messages are not masked, whatever they contain */
static void messages_are_left_as_they_are(void **state)
{
	struct world *w = world_new(NULL);
	char server[512];

	snprintf(server, sizeof(server), QUICK "transports = %s\ncredential-file = %s/f\n",
		 (const char *)*state, w->dir);
	world_configure(w, NULL, server, NULL);
	put_file(w, "f", 0600, CANARY);
	world_start(w);
	struct wire *a = world_peer(w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/c\"");
	wire_ok(a, "publish", ",\"channel\":\"/c\",\"data\":\"" CANARY "\"");
	const struct message *m = wire_expect(a, PROTOCOL_OP_MESSAGE);
	assert_non_null(memmem(m->message.p, m->message.n, "\"" CANARY "\"", sizeof(CANARY) + 1));
	hunt_daemon(w);
	wire_close(a);
	world_free(w);
}

/* --- a token server that does --- */

static void one_grant(const char *transport, const char *options, const char *token)
{
	static const char *const fake_options[] = {"--timeout", "60000", NULL};
	struct world *w = world_new(fake_options);
	struct tokens *t = tokens_new(CANARY "-token");
	char server[1024], *lines = world_lines(w, options);

	snprintf(server, sizeof(server), QUICK "transports = %s\noauth = t\n[oauth t]\ntoken-url = %s\n"
		 "client-id = me1\n%s[server demo]\n", transport, tokens_url(t), lines);
	free(lines);
	world_configure(w, NULL, server, NULL);
	put_file(w, "secret", 0600, CANARY "-secret");
	put_file(w, "refresh", 0600, CANARY "-refresh");
	tokens_do(t, TOKENS_ECHO, NULL);
	world_start(w);
	struct wire *a = wire_hello(w->socket, "a");
	assert_non_null(strstr(tokens_await(t), token));
	tokens_await(t);
	tokens_do(t, TOKENS_REPLY, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
		  "{\"access_token\":\"" CANARY "\n\"}");
	tokens_await(t);
	tokens_await(t);
	tokens_do(t, TOKENS_GIVE, ",\"refresh_token\":\"" CANARY "-next\",\"expires_in\":3600");
	wire_ok(a, "subscribe", ",\"channel\":\"/c\"");
	fake_command(w->fake, "rule type=publish channel=/x refuse \"403::no %s-token-1\"", CANARY);
	assert_false(wire_ask(a, "publish", ",\"channel\":\"/x\",\"data\":1")->ok);
	assert_clean("the refusal of a publish", a->taken->text, a->taken->n);
	hunt_frames(a);
	hunt_daemon(w);
	wire_close(a);
	world_free(w);
	tokens_free(t);
}

static void token_servers_that_repeat_it(void **state)
{
	one_grant(*state, "client-secret-file = $DIR/secret\n",
		  /* me1:canary-… */
		  "Basic bWUxOmNhbmFyeS0wMTIzNDU2Nzg5");
	one_grant(*state, "client-secret-file = $DIR/secret\nclient-auth = body\n",
		  "&client_secret=" CANARY "-secret");
	one_grant(*state, "client-secret-file = $DIR/secret\n"
		  "client-auth = body\nrefresh-token-file = $DIR/refresh\n",
		  "&refresh_token=" CANARY "-refresh");
}

/* --- secrets in the wrong place --- */

static void configurations(void **state)
{
	static const char *const lines[] = {
		"[server x]\nurl = http://me:" CANARY "@127.0.0.1/\n",
		"[oauth x]\ntoken-url = https://me:" CANARY "@127.0.0.1/\n",
		"[server x]\nproxy = http://me:" CANARY "@127.0.0.1:1\n",
		"[server x]\nheader = Authorization " CANARY "\n",
		"[server x]\nheader = Host: " CANARY "\n",
		"[oauth x]\nparameter = client_secret=" CANARY "\n",
		"[server x]\ncredential-command = get " CANARY "\n",
		"[server x]\ncredential-command = /bin/get '" CANARY "'\n",
		"[server x]\next = handshake {\"token\":\"" CANARY "\"\n",
	};
	struct world *w = world_new(NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char *out, *err, text[512];

		snprintf(text, sizeof(text), "%s%s", lines[i],
			 i ? "[server x]\nurl = http://127.0.0.1/\n" : "");
		put_file(w, "bad.conf", 0600, text);
		char path[128];
		snprintf(path, sizeof(path), "%s/bad.conf", w->dir);
		assert_int_equal(world_command(w, &out, &err, "cometd-bridged", "--config", path,
					       "--check-config", NULL), 78);
		assert_non_null(strstr(err, "bad.conf:2: "));
		assert_clean("--check-config", err, strlen(err));
		assert_clean("--check-config", out, strlen(out));
		free(out);
		free(err);
	}
	world_free(w);
}

/* No core file is written even where the limits allow one, because it would contain all secrets. */
static void no_core_file(void **state)
{
	struct rlimit before, all = {RLIM_INFINITY, RLIM_INFINITY};
	struct world *w = world_new(NULL);
	int status;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_CORE, &before), 0);
	/* root may have more than it was given */
	if (setrlimit(RLIMIT_CORE, &all) != 0)
		all = (struct rlimit){before.rlim_max, before.rlim_max};
	if (!all.rlim_max) {
		world_free(w);
		print_message("SKIPPED: no core file: they are forbidden here anyway\n");
		skip();
	}
	world_configure(w, NULL, NULL, NULL);
	assert_int_equal(setrlimit(RLIMIT_CORE, &all), 0);
	world_start(w);
	assert_int_equal(setrlimit(RLIMIT_CORE, &before), 0);
	assert_int_equal(kill(w->daemon, SIGQUIT), 0);
	assert_int_equal(waitpid(w->daemon, &status, 0), w->daemon);
	w->daemon = 0;
	assert_true(WIFSIGNALED(status));
	assert_false(WCOREDUMP(status));
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(servers_that_repeat_it),
		ON_BOTH(cookies_and_redirects),
		ON_BOTH(client_id),
		ON_BOTH(messages_are_left_as_they_are),
		ON_BOTH(token_servers_that_repeat_it),
		cmocka_unit_test(configurations),
		cmocka_unit_test(no_core_file),
	};

	return scenario_run("secrets", tests, NULL, NULL);
}
