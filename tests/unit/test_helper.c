/*
 * auth/helper with programs that behave like faulty scripts: garbage, too much output, no
 * output, failure, children that keep running.
 */
#include "auth/helper.h"
#include "tests/unit/testing.h"
#include "tests/unit/wire.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct world {
	struct loop *loop;
	struct helper *helper;
	bool done, frees;
	enum helper_outcome outcome;
	char output[256], errors[HELPER_ERRORS_MAX + 1], reason[128];
	size_t n;
};

static void on_done(void *ctx, const struct helper_result *r)
{
	struct world *w = ctx;

	assert_false(w->done);
	w->done = true;
	w->outcome = r->outcome;
	w->n = r->output.n;
	snprintf(w->output, sizeof(w->output), "%.*s", SLICE_ARG(r->output));
	snprintf(w->errors, sizeof(w->errors), "%.*s", SLICE_ARG(r->errors));
	snprintf(w->reason, sizeof(w->reason), "%s", r->reason);
	if (w->frees)
		helper_free(w->helper);
}

static unsigned open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_int_equal(loop_new(&w->loop), 0);
	*state = w;
	return 0;
}

/* SIGTERM does not get through to supervisors: they take their time to end all */
static bool deaf;
static pid_t asked[64];
static unsigned n_asked;

int __real_kill(pid_t pid, int sig);
int __wrap_kill(pid_t pid, int sig);

int __wrap_kill(pid_t pid, int sig)
{
	if (!deaf || sig != SIGTERM)
		return __real_kill(pid, sig);
	assert_in_range(n_asked, 0, 63);
	asked[n_asked++] = pid;
	return 0;
}

static void deliver_signals(void)
{
	deaf = false;
	while (n_asked)
		__real_kill(asked[--n_asked], SIGTERM);
}

static bool no_pidfd;

int __real_pidfd_open(pid_t pid, unsigned flags);
int __wrap_pidfd_open(pid_t pid, unsigned flags);

int __wrap_pidfd_open(pid_t pid, unsigned flags)
{
	if (!no_pidfd)
		return __real_pidfd_open(pid, flags);
	errno = ENOSYS;
	return -1;
}

static void run_with(struct world *w, const char *script, const char *input, size_t max,
		     uint64_t timeout)
{
	const char *const argv[] = {"/bin/sh", "-c", script, NULL};
	const struct helper_options o = {argv, slice_of(input), max, timeout};
	unsigned fds = open_fds();

	w->done = false;
	w->frees = true;
	assert_int_equal(helper_new(w->loop, &o, on_done, w, &w->helper), 0);
	wire_until(w->loop, &w->done);
	assert_int_equal(open_fds(), fds);
}

static void run(struct world *w, const char *script)
{
	run_with(w, script, "", 100, 15000);
}

/* alive or dead */
static bool is_any_left(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	/* no process is left; one that the kernel was slow to kill is reaped by the next run */
	for (int i = 0; is_any_left(); i++) {
		assert_true(i < 100);
		run(w, "exit 0");
	}
	loop_free(w->loop);
	free(w);
	return 0;
}

static void what_it_prints(void **state)
{
	struct world *w = *state;

	run(w, "echo a secret; echo a trace >&2");
	assert_int_equal(w->outcome, HELPER_DONE);
	assert_string_equal(w->output, "a secret\n");
	assert_string_equal(w->errors, "a trace\n");
	assert_string_equal(w->reason, "");
	run(w, "exit 0");
	assert_int_equal(w->outcome, HELPER_DONE);
	assert_int_equal(w->n, 0);
	run_with(w, "cat", "given to it", 100, 15000);
	assert_string_equal(w->output, "given to it");
	run(w, "printf 'a\\0b'");
	assert_int_equal(w->n, 3);
	/* exactly as much as may be, and one byte more */
	run_with(w, "printf 12345", "", 5, 15000);
	assert_int_equal(w->outcome, HELPER_DONE);
	assert_string_equal(w->output, "12345");
	run_with(w, "printf 123456", "", 5, 15000);
	assert_int_equal(w->outcome, HELPER_TOO_MUCH);
}

static void failure(void **state)
{
	struct world *w = *state;

	run(w, "echo no luck >&2; exit 1");
	assert_int_equal(w->outcome, HELPER_FAILED);
	assert_string_equal(w->errors, "no luck\n");
	assert_string_equal(w->reason, "it exited with status 1");
	run(w, "kill -TERM $$");
	assert_int_equal(w->outcome, HELPER_FAILED);
	assert_string_equal(w->reason, "it was ended by signal 15");
}

static void flood(void **state)
{
	struct world *w = *state;

	run(w, "exec yes");
	assert_int_equal(w->outcome, HELPER_TOO_MUCH);
	assert_int_equal(w->n, 100);
	assert_string_equal(w->reason, "it printed too much");
	/* stderr is no reason to kill, and does not stop it */
	run(w, "head -c 1000000 /dev/zero | tr '\\0' x >&2; echo ok");
	assert_int_equal(w->outcome, HELPER_DONE);
	assert_string_equal(w->output, "ok\n");
	assert_int_equal(strlen(w->errors), HELPER_ERRORS_MAX);
}

static void hang(void **state)
{
	struct world *w = *state;

	run_with(w, "trap '' TERM; echo early; sleep 1000 & wait", "", 100, 100);
	assert_int_equal(w->outcome, HELPER_TIMEOUT);
	assert_string_equal(w->reason, "it took too long");
	/* closes everything and stays */
	run_with(w, "exec >&- 2>&- <&-; exec sleep 1000", "", 100, 100);
	assert_int_equal(w->outcome, HELPER_TIMEOUT);
}

static void on_tick(void *ctx)
{
	*(bool *)ctx = true;
}

/* A process that the kernel is slow to kill (it waits for a file system that does not answer, or is
   frozen) blocks nothing, is reaped later, and there are never many of them. */
static void killed_but_still_running(void **state)
{
	struct world *w = *state;
	const char *const argv[] = {"/bin/sleep", "1000", NULL};
	const struct helper_options o = {argv, SLICE_NULL, 100, 100000};
	struct loop_timer *timer;
	bool ticked = false;

	deaf = true;
	assert_int_equal(loop_timer_new(w->loop, on_tick, &ticked, &timer), 0);
	loop_timer_at(timer, loop_now(w->loop) + 100);
	run_with(w, "exec sleep 1000", "", 100, 10);
	assert_int_equal(w->outcome, HELPER_TIMEOUT);
	/* the loop went on while it was waited for */
	assert_true(ticked);
	loop_timer_free(timer);
	for (int i = 1; i < 16; i++) {
		assert_int_equal(helper_new(w->loop, &o, on_done, w, &w->helper), 0);
		helper_free(w->helper);
	}
	assert_int_equal(helper_new(w->loop, &o, on_done, w, &w->helper), -EAGAIN);
	deliver_signals();
	/* one has ended: there is room again */
	siginfo_t info;
	assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
	run(w, "exit 0");
	assert_int_equal(w->outcome, HELPER_DONE);
}

/* Of a kernel without them (or of no descriptor left) it is an error, at once, and nothing stays. */
static void no_pidfds(void **state)
{
	struct world *w = *state;
	const char *const argv[] = {"/bin/sleep", "1000", NULL};
	const struct helper_options o = {argv, SLICE_NULL, 100, 100000};
	unsigned fds = open_fds();

	no_pidfd = true;
	assert_int_equal(helper_new(w->loop, &o, on_done, w, &w->helper), -ENOSYS);
	no_pidfd = false;
	assert_int_equal(open_fds(), fds);
}

/* A pipe whose only writer is the process that opens "/proc/PID/fd/N", which `script` does as fd 9. */
static void make_life(int life[2], char *script, size_t size, const char *rest)
{
	assert_int_equal(pipe(life), 0);
	snprintf(script, size, "exec 9>/proc/%d/fd/%d; %s", getpid(), life[1], rest);
}

static void assert_dead(int life[2])
{
	char byte;

	close(life[1]);
	assert_int_equal(read(life[0], &byte, 1), 0);
	close(life[0]);
}

/* The program has ended when it exits; a process that holds its stdout is killed, also in another session. */
static void child_that_holds_stdout(void **state)
{
	static const char *const children[] = {
		"sleep 1000 & echo early",
		"setsid -f sleep 1000; echo early",
		"setsid -f sh -c 'setsid -f sleep 1000; sleep 1000; sleep 1000'; echo early",
		("for i in 1 2 3 4 5 6 7 8 9; do setsid -f sh -c 'sleep 1000 & sleep 1000 & wait'; done;"
		" echo early"),
	};
	struct world *w = *state;
	char script[256];
	int life[2];

	for (size_t i = 0; i < sizeof(children) / sizeof(children[0]); i++) {
		make_life(life, script, sizeof(script), children[i]);
		run(w, script);
		assert_int_equal(w->outcome, HELPER_DONE);
		assert_string_equal(w->output, "early\n");
		assert_dead(life);
	}
	make_life(life, script, sizeof(script), "setsid -f sleep 1000; exec sleep 1000");
	run_with(w, script, "", 100, 100);
	assert_int_equal(w->outcome, HELPER_TIMEOUT);
	assert_dead(life);
}

/* Other children of the daemon, such as those of an extension, are not affected. */
static void others_live_on(void **state)
{
	struct world *w = *state;
	pid_t other = fork();
	siginfo_t info = {0};

	if (other == 0) {
		pause();
		_exit(0);
	}
	run(w, "setsid -f sleep 1000");
	run_with(w, "exec sleep 1000", "", 100, 10);
	assert_int_equal(waitid(P_PID, (id_t)other, &info, WEXITED | WNOHANG | WNOWAIT), 0);
	assert_int_equal(info.si_pid, 0);
	assert_int_equal(__real_kill(other, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)other, &info, WEXITED), 0);
}

/* A killed daemon leaves no process either. */
static void daemon_that_is_killed(void **state)
{
	char script[256], byte;
	siginfo_t info;
	int life[2];

	(void)state;
	make_life(life, script, sizeof(script), "setsid -f sh -c 'echo >&9; sleep 1000'; sleep 1000");
	pid_t daemon = fork();
	if (daemon == 0) {
		const char *const words[] = {"/bin/sh", "-c", script, NULL};
		const struct helper_options o = {words, SLICE_NULL, 100, 100000};
		struct helper *h;
		struct loop *loop;

		if (loop_new(&loop) || helper_new(loop, &o, on_done, NULL, &h))
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(life[0], &byte, 1), 1);
	assert_int_equal(__real_kill(daemon, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)daemon, &info, WEXITED), 0);
	assert_dead(life);
}

static void what_it_inherits(void **state)
{
	struct world *w = *state;
	int leak = dup(STDERR_FILENO);     /* not close-on-exec */

	signal(SIGPIPE, SIG_IGN);
	setenv("NOTIFY_SOCKET", "/nowhere", 1);
	setenv("LISTEN_PID", "1", 1);
	setenv("LISTEN_FDNAMES", "a", 1);
	setenv("WATCHDOG_USEC", "1000", 1);
	setenv("OURS", "secret", 1);
	setenv("LC_TIME", "C", 1);
	setenv("LC", "none", 1);
	setenv("CREDENTIALS_DIRECTORY", "/run/credentials", 1);
	run(w, "ls /proc/self/fd | tr '\\n' ' '; echo $NOTIFY_SOCKET $LISTEN_PID "
	       "$LISTEN_FDNAMES $WATCHDOG_USEC $OURS $LC $LC_TIME $CREDENTIALS_DIRECTORY; "
	       "grep SigIgn /proc/self/status | tail -c 5");
	unsetenv("NOTIFY_SOCKET");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	unsetenv("WATCHDOG_USEC");
	unsetenv("OURS");
	unsetenv("LC_TIME");
	unsetenv("LC");
	unsetenv("CREDENTIALS_DIRECTORY");
	signal(SIGPIPE, SIG_DFL);
	close(leak);
	/* 3 is the directory that ls reads; 0000 are the signals 1 to 16, SIGPIPE among them */
	assert_string_equal(w->output, "0 1 2 3 C /run/credentials\n0000\n");
}

static void cannot_be_run(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *program, *reason;
	} cases[] = {
		{"/no/such/program", "it cannot be run: No such file or directory"},
		{"/etc/passwd", "it cannot be run: Permission denied"},
	};

	for (size_t i = 0; i < 2; i++) {
		const char *const argv[] = {cases[i].program, NULL};
		const struct helper_options o = {argv, SLICE_NULL, 100, 15000};
		unsigned fds = open_fds();

		w->done = false;
		w->frees = true;
		assert_int_equal(helper_new(w->loop, &o, on_done, w, &w->helper), 0);
		wire_until(w->loop, &w->done);
		assert_int_equal(w->outcome, HELPER_FAILED);
		assert_string_equal(w->reason, cases[i].reason);
		assert_int_equal(open_fds(), fds);
	}
}

static void freed_while_it_runs(void **state)
{
	struct world *w = *state;
	const char *const argv[] = {"/bin/sleep", "1000", NULL};
	const struct helper_options o = {argv, SLICE_NULL, 100, 100000};
	unsigned fds = open_fds();

	assert_int_equal(helper_new(w->loop, &o, on_done, w, &w->helper), 0);
	helper_free(w->helper);
	assert_int_equal(open_fds(), fds);
	helper_free(NULL);
}

static void short_of_memory(void **state)
{
	struct world *w = *state;
	const char *const argv[] = {"/bin/true", NULL};
	const struct helper_options o = {argv, SLICE_NULL, 100, 15000};

	FAIL_EACH_ALLOCATION {
		w->done = false;
		w->frees = true;
		int r = helper_new(w->loop, &o, on_done, w, &w->helper);
		if (r) {
			assert_int_equal(r, -ENOMEM);
			continue;
		}
		wire_until(w->loop, &w->done);
		assert_int_equal(w->outcome, HELPER_DONE);
	}
}

#define HELPER_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HELPER_TEST(what_it_prints),
		HELPER_TEST(failure),
		HELPER_TEST(flood),
		HELPER_TEST(hang),
		HELPER_TEST(killed_but_still_running),
		HELPER_TEST(no_pidfds),
		HELPER_TEST(child_that_holds_stdout),
		HELPER_TEST(others_live_on),
		cmocka_unit_test(daemon_that_is_killed),
		HELPER_TEST(what_it_inherits),
		HELPER_TEST(cannot_be_run),
		HELPER_TEST(freed_while_it_runs),
		HELPER_TEST(short_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
