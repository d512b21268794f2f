/*
 * A daemon in unusual surroundings: standard descriptors are closed, environment
 * variables that libraries obey are set, the path of a secret is not a regular file.
 * It serves, and ignores what it must not use.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUICK "backoff = 20ms 50ms\n"

static void put_file(const char *dir, const char *name, mode_t mode, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fchmod(fileno(f), mode), 0);
	assert_int_equal(fclose(f), 0);
}

static void assert_works(struct world *w)
{
	struct wire *a = world_peer(w, "a");

	wire_ok(a, "subscribe", ",\"channel\":\"/c\"");
	wire_ok(a, "publish", ",\"channel\":\"/c\",\"data\":1");
	wire_expect(a, PROTOCOL_OP_MESSAGE);
	wire_close(a);
}

/* the log would be written into whatever has got the number of stderr */
static void closed_descriptors(void **state)
{
	struct world *w = world_new(NULL);
	char path[128], target[64] = "";

	(void)state;
	if (getenv("DAEMON_WRAPPER")) {
		world_free(w);
		print_message("SKIPPED: the wrapper is needed here\n");
		skip();
	}
	world_configure(w, NULL, QUICK, NULL);
	put_file(w->dir, "closed", 0700, "#!/bin/sh\nexec \"$@\" 0<&- 1>&- 2>&-\n");
	snprintf(path, sizeof(path), "%s/closed", w->dir);
	setenv("DAEMON_WRAPPER", path, 1);
	world_start(w);
	unsetenv("DAEMON_WRAPPER");
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", w->daemon, fd);
		assert_int_equal(readlink(path, target, sizeof(target) - 1), 9);
		assert_string_equal(target, "/dev/null");
	}
	assert_works(w);
	fake_command(w->fake, "cut");
	fake_await(w->fake, "held", NULL, 2);
	assert_works(w);
	world_free(w);
}

/* --- the environment --- */

static const char *const wishes[][2] = {
	{"http_proxy", "http://127.0.0.1:1"}, {"https_proxy", "http://127.0.0.1:1"},
	{"HTTPS_PROXY", "http://127.0.0.1:1"}, {"all_proxy", "http://127.0.0.1:1"},
	{"ALL_PROXY", "socks5://127.0.0.1:1"}, {"CURL_CA_BUNDLE", "/nowhere"},
	{"SSL_CERT_FILE", "/nowhere"}, {"SSL_CERT_DIR", "/nowhere"},
	/* the last three are filled in */
	{"HOME", NULL}, {"NETRC", NULL}, {"SSLKEYLOGFILE", NULL},
};
enum { WISHES = sizeof(wishes) / sizeof(wishes[0]) };

static void the_environment_is_ignored(void **state)
{
	char dir[] = "/tmp/cometd-bridge-env.XXXXXX", cert[64], key[64], paths[3][96], rest[512];
	const char *options[] = {"--timeout", "60000", "--tls", cert, key, NULL};
	struct world *w;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_true(fake_make_certificate(dir, "127.0.0.1"));
	snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	snprintf(key, sizeof(key), "%s/key.pem", dir);
	w = world_new(options);
	snprintf(paths[0], sizeof(paths[0]), "%s", w->dir);
	snprintf(paths[1], sizeof(paths[1]), "%s/.netrc", w->dir);
	snprintf(paths[2], sizeof(paths[2]), "%s/keys", w->dir);
	put_file(w->dir, ".netrc", 0600, "machine 127.0.0.1 login somebody password else\n");
	snprintf(rest, sizeof(rest), "[server lp]\nurl = https://127.0.0.1:%u/cometd\n"
		 "transports = long-polling\ntls-ca = %s\n" QUICK, fake_port(w->fake), cert);
	FILE *f = fopen(w->config, "we");
	assert_non_null(f);
	fprintf(f, "[bridge]\nsocket = %s\n[server demo]\nurl = https://127.0.0.1:%u/cometd\n"
		"transports = websocket\ntls-ca = %s\n" QUICK "%s", w->socket, fake_port(w->fake), cert, rest);
	assert_int_equal(fclose(f), 0);
	for (int i = 0; i < WISHES; i++)
		setenv(wishes[i][0], wishes[i][1] ? wishes[i][1] : paths[i - (WISHES - 3)], 1);
	world_start(w);
	for (int i = 0; i < WISHES; i++)
		unsetenv(wishes[i][0]);
	assert_works(w);
	fake_await(w->fake, "held", NULL, 2);
	assert_false(fake_log_has(w->fake, "uthorization"));
	/* SSLKEYLOGFILE would hold the keys to decrypt the traffic */
	assert_int_equal(access(paths[2], F_OK), -1);
	world_free(w);
	for (int i = 0; i < 2; i++)
		unlink(i ? cert : key);
	rmdir(dir);
}

/* --- what lies where a secret should --- */

static void make_odd(const char *dir, const char *kind)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/f", dir);
	if (strcmp(kind, "fifo") == 0)
		assert_int_equal(mkfifo(path, 0600), 0);
	else if (strcmp(kind, "directory") == 0)
		assert_int_equal(mkdir(path, 0700), 0);
	else if (strcmp(kind, "loop") == 0)
		assert_int_equal(symlink("f", path), 0);
	else if (strcmp(kind, "zero") == 0)
		assert_int_equal(symlink("/dev/zero", path), 0);
	else if (strcmp(kind, "enormous") == 0) {
		put_file(dir, "f", 0600, "");
		assert_int_equal(truncate(path, (off_t)1 << 33), 0);
	}
}

/* The session waits and shows its reason, other servers are not affected, and it starts when the file
   is repaired. */
static void secrets_that_are_no_files(void **state)
{
	static const char *const kinds[] = {"nothing", "fifo", "directory", "loop", "zero", "enormous"};
	static const char *const secrets[] = {"credential-file = ", "header = @"};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct world *w = world_new(NULL);
		char server[256], rest[256], path[128];

		snprintf(path, sizeof(path), "%s/f", w->dir);
		snprintf(server, sizeof(server), QUICK "%s%s\n", secrets[i % 2], path);
		snprintf(rest, sizeof(rest), "[server other]\nurl = http://127.0.0.1:%u/cometd\n" QUICK,
			 fake_port(w->fake));
		world_configure(w, NULL, server, rest);
		make_odd(w->dir, kinds[i]);
		world_start(w);
		struct wire *a = wire_hello(w->socket, "a");
		wire_ok(a, "subscribe", ",\"server\":\"other\",\"channel\":\"/c\"");
		wire_ok(a, "publish", ",\"server\":\"other\",\"channel\":\"/c\",\"data\":1");
		wire_expect(a, PROTOCOL_OP_MESSAGE);
		assert_int_equal(fake_count(w->fake, "session", NULL), 1);
		if (remove(path))
			assert_string_equal(kinds[i], "nothing");
		put_file(w->dir, "f", 0600, i % 2 ? "X-Key: good enough\n" : "good enough\n");
		struct wire *b = world_peer(w, "b");
		wire_close(b);
		wire_close(a);
		world_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(closed_descriptors),
		cmocka_unit_test(the_environment_is_ignored),
		cmocka_unit_test(secrets_that_are_no_files),
	};

	return scenario_run("surroundings", tests, NULL, NULL);
}
