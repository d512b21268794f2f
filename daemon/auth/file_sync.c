/*
 * Starts a thread that calls fsync() and writes the result to a pipe. The thread owns
 * its job and calls only fsync(), write(), close() and free(), so nothing needs a
 * lock, and the struct file_sync may be freed before the thread ends.
 */
#include "auth/file_sync.h"

#include "base/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* owned by the thread */
struct job {
	int file, directory, result_out;
};

struct file_sync {
	int result_in;
	struct loop_watch *watch;
	void (*done)(void *ctx, int error);
	void *ctx;
};

static void close_if(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void free_job(struct job *j)
{
	close_if(j->file);
	close_if(j->directory);
	close_if(j->result_out);
	free(j);
}

static void *run(void *ctx)
{
	struct job *j = ctx;
	/* without syncing the directory, a rename may be undone by a crash */
	int error = fsync(j->file) || fsync(j->directory) ? -errno : 0;

	/* fails if the reading end was closed; SIGPIPE is blocked */
	ssize_t ignored = write(j->result_out, &error, sizeof(error));
	(void)ignored;
	free_job(j);
	return NULL;
}

/* Signals are blocked in the thread, because the loop handles them. If no thread can be created, fsync() is
   called here. */
static void start(struct job *j)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int r = pthread_attr_init(&attributes);
	if (!r) {
		pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
		r = pthread_create(&thread, &attributes, run, j);
		pthread_attr_destroy(&attributes);
	}
	if (r)
		run(j);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static int open_directory(const char *path)
{
	char *copy = strdup(path);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	free(copy);
	return fd;
}

static int open_job(const char *path, int *ret_result_in, struct job **ret)
{
	struct job *j = malloc(sizeof(*j));
	int ends[2] = {-1, -1};

	if (!j)
		return -ENOMEM;
	*j = (struct job){open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), open_directory(path), -1};
	if (j->file < 0 || j->directory < 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK)) {
		int r = errno ? -errno : -EIO;

		free_job(j);
		return r;
	}
	*ret_result_in = ends[0];
	j->result_out = ends[1];
	*ret = j;
	return 0;
}

static void on_result(void *ctx, unsigned events)
{
	struct file_sync *s = ctx;
	int error = -EIO;

	(void)events;
	if (read(s->result_in, &error, sizeof(error)) < 0)
		error = -errno;
	loop_watch_set(s->watch, 0);
	s->done(s->ctx, error);
}

int file_sync_new(struct loop *loop, const char *path, void (*done)(void *ctx, int error), void *ctx,
		  struct file_sync **ret)
{
	struct file_sync *s = calloc(1, sizeof(*s));
	struct job *j = NULL;
	int r;

	if (!s)
		return -ENOMEM;
	s->result_in = -1;
	s->done = done;
	s->ctx = ctx;
	r = open_job(path, &s->result_in, &j);
	if (!r)
		r = loop_watch_new(loop, s->result_in, LOOP_READ, on_result, s, &s->watch);
	if (r) {
		if (j)
			free_job(j);
		file_sync_free(s);
		return r;
	}
	*ret = s;
	start(j);
	return 0;
}

void file_sync_free(struct file_sync *s)
{
	if (!s)
		return;
	loop_watch_free(s->watch);
	close_if(s->result_in);
	free(s);
}
