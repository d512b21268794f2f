/*
 * Calls fsync() in a thread (base/worker). The thread uses only its job, which it frees if the struct file_sync is
 * freed before.
 */
#include "auth/file_sync.h"

#include "base/errors.h"
#include "base/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct job {
	struct worker_job base;
	struct file_sync *sync;         /* not used by the thread */
	int file, directory;
	int error;
};

struct file_sync {
	struct worker *worker;
	struct job *job;
	struct loop_hook hook;          /* reports the result if there is no thread */
	void (*done)(void *ctx, int error);
	void *ctx;
};

static void close_if(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void free_job(struct worker_job *base)
{
	struct job *j = LIST_OF(base, struct job, base);

	close_if(j->file);
	close_if(j->directory);
	free(j);
}

static void run(struct worker_job *base)
{
	struct job *j = LIST_OF(base, struct job, base);

	/* without syncing the directory, a rename may be undone by a crash */
	j->error = fsync(j->file) || fsync(j->directory) ? -errno : 0;
}

static void on_done(struct worker_job *base)
{
	struct job *j = LIST_OF(base, struct job, base);

	j->sync->done(j->sync->ctx, j->error);
}

static void on_hook(void *ctx)
{
	struct file_sync *s = ctx;

	on_done(&s->job->base);
}

static int open_directory(const char *path)
{
	char *copy = strdup(path);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	free(copy);
	return fd;
}

static int open_job(struct file_sync *s, const char *path)
{
	struct job *j = s->job = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->base = (struct worker_job){run, on_done, free_job};
	j->sync = s;
	j->directory = -1;
	j->file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (j->file < 0)
		return -errno;
	j->directory = open_directory(path);
	return j->directory < 0 ? -errno : 0;
}

int file_sync_new(struct loop *loop, const char *path, void (*done)(void *ctx, int error), void *ctx,
		  struct file_sync **ret)
{
	struct file_sync *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->done = done;
	s->ctx = ctx;
	loop_hook_init(&s->hook, on_hook, s);
	int r = open_job(s, path);
	if (!r)
		r = worker_new(loop, &s->worker);
	if (r) {
		file_sync_free(s);
		return r;
	}
	*ret = s;
	/* without a thread, fsync() is called here */
	if (worker_start(s->worker, &s->job->base)) {
		run(&s->job->base);
		loop_at_end(loop, &s->hook);
	}
	return 0;
}

void file_sync_free(struct file_sync *s)
{
	if (!s)
		return;
	loop_hook_cancel(&s->hook);
	/* otherwise the thread frees its job */
	if (s->job && (!s->worker || worker_is_idle(s->worker)))
		free_job(&s->job->base);
	worker_free(s->worker);
	free(s);
}
