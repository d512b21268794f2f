/*
 * Creates, checks and renames the files of the database. The file itself is renamed before those that belong to it:
 * if the daemon ends in between, they are found without it and are renamed at the next start. Otherwise SQLite would
 * apply the -wal file of the old database to the new one.
 */
#include "store/database_file.h"

#include "base/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* how many databases may be moved aside within the same second */
#define SAME_SECOND_MAX 16

static const char *const suffixes[] = {"", "-wal", "-journal", "-shm"};
#define N_SUFFIXES (sizeof(suffixes) / sizeof(suffixes[0]))

static void close_fdp(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static bool exists(int directory, const char *name)
{
	struct stat st;

	return fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

/* Whether one of the files of the database `name` exists, from the suffix `first` on. */
static bool any_exists(int directory, const char *name, size_t first)
{
	char file[128];

	for (size_t i = first; i < N_SUFFIXES; i++) {
		snprintf(file, sizeof(file), "%s%s", name, suffixes[i]);
		if (exists(directory, file))
			return true;
	}
	return false;
}

/*
 * Whether the file is missing, but not what belongs to it. SQLite would apply that to a new file, or delete it. An empty
 * file counts as missing if it has a log, but may have a journal: that is how its creation begins.
 */
static bool has_leftovers(int directory)
{
	struct stat st;

	if (!exists(directory, DATABASE_FILE))
		return any_exists(directory, DATABASE_FILE, 1);
	return fstatat(directory, DATABASE_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size == 0 &&
	       exists(directory, DATABASE_FILE "-wal");
}

/* A name that no file has: "state.db.20261130T202310Z". 0 or -EEXIST. */
static int choose_name(int directory, uint64_t unix_ms, char *ret, size_t size)
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm tm;
	char stamp[32] = "unknown-time";

	if (gmtime_r(&seconds, &tm))
		strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	snprintf(ret, size, DATABASE_FILE ".%s", stamp);
	for (int i = 2; any_exists(directory, ret, 0); i++) {
		if (i > SAME_SECOND_MAX)
			return -EEXIST;
		snprintf(ret, size, DATABASE_FILE ".%s.%d", stamp, i);
	}
	return 0;
}

int database_file_move_aside(int directory, uint64_t unix_ms, const char *reason, struct fault *moved,
			     struct fault *why)
{
	char name[64], from[64], to[96];
	int r = choose_name(directory, unix_ms, name, sizeof(name));

	for (size_t i = 0; i < N_SUFFIXES && r == 0; i++) {
		snprintf(from, sizeof(from), DATABASE_FILE "%s", suffixes[i]);
		snprintf(to, sizeof(to), "%s%s", name, suffixes[i]);
		if (renameat(directory, from, directory, to) && errno != ENOENT)
			r = -errno;
	}
	if (r == 0 && fsync(directory))
		r = -errno;
	if (r)
		return fault_fail(why, r, DATABASE_FILE " cannot be used, nor be renamed: %s", strerror(-r));
	fault_set(moved, "%s; it is kept as %s", reason, name);
	return 0;
}

static int check_file(int fd, const char *path, struct fault *why)
{
	struct stat st;

	if (fstat(fd, &st))
		return fault_fail(why, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fault_fail(why, -EINVAL, "%s is not a regular file; remove it", path);
	if (st.st_uid != geteuid())
		return fault_fail(why, -EPERM, "%s belongs to user %u, but the daemon runs as user %u; change its "
				  "owner, or remove it", path, st.st_uid, geteuid());
	/* it contains secrets */
	if ((st.st_mode & 07077) && fchmod(fd, 0600))
		return fault_fail(why, -errno, "%s: other users can read it: %s", path, strerror(errno));
	return 0;
}

static int prepare_file(int directory, const char *path, struct fault *why)
{
	const int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
	CLEANUP(close_fdp) int fd = openat(directory, DATABASE_FILE, flags | O_CREAT, 0600);

	if (fd < 0 && (errno == EISDIR || errno == ELOOP || errno == ENXIO))
		return fault_fail(why, -errno, "%s is not a regular file; remove it", path);
	if (fd < 0)
		return fault_fail(why, -errno, "%s: %s", path, strerror(errno));
	return check_file(fd, path, why);
}

/* What is left of a database that was removed is renamed first. */
static int prepare(int directory, const char *path, uint64_t unix_ms, struct fault *moved, struct fault *why)
{
	struct fault reason;

	if (has_leftovers(directory)) {
		fault_set(&reason, "%s was removed or emptied, but not what belongs to it", path);
		int r = database_file_move_aside(directory, unix_ms, reason.text, moved, why);

		if (r)
			return r;
	}
	return prepare_file(directory, path, why);
}

int database_file_prepare(const char *directory, uint64_t unix_ms, struct fault *moved, struct fault *why)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char path[PATH_MAX + sizeof(DATABASE_FILE)];

	if (fd < 0)
		return fault_fail(why, -errno, "the state directory %s: %s", directory, strerror(errno));
	snprintf(path, sizeof(path), "%s/" DATABASE_FILE, directory);
	int r = prepare(fd, path, unix_ms, moved, why);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}
