/*
 * Servers that send too much: an event above the size limit, and an HTTP answer that
 * never ends. Only that event is lost, and the answer does not affect other servers.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define QUICK "backoff = 50ms 200ms\nnetwork-delay = 5s\n"
/* the default of max-message */
#define MAX_MESSAGE (16u << 20)

static void assert_works(struct wire *a, int n)
{
	char expected[128];

	wire_ok(a, "publish", ",\"channel\":\"/e\",\"data\":%d", n);
	snprintf(expected, sizeof(expected), "{\"data\":%d,\"channel\":\"/e\"}", n);
	assert_true(slice_eq(wire_expect(a, PROTOCOL_OP_MESSAGE)->message, slice_of(expected)));
}

/*
 * 17 MB, three times: each is reported as lost, and the session goes on. What is held of it ends at
 * the ceiling, and growing takes a copy at most: the daemon peaks below three of the largest, and
 * not higher from time to time.
 */
static void event_beyond_the_ceiling(void **state)
{
	const size_t n = 17000000;
	struct world *w = world_new(NULL);
	char *data = calloc(1, n + 1), server[256];
	unsigned before, first = 0;

	assert_non_null(data);
	memset(data, 'x', n);
	snprintf(server, sizeof(server), QUICK "transports = %s\n", (const char *)*state);
	world_configure(w, NULL, server, NULL);
	world_start(w);
	struct wire *a = world_peer(w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/e\"");
	assert_works(a, 1);
	before = world_daemon_peak(w);
	for (int i = 0; i < 3; i++) {
		fake_command(w->fake, "publish /e \"%s\"", data);
		assert_true(slice_eq(wire_expect(a, PROTOCOL_OP_LOST)->code, SLICE("too-large")));
		assert_works(a, 2 + i);
		assert_in_range(world_daemon_peak(w), 0, before + 3 * MAX_MESSAGE / 1024);
		if (!first)
			first = world_daemon_peak(w);
		assert_in_range(world_daemon_peak(w), 0, first + MAX_MESSAGE / 1024);
	}
	free(data);
	wire_close(a);
	world_free(w);
}

/* --- an answer without end --- */

/* Answers requests with a chunk extension that never ends; writes a byte to `told` for each one. */
static void babble(int listener, int told)
{
	char piece[65536], request[65536];

	memset(piece, 'x', sizeof(piece));
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;";
		int fd = accept(listener, NULL, NULL);

		if (fd < 0 || read(fd, request, sizeof(request)) <= 0 ||
		    write(fd, head, sizeof(head) - 1) < 0)
			_exit(1);
		while (write(fd, piece, sizeof(piece)) > 0)
			;
		close(fd);
		if (write(told, "", 1) != 1)
			_exit(1);
	}
}

struct babbler {
	pid_t pid;
	unsigned port;
	int told;
};

static void start_babbler(struct babbler *b)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), told[2];

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, n), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
	assert_int_equal(pipe2(told, O_CLOEXEC), 0);
	b->port = ntohs(sa.sin_port);
	b->told = told[0];
	b->pid = fork();
	assert_true(b->pid >= 0);
	if (b->pid == 0)
		babble(fd, told[1]);
	close(fd);
	close(told[1]);
}

static void stop_babbler(struct babbler *b)
{
	assert_int_equal(kill(b->pid, SIGKILL), 0);
	assert_int_equal(waitpid(b->pid, NULL, 0), b->pid);
	close(b->told);
}

/*
 * The other server and the local peers go on meanwhile, and no deadline is waited for: each such
 * answer ends by its amount.
 */
static void answer_without_end(void **state)
{
	struct babbler b;
	struct world *w;
	char rest[512], byte;

	(void)state;
	start_babbler(&b);
	w = world_new(NULL);
	snprintf(rest, sizeof(rest), "[server mad]\nurl = http://127.0.0.1:%u/\n"
		 "transports = long-polling\nrequest-timeout = 10m\nnetwork-delay = 10m\n"
		 "backoff = 50ms 200ms\n", b.port);
	world_configure(w, NULL, QUICK "default = yes\n", rest);
	world_start(w);
	struct wire *a = world_peer(w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/e\"");
	for (int i = 0; i < 3; i++) {
		assert_works(a, i);
		wire_ok(a, "ping", "%s", "");
		assert_int_equal(read(b.told, &byte, 1), 1);
	}
	assert_works(a, 3);
	assert_true(world_log_has(w, "the answer is too large"));
	wire_close(a);
	world_free(w);
	stop_babbler(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{"websocket: event_beyond_the_ceiling", event_beyond_the_ceiling, NULL, NULL,
		 (void *)"websocket"},
		{"long-polling: event_beyond_the_ceiling", event_beyond_the_ceiling, NULL, NULL,
		 (void *)"long-polling"},
		cmocka_unit_test(answer_without_end),
	};

	return scenario_run("excess", tests, NULL, NULL);
}
