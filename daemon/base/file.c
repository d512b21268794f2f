/*
 * Opens, reads and replaces small files. The path never blocks the daemon, also if it
 * is a FIFO, a device or a directory.
 */
#include "base/file.h"

#include "base/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_fdp(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* O_NONBLOCK: opening a fifo would block the daemon. */
int file_read(const char *path, struct buf *out)
{
	CLEANUP(close_fdp) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	ssize_t n;
	char *to;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	do {
		r = buf_room(out, FILE_READ_EXTRA, &to);
		if (r)
			return r;
		n = read(fd, to, FILE_READ_EXTRA);
		if (n < 0 && errno != EINTR)
			return -errno;
		buf_grown(out, n > 0 ? (size_t)n : 0);
	} while (n != 0);
	return 0;
}

static int write_all(int fd, struct slice text)
{
	while (text.n) {
		ssize_t n = write(fd, text.p, text.n);

		if (n < 0 && errno != EINTR)
			return -errno;
		text = slice_drop(text, n > 0 ? (size_t)n : 0);
	}
	return 0;
}

static int write_new(const char *path, struct slice text)
{
	/* left by a daemon that crashed, or placed there by an attacker */
	unlink(path);
	CLEANUP(close_fdp) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : write_all(fd, text);
}

int file_replace(const char *path, struct slice text)
{
	char *next;
	int r;

	if (asprintf(&next, "%s.new", path) < 0)
		return -ENOMEM;
	r = write_new(next, text);
	if (!r && rename(next, path))
		r = -errno;
	if (r)
		unlink(next);
	free(next);
	return r;
}

bool file_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}
