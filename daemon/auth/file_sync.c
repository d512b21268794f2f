/*
 * Owns a thread that does nothing but wait for a disk, and the pipe on which it says
 * how that ended. Guarantees that the thread shares no memory with anybody and calls
 * nothing but fsync(), write() and close(), so that there is nothing to lock; whoever
 * no longer wants to hear it may go. Must never know what the file is for.
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

/* the thread's own */
struct job {
	int file, directory, say;
};

struct file_sync {
	int hear;
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
	close_if(j->say);
	free(j);
}

static void *run(void *ctx)
{
	struct job *j = ctx;
	/* without the directory a file that was put into the place of another may be the other again */
	int error = fsync(j->file) || fsync(j->directory) ? -errno : 0;

	/* perhaps nobody hears it any more; SIGPIPE is blocked */
	ssize_t ignored = write(j->say, &error, sizeof(error));
	(void)ignored;
	free_job(j);
	return NULL;
}

/* Signals are for the loop. Where there can be no thread it is done at once. */
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

static int open_job(const char *path, int *hear, struct job **ret)
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
	*hear = ends[0];
	j->say = ends[1];
	*ret = j;
	return 0;
}

static void on_said(void *ctx, unsigned events)
{
	struct file_sync *s = ctx;
	int error = -EIO;

	(void)events;
	if (read(s->hear, &error, sizeof(error)) < 0)
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
	s->hear = -1;
	s->done = done;
	s->ctx = ctx;
	r = open_job(path, &s->hear, &j);
	if (!r)
		r = loop_watch_new(loop, s->hear, LOOP_READ, on_said, s, &s->watch);
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
	close_if(s->hear);
	free(s);
}
