/*
 * io/listener: whatever lies at the path, only a dead socket of ours is
 * replaced; mode and group; who wins; descriptors that run out; the end.
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
#include <sys/un.h>
#include <unistd.h>

struct world {
	struct loop *loop;
	struct work_queue *work;
	char directory[64], path[96];
	struct fault why;
	struct listener_options options;
	struct listener *listener;
	int fds[512];
	unsigned n_fds;
	bool free_on_accept;
	uint64_t now;                   /* of the fake clock */
};

static void on_accepted(void *ctx, int fd)
{
	struct world *w = ctx;

	assert_true(w->n_fds < 512);
	w->fds[w->n_fds++] = fd;
	if (w->free_on_accept) {
		listener_free(w->listener);
		w->listener = NULL;
	}
}

static void quiet(void *ctx, const struct log_line *line)
{
	(void)ctx;
	(void)line;
}

static void world_open(struct world *w)
{
	memset(w, 0, sizeof(*w));
	log_set_sink(quiet, NULL);
	clock_fake(1, 1000);
	assert_int_equal(loop_new(&w->loop), 0);
	assert_int_equal(work_queue_new(w->loop, &w->work), 0);
	strcpy(w->directory, "/tmp/test-listener-XXXXXX");
	assert_non_null(mkdtemp(w->directory));
	snprintf(w->path, sizeof(w->path), "%s/sock", w->directory);
	w->options = (struct listener_options){.path = w->path, .mode = 0660, .group = (gid_t)-1};
}

static int open_listener(struct world *w)
{
	fault_clear(&w->why);
	return listener_open(w->work, &w->options, on_accepted, w, &w->why,
			     &w->listener);
}

/* The directory must be empty but for what `left` names: no socket, no lock remains. */
static void world_close(struct world *w, const char *left)
{
	char path[160];

	listener_free(w->listener);
	if (left) {
		snprintf(path, sizeof(path), "%s/%s", w->directory, left);
		assert_int_equal(remove(path), 0);
	}
	for (unsigned i = 0; i < w->n_fds; i++)
		close(w->fds[i]);
	assert_int_equal(rmdir(w->directory), 0);
	work_queue_free(w->work);
	loop_free(w->loop);
	clock_fake(UINT64_MAX, UINT64_MAX);
}

static int connect_to(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	/* with a full backlog connecting must fail, not block */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(a.sun_path, path);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a))) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

/* A bound socket, listening or not; the caller closes it. */
static int bind_at(const char *path, int type, bool listening)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type, 0);

	strcpy(a.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	if (listening)
		assert_int_equal(listen(fd, 5), 0);
	return fd;
}

static void test_serves_and_cleans_up(void **state)
{
	struct world w;
	struct stat st;
	int a, b;

	(void)state;
	world_open(&w);
	w.options.mode = 0606;
	w.options.group = getgid();
	assert_int_equal(open_listener(&w), 0);
	assert_string_equal(listener_path(w.listener), w.path);
	assert_int_equal(stat(w.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0606);
	a = connect_to(w.path);
	b = connect_to(w.path);
	assert_true(a >= 0 && b >= 0);
	assert_int_equal(loop_turn(w.loop, true), 0);
	assert_int_equal(w.n_fds, 2);
	assert_true(fcntl(w.fds[0], F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(w.fds[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(listener_counters(w.listener)->accepted, 2);
	close(a);
	close(b);
	world_close(&w, NULL);
}

/*
 * Wraps the listener's chmod() to check the socket before it: only its owner has access,
 * and it does not accept connections yet.
 */
static mode_t mode_before_chmod;
static int connect_before_chmod;
int chmod(const char *path, mode_t mode)
{
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
		mode_before_chmod = st.st_mode & 07777;
		connect_before_chmod = connect_to(path);
	}
	return fchmodat(AT_FDCWD, path, mode, 0);
}

static void test_closed_until_all_is_set(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	assert_int_equal(open_listener(&w), 0);
	assert_int_equal(mode_before_chmod, 0600);
	assert_int_equal(connect_before_chmod, -ECONNREFUSED);
	world_close(&w, NULL);
}

/* The umask of the process changes nothing, and is not changed. */
static void test_mode_is_exact(void **state)
{
	mode_t before = umask(077);
	struct world w;
	struct stat st;

	(void)state;
	world_open(&w);
	w.options.mode = 0666;
	assert_int_equal(open_listener(&w), 0);
	assert_int_equal(stat(w.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0666);
	assert_int_equal(umask(before), 077);
	world_close(&w, NULL);
}

enum thing {
	REGULAR, DIRECTORY, LINK_TO_FILE, LINK_TO_DIRECTORY, DANGLING, PIPE, DATAGRAM, THINGS,
};
static const char *const thing_words[] = {
	"a regular file", "a directory", "a symbolic link", "a symbolic link",
	"a symbolic link", "a pipe", "a socket that is not of cometd-bridged",
};

static void place(const char *path, enum thing thing)
{
	int fd = -1;

	switch (thing) {
	case REGULAR:
		fd = open(path, O_CREAT | O_WRONLY, 0600);
		assert_int_equal(write(fd, "precious", 8), 8);
		break;
	case DIRECTORY:
		assert_int_equal(mkdir(path, 0700), 0);
		break;
	case LINK_TO_FILE:
		assert_int_equal(symlink("/etc/passwd", path), 0);
		break;
	case LINK_TO_DIRECTORY:
		assert_int_equal(symlink("/etc", path), 0);
		break;
	case DANGLING:
		assert_int_equal(symlink("/nowhere/at/all", path), 0);
		break;
	case PIPE:
		assert_int_equal(mkfifo(path, 0600), 0);
		break;
	default:
		/* alive; closed by the process's end */
		bind_at(path, SOCK_DGRAM, false);
		break;
	}
	if (fd >= 0)
		close(fd);
}

static void test_never_replaces(void **state)
{
	(void)state;
	for (int thing = 0; thing < THINGS; thing++) {
		struct world w;
		struct stat before, after;

		world_open(&w);
		place(w.path, thing);
		assert_int_equal(lstat(w.path, &before), 0);
		assert_int_equal(open_listener(&w), LISTENER_E_REFUSED);
		assert_null(w.listener);
		assert_non_null(strstr(w.why.text, w.path));
		assert_non_null(strstr(w.why.text, thing_words[thing]));
		assert_int_equal(lstat(w.path, &after), 0);
		assert_int_equal(after.st_ino, before.st_ino);
		assert_int_equal(after.st_size, before.st_size);
		world_close(&w, "sock");
	}
}

static void test_replaces_a_stale_socket(void **state)
{
	struct world w;
	int fd;

	(void)state;
	world_open(&w);
	close(bind_at(w.path, SOCK_STREAM, true));
	assert_int_equal(open_listener(&w), 0);
	fd = connect_to(w.path);
	assert_true(fd >= 0);
	close(fd);
	world_close(&w, NULL);
}

static void test_keeps_a_socket_in_use(void **state)
{
	struct world w;
	int fd, c;

	(void)state;
	world_open(&w);
	fd = bind_at(w.path, SOCK_STREAM, true);
	assert_int_equal(open_listener(&w), LISTENER_E_RUNNING);
	assert_non_null(strstr(w.why.text, "already running"));
	assert_non_null(strstr(w.why.text, w.path));
	/* with a full backlog as well */
	while ((c = connect_to(w.path)) >= 0)
		w.fds[w.n_fds++] = c;
	assert_int_equal(c, -EAGAIN);
	assert_int_equal(open_listener(&w), LISTENER_E_RUNNING);
	close(fd);
	world_close(&w, "sock");
}

/* The second finds the lock of the first, even between its bind and its listen. */
static void test_second_start_loses(void **state)
{
	struct world w, second;
	int fd;

	(void)state;
	world_open(&w);
	assert_int_equal(open_listener(&w), 0);
	second = w;
	second.listener = NULL;
	assert_int_equal(open_listener(&second), LISTENER_E_RUNNING);
	assert_non_null(strstr(second.why.text, "already running"));
	assert_null(second.listener);
	fd = connect_to(w.path);
	assert_true(fd >= 0);
	close(fd);
	/* and a second try is not luckier: the loser took nothing away */
	assert_int_equal(open_listener(&second), LISTENER_E_RUNNING);
	world_close(&w, NULL);
}

/* Another start has bound its socket and does not listen yet: it looks dead, and is not. */
static void test_start_of_another_under_way(void **state)
{
	struct world w;
	char lock[128];
	int lock_fd, fd;

	(void)state;
	world_open(&w);
	snprintf(lock, sizeof(lock), "%s.lock", w.path);
	lock_fd = open(lock, O_CREAT | O_RDWR, 0600);
	assert_int_equal(flock(lock_fd, LOCK_EX), 0);
	fd = bind_at(w.path, SOCK_STREAM, false);
	assert_int_equal(open_listener(&w), LISTENER_E_RUNNING);
	assert_int_equal(listen(fd, 5), 0);
	close(connect_to(w.path));
	close(fd);
	close(lock_fd);
	assert_int_equal(unlink(lock), 0);
	world_close(&w, "sock");
}

static void test_lock_left_by_a_crash(void **state)
{
	struct world w;
	char lock[128];

	(void)state;
	world_open(&w);
	snprintf(lock, sizeof(lock), "%s.lock", w.path);
	close(open(lock, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(open_listener(&w), 0);
	world_close(&w, NULL);
}

static void test_lock_is_a_link(void **state)
{
	struct world w;
	char lock[128];

	(void)state;
	world_open(&w);
	snprintf(lock, sizeof(lock), "%s.lock", w.path);
	assert_int_equal(symlink("/etc/passwd", lock), 0);
	assert_int_equal(open_listener(&w), -ELOOP);
	assert_non_null(strstr(w.why.text, lock));
	world_close(&w, "sock.lock");
}

static void test_paths_refused(void **state)
{
	char longest[109] = "/run/";
	const char *const paths[] = {"@abstract", "", "relative/sock", "/run/", longest};

	(void)state;
	memset(longest + 5, 'a', sizeof(longest) - 6);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct world w;

		world_open(&w);
		w.options.path = paths[i];
		assert_int_equal(open_listener(&w), LISTENER_E_REFUSED);
		assert_true(w.why.text[0]);
		world_close(&w, NULL);
	}
}

static void test_directory_of_others(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	assert_int_equal(chmod(w.directory, 0770), 0);
	assert_int_equal(open_listener(&w), LISTENER_E_REFUSED);
	assert_non_null(strstr(w.why.text, w.directory));
	assert_int_equal(chmod(w.directory, 01777), 0);
	assert_int_equal(open_listener(&w), LISTENER_E_REFUSED);
	assert_int_equal(chmod(w.directory, 0755), 0);
	assert_int_equal(open_listener(&w), 0);
	world_close(&w, NULL);
}

static void test_no_directory(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	w.options.path = "/nowhere/at/all/sock";
	assert_int_equal(open_listener(&w), -ENOENT);
	assert_non_null(strstr(w.why.text, "/nowhere/at/all"));
	world_close(&w, NULL);
}

/* Another file was put at the path: it is not removed. */
static void test_end_removes_only_its_own(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	assert_int_equal(open_listener(&w), 0);
	assert_int_equal(unlink(w.path), 0);
	place(w.path, REGULAR);
	world_close(&w, "sock");
}

static void test_handed_over(void **state)
{
	struct world w;
	int fd, c;

	(void)state;
	world_open(&w);
	fd = bind_at(w.path, SOCK_STREAM, true);
	assert_int_equal(listener_adopt(w.work, fd, on_accepted, &w, &w.listener), 0);
	assert_string_equal(listener_path(w.listener), w.path);
	c = connect_to(w.path);
	assert_int_equal(loop_turn(w.loop, true), 0);
	assert_int_equal(w.n_fds, 1);
	close(c);
	/* who made it keeps it */
	world_close(&w, "sock");
}

static void test_freed_by_its_own_callback(void **state)
{
	struct world w;
	int a, b;

	(void)state;
	world_open(&w);
	assert_int_equal(open_listener(&w), 0);
	w.free_on_accept = true;
	a = connect_to(w.path);
	b = connect_to(w.path);
	assert_int_equal(loop_turn(w.loop, true), 0);
	assert_int_equal(w.n_fds, 1);
	close(a);
	close(b);
	world_close(&w, NULL);
}

/* a connection costs a millisecond */
static void on_accepted_slowly(void *ctx, int fd)
{
	struct world *w = ctx;

	on_accepted(w, fd);
	clock_fake(1, w->now += 1);
}

static bool do_nothing(void *ctx, size_t *bytes)
{
	(void)ctx;
	(void)bytes;
	return false;
}

static void rest(void *ctx)
{
	(void)ctx;
}

/* In a storm of connects small requests of others are served each turn, and accepting takes a tenth of the
   time. When there are none, it goes on without a pause. */
static void test_crowd(void **state)
{
	static const struct work_functions functions = {do_nothing, rest};
	struct work_item ping;
	struct world w;
	int fds[100];

	(void)state;
	world_open(&w);
	w.now = 1000;
	assert_int_equal(listener_open(w.work, &w.options, on_accepted_slowly, &w, &w.why, &w.listener), 0);
	for (int i = 0; i < 100; i++) {
		fds[i] = connect_to(w.path);
		assert_true(fds[i] >= 0);
	}
	work_item_init(&ping, &functions, NULL);
	while (w.now < 1400) {
		uint64_t before = w.now;

		work_queue_add(w.work, &ping);
		assert_int_equal(loop_turn(w.loop, true), 0);
		assert_false(work_item_busy(&ping));
		assert_in_range(w.now, before, before + 1);
		if (w.now == before)
			clock_fake(1, w.now += 1);
	}
	assert_in_range(w.n_fds, 30, 42);
	clock_fake(1, w.now += 1000);
	for (unsigned left = 100 - w.n_fds; left > 0; left--)
		assert_int_equal(loop_turn(w.loop, true), 0);
	assert_int_equal(w.n_fds, 100);
	work_queue_cancel(w.work, &ping);
	for (int i = 0; i < 100; i++)
		close(fds[i]);
	world_close(&w, NULL);
}

static void test_out_of_descriptors(void **state)
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
	assert_true(fd >= 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){(rlim_t)fd + 1, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (int i = 0; i < 50; i++)
		assert_int_equal(loop_turn(w.loop, false), 0);
	/* looked once, and then looked away */
	assert_int_equal(listener_counters(w.listener)->paused, 1);
	clock_fake(1, 1100);
	for (int i = 0; i < 50; i++)
		assert_int_equal(loop_turn(w.loop, false), 0);
	assert_int_equal(listener_counters(w.listener)->paused, 2);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(w.n_fds, 0);
	clock_fake(1, 1200);
	for (int i = 0; i < 3; i++)
		assert_int_equal(loop_turn(w.loop, false), 0);
	assert_int_equal(w.n_fds, 1);
	close(fd);
	world_close(&w, NULL);
}

/* Connections leave some descriptors to those who need them more. */
static void test_keeps_spare_descriptors(void **state)
{
	const char *preload = getenv("LD_PRELOAD");
	struct rlimit before, few;
	struct world w;
	int fds[60];

	(void)state;
	if (preload && strstr(preload, "valgrind"))
		skip();
	world_open(&w);
	assert_int_equal(open_listener(&w), 0);
	for (int i = 0; i < 60; i++) {
		fds[i] = connect_to(w.path);
		assert_true(fds[i] >= 0);
	}
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	/* room for forty, of which a quarter of all is not for connections */
	few = (struct rlimit){(rlim_t)fds[59] + 40, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (int i = 0; i < 50; i++)
		assert_int_equal(loop_turn(w.loop, false), 0);
	assert_true(w.n_fds > 0);
	assert_true(w.n_fds <= 40 - few.rlim_cur / 4 + 1);
	assert_int_equal(listener_counters(w.listener)->paused, 1);
	size_t n = w.n_fds;
	clock_fake(1, 1100);
	for (int i = 0; i < 50; i++)
		assert_int_equal(loop_turn(w.loop, false), 0);
	assert_int_equal(w.n_fds, n);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	clock_fake(1, 1200);
	for (int i = 0; i < 50; i++)
		assert_int_equal(loop_turn(w.loop, false), 0);
	assert_int_equal(w.n_fds, 60);
	for (int i = 0; i < 60; i++)
		close(fds[i]);
	world_close(&w, NULL);
}

static void test_failed_allocations(void **state)
{
	(void)state;
	FAIL_EACH_ALLOCATION {
		struct world w;

		memset(&w, 0, sizeof(w));
		testing_fail_allocation(UINT32_MAX);
		world_open(&w);
		testing_fail_allocation(fail_at_);
		if (open_listener(&w)) {
			assert_null(w.listener);
			assert_true(w.why.text[0]);
		}
		world_close(&w, NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serves_and_cleans_up),
		cmocka_unit_test(test_closed_until_all_is_set),
		cmocka_unit_test(test_mode_is_exact),
		cmocka_unit_test(test_never_replaces),
		cmocka_unit_test(test_replaces_a_stale_socket),
		cmocka_unit_test(test_keeps_a_socket_in_use),
		cmocka_unit_test(test_second_start_loses),
		cmocka_unit_test(test_start_of_another_under_way),
		cmocka_unit_test(test_lock_left_by_a_crash),
		cmocka_unit_test(test_lock_is_a_link),
		cmocka_unit_test(test_paths_refused),
		cmocka_unit_test(test_directory_of_others),
		cmocka_unit_test(test_no_directory),
		cmocka_unit_test(test_end_removes_only_its_own),
		cmocka_unit_test(test_handed_over),
		cmocka_unit_test(test_freed_by_its_own_callback),
		cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_out_of_descriptors),
		cmocka_unit_test(test_keeps_spare_descriptors),
		cmocka_unit_test(test_failed_allocations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
