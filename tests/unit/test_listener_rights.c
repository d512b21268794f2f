/*
 * io/listener: whose the directory, the dead socket and the lock are; the
 * group; what is written of a pause; that every descriptor is given back, and
 * none is inherited. The calls that decide go through this file, which plays
 * the owners that a test cannot make without being root.
 */
#include "base/clock.h"
#include "base/log.h"
#include "local/listener.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define FDS 256
#define NOBODY ((uid_t)-2)

struct world {
	struct loop *loop;
	struct work_queue *work;
	char directory[64], path[96], lock[112];
	struct fault why;
	struct listener_options options;
	struct listener *listener;
	bool open_before[FDS];
	unsigned n_accepted, n_warnings, n_notices;
};

/* ---- the calls of the listener ---- */

static bool of_others;          /* directories and sockets are owned by another user */
static unsigned n_lchown;
static int lchown_fails;
static gid_t lchown_group;
static mode_t mode_at_lchown;
/* what happens between the opening of a lock and the locking */
static void (*before_flock)(const char *path);
static const char *lock_path;

static int look(const char *path, struct stat *st, int flags)
{
	int r = fstatat(AT_FDCWD, path, st, flags);

	if (r == 0 && of_others && (S_ISDIR(st->st_mode) || S_ISSOCK(st->st_mode)))
		st->st_uid = NOBODY;
	return r;
}

int stat(const char *path, struct stat *st)
{
	return look(path, st, 0);
}

int lstat(const char *path, struct stat *st)
{
	return look(path, st, AT_SYMLINK_NOFOLLOW);
}

int lchown(const char *path, uid_t uid, gid_t gid)
{
	struct stat st;

	assert_int_equal(uid, (uid_t)-1);
	assert_int_equal(fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	n_lchown++;
	mode_at_lchown = st.st_mode & 0777;
	lchown_group = gid;
	errno = lchown_fails;
	return lchown_fails ? -1 : 0;
}

int flock(int fd, int operation)
{
	void (*first)(const char *path) = before_flock;

	before_flock = NULL;
	if (first)
		first(lock_path);
	return (int)syscall(SYS_flock, fd, operation);
}

/* ---- the world ---- */

static void on_accepted(void *ctx, int fd)
{
	struct world *w = ctx;

	w->n_accepted++;
	close(fd);
}

static void on_log(void *ctx, const struct log_line *line)
{
	struct world *w = ctx;

	w->n_warnings += line->level == LOG_L_WARNING;
	w->n_notices += line->level == LOG_L_NOTICE;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void world_open(struct world *w)
{
	*w = (struct world){0};
	of_others = false;
	n_lchown = 0;
	lchown_fails = 0;
	log_set_sink(on_log, w);
	clock_fake(1, 1000);
	assert_int_equal(loop_new(&w->loop), 0);
	assert_int_equal(work_queue_new(w->loop, &w->work), 0);
	strcpy(w->directory, "/tmp/test-listener-XXXXXX");
	assert_non_null(mkdtemp(w->directory));
	snprintf(w->path, sizeof(w->path), "%s/sock", w->directory);
	snprintf(w->lock, sizeof(w->lock), "%s.lock", w->path);
	lock_path = w->lock;
	w->options = (struct listener_options){.path = w->path, .mode = 0660, .group = (gid_t)-1};
	for (int fd = 0; fd < FDS; fd++)
		w->open_before[fd] = is_open(fd);
}

static int open_listener(struct world *w)
{
	return listener_open(w->work, &w->options, on_accepted, w, &w->why,
			     &w->listener);
}

/* No descriptor is open that was not at the start, and nothing lies in the directory. */
static void world_close(struct world *w)
{
	listener_free(w->listener);
	for (int fd = 0; fd < FDS; fd++)
		assert_int_equal(is_open(fd), w->open_before[fd]);
	assert_int_equal(rmdir(w->directory), 0);
	work_queue_free(w->work);
	loop_free(w->loop);
	clock_fake(UINT64_MAX, UINT64_MAX);
}

static int connect_to(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(a.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void make_stale_socket(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(a.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd);
}

/* ---- tests ---- */

/* he could put another socket there */
static void test_directory_of_another_user(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	of_others = true;
	assert_int_equal(open_listener(&w), LISTENER_E_REFUSED);
	assert_non_null(strstr(w.why.text, "others may write the directory"));
	world_close(&w);
}

static void stale_socket_appears(const char *path)
{
	of_others = true;
	(void)path;
}

static void test_stale_socket_of_another_user(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	make_stale_socket(w.path);
	/* the directory was looked at by then, and was ours */
	before_flock = stale_socket_appears;
	assert_int_equal(open_listener(&w), LISTENER_E_REFUSED);
	assert_non_null(strstr(w.why.text, "a dead socket of uid"));
	assert_int_equal(unlink(w.path), 0);
	world_close(&w);
}

static void test_group_comes_before_the_mode(void **state)
{
	struct world w;
	int fd;

	(void)state;
	world_open(&w);
	assert_int_equal(open_listener(&w), 0);
	assert_int_equal(n_lchown, 0);
	listener_free(w.listener);
	w.options.group = 4711;
	assert_int_equal(open_listener(&w), 0);
	assert_int_equal(n_lchown, 1);
	assert_int_equal(lchown_group, 4711);
	assert_int_equal(mode_at_lchown, 0600);
	listener_free(w.listener);
	w.listener = NULL;
	/* a group that it cannot have: no socket at all, and nothing left of the attempt */
	lchown_fails = EPERM;
	assert_int_equal(open_listener(&w), -EPERM);
	assert_non_null(strstr(w.why.text, "cannot give it to group 4711: Operation not permitted"));
	assert_int_equal(loop_turn(w.loop, false), 0);
	fd = open(w.path, O_PATH);
	assert_int_equal(fd, -1);
	world_close(&w);
}

static void lock_is_removed(const char *path)
{
	assert_int_equal(unlink(path), 0);
}

static void lock_is_replaced(const char *path)
{
	lock_is_removed(path);
	close(open(path, O_CREAT | O_WRONLY, 0600));
}

/* The last holder removes the lock just as it is opened: an unlinked lock file excludes no other process. */
static void test_lock_has_its_name(void **state)
{
	void (*const faults[])(const char *path) = {lock_is_removed, lock_is_replaced};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct world w, second;

		world_open(&w);
		before_flock = faults[i];
		assert_int_equal(open_listener(&w), 0);
		second = w;
		assert_int_equal(open_listener(&second), LISTENER_E_RUNNING);
		assert_non_null(strstr(second.why.text, "sock.lock: already running"));
		world_close(&w);
	}
}

/* helpers are other programs: they must not hold the door open, nor the lock */
static void test_nothing_is_inherited(void **state)
{
	struct world w;
	unsigned n = 0;

	(void)state;
	world_open(&w);
	assert_int_equal(open_listener(&w), 0);
	for (int fd = 0; fd < FDS; fd++) {
		if (w.open_before[fd] || !is_open(fd))
			continue;
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		n++;
	}
	/* socket and lock */
	assert_int_equal(n, 2);
	world_close(&w);
}

/* one line when it looks away, one when it is back, however long that took */
static void test_a_pause_is_logged_once(void **state)
{
	const char *preload = getenv("LD_PRELOAD");
	struct rlimit before, none;
	struct world w;
	int fd;

	(void)state;
	/* valgrind emulates the limit, and accepts the connection before it returns EMFILE */
	if (preload && strstr(preload, "valgrind"))
		skip();
	world_open(&w);
	assert_int_equal(open_listener(&w), 0);
	fd = connect_to(w.path);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){0, before.rlim_max};
	for (unsigned round = 1; round <= 2; round++) {
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
		for (unsigned i = 0; i < 4; i++) {
			clock_fake(1, round * 10000 + i * 100);
			assert_int_equal(loop_turn(w.loop, false), 0);
			assert_int_equal(loop_turn(w.loop, false), 0);
		}
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		assert_int_equal(listener_counters(w.listener)->paused, round * 4);
		assert_int_equal(w.n_warnings, round);
		assert_int_equal(w.n_notices, round - 1);
		clock_fake(1, round * 10000 + 1000);
		assert_int_equal(loop_turn(w.loop, false), 0);
		assert_int_equal(loop_turn(w.loop, false), 0);
		assert_int_equal(w.n_accepted, round);
		assert_int_equal(w.n_notices, round);
		close(fd);
		fd = connect_to(w.path);
	}
	close(fd);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_directory_of_another_user),
		cmocka_unit_test(test_stale_socket_of_another_user),
		cmocka_unit_test(test_group_comes_before_the_mode),
		cmocka_unit_test(test_lock_has_its_name),
		cmocka_unit_test(test_nothing_is_inherited),
		cmocka_unit_test(test_a_pause_is_logged_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
