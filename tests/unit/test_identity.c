/*
 * local/identity: what the kernel knows of the other end of a connection, and what stays unknown.
 */
#include "local/identity.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static void test_unit_of_a_process(void **state)
{
	static const struct { const char *cgroup, *unit; } table[] = {
		{"0::/system.slice/trader.service\n", "trader.service"},
		{"0::/system.slice/system-a.slice/a@1.service/payload", "a@1.service"},
		{"0::/user.slice/user-1000.slice/user@1000.service/app.slice/job.service\n", "job.service"},
		{"12:pids:/x.service\n1:name=systemd:/user.slice/user-0.slice/session-3.scope\n0::/\n",
		 "session-3.scope"},
		{"0::/\n", ""}, {"0::/init.scope", "init.scope"}, {"", ""}, {"\n\n", ""}, {"0::", ""},
		{"0::/.service", ""}, {"garbage", ""},
		/* no unit has such a name */
		{"0::/a.service/\xff.service", "a.service"}, {"0::/a b.service", ""},
		{"0::/dev-disk-by\\x2dlabel.service", "dev-disk-by\\x2dlabel.service"},
	};
	char unit[UNIT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		identity_unit(slice_of(table[i].cgroup), unit);
		assert_string_equal(unit, table[i].unit);
	}
}

static void test_start_time_of_a_process(void **state)
{
	static const char after[] = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18";
	char text[256];

	(void)state;
	snprintf(text, sizeof(text), "7 (sh)%s 4711 20 21\n", after);
	assert_int_equal(identity_start_time(slice_of(text)), 4711);
	/* a program may have any name */
	snprintf(text, sizeof(text), "7 (a) S 1 (2 3))%s 4711 20\n", after);
	assert_int_equal(identity_start_time(slice_of(text)), 4711);
	snprintf(text, sizeof(text), "7 (sh)%s 47", after);
	assert_int_equal(identity_start_time(slice_of(text)), 0);
	assert_int_equal(identity_start_time(slice_of("7 (sh")), 0);
	assert_int_equal(identity_start_time(slice_of(")")), 0);
	assert_int_equal(identity_start_time(SLICE_NULL), 0);
}

static void ends_of_a_socket(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static void test_own_process(void **state)
{
	gid_t groups[1024];
	int n = getgroups(1024, groups), fds[2];
	struct identity who;

	(void)state;
	ends_of_a_socket(fds);
	assert_int_equal(identity_of_socket(fds[0], &who), 0);
	assert_int_equal(who.uid, getuid());
	assert_int_equal(who.gid, getgid());
	assert_int_equal(who.pid, getpid());
	assert_false(who.complete);
	identity_complete(fds[0], &who);
	assert_true(who.complete && who.start_time > 0);
	assert_int_equal(who.n_groups, n < 0 ? 0 : n);
	if (n > 0)
		assert_memory_equal(who.groups, groups, (size_t)n * sizeof(gid_t));
	/* once is enough: this descriptor has nothing to say */
	identity_complete(-1, &who);
	assert_true(who.start_time > 0);
	identity_fini(&who);
	close(fds[0]);
	close(fds[1]);
	fds[0] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(identity_of_socket(fds[0], &who), -EAFNOSUPPORT);
	close(fds[0]);
}

/* What is known of the process `child`, which has ended, at the other end of a connection. */
static void assert_unknown(int fd, pid_t child)
{
	struct identity who;

	assert_int_equal(identity_of_socket(fd, &who), 0);
	assert_int_equal(who.pid, child);
	identity_complete(fd, &who);
	assert_int_equal(who.uid, getuid());
	assert_int_equal(who.start_time, 0);
	assert_null(who.unit);
	identity_fini(&who);
}

/* A connection may outlive the process that made it. */
static void test_process_that_has_ended(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), pidfd;
	socklen_t len = sizeof(address);
	siginfo_t info;
	pid_t child;

	(void)state;
	/* an abstract name that the kernel chooses */
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	child = fork();
	if (child == 0) {
		int other = socket(AF_UNIX, SOCK_STREAM, 0);

		_exit(connect(other, (struct sockaddr *)&address, len) != 0);
	}
	assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(info.si_status, 0);
	int accepted = accept(fd, NULL, NULL);
	assert_true(accepted >= 0);
	/* /proc still has its number, as it would have that of another process */
	len = sizeof(pidfd);
	if (getsockopt(accepted, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) == 0) {
		close(pidfd);
		assert_unknown(accepted, child);
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_unknown(accepted, child);
	close(accepted);
	close(fd);
}

static void test_no_memory(void **state)
{
	int fds[2];

	(void)state;
	ends_of_a_socket(fds);
	FAIL_EACH_ALLOCATION {
		struct identity who;

		assert_int_equal(identity_of_socket(fds[0], &who), 0);
		identity_complete(fds[0], &who);
		assert_true(who.complete && who.start_time > 0);
		assert_int_equal(who.n_groups > 0, who.groups != NULL);
		identity_fini(&who);
		assert_null(who.groups);
	}
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unit_of_a_process),
		cmocka_unit_test(test_start_time_of_a_process),
		cmocka_unit_test(test_own_process),
		cmocka_unit_test(test_process_that_has_ended),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
