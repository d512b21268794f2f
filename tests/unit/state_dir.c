/* The state directory of tests/unit/state_dir.h. */
#include "tests/unit/state_dir.h"

#include "tests/unit/testing.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char state_dir[64];

void state_dir_make(void)
{
	snprintf(state_dir, sizeof(state_dir), "/tmp/test-store-XXXXXX");
	assert_non_null(mkdtemp(state_dir));
}

static bool is_file(const struct dirent *e)
{
	return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

void state_dir_clear(void)
{
	DIR *d = opendir(state_dir);

	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		if (is_file(e) && unlinkat(dirfd(d), e->d_name, 0) && unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR))
			fail_msg("%s cannot be removed", e->d_name);
	closedir(d);
}

void state_dir_remove(void)
{
	chmod(state_dir, 0700);
	state_dir_clear();
	rmdir(state_dir);
}

const char *state_path(const char *name)
{
	static char path[320];

	snprintf(path, sizeof(path), "%s/%s", state_dir, name);
	return path;
}

char *state_read(const char *name, size_t *ret_size)
{
	int fd = open(state_path(name), O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return NULL;
	assert_int_equal(fstat(fd, &st), 0);
	char *content = malloc((size_t)st.st_size + 1);
	assert_non_null(content);
	assert_int_equal(read(fd, content, (size_t)st.st_size), st.st_size);
	close(fd);
	*ret_size = (size_t)st.st_size;
	return content;
}

void state_write(const char *name, const char *content, size_t size)
{
	unlink(state_path(name));
	if (!content)
		return;
	int fd = open(state_path(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, size), size);
	close(fd);
}

unsigned state_count(const char *prefix)
{
	DIR *d = opendir(state_dir);
	unsigned n = 0;

	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		n += is_file(e) && strncmp(e->d_name, prefix, strlen(prefix)) == 0;
	closedir(d);
	return n;
}

unsigned state_files_with(const char *text)
{
	DIR *d = opendir(state_dir);
	unsigned n = 0;

	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));) {
		size_t size = 0;
		char *content = is_file(e) ? state_read(e->d_name, &size) : NULL;

		n += content && memmem(content, size, text, strlen(text));
		free(content);
	}
	closedir(d);
	return n;
}
