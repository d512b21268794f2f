/*
 * base/file: read completely or not, replaced atomically, closed in any case; written
 * with mode 0600.
 */
#include "base/file.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char directory[64], path[96], next[112];
static int lowest_free;

static int free_descriptor(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

static int setup(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/test-file-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/secret", directory);
	snprintf(next, sizeof(next), "%s.new", path);
	lowest_free = free_descriptor();
	return 0;
}

/* each test leaves nothing but the file, and no descriptor */
static int teardown(void **state)
{
	(void)state;
	if (free_descriptor() != lowest_free)
		return -1;
	unlink(path);
	return rmdir(directory);
}

static void assert_reads(const char *expected)
{
	struct buf b;

	buf_init(&b, 3 * FILE_READ_EXTRA);
	assert_int_equal(file_read(path, &b), 0);
	assert_true(slice_eq(buf_slice(&b), slice_of(expected)));
	buf_fini(&b);
}

static void read_again_as_it_was_written(void **state)
{
	char text[2 * FILE_READ_EXTRA + 1];
	struct stat st, after;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	assert_int_equal(file_replace(path, SLICE("old")), 0);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(file_replace(path, slice_of(text)), 0);
	assert_reads(text);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_mode & 0777, 0600);
	assert_false(file_same(&st, &after));
	assert_true(file_same(&after, &after));
	assert_int_equal(access(next, F_OK), -1);
}

/* as much as there is room for, and no more */
static void too_large(void **state)
{
	struct buf b;

	(void)state;
	assert_int_equal(file_replace(path, SLICE("0123456789")), 0);
	for (unsigned room = 9; room <= 10; room++) {
		buf_init(&b, FILE_READ_EXTRA + room);
		/* the room for one more portion is asked for to see that there is none */
		assert_int_equal(file_read(path, &b), room < 10 ? -EMSGSIZE : 0);
		buf_fini(&b);
	}
}

static void what_is_no_file(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 2 * FILE_READ_EXTRA);
	assert_int_equal(file_read(path, &b), -ENOENT);
	assert_int_equal(file_read(directory, &b), -EINVAL);
	/* a FIFO at the path: opening it must not block */
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(file_read(path, &b), -EINVAL);
	buf_fini(&b);
}

/* a symbolic link at the path of the new file is not followed */
static void a_trap_in_its_place(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(symlink("/nowhere/at/all", next), 0);
	assert_int_equal(file_replace(path, SLICE("mine")), 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_reads("mine");
}

/* the old one stays, and nothing of the attempt */
static void not_replaced(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(file_replace(path, SLICE("text")), -EISDIR);
	assert_int_equal(access(next, F_OK), -1);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(file_replace("/nowhere/at/all", SLICE("text")), -ENOENT);
}

static void no_memory(void **state)
{
	(void)state;
	assert_int_equal(file_replace(path, SLICE("text")), 0);
	FAIL_EACH_ALLOCATION {
		struct buf b;
		int r;

		buf_init(&b, 2 * FILE_READ_EXTRA);
		r = file_read(path, &b);
		assert_true(r == -ENOMEM || (r == 0 && buf_len(&b) == 4));
		buf_fini(&b);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(read_again_as_it_was_written), TEST(too_large), TEST(what_is_no_file),
		TEST(a_trap_in_its_place), TEST(not_replaced), TEST(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
