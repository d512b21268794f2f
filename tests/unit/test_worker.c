/*
 * base/worker: jobs run in the thread, one at a time and in order, and end on the loop; nothing waits for a job that
 * does not end, and its record is freed once.
 */
#include "base/worker.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

static struct loop *loop;
static pthread_t main_thread;
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

struct job {
	struct worker_job base;
	struct worker *worker;
	struct job *next;               /* started when this one is done */
	sem_t *begun, *hold;            /* run() posts one and waits for the other */
	sem_t *end;                     /* abandoned() posts it */
	bool in_thread, has_run;
	unsigned done;
};

static void run(struct worker_job *base)
{
	struct job *j = LIST_OF(base, struct job, base);

	j->in_thread = !pthread_equal(pthread_self(), main_thread);
	if (j->begun)
		sem_post(j->begun);
	if (j->hold)
		sem_wait(j->hold);
	j->has_run = true;
}

static void done(struct worker_job *base)
{
	struct job *j = LIST_OF(base, struct job, base);

	assert_true(pthread_equal(pthread_self(), main_thread));
	assert_true(j->has_run && worker_is_idle(j->worker));
	j->done++;
	if (j->next)
		assert_int_equal(worker_start(j->worker, &j->next->base), 0);
}

static void abandoned(struct worker_job *base)
{
	struct job *j = LIST_OF(base, struct job, base);

	assert_true(j->has_run);
	sem_post(j->end);
	free(j);
}

static const struct worker_job job_base = {run, done, abandoned};

static int setup(void **state)
{
	(void)state;
	main_thread = pthread_self();
	no_threads = false;
	return loop_new(&loop);
}

static int teardown(void **state)
{
	(void)state;
	loop_free(loop);
	return 0;
}

static void jobs_follow_each_other(void **state)
{
	struct worker *w;
	struct job jobs[100];

	(void)state;
	assert_int_equal(worker_new(loop, &w), 0);
	assert_true(worker_is_idle(w));
	for (int i = 0; i < 100; i++)
		jobs[i] = (struct job){.base = job_base, .worker = w, .next = i < 99 ? &jobs[i + 1] : NULL};
	assert_int_equal(worker_start(w, &jobs[0].base), 0);
	assert_false(worker_is_idle(w));
	while (!jobs[99].done)
		assert_int_equal(loop_turn(loop, true), 0);
	for (int i = 0; i < 100; i++)
		assert_true(jobs[i].in_thread && jobs[i].done == 1);
	worker_free(w);
	worker_free(NULL);
}

static void the_loop_goes_on_meanwhile(void **state)
{
	struct worker *w;
	sem_t begun, hold;
	struct job j = {.base = job_base, .begun = &begun, .hold = &hold};

	(void)state;
	sem_init(&begun, 0, 0);
	sem_init(&hold, 0, 0);
	assert_int_equal(worker_new(loop, &w), 0);
	j.worker = w;
	assert_int_equal(worker_start(w, &j.base), 0);
	sem_wait(&begun);
	for (int i = 0; i < 100; i++)
		assert_int_equal(loop_turn(loop, false), 0);
	assert_int_equal(j.done, 0);
	/* a deadline that passes */
	assert_false(worker_wait(w, 1));
	assert_int_equal(j.done, 0);
	sem_post(&hold);
	assert_true(worker_wait(w, 60000));
	assert_int_equal(j.done, 1);
	/* it was not only noted: no turn reports it again */
	assert_int_equal(loop_turn(loop, false), 0);
	assert_int_equal(j.done, 1);
	worker_free(w);
}

static struct job *allocate(struct worker *w, sem_t *begun, sem_t *hold, sem_t *end)
{
	struct job *j = malloc(sizeof(*j));

	assert_non_null(j);
	*j = (struct job){.base = job_base, .worker = w, .begun = begun, .hold = hold, .end = end};
	return j;
}

/* The worker is freed while its job runs, before it was taken, and after its end. */
static void abandoned_jobs_are_freed(void **state)
{
	sem_t begun, hold, end;
	struct worker *w;

	(void)state;
	sem_init(&begun, 0, 0);
	sem_init(&hold, 0, 0);
	sem_init(&end, 0, 0);
	assert_int_equal(worker_new(loop, &w), 0);
	assert_int_equal(worker_start(w, &allocate(w, &begun, &hold, &end)->base), 0);
	sem_wait(&begun);
	worker_free(w);
	sem_post(&hold);
	sem_wait(&end);

	for (int i = 0; i < 200; i++) {
		assert_int_equal(worker_new(loop, &w), 0);
		assert_int_equal(worker_start(w, &allocate(w, NULL, NULL, &end)->base), 0);
		worker_free(w);
		sem_wait(&end);
	}

	assert_int_equal(worker_new(loop, &w), 0);
	struct job *first = allocate(w, NULL, NULL, &end), *second = allocate(w, &begun, NULL, &end);
	first->next = second;
	assert_int_equal(worker_start(w, &first->base), 0);
	while (!first->done)
		assert_int_equal(loop_turn(loop, true), 0);
	sem_wait(&begun);
	worker_free(w);
	sem_wait(&end);
	free(first);
}

static void without_threads(void **state)
{
	struct worker *w;
	struct job j = {.base = job_base};

	(void)state;
	assert_int_equal(worker_new(loop, &w), 0);
	j.worker = w;
	no_threads = true;
	assert_int_equal(worker_start(w, &j.base), -EAGAIN);
	assert_true(worker_is_idle(w));
	no_threads = false;
	assert_int_equal(worker_start(w, &j.base), 0);
	assert_true(worker_wait(w, 60000));
	assert_int_equal(j.done, 1);
	worker_free(w);
}

static void short_of_memory(void **state)
{
	struct worker *w;

	(void)state;
	FAIL_EACH_ALLOCATION {
		int r = worker_new(loop, &w);

		assert_true(r == 0 || r == -ENOMEM);
		if (r == 0)
			worker_free(w);
	}
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(jobs_follow_each_other), T(the_loop_goes_on_meanwhile), T(abandoned_jobs_are_freed),
		T(without_threads), T(short_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
