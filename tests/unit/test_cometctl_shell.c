/*
 * cometctl as shells use it: pipes that close, signals, input that comes when it comes.
 */
#include "tests/unit/testing.h"

#include "tests/unit/cometctl_run.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The line is out though nothing follows it; then a signal ends all, as it does other tools. */
static void test_signals(void **state)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct daemon *d = daemon_start(SCRIPT(SUBSCRIBED, END));
		struct run r;

		start(&r, daemon_path(d), "sub /a");
		read_until(&r, "/a\t1\n");
		kill(r.pid, signals[i]);
		finish(&r);
		assert_true(WIFSIGNALED(r.status));
		assert_int_equal(WTERMSIG(r.status), signals[i]);
		assert_string_equal(r.text[0], "/a\t1\n");
		assert_string_equal(r.text[1], "");
		daemon_end(d);
	}
}

/* Until the signal is not pending any more: it was ignored, or read. */
static void await_signal(pid_t pid, int signal)
{
	char path[64], line[128];
	unsigned long pending = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	do {
		FILE *f = fopen(path, "re");

		assert_non_null(f);
		while (fgets(line, sizeof(line), f) && sscanf(line, "ShdPnd: %lx", &pending) != 1)
			;
		fclose(f);
	} while (pending & 1ul << (signal - 1) && poll(NULL, 0, 1) == 0);
}

/* In the background of a script SIGINT is ignored: Ctrl-C ends others, and it goes on. */
static void test_ignored_signal(void **state)
{
	struct daemon *d = daemon_start(SCRIPT(SUBSCRIBED, {D_WAIT, 0, 0}, D_MESSAGE(2, "/a", "2"), END));
	struct run r;

	(void)state;
	signal(SIGINT, SIG_IGN);
	start(&r, daemon_path(d), "sub /a -n 2");
	signal(SIGINT, SIG_DFL);
	read_until(&r, "/a\t1\n");
	kill(r.pid, SIGINT);
	await_signal(r.pid, SIGINT);
	daemon_go(d);
	finish(&r);
	assert_int_equal(r.status, 0);
	assert_string_equal(r.text[0], "/a\t1\n/a\t2\n");
	daemon_end(d);
}

/* The reader goes while nothing is written, and while something is. */
static void test_broken_pipe(void **state)
{
	struct daemon *d;
	struct run r;

	(void)state;
	d = daemon_start(SCRIPT(SUBSCRIBED, END));
	start(&r, daemon_path(d), "sub /a");
	read_until(&r, "/a\t1\n");
	close(r.out), r.out = -1;
	finish(&r);
	assert_int_equal(r.status, 0);
	assert_string_equal(r.text[1], "");
	daemon_end(d);

	d = daemon_start(SCRIPT(GREET, {D_HEAR, "status", 0}, {D_WAIT, 0, 0},
				{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{}}", 0}, END));
	start(&r, daemon_path(d), "status");
	close(r.out), r.out = -1;
	daemon_go(d);
	finish(&r);
	assert_int_equal(r.status, 0);
	assert_string_equal(r.text[1], "");
	daemon_end(d);
}

/* ---- a reader that does not read ----------------------------------------- */

#define MESSAGES 2000
#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

/* More than a pipe takes, in lines of 106 bytes. */
static struct daemon *flood(void)
{
	static struct daemon_step script[MESSAGES + 8] = {GREET, D_SUBSCRIBE(2, "/a"),
							    {D_MAY_LEAVE, 0, 0}};
	size_t n = 0;

	while (script[n].what != D_END)
		n++;
	if (n > MESSAGES)
		return daemon_start(script);
	for (int i = 0; i < MESSAGES; i++)
		script[n++] = (struct daemon_step)D_MESSAGE(1, "/a", "'" HUNDRED "'");
	script[n] = (struct daemon_step)END;
	return daemon_start(script);
}

/* False: it ended before. */
static bool await_full_pipe(const struct run *r)
{
	int n = 0, size = fcntl(r->out, F_GETPIPE_SZ);
	siginfo_t ended = {0};

	while (n < size - 8192 && !ended.si_pid) {
		poll(NULL, 0, 1);
		assert_int_equal(ioctl(r->out, FIONREAD, &n), 0);
		assert_int_equal(waitid(P_PID, (id_t)r->pid, &ended, WEXITED | WNOHANG | WNOWAIT), 0);
	}
	return !ended.si_pid;
}

/* its standard error closes with it */
static void await_end(struct run *r)
{
	struct pollfd p = {.fd = r->err, .events = POLLIN};
	bool ends;

	for (;;) {
		ends = poll(&p, 1, 60000) == 1;
		if (!ends || !(p.revents & POLLIN))
			break;
		char text[256];
		ssize_t n = read(r->err, text, sizeof(text) - 1);
		strncat(r->text[1], text, n > 0 ? (size_t)n : 0);
	}
	if (!ends)
		kill(r->pid, SIGKILL);
	assert_int_equal(waitpid(r->pid, &r->status, 0), r->pid);
	assert_true(ends);
}

/* What was written before the end: whole lines. */
static void check_lines(int fd)
{
	size_t n = 0;
	char text[8192], last = '\n';
	ssize_t got;

	while ((got = read(fd, text, sizeof(text))) > 0) {
		n += (size_t)got;
		last = text[got - 1];
	}
	assert_true(n % 106 == 0);
	assert_int_equal(last, '\n');
}

/* False: it ended before it was stuck, with a signal of 0 by its own deadline. */
static bool try_stuck_reader(const char *line, int signal)
{
	struct daemon *d = flood();
	struct run r;

	start(&r, daemon_path(d), line);
	bool stuck = await_full_pipe(&r);
	if (signal)
		kill(r.pid, signal);
	await_end(&r);
	if (signal) {
		assert_true(WIFSIGNALED(r.status) && WTERMSIG(r.status) == signal);
	} else {
		assert_true(WIFEXITED(r.status) && WEXITSTATUS(r.status) == 6);
		assert_string_equal(r.text[1], "cometctl: timed out\n");
	}
	check_lines(r.out);
	close(r.in), close(r.out), close(r.err);
	daemon_end(d);
	return stuck;
}

/* Signals and deadlines work although nothing reads the output, and output ends with a complete line. */
static void test_stuck_reader(void **state)
{
	char line[32];
	bool stuck = false;

	(void)state;
	assert_true(try_stuck_reader("sub /a", SIGTERM));
	/* a machine may take its time to fill a pipe */
	for (int timeout = 1; !stuck && timeout < 100; timeout *= 2) {
		snprintf(line, sizeof(line), "sub /a --timeout %d", timeout);
		stuck = try_stuck_reader(line, 0);
	}
	assert_true(stuck);
}

/* A reader that comes to it later gets all there was, -n included. */
static void test_late_reader(void **state)
{
	struct daemon *d = flood();
	char text[8192], line[32];
	size_t n = 0;
	ssize_t got;
	struct run r;

	(void)state;
	snprintf(line, sizeof(line), "sub /a -n %d", MESSAGES);
	start(&r, daemon_path(d), line);
	assert_true(await_full_pipe(&r));
	while ((got = read(r.out, text, sizeof(text))) > 0)
		n += (size_t)got;
	assert_int_equal(n, MESSAGES * 106);
	await_end(&r);
	assert_int_equal(r.status, 0);
	close(r.in), close(r.out), close(r.err);
	daemon_end(d);
}

/* A full disk is an error of every verb that prints. */
static void test_full_disk(void **state)
{
	static const struct daemon_step subscribed[] = {SUBSCRIBED, END, {D_END, 0, 0}};
	static const struct daemon_step status[] = {
		GREET, {D_HEAR, "status", 0},
		{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{}}", 0}, END, {D_END, 0, 0}};
	static const struct daemon_step call[] = {
		GREET, {D_HEAR, "call", 0},
		{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{'message':{'data':1}}}", 0}, END,
		{D_END, 0, 0}};
	static const struct daemon_step nothing[] = {{D_END, 0, 0}};
	static const struct { const char *line; const struct daemon_step *script; } runs[] = {
		{"sub /a", subscribed}, {"sub /a -n 1", subscribed}, {"status", status},
		{"call /service/x 1", call}, {"--help", nothing},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(runs) / sizeof(*runs); i++) {
		struct daemon *d = daemon_start(runs[i].script);
		struct run r;

		start_full(&r, daemon_path(d), runs[i].line);
		finish(&r);
		assert_int_equal(WEXITSTATUS(r.status), 1);
		assert_string_equal(r.text[1], "cometctl: cannot write to standard output: No space left on device\n");
		daemon_end(d);
	}
}

/* Lines leave as they come, not at the end of the input. */
static void test_pub_as_it_comes(void **state)
{
	struct daemon *d = daemon_start(SCRIPT(GREET, PUB(2, ""), D_OK(2), {D_MEET, 0, 0},
					       PUB(3, "'channel':'/a','data':2,"), D_OK(3), END));
	struct run r;

	(void)state;
	start(&r, daemon_path(d), "pub /a -");
	feed(&r, "1\n");
	daemon_await(d);
	feed(&r, "2");
	finish(&r);
	assert_int_equal(r.status, 0);
	daemon_end(d);
}

/* No more than a certain number of bytes is on its way at once: the rest of a large input is neither
   read nor sent until there is room, so it does not fill the daemon's queue. Here the first line is
   refused, so what was not sent yet never is. */
static void test_pub_much(void **state)
{
	static char line[600 << 10];
	struct daemon *d = daemon_start(SCRIPT(GREET, PUB(2, ""), PUB(3, ""), {D_WAIT, 0, 0},
		D_REFUSE(2, "refused", "no"), D_OK(3), END));
	struct run r;

	(void)state;
	memset(line, '7', sizeof(line) - 2);
	line[sizeof(line) - 2] = '\n';
	start(&r, daemon_path(d), "pub /a - --timeout 600");
	pid_t child = fork();
	if (child == 0) {
		for (int i = 0; i < 3; i++)
			for (ssize_t n, at = 0; at < (ssize_t)strlen(line); at += n)
				if ((n = write(r.in, line + at, strlen(line) - (size_t)at)) <= 0)
					_exit(1);
		_exit(0);
	}
	/* a third line would be sent by now, and an error printed */
	assert_int_equal(poll(&(struct pollfd){.fd = r.err, .events = POLLIN}, 1, 300), 0);
	daemon_go(d);
	finish(&r);
	assert_non_null(strstr(r.text[1], "line 1: refused by the server: no"));
	assert_non_null(strstr(r.text[1], "1 acknowledged, 1 refused (from line 1); the input after that"));
	assert_int_equal(WEXITSTATUS(r.status), 5);
	assert_int_equal(waitpid(child, NULL, 0), child);
	daemon_end(d);
}

/* A line larger than all that may be on its way is sent alone. */
static void test_pub_large(void **state)
{
	static char line[3 << 20];
	struct daemon *d = daemon_start(SCRIPT(GREET, PUB(2, ""), D_OK(2), PUB(3, ""), D_OK(3), END));
	struct run r;

	(void)state;
	memset(line, '7', sizeof(line) - 2);
	line[sizeof(line) - 2] = '\n';
	start(&r, daemon_path(d), "pub /a - --timeout 600");
	feed(&r, line);
	feed(&r, line);
	finish(&r);
	assert_string_equal(r.text[1], "");
	assert_int_equal(r.status, 0);
	daemon_end(d);
}

static void test_no_permission(void **state)
{
	struct daemon *d = daemon_start(NOTHING);
	struct run r;
	int status;

	(void)state;
	assert_int_equal(chmod(daemon_path(d), 0), 0);
	/* root may access everything: become another user */
	pid_t child = fork();
	if (child == 0) {
		if (getuid() == 0 && setuid(65534))
			_exit(99);
		start(&r, daemon_path(d), "status");
		finish(&r);
		_exit(WIFEXITED(r.status) ? WEXITSTATUS(r.status) : 98);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	/* 126, 127: the build directory itself is closed to others */
	if (WEXITSTATUS(status) != 127)
		assert_int_equal(WEXITSTATUS(status), 4);
	daemon_end(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_ignored_signal),
		cmocka_unit_test(test_broken_pipe),
		cmocka_unit_test(test_stuck_reader),
		cmocka_unit_test(test_late_reader),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_pub_as_it_comes),
		cmocka_unit_test(test_pub_much),
		cmocka_unit_test(test_pub_large),
		cmocka_unit_test(test_no_permission),
	};

	find_cometctl_first();
	signal(SIGPIPE, SIG_IGN);
	alarm(600);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
