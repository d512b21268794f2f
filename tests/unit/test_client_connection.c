/*
 * Connections of the library that fail, end, and come again; deadlines.
 */
#include "tests/unit/testing.h"

#include "tests/unit/client_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- no daemon --------------------------------------------------------- */

static int connect_to(const char *path)
{
	struct cometd *c;
	int error = cometd_new(&c);

	if (!error)
		error = cometd_set_socket(c, path);
	if (!error)
		error = cometd_connect(c, 20 * SEC);
	cometd_free(c);
	return error;
}

/* Ends a child of the test, without leak checks: memory it inherited is freed by its parent. */
static void end_child(bool well)
{
	raise(well ? SIGKILL : SIGABRT);
}

static void test_no_daemon(void **state)
{
	static const struct daemon_step script[] = {{D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	char file[] = "/tmp/cometd-bridge-file-XXXXXX";
	int fd = mkstemp(file), status;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(connect_to("/nonexistent/sock"), COMETD_E_NO_DAEMON);
	assert_int_equal(connect_to(file), COMETD_E_NO_DAEMON);
	assert_int_equal(connect_to("/tmp"), COMETD_E_NO_DAEMON);
	/* as a user without permission */
	assert_int_equal(chmod(daemon_path(d), 0), 0);
	pid_t child = fork();
	if (child == 0)
		end_child((getuid() != 0 || setuid(65534) == 0) &&
			  connect_to(daemon_path(d)) == COMETD_E_NO_PERMISSION);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, SIGKILL);
	close(fd);
	unlink(file);
	daemon_end(d);
}

static void test_unfriendly_daemons(void **state)
{
	static const struct daemon_step script[] = {
		{D_ACCEPT, 0, 0}, {D_HEAR, "hello", 0}, D_REFUSE(1, "bad-version", "2 to 3"),
		{D_HEAR_END, 0, 0},
		{D_ACCEPT, 0, 0}, {D_HEAR, "hello", 0},
		{D_SAY, "{'op':'closing','code':'too-many','reason':'full'}", 0},
		{D_HEAR_END, 0, 0},
		{D_ACCEPT, 0, 0}, {D_HEAR, "hello", 0}, {D_SAY_RAW, "HTTP/1.1 400", 12},
		{D_HEAR_END, 0, 0},
		{D_ACCEPT, 0, 0}, {D_HANGUP, 0, 0},
		{D_END, 0, 0}};
	struct daemon *d = daemon_start(script);

	(void)state;
	assert_int_equal(connect_to(daemon_path(d)), COMETD_E_VERSION);
	assert_int_equal(connect_to(daemon_path(d)), COMETD_E_TOO_MANY);
	assert_int_equal(connect_to(daemon_path(d)), COMETD_E_PROTOCOL);
	assert_int_equal(connect_to(daemon_path(d)), COMETD_E_DISCONNECTED);
	daemon_end(d);
}

/* ---- deadlines --------------------------------------------------------- */

static void test_deadlines(void **state)
{
	static const struct daemon_step script[] = {
		{D_ACCEPT, 0, 0}, {D_HEAR, "hello", 0}, {D_WAIT, 0, 0},
		{D_SAY, "{'op':'reply','id':1,'ok':true,'result':{'version':1}}", 0},
		{D_HEAR, "ping", 0}, {D_HEAR, "publish", 0}, {D_HEAR_END, 0, 0}, {D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct cometd *c = new_client(d);
	const struct cometd_result *r;

	(void)state;
	assert_int_equal(cometd_connect(c, 300), COMETD_E_TIMEOUT);
	/* never left this process */
	assert_int_equal(cometd_publish(c, NULL, "/a", "1", 1, 300, &r), COMETD_E_NOT_SENT);
	assert_non_null(r);
	daemon_go(d);
	assert_int_equal(cometd_connect(c, 20 * SEC), 0);
	assert_int_equal(cometd_ping(c, 300), COMETD_E_TIMEOUT);
	assert_int_equal(cometd_publish(c, NULL, "/a", "1", 1, 300, NULL), COMETD_E_UNKNOWN_OUTCOME);
	cometd_free(c);
	daemon_end(d);
}

static void ignore_alarm(int signo)
{
	(void)signo;
}

static void test_interrupted(void **state)
{
	static const struct daemon_step script[] = {
		{D_ACCEPT, 0, 0}, {D_HEAR, "hello", 0}, {D_HEAR_END, 0, 0}, {D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct sigaction action = {.sa_handler = ignore_alarm};
	struct itimerval often = {{0, 10000}, {0, 10000}}, never = {0};
	struct cometd *c = new_client(d);

	(void)state;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	int error = cometd_connect(c, COMETD_FOREVER);
	setitimer(ITIMER_REAL, &never, NULL);
	assert_int_equal(error, COMETD_E_INTERRUPTED);
	cometd_free(c);
	daemon_end(d);
}

/* ---- reconnection ------------------------------------------------------ */

static void test_daemon_restarts(void **state)
{
	static const struct daemon_step script[] = {
		D_GREET(1, D_DEMO), D_SUBSCRIBE(2, "/a"), D_MESSAGE(1, "/a", "1"),
		{D_HEAR, "{'op':'publish','id':3", 0},
		{D_UNLISTEN, 0, 0}, {D_HANGUP, 0, 0}, {D_WAIT, 0, 0}, {D_LISTEN, 0, 0},
		D_GREET(4, D_DEMO), D_SUBSCRIBE(5, "/a"),
		{D_HEAR, "{'op':'publish','id':6,'channel':'/late'", 0}, D_OK(6),
		D_MESSAGE(1, "/a", "2"),
		/* asked to connect again at once */
		{D_SAY, "{'op':'closing','code':'shutdown','reason':'bye','retry_in':0}", 0},
		{D_HANGUP, 0, 0},
		D_GREET(7, ""), D_SUBSCRIBE(8, "/a"), {D_HEAR, "ping", 0}, D_OK(9),
		{D_HEAR_END, 0, 0}, {D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct cometd *c = new_client(d);
	const struct cometd_event *e;
	int fd = cometd_get_fd(c);

	(void)state;
	assert_int_equal(cometd_connect(c, 20 * SEC), 0);
	assert_int_equal(cometd_subscribe(c, NULL, "/a", 0, DEFAULT, NULL), 0);
	assert_int_equal(cometd_publish(c, NULL, "/a", "9", 1, DEFAULT, NULL),
			 COMETD_E_UNKNOWN_OUTCOME);
	next(c, COMETD_EVENT_UP), next(c, COMETD_EVENT_STATE);
	assert_memory_equal(next(c, COMETD_EVENT_MESSAGE)->data, "1", 1);
	assert_int_equal(next(c, COMETD_EVENT_DOWN)->error, COMETD_E_DISCONNECTED);
	daemon_go(d);
	/* waits for the new daemon, as it never left */
	assert_int_equal(cometd_publish(c, NULL, "/late", "9", 1, DEFAULT, NULL), 0);
	e = next(c, COMETD_EVENT_UP);
	assert_int_equal(e->gap, 1);
	next(c, COMETD_EVENT_STATE);
	assert_memory_equal(next(c, COMETD_EVENT_MESSAGE)->data, "2", 1);
	e = next(c, COMETD_EVENT_DOWN);
	assert_int_equal(e->error, COMETD_E_SHUTDOWN);
	assert_string_equal(e->text, "bye");
	assert_in_range(e->retry_in, 0, 100);
	next(c, COMETD_EVENT_UP);
	assert_int_equal(cometd_get_fd(c), fd);
	assert_int_equal(cometd_ping(c, DEFAULT), 0);
	cometd_free(c);
	daemon_end(d);
}

/* The daemon accepts no connection for the moment, which must not be an error. */
static void test_busy(void **state)
{
	static const struct daemon_step script[] = {
		{D_WAIT, 0, 0}, {D_ACCEPT_ALL, 0, 0}, {D_MEET, 0, 0},
		D_GREET(1, ""), {D_HEAR_END, 0, 0},
		{D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct cometd *c = new_client(d);
	int fds[64], n = 0;

	(void)state;
	while (n < 64 && (fds[n] = daemon_connect(d)) >= 0)
		n++;
	assert_in_range(n, 1, 63);
	assert_int_equal(cometd_connect(c, 100), COMETD_E_TIMEOUT);
	assert_int_equal(cometd_connection_error(c), COMETD_E_BUSY);
	daemon_go(d);
	daemon_await(d);
	assert_int_equal(cometd_connect(c, 20 * SEC), 0);
	while (n > 0)
		close(fds[--n]);
	cometd_free(c);
	daemon_end(d);
}

/*
 * The daemon is gone when we write: no signal, its last words are read all the
 * same, and what did not leave goes to its successor.
 */
static void test_write_after_end(void **state)
{
	static const struct daemon_step script[] = {
		D_GREET(1, ""), {D_WAIT, 0, 0},
		{D_SAY, "{'op':'closing','code':'shutdown','reason':'bye','retry_in':0}", 0},
		{D_HANGUP, 0, 0}, {D_MEET, 0, 0},
		D_GREET(3, ""), {D_HEAR, "{'op':'publish','id':4,'channel':'/a','data':1", 0},
		D_OK(4),
		{D_HEAR_END, 0, 0}, {D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct cometd *c = new_client(d);

	(void)state;
	assert_int_equal(cometd_connect(c, 20 * SEC), 0);
	daemon_go(d);
	daemon_await(d);
	assert_int_equal(cometd_publish(c, NULL, "/a", "1", 1, DEFAULT, NULL), 0);
	next(c, COMETD_EVENT_UP);
	assert_int_equal(next(c, COMETD_EVENT_DOWN)->error, COMETD_E_SHUTDOWN);
	/* nothing was subscribed, so nothing was missed */
	assert_int_equal(next(c, COMETD_EVENT_UP)->gap, 0);
	cometd_free(c);
	daemon_end(d);
}

/* A child that frees what it inherited takes nothing from the parent. */
static void test_fork(void **state)
{
	static const struct daemon_step script[] = {
		D_GREET(1, ""), {D_HEAR, "ping", 0}, D_OK(2), {D_HANGUP, 0, 0},
		D_GREET(3, ""), {D_HEAR, "ping", 0}, D_OK(4), {D_HEAR_END, 0, 0}, {D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct cometd *c = new_client(d);
	int status;

	(void)state;
	assert_int_equal(cometd_connect(c, 20 * SEC), 0);
	pid_t child = fork();
	if (child == 0) {
		cometd_free(c);
		end_child(true);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, SIGKILL);
	assert_int_equal(cometd_ping(c, DEFAULT), 0);
	/* the connection opened before the fork, and one opened after it */
	next(c, COMETD_EVENT_UP), next(c, COMETD_EVENT_DOWN), next(c, COMETD_EVENT_UP);
	assert_int_equal(cometd_ping(c, DEFAULT), 0);
	cometd_free(c);
	daemon_end(d);
}

/* No descriptor is left: reported with the text of errno, and it recovers when there is one again. */
static void test_no_descriptors(void **state)
{
	/* the daemon's thread lives under the same limit, which lets it not even poll() */
	static const struct daemon_step script[] = {
		{D_WAIT, 0, 0}, D_GREET(1, ""), {D_HEAR_END, 0, 0}, {D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct cometd *c = new_client(d), *other;
	struct rlimit was, none;
	const struct cometd_event *e;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	int one = cometd_connect(c, 20 * SEC), two = cometd_new(&other);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	daemon_go(d);
	assert_int_equal(one, COMETD_E_SYSTEM);
	assert_int_equal(two, COMETD_E_SYSTEM);
	e = next(c, COMETD_EVENT_DOWN);
	assert_int_equal(e->error, COMETD_E_SYSTEM);
	assert_string_equal(e->text, strerror(EMFILE));
	assert_int_equal(cometd_connect(c, 20 * SEC), 0);
	cometd_free(c);
	daemon_end(d);
}

/* Nothing of ours is inherited by what the application executes. */
static void test_close_on_exec(void **state)
{
	static const struct daemon_step script[] = {
		D_GREET(1, ""), {D_HEAR_END, 0, 0}, {D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct cometd *c = new_client(d);
	int checked = 0;

	(void)state;
	assert_int_equal(cometd_connect(c, 20 * SEC), 0);
	for (int fd = 3; fd < 100; fd++) {
		int flags = fcntl(fd, F_GETFD);
		char link[64], to[64] = "";

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		if (flags < 0 || readlink(link, to, sizeof(to) - 1) < 0 ||
		    !(strstr(to, "socket:") || strstr(to, "eventpoll")))
			continue;
		assert_true(flags & FD_CLOEXEC);
		checked++;
	}
	/* the epoll instance, our socket, and the two of the scripted daemon */
	assert_true(checked >= 4);
	cometd_free(c);
	daemon_end(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_daemon), TEST(test_unfriendly_daemons), TEST(test_deadlines),
		TEST(test_interrupted), TEST(test_daemon_restarts), TEST(test_busy),
		TEST(test_write_after_end), TEST(test_fork), TEST(test_no_descriptors),
		TEST(test_close_on_exec),
	};

	/* a hang is a failure, too */
	alarm(600);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
