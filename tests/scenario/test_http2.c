/*
 * Long-polling over HTTP/2: the held connect and all other requests are streams of
 * one connection, none waits for another, and its loss counts once. The server is
 * that of Node.js, an independent implementation.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define QUICK "backoff = 50ms 200ms\nconnect-timeout = 10m\nnetwork-delay = 10m\n"

struct front {
	pid_t pid;
	int out;
	unsigned port;
	char text[1 << 16];      /* all its output */
	size_t n;
};

static void read_front(struct front *f)
{
	ssize_t n = read(f->out, f->text + f->n, sizeof(f->text) - 1 - f->n);

	assert_true(n > 0);
	f->n += (size_t)n;
	f->text[f->n] = 0;
}

/* Waits until its output has this text. */
static void await_front(struct front *f, const char *text)
{
	while (!strstr(f->text, text)) {
		struct pollfd p = {.fd = f->out, .events = POLLIN};

		if (poll(&p, 1, SCENARIO_DEADLINE_MS) <= 0)
			fail_msg("no \"%s\" in: %s", text, f->text);
		read_front(f);
	}
}

static void front_start(struct front *f, const char *dir, unsigned behind)
{
	const char *top = getenv("top_srcdir");
	char script[512], cert[128], key[128], port[16];
	int fds[2];

	snprintf(script, sizeof(script), "%s/tests/scenario/http2_front.js", top ? top : ".");
	snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	snprintf(key, sizeof(key), "%s/key.pem", dir);
	snprintf(port, sizeof(port), "%u", behind);
	*f = (struct front){0};
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	f->pid = fork();
	assert_true(f->pid >= 0);
	if (f->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fds[1], STDOUT_FILENO);
		execlp("node", "node", script, cert, key, port, NULL);
		_exit(127);
	}
	close(fds[1]);
	f->out = fds[0];
	await_front(f, "port ");
	await_front(f, "\n");
	assert_int_equal(sscanf(f->text, "port %u", &f->port), 1);
}

static void front_stop(struct front *f)
{
	kill(f->pid, SIGKILL);
	waitpid(f->pid, NULL, 0);
	close(f->out);
}

static void one_connection(void **state)
{
	static const char *const options[] = {"--timeout", "60000", NULL};
	struct world *w = world_new(options);
	struct front f;
	char rest[512];
	FILE *c;

	(void)state;
	assert_true(fake_make_certificate(w->dir, "127.0.0.1"));
	front_start(&f, w->dir, fake_port(w->fake));
	c = fopen(w->config, "we");
	assert_non_null(c);
	snprintf(rest, sizeof(rest), "[bridge]\nsocket = %s\nlog-level = debug\n[server demo]\n"
		 "url = https://127.0.0.1:%u/cometd\ntls-ca = %s/cert.pem\ntransports = long-polling\n"
		 QUICK, w->socket, f.port, w->dir);
	fputs(rest, c);
	assert_int_equal(fclose(c), 0);
	world_start(w);
	struct wire *a = world_peer(w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/c\"");
	fake_await(w->fake, "held", NULL, 1);
	/* beside the held connect */
	for (int i = 0; i < 5; i++)
		wire_ok(a, "publish", ",\"channel\":\"/other\",\"data\":%d", i);
	await_front(&f, "request 1 open 2");
	assert_int_equal(fake_number(w->fake, "max-concurrent-connects"), 1);
	fake_command(w->fake, "mark");
	fake_command(w->fake, "publish /c 1");
	wire_expect(a, PROTOCOL_OP_MESSAGE);
	/* the next connect is held: a connection that closes between two of them is no loss */
	fake_await(w->fake, "held", NULL, 1);
	assert_null(strstr(f.text, "session 2"));
	assert_null(strstr(f.text, "open 3"));
	/* the connection closes while both lanes use it */
	fake_command(w->fake, "mark");
	kill(f.pid, SIGUSR2);
	await_front(&f, "session 2");
	wire_state(a, "demo", "connected");
	wire_ok(a, "publish", ",\"channel\":\"/other\",\"data\":6");
	assert_int_equal(fake_count(w->fake, "handshake", NULL), 0);
	assert_null(strstr(f.text, "session 3"));
	wire_close(a);
	world_free(w);
	front_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_connection),
	};

	if (system("node -e 'require(\"http2\")' >/dev/null 2>&1")) {
		puts("skipped: there is no node with http2");
		return 77;
	}
	return scenario_run("http2", tests, NULL, NULL);
}
