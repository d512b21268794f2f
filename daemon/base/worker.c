/*
 * The thread waits on a condition for its next job, and writes to an eventfd when it has run it. The lock protects
 * the struct `shared`. The thread frees that, because it may outlive the worker; without a thread, the worker does.
 */
#include "base/worker.h"

#include "base/clock.h"
#include "base/errors.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct shared {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct worker_job *next;        /* not yet taken by the thread */
	bool freed;                     /* the worker: the thread ends */
	int ended;                      /* eventfd: a job was run */
};

struct worker {
	struct shared *shared;
	struct loop_watch *watch;
	struct worker_job *job;         /* running; NULL: idle */
	bool has_thread;
};

static void shared_free(struct shared *s)
{
	if (s->ended >= 0)
		close(s->ended);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* ---- the thread ---- */

/* The next job; NULL: the worker was freed. */
static struct worker_job *next_job(struct shared *s)
{
	pthread_mutex_lock(&s->lock);
	while (!s->next && !s->freed)
		pthread_cond_wait(&s->changed, &s->lock);
	struct worker_job *j = TAKE(s->next);
	pthread_mutex_unlock(&s->lock);
	return j;
}

static void end_job(struct shared *s, struct worker_job *j)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&s->lock);
	bool freed = s->freed;
	/* cannot fail: the counter is at most 1 */
	if (!freed && write(s->ended, &one, sizeof(one)) < 0)
		abort();
	pthread_mutex_unlock(&s->lock);
	if (freed)
		j->abandoned(j);
}

static void *work(void *ctx)
{
	struct shared *s = ctx;
	struct worker_job *j;

	while ((j = next_job(s))) {
		j->run(j);
		end_job(s, j);
	}
	shared_free(s);
	return NULL;
}

/* All signals are blocked in the thread, because the loop handles them. */
static int start_thread(struct shared *s)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int r = pthread_attr_init(&attributes);
	if (r == 0) {
		pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
		r = pthread_create(&thread, &attributes, work, s);
		pthread_attr_destroy(&attributes);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

/* ---- the loop ---- */

static void on_ended(void *ctx, unsigned events)
{
	struct worker *w = ctx;
	uint64_t n;

	(void)events;
	if (read(w->shared->ended, &n, sizeof(n)) != sizeof(n))
		return;
	/* what the thread wrote before it released the lock is visible from here on */
	pthread_mutex_lock(&w->shared->lock);
	pthread_mutex_unlock(&w->shared->lock);
	struct worker_job *j = TAKE(w->job);
	j->done(j);
}

static int shared_new(struct shared **ret)
{
	struct shared *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	s->ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->ended < 0) {
		int r = -errno;

		shared_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

DEFINE_FREEP(worker, worker_free)

int worker_new(struct loop *loop, struct worker **ret)
{
	CLEANUP(worker_freep) struct worker *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	int r = shared_new(&w->shared);
	if (r == 0)
		r = loop_watch_new(loop, w->shared->ended, LOOP_READ, on_ended, w, &w->watch);
	if (r)
		return r;
	*ret = TAKE(w);
	return 0;
}

int worker_start(struct worker *w, struct worker_job *j)
{
	assert(!w->job);
	int r = w->has_thread ? 0 : start_thread(w->shared);

	if (r)
		return r;
	w->has_thread = true;
	w->job = j;
	pthread_mutex_lock(&w->shared->lock);
	w->shared->next = j;
	pthread_cond_signal(&w->shared->changed);
	pthread_mutex_unlock(&w->shared->lock);
	return 0;
}

bool worker_is_idle(const struct worker *w)
{
	return !w->job;
}

bool worker_wait(struct worker *w, unsigned ms)
{
	uint64_t end = clock_mono_us() / 1000 + ms;

	while (w->job) {
		struct pollfd p = {.fd = w->shared->ended, .events = POLLIN};
		uint64_t now = clock_mono_us() / 1000;
		int r = now < end ? poll(&p, 1, (int)(end - now)) : 0;

		if (r > 0)
			on_ended(w, LOOP_READ);
		else if (r == 0 || errno != EINTR)
			break;
	}
	return !w->job;
}

/* If the thread has run the job, but done() was not called yet, nothing else frees it. */
static void end_thread(struct worker *w)
{
	uint64_t n;

	pthread_mutex_lock(&w->shared->lock);
	bool has_run = w->job && read(w->shared->ended, &n, sizeof(n)) == sizeof(n);
	w->shared->freed = true;
	pthread_cond_signal(&w->shared->changed);
	/* the thread may free `shared` from here on */
	pthread_mutex_unlock(&w->shared->lock);
	if (has_run)
		w->job->abandoned(w->job);
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	loop_watch_free(w->watch);
	if (w->has_thread)
		end_thread(w);
	else if (w->shared)
		shared_free(w->shared);
	free(w);
}
