/*
 * base/file: replacing is atomic and does not wait for the disk. auth/file_sync: a slow
 * disk does not block the loop, and its result is reported.
 */
#include "auth/file_sync.h"
#include "base/file.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- a slow disk --- */

static int hold[2];                     /* each byte lets one fsync() continue */
static atomic_int begun, fault;         /* fault: of those that continue from now on */

int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	struct stat st;
	char go;

	begun++;
	if (fstat(fd, &st) || read(hold[0], &go, 1) != 1)
		abort();
	errno = fault;
	return fault ? -1 : 0;
}

static void let_go(unsigned n)
{
	while (n--)
		assert_int_equal(write(hold[1], "x", 1), 1);
}

static bool no_threads;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
			  void *ctx);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
			  void *ctx);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
			  void *ctx)
{
	return no_threads ? EAGAIN : __real_pthread_create(thread, attributes, run, ctx);
}

/* --- the world --- */

static struct loop *loop;
static char path[] = "/tmp/test-file-sync-XXXXXX";
static unsigned n_done;
static int result;

static void on_done(void *ctx, int error)
{
	n_done++;
	result = error;
	file_sync_free(*(struct file_sync **)ctx);
}

static int setup(void **state)
{
	(void)state;
	assert_int_equal(pipe(hold), 0);
	strcpy(path + sizeof(path) - 7, "XXXXXX");
	close(mkstemp(path));
	begun = fault = 0;
	n_done = 0;
	no_threads = false;
	return loop_new(&loop);
}

static int teardown(void **state)
{
	(void)state;
	loop_free(loop);
	unlink(path);
	close(hold[0]);
	close(hold[1]);
	return 0;
}

static void await_done(void)
{
	while (!n_done)
		assert_int_equal(loop_turn(loop, true), 0);
	assert_int_equal(n_done, 1);
}

static void replaced_at_once(void **state)
{
	char text[16] = "";

	(void)state;
	assert_int_equal(file_replace(path, SLICE("new")), 0);
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fread(text, 1, sizeof(text), f), 3);
	fclose(f);
	assert_string_equal(text, "new");
	/* no fsync() was called: it would have blocked */
	assert_int_equal(begun, 0);
}

static void the_loop_is_not_blocked(void **state)
{
	struct file_sync *s;

	(void)state;
	assert_int_equal(file_sync_new(loop, path, on_done, &s, &s), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(loop_turn(loop, false), 0);
	assert_int_equal(n_done, 0);
	let_go(1);
	for (int i = 0; i < 100; i++)
		assert_int_equal(loop_turn(loop, false), 0);
	assert_int_equal(n_done, 0);
	let_go(1);
	await_done();
	assert_int_equal(result, 0);
	/* the file, and its name */
	assert_int_equal(begun, 2);
}

static void the_disks_error_is_reported(void **state)
{
	struct file_sync *s;

	(void)state;
	fault = EIO;
	let_go(1);
	assert_int_equal(file_sync_new(loop, path, on_done, &s, &s), 0);
	await_done();
	assert_int_equal(result, -EIO);
	assert_int_equal(begun, 1);
}

static void a_freed_caller_gets_no_result(void **state)
{
	struct file_sync *s, *next;

	(void)state;
	assert_int_equal(file_sync_new(loop, path, on_done, &s, &s), 0);
	file_sync_free(s);
	/* a later one, whose end is after that of the first where a disk is in order; it need not be */
	assert_int_equal(file_sync_new(loop, path, on_done, &next, &next), 0);
	let_go(4);
	await_done();
	/* the thread of the first must not meet the end of this test's pipe */
	while (begun < 4)
		poll(NULL, 0, 1);
	struct pollfd left = {.fd = hold[0], .events = POLLIN};
	while (poll(&left, 1, 0))
		poll(NULL, 0, 1);
	file_sync_free(NULL);
}

static void without_threads_it_is_done_at_once(void **state)
{
	struct file_sync *s;

	(void)state;
	no_threads = true;
	let_go(2);
	assert_int_equal(file_sync_new(loop, path, on_done, &s, &s), 0);
	assert_int_equal(begun, 2);
	assert_int_equal(n_done, 0);
	await_done();
	assert_int_equal(result, 0);
}

static void nothing_there(void **state)
{
	struct file_sync *s;

	(void)state;
	unlink(path);
	assert_int_equal(file_sync_new(loop, path, on_done, &s, &s), -ENOENT);
	assert_int_equal(file_sync_new(loop, "/nowhere/x", on_done, &s, &s), -ENOENT);
	assert_int_equal(begun, 0);
}

static void short_of_memory(void **state)
{
	struct file_sync *s;

	(void)state;
	no_threads = true;
	FAIL_EACH_ALLOCATION {
		let_go(2);
		n_done = 0;
		int r = file_sync_new(loop, path, on_done, &s, &s);

		assert_true(r == 0 || r == -ENOMEM);
		if (r == 0)
			await_done();
		else
			assert_int_equal(read(hold[0], (char[2]){0}, 2), 2);
	}
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(replaced_at_once), T(the_loop_is_not_blocked), T(the_disks_error_is_reported),
		T(a_freed_caller_gets_no_result), T(without_threads_it_is_done_at_once), T(nothing_there),
		T(short_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
