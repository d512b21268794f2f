/*
 * Durable consumers on the command line: cometctl sub --durable is killed anywhere and
 * started again, commands fail, consumers are listed and removed.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Numbers `from` to `to`, each a message of the channel. */
static void publish(struct world *w, const char *channel, int from, int to)
{
	for (int i = from; i <= to; i++)
		fake_command(w->fake, "publish %s %d", channel, i);
}

static struct process *sub(struct world *w, const char *const *rest)
{
	const char *argv[16] = {"cometctl", "sub", "/c/*", "--durable", "jobs", "--data-only", "-v"};
	int n = 7;

	while (*rest)
		argv[n++] = *rest++;
	return world_run(w, argv);
}
#define SUB(w, ...) sub(w, (const char *const[]){__VA_ARGS__, NULL})

static int next_number(struct process *p)
{
	char *line = process_line(p);
	int n = line ? atoi(line) : -1;

	free(line);
	return n;
}

/* Runs cometctl with these arguments: its output, and its exit status. */
static void expect(struct world *w, int status, const char *out_has, const char *err_has, const char *const *args)
{
	const char *argv[12] = {"cometctl"};
	char *out, *err;
	int n = 1;

	while (*args)
		argv[n++] = *args++;
	int got = process_wait(world_run(w, argv), &out, &err);
	if (got != status || !strstr(out, out_has) || !strstr(err, err_has))
		fail_msg("cometctl %s: status %d, out: %s err: %s", argv[1], got, out, err);
	free(out), free(err);
}
#define EXPECT(w, status, out, err, ...) expect(w, status, out, err, (const char *const[]){__VA_ARGS__, NULL})

static struct world *up(void)
{
	struct world *w = world_up(NULL, "backoff = 20ms 100ms\n");
	struct wire *a = world_peer(w, "a");

	wire_close(a);
	return w;
}

/* The consumer exists, and the server has accepted its channel. */
static void create(struct world *w)
{
	struct process *p = SUB(w, "-n", "1");

	fake_await(w->fake, "subscribe", "/c/*", 1);
	publish(w, "/c/a", 0, 0);
	assert_int_equal(next_number(p), 0);
	assert_int_equal(process_wait(p, NULL, NULL), 0);
}

/* The daemon has so many messages that are not acknowledged. */
static void await_waiting(struct world *w, int n)
{
	char wanted[32], *out;

	snprintf(wanted, sizeof(wanted), "\"waiting\":%d,", n);
	for (int i = 0; i < 10000; i++) {
		assert_int_equal(world_command(w, &out, NULL, "cometctl", "consumers", "--json", NULL), 0);
		bool there = strstr(out, wanted);
		free(out);
		if (there)
			return;
	}
	fail_msg("never %s", wanted);
}

/* ---- at least once --------------------------------------------------------- */

/* Whether line `n` of a run can follow: the first may be an old one, and then none is left out. */
static void follow(int n, int *last, int *reached)
{
	if (*last ? n != *last + 1 : n < 1 || n > *reached + 1)
		fail_msg("%d after %d, %d printed before", n, *last, *reached);
	*last = n;
	if (n > *reached)
		*reached = n;
}

/*
 * Killed when it has printed some line, at an arbitrary moment of its work, again and again: with what it had
 * printed by then, the next run continues, and none is left out.
 */
static void killed_at_any_line(void **state)
{
	struct world *w = up();
	int newest = 0, reached = 0;

	(void)state;
	create(w);
	srand(1);
	for (int run = 0; run < 25; run++) {
		struct process *p = SUB(w, "--timeout", "300");
		int n = 1 + rand() % 20, last = 0;
		char *rest, *save, *line;

		publish(w, "/c/a", newest + 1, newest + n);
		newest += n;
		for (int target = reached + 1 + rand() % (newest - reached); reached < target;)
			follow(next_number(p), &last, &reached);
		kill(p->pid, SIGKILL);
		assert_int_equal(process_wait(p, &rest, NULL), 128 + SIGKILL);
		for (line = strtok_r(rest, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
			follow(atoi(line), &last, &reached);
		free(rest);
	}
	/* and what was printed to the end does not come again once it is acknowledged */
	publish(w, "/c/a", newest + 1, newest + 1);
	struct process *p = SUB(w, "--timeout", "300");
	for (int last = 0; reached <= newest;)
		follow(next_number(p), &last, &reached);
	await_waiting(w, 0);
	kill(p->pid, SIGTERM);
	assert_int_equal(process_wait(p, NULL, NULL), 128 + SIGTERM);
	publish(w, "/c/a", newest + 2, newest + 2);
	p = SUB(w, "-n", "1");
	assert_int_equal(next_number(p), newest + 2);
	assert_int_equal(process_wait(p, NULL, NULL), 0);
	world_free(w);
}

/* With a state directory: kill -9 of the daemon costs the program a pause, and no line is missing or printed twice. */
static void the_daemon_is_killed(void **state)
{
	struct world *w = world_new(NULL);
	int newest = 0, last = 0;

	(void)state;
	world_keep_state(w);
	world_configure(w, NULL, "backoff = 20ms 100ms\n", NULL);
	world_start(w);
	create(w);
	struct process *p = SUB(w, "--timeout", "300");
	for (int run = 0; run < 6; run++) {
		publish(w, "/c/a", newest + 1, newest + 10);
		for (int i = run; i >= 0; i--)
			assert_int_equal(next_number(p), ++last);
		world_kill(w);
		publish(w, "/c/a", newest + 11, newest + 15);
		newest += 15;
		world_start(w);
	}
	while (last < newest)
		assert_int_equal(next_number(p), ++last);
	await_waiting(w, 0);
	kill(p->pid, SIGTERM);
	process_wait(p, NULL, NULL);
	/* with exit status 0 the last acknowledgement is on the disk */
	for (int i = 1; i <= 3; i++) {
		publish(w, "/c/a", newest + i, newest + i);
		p = SUB(w, "-n", "1");
		assert_int_equal(next_number(p), newest + i);
		assert_int_equal(process_wait(p, NULL, NULL), 0);
		world_kill(w);
		world_start(w);
	}
	world_free(w);
}

/* Ended properly, nothing is repeated: what is printed is acknowledged. */
static void ended_properly(void **state)
{
	struct world *w = up();

	(void)state;
	create(w);
	publish(w, "/c/a", 1, 40);
	for (int i = 1; i <= 40; i += 4) {
		struct process *p = SUB(w, "-n", "4");

		for (int j = 0; j < 4; j++)
			assert_int_equal(next_number(p), i + j);
		assert_int_equal(process_wait(p, NULL, NULL), 0);
	}
	world_free(w);
}

/* What cannot be written is not acknowledged. */
static void a_full_disk(void **state)
{
	struct world *w = up();
	char command[512];

	(void)state;
	create(w);
	publish(w, "/c/a", 1, 3);
	snprintf(command, sizeof(command), "COMETD_BRIDGE_SOCKET=%s ./cometctl sub '/c/*' --durable jobs -n 1 >/dev/full",
		 w->socket);
	int status = system(command);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	struct process *p = SUB(w, "-n", "1");
	assert_int_equal(next_number(p), 1);
	assert_int_equal(process_wait(p, NULL, NULL), 0);
	world_free(w);
}

/* ---- commands -------------------------------------------------------------- */

/* It succeeds at the third attempt; each message is processed once and in order. */
static void a_failing_command(void **state)
{
	struct world *w = up();
	char command[512], *out, *err;

	(void)state;
	create(w);
	publish(w, "/c/a", 1, 3);
	snprintf(command, sizeof(command), "read n; echo $n >>%s/tried; [ $n != 2 ] || [ $(grep -c 2 %s/tried) = 3 ] && "
		 "echo done $n $COMETD_CHANNEL", w->dir, w->dir);
	int status = process_wait(SUB(w, "--exec", command, "-n", "3"), &out, &err);
	if (status || strcmp(out, "done 1 /c/a\ndone 2 /c/a\ndone 3 /c/a\n"))
		fail_msg("status %d, out: %s err: %s", status, out, err);
	assert_non_null(strstr(err, "the command failed: exit status 1; trying again in 0.5 s\n"));
	assert_non_null(strstr(err, "the command failed: exit status 1; trying again in 1.0 s\n"));
	free(out), free(err);
	/* all are acknowledged */
	publish(w, "/c/a", 4, 4);
	struct process *p = SUB(w, "-n", "1");
	assert_int_equal(next_number(p), 4);
	assert_int_equal(process_wait(p, NULL, NULL), 0);
	world_free(w);
}

/* ---- listed and removed ------------------------------------------------------ */

static void listed_and_removed(void **state)
{
	struct world *w = up();
	char pid[32];

	(void)state;
	EXPECT(w, 0, "no durable consumer\n", "", "consumers");
	EXPECT(w, 2, "", "jobs: no such consumer", "forget", "jobs");
	create(w);
	publish(w, "/c/a", 1, 3);
	struct process *p = SUB(w, "--timeout", "300");
	for (int i = 1; i <= 3; i++)
		assert_int_equal(next_number(p), i);
	snprintf(pid, sizeof(pid), "\"pid\":%d", (int)p->pid);
	EXPECT(w, 0, pid, "", "consumers", "--json");
	EXPECT(w, 0, "  /c/*\n", "", "consumers", "-s", "demo");
	/* it is held: no second program gets it, and it is not removed */
	snprintf(pid, sizeof(pid), "%d", (int)p->pid);
	EXPECT(w, 1, "", pid, "sub", "/c/*", "--durable", "jobs");
	EXPECT(w, 1, "", pid, "forget", "jobs");
	await_waiting(w, 0);
	kill(p->pid, SIGTERM);
	process_wait(p, NULL, NULL);
	publish(w, "/c/a", 4, 5);
	await_waiting(w, 2);
	EXPECT(w, 0, "", "", "forget", "jobs");
	EXPECT(w, 0, "no durable consumer\n", "", "consumers");
	/* a new one of the same name has nothing of the old one */
	p = SUB(w, "-n", "1");
	fake_await(w->fake, "subscribe", "/c/*", 2);
	publish(w, "/c/a", 6, 6);
	assert_int_equal(next_number(p), 6);
	assert_int_equal(process_wait(p, NULL, NULL), 0);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_at_any_line),
		cmocka_unit_test(the_daemon_is_killed),
		cmocka_unit_test(ended_properly),
		cmocka_unit_test(a_full_disk),
		cmocka_unit_test(a_failing_command),
		cmocka_unit_test(listed_and_removed),
	};

	return scenario_run("consumers", tests, NULL, NULL);
}
