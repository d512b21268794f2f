/*
 * The configuration is read again on SIGHUP: servers are added, changed and removed while the others,
 * and the local programs, go on; limits change at once; a wrong file changes nothing.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct two {
	struct world *w;        /* with the server demo */
	struct fake *other;
	char section[256];      /* of the server other */
};

static void two_new(struct two *t)
{
	static const char *const long_connects[] = {"--timeout", "600000", "--max-interval", "600000", NULL};

	t->w = world_new(NULL);
	t->other = fake_start(long_connects);
	snprintf(t->section, sizeof(t->section), "[server other]\nurl = http://127.0.0.1:%u/cometd\n",
		 fake_port(t->other));
}

static void two_free(struct two *t)
{
	world_free(t->w);
	fake_stop(t->other);
}

/* Waits until the log has this text. */
static void reload(struct two *t, struct wire *a, const char *logged)
{
	assert_int_equal(kill(t->w->daemon, SIGHUP), 0);
	for (int i = 0; i < 100000 && !world_log_has(t->w, logged); i++)
		wire_ok(a, "ping", "%s", "");
	assert_true(world_log_has(t->w, logged));
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void receive(struct wire *a, const char *channel, int n)
{
	char expected[128];

	snprintf(expected, sizeof(expected), "{\"data\":%d,\"channel\":\"%s\"}", n, channel);
	while (!slice_eq(wire_expect(a, PROTOCOL_OP_MESSAGE)->message, slice_of(expected)))
		;
}

/* The server with another option gets a new session, which keeps the subscriptions and reports the gap. */
static void one_server_changes(void **state)
{
	struct two t;

	(void)state;
	two_new(&t);
	world_configure(t.w, NULL, NULL, t.section);
	world_start(t.w);
	struct wire *a = world_peer(t.w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/x\"");
	fake_await(t.other, "held", NULL, 1);
	wire_ok(a, "subscribe", ",\"channel\":\"/y\",\"server\":\"other\"");
	fake_command(t.w->fake, "mark");
	fake_command(t.other, "mark");
	world_configure(t.w, NULL, "header = X-Tenant: north\n", t.section);
	assert_int_equal(kill(t.w->daemon, SIGHUP), 0);
	assert_true(wire_state(a, "demo", "connected")->gap);
	fake_await(t.w->fake, "disconnect", NULL, 1);
	fake_await(t.w->fake, "subscribe", "/x", 1);
	fake_command(t.w->fake, "publish /x 1");
	receive(a, "/x", 1);
	fake_command(t.other, "publish /y 2");
	receive(a, "/y", 2);
	assert_int_equal(fake_count(t.other, "handshake", NULL), 0);
	assert_int_equal(fake_count(t.other, "disconnect", NULL), 0);
	assert_true(world_log_has(t.w, "an option has changed server=demo option=header"));
	wire_close(a);
	two_free(&t);
}

static void servers_come_and_go(void **state)
{
	struct two t;

	(void)state;
	two_new(&t);
	world_configure(t.w, NULL, NULL, NULL);
	world_start(t.w);
	struct wire *a = world_peer(t.w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/x\"");
	wire_assert_error(wire_ask(a, "subscribe", ",\"channel\":\"/y\",\"server\":\"other\""), "unknown-server");
	world_configure(t.w, NULL, NULL, t.section);
	assert_int_equal(kill(t.w->daemon, SIGHUP), 0);
	wire_state(a, "other", "connected");
	wire_ok(a, "subscribe", ",\"channel\":\"/y\",\"server\":\"other\"");
	fake_command(t.other, "publish /y 1");
	receive(a, "/y", 1);
	world_configure(t.w, NULL, NULL, NULL);
	assert_int_equal(kill(t.w->daemon, SIGHUP), 0);
	const struct message *end = wire_expect(a, PROTOCOL_OP_SUBSCRIPTION);
	assert_true(slice_eq(end->channel, SLICE("/y")));
	assert_false(end->ok);
	fake_await(t.other, "disconnect", NULL, 1);
	wire_assert_error(wire_ask(a, "publish", ",\"channel\":\"/y\",\"data\":1,\"server\":\"other\""),
			  "unknown-server");
	fake_command(t.w->fake, "publish /x 3");
	receive(a, "/x", 3);
	assert_int_equal(fake_count(t.w->fake, "disconnect", NULL), 0);
	wire_close(a);
	two_free(&t);
}

/* Requests without a server go to the new default, and limits hold for connections there are. */
static void options_used_at_once(void **state)
{
	struct two t;
	char section[512];

	(void)state;
	two_new(&t);
	world_configure(t.w, NULL, NULL, t.section);
	world_start(t.w);
	struct wire *a = world_peer(t.w, "a");
	fake_await(t.other, "held", NULL, 1);
	wire_ok(a, "subscribe", ",\"channel\":\"/x\"");
	snprintf(section, sizeof(section), "%sdefault = yes\n", t.section);
	world_configure(t.w, "subscriptions-max = 2\n", NULL, section);
	reload(&t, a, "was reloaded");
	wire_ok(a, "subscribe", ",\"channel\":\"/y\"");
	fake_await(t.other, "subscribe", "/y", 1);
	wire_assert_error(wire_ask(a, "subscribe", ",\"channel\":\"/z\""), "too-many");
	assert_int_equal(fake_count(t.w->fake, "disconnect", NULL), 0);
	assert_int_equal(fake_count(t.other, "disconnect", NULL), 0);
	wire_close(a);
	two_free(&t);
}

static void a_wrong_file_changes_nothing(void **state)
{
	struct two t;
	char pid[16], *out, *err, place[128];

	(void)state;
	two_new(&t);
	world_configure(t.w, NULL, NULL, t.section);
	world_start(t.w);
	struct wire *a = world_peer(t.w, "a");
	fake_await(t.other, "held", NULL, 1);
	wire_ok(a, "subscribe", ",\"channel\":\"/x\"");
	world_configure(t.w, "subscriptions-max = 1\n", "heder = X: 1\n", NULL);
	reload(&t, a, "the reload failed; the daemon keeps");
	assert_true(world_log_has(t.w, "did you mean \\\"header\\\"") || world_log_has(t.w, "did you mean \"header\""));
	wire_ok(a, "subscribe", ",\"channel\":\"/y\",\"server\":\"other\"");
	fake_command(t.w->fake, "publish /x 1");
	receive(a, "/x", 1);
	/* what `systemctl reload` runs says why, and fails */
	snprintf(pid, sizeof(pid), "%d", t.w->daemon);
	snprintf(place, sizeof(place), "error: %s:", t.w->config);
	assert_int_equal(world_command(t.w, &out, &err, "cometd-bridged", "--config", t.w->config, "--reload", pid,
				       NULL), 78);
	assert_non_null(strstr(err, place));
	assert_non_null(strstr(err, "heder"));
	free(out), free(err);
	world_configure(t.w, NULL, NULL, t.section);
	assert_int_equal(world_command(t.w, &out, &err, "cometd-bridged", "--config", t.w->config, "--reload", pid,
				       NULL), 0);
	assert_string_equal(err, "");
	free(out), free(err);
	reload(&t, a, "was reloaded");
	assert_int_equal(fake_count(t.w->fake, "handshake", NULL), 1);
	assert_int_equal(fake_count(t.other, "handshake", NULL), 1);
	wire_close(a);
	two_free(&t);
}

/* The session goes on when its extension does not want the new configuration; the next reload tries again,
   although the files that are compared are the same. */
static void what_failed_is_tried_again(void **state)
{
	struct two t;
	char server[512], file[128];

	(void)state;
	two_new(&t);
	world_configure(t.w, NULL, NULL, NULL);
	world_start(t.w);
	struct wire *a = world_peer(t.w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/x\"");
	snprintf(file, sizeof(file), "%s/tenant", t.w->dir);
	write_file(file, "colour=red");
	snprintf(server, sizeof(server), "extension = %s/.libs/tenant.so @%s\n", getenv("top_builddir"), file);
	world_configure(t.w, NULL, server, NULL);
	reload(&t, a, "the changed configuration of this server cannot be used");
	assert_int_equal(fake_count(t.w->fake, "disconnect", NULL), 0);
	fake_command(t.w->fake, "publish /x 1");
	receive(a, "/x", 1);
	write_file(file, "tenant=north");
	assert_int_equal(kill(t.w->daemon, SIGHUP), 0);
	assert_true(wire_state(a, "demo", "connected")->gap);
	fake_await(t.w->fake, "disconnect", NULL, 1);
	wire_close(a);
	two_free(&t);
}

/* A second change while the first one is under way, and a stop while it is. */
static void changes_in_a_row(void **state)
{
	struct two t;
	char header[64];

	(void)state;
	two_new(&t);
	world_configure(t.w, NULL, NULL, t.section);
	world_start(t.w);
	struct wire *a = world_peer(t.w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/x\"");
	/* the server lets only the last one in, so that the subscription is known to be that one's */
	fake_command(t.w->fake, "require-header X-Number last");
	fake_command(t.w->fake, "mark");
	for (int i = 0; i < 20; i++) {
		snprintf(header, sizeof(header), "header = X-Number: %d\n", i);
		world_configure(t.w, NULL, header, i % 2 ? t.section : NULL);
		assert_int_equal(kill(t.w->daemon, SIGHUP), 0);
		wire_ok(a, "ping", "%s", "");
	}
	/* the newest is in effect: the last change is not lost */
	world_configure(t.w, NULL, "header = X-Number: last\n", t.section);
	assert_int_equal(kill(t.w->daemon, SIGHUP), 0);
	fake_await(t.w->fake, "subscribe", "/x", 1);
	fake_command(t.w->fake, "publish /x 1");
	receive(a, "/x", 1);
	world_configure(t.w, NULL, NULL, NULL);
	assert_int_equal(kill(t.w->daemon, SIGHUP), 0);
	assert_int_equal(world_stop(t.w), 0);
	wire_close(a);
	two_free(&t);
}

static void command(struct two *t, const char *verb, int code, const char *out_has, const char *err_has)
{
	char *out, *err;

	assert_int_equal(world_command(t->w, &out, &err, "cometctl", verb, NULL), code);
	if (!strstr(out, out_has) || !strstr(err, err_has))
		fail_msg("cometctl %s printed \"%s\" and \"%s\"", verb, out, err);
	free(out), free(err);
}

/* It returns when the new configuration is in effect; a failure is remembered until one succeeds. */
static void by_request(void **state)
{
	struct two t;
	char text[1024];

	(void)state;
	two_new(&t);
	world_configure(t.w, NULL, NULL, NULL);
	world_start(t.w);
	struct wire *a = world_peer(t.w, "a");
	command(&t, "reload", 0, "nothing changed\n", "");
	world_configure(t.w, "subscriptions-max = 1\nsocket-mode = 0600\n", "header = X: 1\n", t.section);
	command(&t, "reload", 0, "subscriptions-max", "");
	wire_state(a, "other", "connected");
	world_configure(t.w, "subscriptions-max = 1\n", "heder = X: 1\n", NULL);
	snprintf(text, sizeof(text), "reload: the configuration has an error and is not used: %s:", t.w->config);
	command(&t, "reload", 9, "", text);
	command(&t, "status", 0, "the reload of the configuration ", "");
	command(&t, "status", 0, "heder", "");
	command(&t, "config", 0, "header = X: 1\n", "");
	world_configure(t.w, "subscriptions-max = 1\n", NULL, NULL);
	command(&t, "reload", 0, "demo: header (default): its server gets a new session\nother: removed\n", "");
	char *out, *err;
	assert_int_equal(world_command(t.w, &out, &err, "cometctl", "status", NULL), 0);
	assert_null(strstr(out, "the reload of the configuration"));
	free(out), free(err);
	wire_close(a);
	two_free(&t);
}

/* ---- many edits, chosen at random ---- */

#define VALUES 3

struct choice {
	const char *option, *values[VALUES];
};

static const struct choice bridge_options[] = {
	{"subscriptions-max", {"100", "200", "300"}}, {"requests-max", {"50", "60", "70"}},
	{"outbox-max", {"1M", "2M", "1024K"}}, {"peers-max", {"50", "unlimited", "60"}},
	{"socket-mode", {"0600", "0660", "0666"}},
};

static const struct choice server_options[] = {
	{"header", {"X-A: 1", "X-A: 2\nheader = X-B: 1", "X-C: 1"}}, {"timestamp", {"yes", "no", "yes"}},
	{"backoff", {"1s 60s", "1s 1m", "50ms 1s"}}, {"default", {"no", "yes", "no"}},
	{"network-delay", {"9m", "10m", "600s"}}, {"max-sent", {"64K", "unlimited", "32K"}},
	{"fields", {"connect {\"a\":1}", "handshake {\"a\":1}\nfields = connect {\"b\":2}", "publish {}"}},
	{"transports", {"long-polling", "websocket", "websocket, long-polling"}},
	{"linger", {"off", "10s", "1m"}}, {"subscribe", {"/k/1", "/k/1\nsubscribe = /k/2", "/k/**"}},
	{"connection-timeout", {"0s", "5s", "unlimited"}}, {"cookie", {"a=b", "c=d", "e=f; Path=/x"}},
	{"overlap", {"exact", "covering", "auto"}}, {"url-for", {"publish p", "connect /c", "subscribe s"}},
};
#define N_BRIDGE (sizeof(bridge_options) / sizeof(bridge_options[0]))
#define N_SERVER (sizeof(server_options) / sizeof(server_options[0]))

/* lines at the end of the file */
static const char *const broken[] = {
	"heder = X: 1", "[server other", "[servers x]", "backoff = 60s", "no option", "url = ftp://there",
	"oauth = nowhere", "transports = pigeon", "ext = connect [", "default = yes\ndefault = no",
};
#define N_BROKEN (sizeof(broken) / sizeof(broken[0]))

struct edits {
	struct two t;
	struct wire *a;
	uint32_t random;
	unsigned bridge[N_BRIDGE], server[N_SERVER];    /* 0: not set, else the value counted from 1 */
	bool third;                                     /* a server that comes and goes */
	unsigned published;
};

/* 0 … n - 1; always the same series */
static unsigned pick(struct edits *e, unsigned n)
{
	e->random ^= e->random << 13;
	e->random ^= e->random >> 17;
	e->random ^= e->random << 5;
	return e->random % n;
}

static void put_choices(FILE *f, const struct choice *options, const unsigned *chosen, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (chosen[i])
			fprintf(f, "%s = %s\n", options[i].option, options[i].values[chosen[i] - 1]);
}

static void write_edited(struct edits *e, const char *end)
{
	char *bridge, *rest;
	size_t size;
	FILE *f = open_memstream(&bridge, &size);

	put_choices(f, bridge_options, e->bridge, N_BRIDGE);
	assert_int_equal(fclose(f), 0);
	f = open_memstream(&rest, &size);
	if (e->third)
		fprintf(f, "[server third]\nurl = http://127.0.0.1:%u/cometd\n", fake_port(e->t.other));
	fputs(e->t.section, f);
	put_choices(f, server_options, e->server, N_SERVER);
	fprintf(f, "%s\n", end);
	assert_int_equal(fclose(f), 0);
	world_configure(e->t.w, bridge, NULL, rest);
	free(bridge), free(rest);
}

static void edit(struct edits *e)
{
	switch (pick(e, 8)) {
	case 0:
		e->third = !e->third;
		break;
	case 1:
		e->bridge[pick(e, N_BRIDGE)] = pick(e, VALUES + 1);
		break;
	default:
		e->server[pick(e, N_SERVER)] = pick(e, VALUES + 1);
	}
}

static char *output(struct world *w, const char *program, const char *a, const char *b, const char *c)
{
	char *out, *err;

	assert_int_equal(world_command(w, &out, &err, program, a, b, c, NULL), 0);
	assert_string_equal(err, "");
	free(err);
	return out;
}

/* While the daemon reads its configuration, messages arrive on the server that no edit concerns. */
static void reload_under_traffic(struct edits *e, int code)
{
	static const char *const argv[] = {"cometctl", "reload", NULL};
	struct process *p = world_run(e->t.w, argv);
	char *out, *err, expected[64];
	unsigned first = e->published;

	for (int i = 0; i < 5; i++)
		fake_command(e->t.w->fake, "publish /x %u", e->published++);
	assert_int_equal(process_wait(p, &out, &err), code);
	free(out), free(err);
	for (; first < e->published; first++) {
		snprintf(expected, sizeof(expected), "{\"data\":%u,\"channel\":\"/x\"}", first);
		assert_true(slice_eq(wire_expect(e->a, PROTOCOL_OP_MESSAGE)->message, slice_of(expected)));
	}
}

/* Thirty edits are in effect as they are in a daemon that starts with them; ten broken ones change nothing. */
static void random_edits(void **state)
{
	struct edits e = {.random = 20261130};
	size_t n_broken = 0;

	(void)state;
	two_new(&e.t);
	write_edited(&e, "");
	world_start(e.t.w);
	e.a = world_peer(e.t.w, "a");
	wire_ok(e.a, "subscribe", ",\"channel\":\"/x\",\"server\":\"demo\"");
	for (int i = 0; i < 30; i++) {
		edit(&e);
		write_edited(&e, "");
		reload_under_traffic(&e, 0);
		char *running = output(e.t.w, "cometctl", "config", NULL, NULL);
		char *fresh = output(e.t.w, "cometd-bridged", "--config", e.t.w->config, "--dump-config");
		assert_string_equal(running, fresh);
		free(fresh);
		if (i % 3 == 0 && n_broken < N_BROKEN) {
			edit(&e);
			write_edited(&e, broken[n_broken++]);
			reload_under_traffic(&e, 9);
			char *same = output(e.t.w, "cometctl", "config", NULL, NULL);
			assert_string_equal(running, same);
			free(same);
		}
		free(running);
	}
	assert_int_equal(n_broken, N_BROKEN);
	assert_int_equal(fake_count(e.t.w->fake, "handshake", NULL), 1);
	assert_int_equal(fake_count(e.t.w->fake, "disconnect", NULL), 0);
	wire_close(e.a);
	two_free(&e.t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_server_changes),
		cmocka_unit_test(servers_come_and_go),
		cmocka_unit_test(options_used_at_once),
		cmocka_unit_test(a_wrong_file_changes_nothing),
		cmocka_unit_test(what_failed_is_tried_again),
		cmocka_unit_test(changes_in_a_row),
		cmocka_unit_test(by_request),
		cmocka_unit_test(random_edits),
	};

	return scenario_run("reload", tests, NULL, NULL);
}
