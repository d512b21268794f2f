/*
 * Notifications to the service manager, as received on its socket, and the sockets it
 * passes. Each test that changes the environment runs in a child, because libsystemd
 * reads it once and descriptors 3, 4, … belong to the process.
 */
#include "systemd.h"

#include "base/log.h"
#include "tests/unit/testing.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/test-systemd.XXXXXX";

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static struct sockaddr_un address(const char *name)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/%s", dir, name);
	return sa;
}

static int bound(int type, const char *name)
{
	struct sockaddr_un sa = address(name);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	unlink(sa.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* Redirects connections to the machine's journal to a socket in our directory. */
int connect(int fd, const struct sockaddr *to, socklen_t n)
{
	struct sockaddr_un sa = address("journal");
	const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)to;

	if (to->sa_family == AF_UNIX && strcmp(un->sun_path, "/run/systemd/journal/socket") == 0)
		to = (const struct sockaddr *)&sa, n = sizeof(sa);
	return (int)syscall(SYS_connect, fd, to, n);
}

static void assert_reported(int fd, const char *expected)
{
	char text[2048];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	assert_true(n >= 0);
	text[n] = 0;
	assert_string_equal(text, expected);
}

static void the_manager_is_notified(void **state)
{
	int fd = bound(SOCK_DGRAM, "notify");

	(void)state;
	setenv("NOTIFY_SOCKET", address("notify").sun_path, 1);
	systemd_ready("demo: connected");
	assert_reported(fd, "READY=1");
	assert_reported(fd, "STATUS=demo: connected");
	systemd_status("one\nREADY=0");
	assert_reported(fd, "STATUS=one READY=0");
	systemd_watchdog();
	assert_reported(fd, "WATCHDOG=1");
	systemd_stopping();
	assert_reported(fd, "STOPPING=1");
	close(fd);
	/* a manager that has ended, or an empty variable, is no failure */
	systemd_ready(NULL);
	setenv("NOTIFY_SOCKET", "", 1);
	systemd_ready(NULL);
	unsetenv("NOTIFY_SOCKET");
	systemd_status("no reader");
}

/* more than its queue holds: what does not fit is dropped, and nothing blocks */
static void a_manager_that_does_not_read_blocks_nothing(void **state)
{
	int fd = bound(SOCK_DGRAM, "deaf");

	(void)state;
	setenv("NOTIFY_SOCKET", address("deaf").sun_path, 1);
	for (int i = 0; i < 2000; i++)
		systemd_status("again");
	systemd_watchdog();
	systemd_stopping();
	assert_reported(fd, "STATUS=again");
	unsetenv("NOTIFY_SOCKET");
	close(fd);
}

static void the_watchdog_is_due_in_half_its_time(void **state)
{
	char pid[16];

	(void)state;
	unsetenv("WATCHDOG_USEC");
	assert_int_equal(systemd_watchdog_interval(), 0);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("WATCHDOG_PID", pid, 1);
	setenv("WATCHDOG_USEC", "10000000", 1);
	assert_int_equal(systemd_watchdog_interval(), 5000);
	setenv("WATCHDOG_USEC", "10", 1);
	assert_int_equal(systemd_watchdog_interval(), 1);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(systemd_watchdog_interval(), 0);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

/* in the child: descriptors 3 and up as systemd would pass them */
static int take_sockets(int stream, int datagram)
{
	int fds[SYSTEMD_SOCKETS_MAX];
	char pid[16];
	struct fault why;

	if (dup2(stream, 13) < 0 || dup2(datagram, 14) < 0 || dup2(13, 3) < 0 || dup2(14, 4) < 0)
		return 10;
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "2", 1);
	setenv("LISTEN_FDNAMES", "bridge:odd", 1);
	if (systemd_sockets(fds, SYSTEMD_SOCKETS_MAX, &why) != 1 || fds[0] != 3)
		return 11;
	if (!strstr(why.text, "odd") || fcntl(4, F_GETFD) != -1)
		return 12;
	if (!(fcntl(3, F_GETFD) & FD_CLOEXEC))
		return 13;
	/* once only: the variables are gone */
	return systemd_sockets(fds, SYSTEMD_SOCKETS_MAX, &why) == 0 ? 0 : 14;
}

static void listening_stream_sockets_are_used(void **state)
{
	int stream = bound(SOCK_STREAM, "stream"), datagram = bound(SOCK_DGRAM, "datagram");
	int status;

	(void)state;
	assert_int_equal(listen(stream, 1), 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(take_sockets(stream, datagram));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(stream);
	close(datagram);
}

static void nothing_handed_over_is_nothing(void **state)
{
	int fds[SYSTEMD_SOCKETS_MAX];
	struct fault why = {"x"};

	(void)state;
	assert_int_equal(systemd_sockets(fds, SYSTEMD_SOCKETS_MAX, &why), 0);
	assert_string_equal(why.text, "");
}

/* $JOURNAL_STREAM of another process: lines stay on stderr, where a test runner reads them */
static void stderr_that_is_no_journal_stays(void **state)
{
	int status, ends[2];
	char text[512];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		setenv("JOURNAL_STREAM", "1:2", 1);
		systemd_log_init();
		log_msg(LOG_L_WARNING, LOG_FIELDS({"server", SLICE("demo")}), "seen");
		_exit(0);
	}
	close(ends[1]);
	ssize_t n = read(ends[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = 0;
	assert_non_null(strstr(text, "seen"));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(ends[0]);
}

/* Logs one line with this $JOURNAL_STREAM, made of what stderr is; the line's number in this file. */
static int log_a_line(unsigned long device_off, unsigned long inode_off)
{
	const struct log_field fields[] = {{"server", SLICE("a\nPRIORITY=0")}, {"x-az09", SLICE("1")}};
	char stream[64], name[80];
	struct stat st;
	int status, line;

	snprintf(name, sizeof(name), "%s/stderr", dir);
	pid_t pid = fork();
	if (pid == 0) {
		int fd = open(name, O_CREAT | O_WRONLY, 0600);

		dup2(fd, STDERR_FILENO);
		fstat(STDERR_FILENO, &st);
		snprintf(stream, sizeof(stream), "%lu:%lu", (unsigned long)st.st_dev + device_off,
			 (unsigned long)st.st_ino + inode_off);
		setenv("JOURNAL_STREAM", stream, 1);
		systemd_log_init();
	}
	line = __LINE__ + 2;
	if (pid == 0) {
		log_msg(LOG_L_WARNING, fields, "seen");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return line;
}

/* as journalctl needs it: one field a line, and no value that begins another */
static void a_line_in_the_journal(void **state)
{
	int fd = bound(SOCK_DGRAM, "journal"), line = log_a_line(0, 0);
	char text[2048], expected[1024];
	ssize_t n;

	(void)state;
	n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	assert_true(n > 0);
	text[n] = 0;
	snprintf(expected, sizeof(expected),
		 "PRIORITY=4\nSYSLOG_IDENTIFIER=cometd-bridged\nCODE_FILE=%s\nCODE_LINE=%d\n"
		 "COMETD_BRIDGE_SERVER=a\\x0aPRIORITY=0\nCOMETD_BRIDGE_X_AZ09=1\n"
		 "MESSAGE=seen server=a\\x0aPRIORITY=0 x-az09=1\n", __FILE__, line);
	assert_string_equal(text, expected);
	/* a stream of the same device or inode number alone is another one */
	log_a_line(1, 0);
	log_a_line(0, 1);
	assert_int_equal(recv(fd, text, sizeof(text), MSG_DONTWAIT), -1);
	close(fd);
}

/* Where no manager answers it is no restart; a bus that is there but does not answer does not delay the end. */
static void a_restart_needs_an_answer(void **state)
{
	int fd = bound(SOCK_STREAM, "bus");
	char bus[160];

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_false(systemd_restarts());
	assert_int_equal(listen(fd, 5), 0);
	snprintf(bus, sizeof(bus), "unix:path=%s", address("bus").sun_path);
	setenv("NOTIFY_SOCKET", "@none", 1);
	setenv("DBUS_SYSTEM_BUS_ADDRESS", bus, 1);
	setenv("DBUS_SESSION_BUS_ADDRESS", bus, 1);
	alarm(20);
	assert_false(systemd_restarts());
	alarm(0);
	close(fd);
	assert_false(systemd_restarts());
	unsetenv("NOTIFY_SOCKET");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_manager_is_notified),
		cmocka_unit_test(a_manager_that_does_not_read_blocks_nothing),
		cmocka_unit_test(the_watchdog_is_due_in_half_its_time),
		cmocka_unit_test(listening_stream_sockets_are_used),
		cmocka_unit_test(nothing_handed_over_is_nothing),
		cmocka_unit_test(stderr_that_is_no_journal_stays),
		cmocka_unit_test(a_line_in_the_journal),
		cmocka_unit_test(a_restart_needs_an_answer),
	};

	return cmocka_run_group_tests_name("systemd", tests, setup, teardown);
}
