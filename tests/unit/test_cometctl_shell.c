/*
 * cometctl as shells use it: pipes that close, signals, input that comes when it comes.
 */
#include "tests/unit/testing.h"

#include "tests/unit/cometctl_run.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
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

/* More than may wait in the library at once, and than a buffer of lines may hold. */
static void test_pub_much(void **state)
{
	static char line[3 << 20];
	struct daemon *d = daemon_start(SCRIPT(GREET, PUB(2, ""), PUB(3, ""), PUB(4, ""),
	PUB(5, ""),
		PUB(6, ""), D_OK(2), D_OK(3), D_OK(4), D_OK(5), D_OK(6), PUB(7, ""), PUB(8, ""),
		D_OK(7), D_OK(8), END));
	struct run r;

	(void)state;
	memset(line, '7', sizeof(line) - 2);
	line[sizeof(line) - 2] = '\n';
	start(&r, daemon_path(d), "pub /a -");
	for (int i = 0; i < 7; i++)
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
	/* root may do all: be somebody else */
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
		cmocka_unit_test(test_broken_pipe),
		cmocka_unit_test(test_pub_as_it_comes),
		cmocka_unit_test(test_pub_much),
		cmocka_unit_test(test_no_permission),
	};

	find_cometctl_first();
	signal(SIGPIPE, SIG_IGN);
	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
