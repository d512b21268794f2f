/*
 * io/helper against programs that behave in every way a person's script may:
 * garbage, floods, silence, failure, children that stay behind.
 */
#include "io/helper.h"
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
	char output[256], errors[HELPER_ERRORS_MAX + 1], reason[64];
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

/* so many times the kernel says that a child is not dead yet */
static unsigned undead;

int __real_waitid(idtype_t type, id_t id, siginfo_t *ret, int options);
int __wrap_waitid(idtype_t type, id_t id, siginfo_t *ret, int options);

int __wrap_waitid(idtype_t type, id_t id, siginfo_t *ret, int options)
{
	if (!undead)
		return __real_waitid(type, id, ret, options);
	undead--;
	*ret = (siginfo_t){0};
	return 0;
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
static bool is_anyone_left(void)
{
	siginfo_t info;

	return __real_waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	/* nobody stays behind; whom the kernel was slow to kill, the next one reaps */
	for (int i = 0; is_anyone_left(); i++) {
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

/* Whom the kernel is slow to kill (it sleeps in a file system that is gone, or is frozen) is reaped
   later, and there are never many of them. */
static void killed_and_not_dead(void **state)
{
	struct world *w = *state;
	const char *const argv[] = {"/bin/true", NULL};
	const struct helper_options o = {argv, SLICE_NULL, 100, 1000};
	siginfo_t info;

	undead = 1;
	run_with(w, "exec sleep 1000", "", 100, 10);
	assert_int_equal(w->outcome, HELPER_TIMEOUT);
	assert_int_equal(undead, 0);
	assert_int_equal(__real_waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
	run(w, "exit 0");
	assert_int_equal(w->outcome, HELPER_DONE);
	assert_false(is_anyone_left());
	undead = UINT_MAX;
	for (int i = 0; i < 16; i++)
		run_with(w, "exec sleep 1000", "", 100, 10);
	assert_int_equal(helper_new(w->loop, &o, on_done, w, &w->helper), -EAGAIN);
	undead = 0;
	while (__real_waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && !info.si_pid)
		;
	run(w, "exit 0");
	assert_int_equal(w->outcome, HELPER_DONE);
}

/* its end is its exit; who holds its stdout is killed with it */
static void child_that_holds_stdout(void **state)
{
	struct world *w = *state;
	char beyond;
	int life[2];

	/* nobody's but the grandchild's, which inherits it by name: its end is the grandchild's */
	assert_int_equal(pipe(life), 0);
	char script[128];
	snprintf(script, sizeof(script), "exec 9>/proc/%d/fd/%d; sleep 1000 & echo early",
		 getpid(), life[1]);
	run(w, script);
	assert_int_equal(w->outcome, HELPER_DONE);
	assert_string_equal(w->output, "early\n");
	close(life[1]);
	assert_int_equal(read(life[0], &beyond, 1), 0);
	close(life[0]);
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
	setenv("OURS", "too", 1);
	run(w, "ls /proc/self/fd | tr '\\n' ' '; echo $NOTIFY_SOCKET $LISTEN_PID "
	       "$LISTEN_FDNAMES $WATCHDOG_USEC $OURS; "
	       "grep SigIgn /proc/self/status | tail -c 5");
	unsetenv("NOTIFY_SOCKET");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	unsetenv("WATCHDOG_USEC");
	unsetenv("OURS");
	signal(SIGPIPE, SIG_DFL);
	close(leak);
	/* 3 is the directory that ls reads; 0000 are the signals 1 to 16, SIGPIPE among them */
	assert_string_equal(w->output, "0 1 2 3 too\n0000\n");
}

static void cannot_be_run(void **state)
{
	struct world *w = *state;
	const char *const argv[] = {"/no/such/program", NULL};
	const struct helper_options o = {argv, SLICE_NULL, 100, 1000};
	unsigned fds = open_fds();

	assert_int_equal(helper_new(w->loop, &o, on_done, w, &w->helper), -ENOENT);
	assert_int_equal(open_fds(), fds);
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
		HELPER_TEST(killed_and_not_dead),
		HELPER_TEST(child_that_holds_stdout),
		HELPER_TEST(what_it_inherits),
		HELPER_TEST(cannot_be_run),
		HELPER_TEST(freed_while_it_runs),
		HELPER_TEST(short_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
