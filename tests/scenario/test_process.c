/*
 * The daemon as a process among others: the path of its socket, its
 * configuration, its end, and what cometctl answers to a shell in each case.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int daemon_status(struct world *w, char **ret_err)
{
	return world_command(w, NULL, ret_err, "cometd-bridged", "--config", w->config, NULL);
}

/* starting must fail with `text` and not change the file at the path */
static void assert_refuses(struct world *w, const char *text)
{
	struct stat before, after;
	char *err;

	assert_int_equal(lstat(w->socket, &before), 0);
	assert_int_equal(daemon_status(w, &err), 1);
	if (!strstr(err, text) || !strstr(err, w->socket))
		fail_msg("expected \"%s\" and the path in: %s", text, err);
	free(err);
	assert_int_equal(lstat(w->socket, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

static void what_lies_at_the_path_is_kept(void **state)
{
	struct world *w = world_new(NULL);
	char target[128];

	(void)state;
	world_configure(w, NULL, NULL, NULL);
	FILE *f = fopen(w->socket, "we");
	assert_non_null(f);
	fclose(f);
	assert_refuses(w, "file");
	unlink(w->socket);
	assert_int_equal(mkdir(w->socket, 0700), 0);
	assert_refuses(w, "directory");
	rmdir(w->socket);
	snprintf(target, sizeof(target), "%s/target", w->dir);
	assert_int_equal(symlink(target, w->socket), 0);
	assert_refuses(w, "link");
	unlink(w->socket);
	world_free(w);
}

static void a_second_daemon_does_not_steal(void **state)
{
	struct world *w = world_up(NULL, NULL);

	(void)state;
	assert_refuses(w, "already");
	struct wire *a = world_peer(w, "a");
	wire_ok(a, "ping", "%s", "");
	wire_close(a);
	world_free(w);
}

static void a_stale_socket_is_replaced(void **state)
{
	struct world *w = world_up(NULL, NULL);

	(void)state;
	world_kill(w);
	assert_int_equal(access(w->socket, F_OK), 0);
	world_start(w);
	struct wire *a = world_peer(w, "a");
	wire_ok(a, "ping", "%s", "");
	wire_close(a);
	assert_int_equal(world_stop(w), 0);
	assert_int_equal(access(w->socket, F_OK), -1);
	world_free(w);
}

static void configuration_errors_name_the_line(void **state)
{
	static const struct {
		const char *text, *where, *what;
	} cases[] = {
		{"[bridge]\nsocke = /tmp/x\n[server a]\nurl = http://x/\n", ":2:", "socket"},
		{"[bridge]\n[server a]\nurl = http://x/\nurls = http://y/\n", ":4:", "url"},
		{"[bridge]\n[server a]\nurl = gopher://x/\n", ":3:", "http"},
		{"[server a]\nurl = http://x/\nnetwork-delay = soon\n", ":3:", "network-delay"},
		{"[server a b]\nurl = http://x/\n", ":1:", "a b"},
		{"[servant a]\nurl = http://x/\n", ":1:", "server"},
		{"[server a]\n", ":1:", "url"},
		{"", "", "server"},
	};
	struct world *w = world_new(NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *err;
		FILE *f = fopen(w->config, "we");
		assert_non_null(f);
		fputs(cases[i].text, f);
		fclose(f);
		assert_int_equal(world_command(w, NULL, &err, "cometd-bridged", "--check-config",
					       "--config", w->config, NULL), 78);
		if (!strstr(err, cases[i].where) || !strstr(err, cases[i].what))
			fail_msg("case %zu: %s", i, err);
		free(err);
	}
	world_free(w);
}

/* The sample that is installed: as it is, and with all options that it shows. */
static void sample_configuration_is_good(void **state)
{
	const char *top = getenv("top_srcdir");
	struct world *w = world_new(NULL);
	char sample[PATH_MAX], line[256], *out;

	(void)state;
	snprintf(sample, sizeof(sample), "%s/daemon/examples/cometd-bridge.conf", top ? top : ".");
	for (int all = 0; all < 2; all++) {
		FILE *from = fopen(sample, "re"), *to = fopen(w->config, "we");

		assert_non_null(from);
		assert_non_null(to);
		while (fgets(line, sizeof(line), from))
			fputs(all && line[0] == '#' && line[1] != ' ' && line[1] != '\n' ? line + 1 : line, to);
		fclose(from);
		fclose(to);
		assert_int_equal(world_command(w, &out, NULL, "cometd-bridged", "--check-config", "--config",
					       w->config, NULL), 0);
		free(out);
	}
	world_free(w);
}

/* As root: the file that only root may read is one that the service cannot. */
static void files_are_checked_as_the_user_of_the_service(void **state)
{
	struct world *w = world_new(NULL);
	char token[128], more[256], *err;

	(void)state;
	if (geteuid() != 0 || chmod(w->dir, 0755)) {
		world_free(w);
		skip();
	}
	snprintf(token, sizeof(token), "%s/token", w->dir);
	FILE *f = fopen(token, "we");
	assert_non_null(f);
	fputs("secret\n", f);
	fclose(f);
	assert_int_equal(chmod(token, 0600), 0);
	snprintf(more, sizeof(more), "[server other]\nurl = https://example.com/cometd\ncredential-file = %s\n",
		 token);
	world_configure(w, NULL, NULL, more);
	assert_int_equal(chmod(w->config, 0644), 0);
	assert_int_equal(world_command(w, NULL, &err, "cometd-bridged", "--check-config", "--config",
				       w->config, "--user", "nobody", NULL), 0);
	assert_non_null(strstr(err, "/token: the user nobody cannot read it; make nobody its owner"));
	free(err);
	assert_int_equal(world_command(w, NULL, &err, "cometd-bridged", "--check-config", "--config",
				       w->config, NULL), 0);
	assert_string_equal(err, "");
	free(err);
	assert_int_equal(world_command(w, NULL, &err, "cometd-bridged", "--check-config", "--user",
				       "no such user", NULL), 2);
	free(err);
	world_free(w);
}

static void good_configuration_is_confirmed(void **state)
{
	struct world *w = world_new(NULL);
	char *out, *err;

	(void)state;
	world_configure(w, NULL, NULL, "[server other]\nurl = https://example.com/cometd\n");
	assert_int_equal(world_command(w, &out, &err, "cometd-bridged", "--check-config", "--config",
				       w->config, NULL), 0);
	assert_non_null(strstr(out, ": the configuration is valid, with 2 servers: "));
	assert_string_equal(err, "");
	free(out);
	free(err);
	world_free(w);
}

static void commands_report_failures(void **state)
{
	struct world *w = world_new(NULL);
	char *err;

	(void)state;
	assert_int_equal(world_command(w, NULL, &err, "cometctl", "status", NULL), 3);
	assert_non_null(strstr(err, w->socket));
	free(err);
	world_configure(w, NULL, NULL, NULL);
	world_start(w);
	assert_int_equal(world_command(w, NULL, NULL, "cometctl", "wait", "--timeout", "120", NULL), 0);
	fake_command(w->fake, "rule type=publish channel=/deny times=all refuse 403::publish_denied");
	assert_int_equal(world_command(w, NULL, &err, "cometctl", "pub", "/deny", "1", NULL), 5);
	assert_non_null(strstr(err, "publish_denied"));
	free(err);
	assert_int_equal(world_command(w, NULL, NULL, "cometctl", "pub", "/ok", "{bad", NULL), 2);
	assert_int_equal(world_command(w, NULL, NULL, "cometctl", "pub", "/ok", "1", NULL), 0);
	assert_int_equal(world_command(w, NULL, NULL, "cometctl", "-s", "nowhere", "pub", "/ok", "1",
				       NULL), 2);
	assert_int_equal(world_command(w, NULL, NULL, "cometctl", "sub", "/quiet", "--timeout",
				       "0.2", NULL), 6);
	assert_int_equal(world_command(w, NULL, NULL, "cometctl", "frobnicate", NULL), 2);
	world_free(w);
}

/* A socket of the daemon must not get the number of a closed standard descriptor. */
static void a_shell_without_its_descriptors(void **state)
{
	static const struct {
		const char *command;
		int status;
	} cases[] = {
		{"pub /closed 1 <&-", 0},
		{"pub /closed 1 >&-", 0},
		{"pub /closed 1 <&- >&- 2>&-", 0},
		{"pub /closed - <&-", 1},
		{"status >&-", 1},
		{"status <&- >&- 2>&-", 1},
		{"call /service/echo 1 <&- >&-", 1},
	};
	const char *top = getenv("top_builddir");
	struct world *w = world_up(NULL, NULL);
	char command[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(command, sizeof(command),
			 "COMETD_BRIDGE_SOCKET='%s' timeout 20 '%s/cometctl' %s", w->socket,
			 top ? top : ".", cases[i].command);
		int status = system(command);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != cases[i].status)
			fail_msg("%s: %#x", cases[i].command, (unsigned)status);
	}
	assert_int_equal(fake_count(w->fake, "publish", "/closed"), 3);
	world_free(w);
}

static void a_shell_subscribes_and_publishes(void **state)
{
	struct world *w = world_up(NULL, NULL);
	static const char *const sub[] = {"cometctl", "sub", "/shell/*", "-n", "3", NULL};
	static const char *const pub[] = {"cometctl", "pub", "/shell/b", "-", NULL};

	(void)state;
	struct process *s = world_run(w, sub);
	fake_await(w->fake, "subscribe", "/shell/*", 1);
	assert_int_equal(world_command(w, NULL, NULL, "cometctl", "pub", "/shell/a", "{\"n\":1}", NULL), 0);
	struct process *p = world_run(w, pub);
	assert_int_equal(write(p->in, "2\n\"three\"\n", 10), 10);
	assert_int_equal(process_wait(p, NULL, NULL), 0);
	char *out;
	assert_int_equal(process_wait(s, &out, NULL), 0);
	assert_string_equal(out, "/shell/a\t{\"n\":1}\n/shell/b\t2\n/shell/b\t\"three\"\n");
	free(out);
	char *answer;
	assert_int_equal(world_command(w, &answer, NULL, "cometctl", "call", "/service/echo", "\"x\"", NULL), 0);
	assert_string_equal(answer, "\"x\"\n");
	free(answer);
	world_free(w);
}

/* Who wants which channel, and whether the server has accepted it. */
static void status_shows_channels(void **state)
{
	struct world *w = world_up(NULL, NULL);
	char *out;

	(void)state;
	struct wire *a = world_peer(w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/chan/a\"");
	fake_command(w->fake, "rule type=subscribe times=all refuse \"403::limit\"");
	wire_request(a, "subscribe", ",\"channel\":\"/chan/b\"");
	wire_expect(a, PROTOCOL_OP_SUBSCRIPTION);
	assert_int_equal(world_command(w, &out, NULL, "cometctl", "status", "-v", NULL), 0);
	assert_non_null(strstr(out, "\n  /chan/a at demo\n"));
	assert_non_null(strstr(out, "\n  /chan/b at demo, not accepted by the server yet\n"));
	free(out);
	wire_close(a);
	world_free(w);
}

/* Runs a command of the shell with the program of this build first in PATH; its exit status. */
static int shell(const struct world *w, const char *command)
{
	const char *build = getenv("top_builddir"), *source = getenv("top_srcdir");
	char line[2048];

	snprintf(line, sizeof(line), "top_srcdir='%s' COMETD_BRIDGE_SOCKET='%s' PATH='%s':\"$PATH\" "
		 "timeout 300 bash -c '%s'", source ? source : ".", w->socket, build ? build : ".", command);
	int status = system(line);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The example, and the one that cometctl(1) shows, word for word: each outcome of 1000 lines. */
static void a_script_checks_each_outcome(void **state)
{
	static const char manual[] =
		"sed -n \"/^.Ss A script/,/^.Ed/p\" \"$top_srcdir\"/libclient/cometctl/cometctl.1 | "
		"sed -n \"/^.Bd/,/^.Ed/p\" | sed \"/^\\.[BE]d/d; s/\\\\\\\\(aq/\\x27/g; s/\\\\\\\\-/-/g\" | bash";
	struct world *w = world_up(NULL, NULL);

	(void)state;
	assert_int_equal(shell(w, "\"$top_srcdir\"/libclient/examples/lines.sh /lines 1000"), 0);
	assert_int_equal(fake_count(w->fake, "publish", "/lines"), 1000);
	assert_int_equal(shell(w, manual), 0);
	assert_int_equal(fake_count(w->fake, "publish", "/load"), 1000);
	/* one outcome is another, and it is found */
	fake_command(w->fake, "rule type=publish channel=/some times=1 refuse 403::denied");
	assert_int_equal(shell(w, "\"$top_srcdir\"/libclient/examples/lines.sh /some 3"), 1);
	world_free(w);
}

/* Every pending request gets a reply with what is known, before the connection is closed. */
static void stopping_answers_what_waits(void **state)
{
	struct world *w = world_up(NULL, "transports = long-polling\n");
	struct wire *a = world_peer(w, "a");

	(void)state;
	uint64_t deaf = wire_request(a, "call", ",\"channel\":\"/service/deaf\",\"data\":1");
	fake_await(w->fake, "publish", "/service/deaf", 1);
	wire_ok(a, "publish", ",\"channel\":\"/taken\",\"data\":1");
	fake_command(w->fake, "rule type=publish channel=/held silent");
	uint64_t sent = wire_request(a, "publish", ",\"channel\":\"/held\",\"data\":1");
	fake_await(w->fake, "publish", "/held", 1);
	/* these wait for the answer to that one */
	uint64_t unsent = wire_request(a, "publish", ",\"channel\":\"/never\",\"data\":1");
	uint64_t unsent_call = wire_request(a, "call", ",\"channel\":\"/service/never\",\"data\":1");
	uint64_t wish = wire_request(a, "subscribe", ",\"channel\":\"/wish\"");
	wire_ok(a, "ping", "%s", "");
	assert_int_equal(world_stop(w), 0);
	wire_assert_error(wire_reply(a, deaf), "unknown-outcome");
	wire_assert_error(wire_reply(a, sent), "unknown-outcome");
	wire_assert_error(wire_reply(a, unsent), "not-sent");
	wire_assert_error(wire_reply(a, unsent_call), "not-sent");
	const struct message *m = wire_reply(a, wish);
	assert_true(m->ok);
	assert_non_null(memmem(m->result.p, m->result.n, "\"pending\":true", 14));
	assert_true(slice_eq(wire_expect(a, PROTOCOL_OP_CLOSING)->code, SLICE("shutdown")));
	wire_expect_eof(a);
	assert_int_equal(fake_count(w->fake, "publish", "/never"), 0);
	wire_close(a);
	world_free(w);
}

/* More requests than a session reports in one turn: each one that was not sent is answered so. */
static void stopping_answers_many(void **state)
{
	enum { PEERS = 5, EACH = 900 };
	struct world *w = world_new(NULL);
	struct wire *peers[PEERS];

	(void)state;
	fake_command(w->fake, "stop-listening");
	world_configure(w, NULL, "transports = long-polling\n", NULL);
	world_start(w);
	for (unsigned i = 0; i < PEERS; i++) {
		peers[i] = wire_hello(w->socket, "many");
		for (unsigned k = 0; k < EACH; k++)
			wire_send(peers[i], "{\"op\":\"publish\",\"id\":%u,\"channel\":\"/never\",\"data\":1}",
				  k + 100);
		wire_ok(peers[i], "ping", "%s", "");
	}
	assert_int_equal(world_stop(w), 0);
	for (unsigned i = 0; i < PEERS; i++)
		for (unsigned k = 0; k < EACH; k++)
			wire_assert_error(wire_reply(peers[i], k + 100), "not-sent");
	for (unsigned i = 0; i < PEERS; i++)
		wire_close(peers[i]);
	world_free(w);
}

/* a single one */
static void stopping_without_a_server_answers_too(void **state)
{
	struct world *w = world_new(NULL);

	(void)state;
	fake_command(w->fake, "stop-listening");
	world_configure(w, NULL, NULL, NULL);
	world_start(w);
	struct wire *a = wire_hello(w->socket, "a");
	uint64_t unsent = wire_request(a, "publish", ",\"channel\":\"/never\",\"data\":1");
	wire_ok(a, "ping", "%s", "");
	assert_int_equal(world_stop(w), 0);
	wire_assert_error(wire_reply(a, unsent), "not-sent");
	assert_true(slice_eq(wire_expect(a, PROTOCOL_OP_CLOSING)->code, SLICE("shutdown")));
	wire_close(a);
	world_free(w);
}

/* Signals that mean nothing to the daemon do not end it. */
static void other_signals_change_nothing(void **state)
{
	static const int signals[] = {SIGUSR1, SIGUSR2, SIGALRM, SIGPIPE};
	struct world *w = world_up(NULL, NULL);
	struct wire *a = world_peer(w, "a");

	(void)state;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		assert_int_equal(kill(w->daemon, signals[i]), 0);
	wire_ok(a, "ping", "%s", "");
	wire_close(a);
	world_free(w);
}

/* SIGTERM under load: exit status 0, `closing` is sent, and it does not take long */
static void stopping_under_load(void **state)
{
	struct world *w = world_up(NULL, NULL);
	struct wire *peers[10];

	(void)state;
	for (int i = 0; i < 10; i++) {
		peers[i] = world_peer(w, "busy");
		wire_ok(peers[i], "subscribe", ",\"channel\":\"/busy\"");
		wire_request(peers[i], "call", ",\"channel\":\"/service/deaf\",\"data\":1");
	}
	fake_command(w->fake, "burst /busy 500 n");
	assert_int_equal(world_stop(w), 0);
	for (int i = 0; i < 10; i++) {
		assert_true(slice_eq(wire_expect(peers[i], PROTOCOL_OP_CLOSING)->code, SLICE("shutdown")));
		wire_expect_eof(peers[i]);
		wire_close(peers[i]);
	}
	assert_int_equal(fake_count(w->fake, "disconnect", NULL), 1);
	world_free(w);
}

static void connections_leak_nothing(void **state)
{
	struct world *w = world_up(NULL, NULL);
	struct wire *stays = world_peer(w, "stays");

	(void)state;
	for (int i = 0; i < 500; i++)
		wire_close(wire_hello(w->socket, "comes and goes"));
	wire_ok(stays, "ping", "%s", "");
	unsigned fds = world_daemon_fds(w), rss = world_daemon_rss(w);
	for (int i = 0; i < 10000; i++) {
		struct wire *p = wire_hello(w->socket, "comes and goes");
		if (i % 10 == 0)
			wire_ok(p, "subscribe", ",\"channel\":\"/brief\"");
		wire_close(p);
	}
	wire_ok(stays, "ping", "%s", "");
	assert_true(world_daemon_fds(w) <= fds + 2);
	assert_true(world_daemon_rss(w) <= rss + 1024);
	wire_close(stays);
	world_free(w);
}

/* However many connect, the session with the server can be made again. */
static void many_peers_leave_descriptors_to_the_session(void **state)
{
	struct world *w = world_up(NULL, "transports = long-polling\nbackoff = 50ms 60s\n");
	struct wire *a = world_peer(w, "a");
	struct rlimit few;
	int crowd[100];

	(void)state;
	assert_int_equal(prlimit(w->daemon, RLIMIT_NOFILE, NULL, &few), 0);
	few.rlim_cur = world_daemon_fds(w) + 60;
	/* valgrind has descriptors of its own beyond the limit: it sees the same conversation without one */
	if (!getenv("DAEMON_WRAPPER"))
		assert_int_equal(prlimit(w->daemon, RLIMIT_NOFILE, &few, NULL), 0);
	for (int i = 0; i < 100; i++) {
		struct sockaddr_un address = {.sun_family = AF_UNIX};
		snprintf(address.sun_path, sizeof(address.sun_path), "%s", w->socket);
		crowd[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(crowd[i], (struct sockaddr *)&address, sizeof(address)), 0);
	}
	wire_ok(a, "ping", "%s", "");
	fake_command(w->fake, "mark");
	fake_command(w->fake, "cut all");
	fake_await(w->fake, "held", NULL, 1);
	wire_ok(a, "publish", ",\"channel\":\"/a\",\"data\":1");
	if (!getenv("DAEMON_WRAPPER"))
		assert_true(world_log_has(w, "too many are open"));
	for (int i = 0; i < 100; i++)
		close(crowd[i]);
	struct wire *b = world_peer(w, "b");
	wire_close(b);
	wire_close(a);
	world_free(w);
}

/* no socket of the daemon ever listens on a network */
static void nothing_listens_on_the_network(void **state)
{
	struct world *w = world_up(NULL, NULL);
	char command[256];

	(void)state;
	snprintf(command, sizeof(command),
		 "for f in /proc/%d/fd/*; do readlink \"$f\"; done | sed -n 's/^socket:.\\([0-9]*\\).$/\\1/p' |"
		 " while read -r i; do awk -v i=\"$i\" '$4 == \"0A\" && $10 == i' /proc/net/tcp /proc/net/tcp6;"
		 " done | grep -q .", w->daemon);
	assert_int_not_equal(system(command), 0);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_lies_at_the_path_is_kept),
		cmocka_unit_test(a_second_daemon_does_not_steal),
		cmocka_unit_test(a_stale_socket_is_replaced),
		cmocka_unit_test(configuration_errors_name_the_line),
		cmocka_unit_test(good_configuration_is_confirmed),
		cmocka_unit_test(sample_configuration_is_good),
		cmocka_unit_test(files_are_checked_as_the_user_of_the_service),
		cmocka_unit_test(commands_report_failures),
		cmocka_unit_test(a_shell_without_its_descriptors),
		cmocka_unit_test(a_shell_subscribes_and_publishes),
		cmocka_unit_test(a_script_checks_each_outcome),
		cmocka_unit_test(status_shows_channels),
		cmocka_unit_test(stopping_answers_what_waits),
		cmocka_unit_test(stopping_answers_many),
		cmocka_unit_test(stopping_without_a_server_answers_too),
		cmocka_unit_test(stopping_under_load),
		cmocka_unit_test(other_signals_change_nothing),
		cmocka_unit_test(connections_leak_nothing),
		cmocka_unit_test(many_peers_leave_descriptors_to_the_session),
		cmocka_unit_test(nothing_listens_on_the_network),
	};

	return scenario_run("process", tests, NULL, NULL);
}
