/*
 * A thread for work that may block, such as waiting for a disk. It runs one job at a time; the end of each is
 * reported on the loop, so the jobs and what they use need no lock.
 */
#ifndef BASE_WORKER_H
#define BASE_WORKER_H

#include "base/loop.h"

#include <stdbool.h>

struct worker;

/* A member of the caller's record. */
struct worker_job {
	/* In the thread. Must not use what the loop may use meanwhile. */
	void (*run)(struct worker_job *j);
	/* On the loop, after run(). The worker is idle: it may get the next job, or be freed, but not in worker_wait(). */
	void (*done)(struct worker_job *j);
	/* After run(), instead of done(), if the worker was freed meanwhile: frees the record. May be in the thread. */
	void (*abandoned)(struct worker_job *j);
};

/* 0, -ENOMEM, or a negative errno. The thread is started with the first job. */
int worker_new(struct loop *loop, struct worker **ret);
/* Starts a job; the worker must be idle. 0, or a negative errno if there is no thread: nothing is called then. */
int worker_start(struct worker *w, struct worker_job *j);
bool worker_is_idle(const struct worker *w);
/* Blocks for at most `ms` until the job ends, and calls its done(). For starting and stopping the daemon. Whether the worker is
   idle now. */
bool worker_wait(struct worker *w, unsigned ms);
/* Does not wait: a job that is still running is abandoned. Accepts NULL. */
void worker_free(struct worker *w);

#endif
