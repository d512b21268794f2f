/*
 * The values in memory, and when which of them are given to the thread. There is at most one job at a time: changes
 * made meanwhile are the next one, so the number of transactions adapts to the disk. After a failure the database is
 * closed and opened again.
 */
#include "store/store.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/worker.h"
#include "store/database.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* after a failure */
#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 60000
/* how often to look for sessions that their servers have given up */
#define EXPIRY_MS 60000
/* for closing the database when the daemon stops */
#define CLOSE_MS 2000

/* The work of the thread. Only it uses the database, and the rest while it runs. */
struct job {
	struct worker_job base;
	struct store *store;            /* not used by the thread */
	enum { JOB_OPEN, JOB_WRITE, JOB_CLOSE } kind;
	char *directory;
	uint64_t unix_ms;
	struct list records;            /* struct store_record: written, or read */
	struct list entries;            /* struct store_entry: the same */
	bool reads_entries;             /* when it opens the database */
	uint64_t last;                  /* the last change among them */
	struct database *database;      /* NULL: not open */
	int error;
	struct fault why, moved;
};

struct store {
	struct loop *loop;
	struct wake changed;
	struct strmap by_server;        /* store_record::by_server */
	struct list records;            /* the same, store_record::link */
	struct list entries;            /* struct store_entry: to be written */
	struct list read;               /* the same, of the database as it was at the start */
	bool was_read;
	bool rewrite_due;               /* entries may be lost, and are ignored until all are put again */
	struct list listeners, rewrite_listeners;
	uint64_t last, committed;       /* numbers of changes */
	struct worker *worker;          /* NULL: only in memory */
	struct job *job;                /* also between two jobs */
	bool is_open;
	struct loop_hook hook;          /* gives the changes of the turn to the thread */
	struct loop_timer *retry;       /* after a failure */
	bool retry_waits;
	struct loop_timer *expiry;      /* while there are sessions */
	bool expiry_waits;
	struct backoff backoff;
	struct jitter jitter;
	enum store_state state;
	struct fault why;               /* of STORE_FAILING */
	struct fault moved;             /* the last file that could not be used; empty: none */
	uint64_t moves;
};

const char *store_state_name(enum store_state state)
{
	static const char *const names[] = {
		[STORE_MEMORY] = "memory", [STORE_OPENING] = "opening", [STORE_READY] = "ready",
		[STORE_FAILING] = "failing",
	};

	return names[state];
}

/* ---- in the thread ---- */

static void run_open(struct job *j)
{
	/* it may be open after a failure on the loop */
	database_close(TAKE(j->database));
	j->error = database_open(j->directory, j->unix_ms, &j->moved, &j->why, &j->database);
	if (j->error == 0)
		j->error = database_expire(j->database, j->unix_ms, &j->why);
	if (j->error == 0)
		j->error = database_read(j->database, &j->records, &j->why);
	if (j->error == 0 && j->reads_entries)
		j->error = database_read_entries(j->database, &j->entries, &j->why);
}

static void run(struct worker_job *base)
{
	struct job *j = LIST_OF(base, struct job, base);

	j->error = 0;
	if (j->kind == JOB_OPEN)
		run_open(j);
	else if (j->kind == JOB_WRITE)
		j->error = database_write(j->database, &j->records, &j->entries, &j->why);
	if (j->error || j->kind == JOB_CLOSE) {
		database_close(j->database);
		j->database = NULL;
	}
}

static void abandoned(struct worker_job *base)
{
	struct job *j = LIST_OF(base, struct job, base);

	database_close(j->database);
	store_records_free(&j->records);
	store_entries_free(&j->entries);
	free(j->directory);
	free(j);
}

/* ---- on the loop ---- */

static void commit(struct store *s, uint64_t last)
{
	if (s->committed >= last)
		return;
	s->committed = last;
	LIST_EACH_SAFE(l, &s->listeners, struct store_listener, link)
		l->fn(l->ctx);
}

/* A value that was put meanwhile is the valid one. 0 or -ENOMEM. */
static int adopt(struct store *s, struct list *loaded)
{
	LIST_EACH_SAFE(record, loaded, struct store_record, link) {
		struct slice server = slice_of(record->server);

		if (strmap_get(&s->by_server, server))
			continue;
		int r = strmap_put(&s->by_server, server, &record->by_server);
		if (r)
			return r;
		list_remove(&record->link);
		list_append(&s->records, &record->link);
	}
	return 0;
}

/* All values are written again: the file may be a new one, and what the failed transaction wrote is not known. */
static void mark_all(struct store *s)
{
	LIST_EACH(record, &s->records, struct store_record, link)
		record->changed = record->session_changed = true;
}

static void note_moved(struct store *s, const struct fault *moved)
{
	if (!fault_is_set(moved))
		return;
	s->moved = *moved;
	s->moves++;
	wake_up(&s->changed);
}

/* The next attempt closes the database, if it is open, and opens it again; then all values are written. */
static void fail(struct store *s, const char *why)
{
	bool is_new = s->state != STORE_FAILING || strcmp(s->why.text, why) != 0;

	s->is_open = false;
	store_records_free(&s->job->records);
	store_entries_free(&s->job->entries);
	store_entries_free(&s->entries);
	s->rewrite_due = true;
	s->retry_waits = true;
	loop_timer_at(s->retry, loop_now(s->loop) + backoff_next(&s->backoff, &s->jitter));
	s->state = STORE_FAILING;
	fault_set(&s->why, "%s", why);
	if (is_new)
		wake_up(&s->changed);
}

/* The disk works: everything is written. */
static void set_ready(struct store *s)
{
	backoff_reset(&s->backoff);
	if (s->state == STORE_READY)
		return;
	s->state = STORE_READY;
	wake_up(&s->changed);
}

static void start(struct store *s, int kind)
{
	struct job *j = s->job;

	j->kind = kind;
	j->unix_ms = clock_unix_ms();
	j->last = s->last;
	j->reads_entries = s->state == STORE_OPENING;
	fault_clear(&j->why);
	fault_clear(&j->moved);
	int r = worker_start(s->worker, &j->base);
	if (r)
		fail(s, strerror(-r));
}

/* Copies what has changed for the thread. 0 or -ENOMEM. */
static int collect(struct store *s)
{
	LIST_EACH(record, &s->records, struct store_record, link) {
		int r = record->changed ? store_record_copy(record, &s->job->records) : 0;

		if (r)
			return r;
		record->changed = record->session_changed = false;
	}
	list_splice(&s->job->entries, &s->entries);
	return 0;
}

static void write_changes(struct store *s)
{
	int r = collect(s);

	if (r)
		fail(s, strerror(-r));
	else if (!list_empty(&s->job->records) || !list_empty(&s->job->entries))
		start(s, JOB_WRITE);
	else
		set_ready(s);
}

/* Starts what is to be done next, unless the thread is busy or a pause is not over. */
static void advance(struct store *s)
{
	if (!s->worker)
		commit(s, s->last);
	else if (!worker_is_idle(s->worker) || s->retry_waits)
		return;
	else if (!s->is_open)
		start(s, JOB_OPEN);
	else
		write_changes(s);
}

/* `session`: it has changed, too, not only the position. */
static void note_change(struct store *s, struct store_record *record, bool session)
{
	record->changed = true;
	record->session_changed |= session;
	s->last++;
	loop_at_end(s->loop, &s->hook);
}

static void await_expiry(struct store *s)
{
	if (!s->worker || s->expiry_waits)
		return;
	s->expiry_waits = true;
	loop_timer_at(s->expiry, loop_now(s->loop) + EXPIRY_MS);
}

/* A secret is kept only as long as it is of use. */
static void on_expiry(void *ctx)
{
	struct store *s = ctx;
	uint64_t unix_ms = clock_unix_ms();
	bool any = false;

	s->expiry_waits = false;
	LIST_EACH(record, &s->records, struct store_record, link) {
		if (!record->session.snapshot.p || record->session.until >= unix_ms) {
			any |= record->session.snapshot.p != NULL;
			continue;
		}
		store_record_set_session(record, NULL);
		note_change(s, record, true);
	}
	if (any)
		await_expiry(s);
}

/* What was put before the failure may not be in the file. */
static void request_rewrite(struct store *s)
{
	if (!s->rewrite_due)
		return;
	s->rewrite_due = false;
	LIST_EACH_SAFE(l, &s->rewrite_listeners, struct store_listener, link)
		l->fn(l->ctx);
}

static void done(struct worker_job *base)
{
	struct job *j = LIST_OF(base, struct job, base);
	struct store *s = j->store;

	note_moved(s, &j->moved);
	if (j->error == 0 && j->kind == JOB_OPEN)
		j->error = adopt(s, &j->records);
	store_records_free(&j->records);
	if (j->error == 0 && j->kind == JOB_OPEN && j->reads_entries)
		list_splice(&s->read, &j->entries), s->was_read = true;
	store_entries_free(&j->entries);
	if (j->kind == JOB_CLOSE)
		return;
	if (j->error) {
		fail(s, fault_is_set(&j->why) ? j->why.text : strerror(-j->error));
		return;
	}
	if (j->kind == JOB_OPEN) {
		s->is_open = true;
		mark_all(s);
		request_rewrite(s);
		await_expiry(s);
	} else {
		set_ready(s);
		commit(s, j->last);
	}
	advance(s);
}

static void on_turn_end(void *ctx)
{
	advance(ctx);
}

static void on_retry(void *ctx)
{
	struct store *s = ctx;

	s->retry_waits = false;
	advance(s);
}

bool store_flush(struct store *s, unsigned ms)
{
	uint64_t now = clock_mono_us() / 1000, end = now + ms;

	loop_hook_cancel(&s->hook);
	advance(s);
	while (s->worker && !worker_is_idle(s->worker) && worker_wait(s->worker, (unsigned)(end - now))) {
		now = clock_mono_us() / 1000;
		if (now > end)
			now = end;
	}
	return s->state != STORE_FAILING && s->state != STORE_OPENING && s->committed == s->last;
}

/* ---- life ---- */

static void job_free(struct job *j)
{
	if (j)
		abandoned(&j->base);
}

/* Closing the database may block, too. */
static void close_database(struct store *s)
{
	if (!worker_is_idle(s->worker) || !s->job->database)
		return;
	s->job->kind = JOB_CLOSE;
	if (worker_start(s->worker, &s->job->base) == 0)
		worker_wait(s->worker, CLOSE_MS);
}

static int make_writer(struct store *s, const char *directory)
{
	struct job *j = s->job = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->base = (struct worker_job){run, done, abandoned};
	j->store = s;
	list_init(&j->records);
	list_init(&j->entries);
	j->directory = strdup(directory);
	if (!j->directory)
		return -ENOMEM;
	int r = loop_timer_new(s->loop, on_retry, s, &s->retry);
	if (r == 0)
		r = loop_timer_new(s->loop, on_expiry, s, &s->expiry);
	return r ? r : worker_new(s->loop, &s->worker);
}

DEFINE_FREEP(store, store_free)

int store_new(struct loop *loop, const char *directory, struct wake changed, struct store **ret)
{
	CLEANUP(store_freep) struct store *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->loop = loop;
	s->changed = changed;
	strmap_init(&s->by_server);
	list_init(&s->records);
	list_init(&s->entries);
	list_init(&s->read);
	list_init(&s->listeners);
	list_init(&s->rewrite_listeners);
	loop_hook_init(&s->hook, on_turn_end, s);
	backoff_init(&s->backoff, RETRY_MIN_MS, RETRY_MAX_MS);
	jitter_init(&s->jitter, clock_mono_us());
	s->state = directory ? STORE_OPENING : STORE_MEMORY;
	int r = directory ? make_writer(s, directory) : 0;
	if (r)
		return r;
	/* opens the database, unless store_flush() does it before */
	loop_at_end(loop, &s->hook);
	*ret = TAKE(s);
	return 0;
}

void store_free(struct store *s)
{
	if (!s)
		return;
	assert(list_empty(&s->listeners) && list_empty(&s->rewrite_listeners));
	loop_hook_cancel(&s->hook);
	loop_timer_free(s->retry);
	loop_timer_free(s->expiry);
	if (s->worker)
		close_database(s);
	/* the thread frees its job if it is busy */
	if (!s->worker || worker_is_idle(s->worker))
		job_free(s->job);
	worker_free(s->worker);
	LIST_EACH(record, &s->records, struct store_record, link)
		strmap_remove(&s->by_server, &record->by_server);
	store_records_free(&s->records);
	store_entries_free(&s->entries);
	store_entries_free(&s->read);
	strmap_fini(&s->by_server);
	free(s);
}

bool store_is_volatile(const struct store *s)
{
	return s->state != STORE_READY;
}

void store_info(const struct store *s, struct store_info *ret)
{
	*ret = (struct store_info){
		.state = s->state,
		.directory = s->job ? s->job->directory : NULL,
		.reason = s->state == STORE_FAILING ? s->why.text : NULL,
		.moved = s->moves ? s->moved.text : NULL,
		.moves = s->moves,
	};
}

/* ---- values ---- */

static struct store_record *find(const struct store *s, struct slice server)
{
	struct strmap_node *node = strmap_get(&s->by_server, server);

	return node ? STRMAP_OF(node, struct store_record, by_server) : NULL;
}

static int find_or_add(struct store *s, struct slice server, struct store_record **ret)
{
	*ret = find(s, server);
	if (*ret)
		return 0;
	int r = store_record_new(server, ret);
	if (r)
		return r;
	r = strmap_put(&s->by_server, slice_of((*ret)->server), &(*ret)->by_server);
	if (r)
		store_record_free(*ret);
	else
		list_append(&s->records, &(*ret)->link);
	return r;
}

bool store_position(const struct store *s, struct slice server, struct store_position *ret)
{
	const struct store_record *record = find(s, server);

	if (!record || !record->position.epoch)
		return false;
	*ret = record->position;
	return true;
}

int store_put_position(struct store *s, struct slice server, const struct store_position *p, uint64_t *ret_write)
{
	struct store_record *record;
	int r = find_or_add(s, server, &record);

	if (r)
		return r;
	record->position = *p;
	note_change(s, record, false);
	*ret_write = s->last;
	return 0;
}

bool store_session(const struct store *s, struct slice server, uint64_t unix_ms, struct store_session *ret)
{
	const struct store_record *record = find(s, server);

	if (!record || !record->session.snapshot.p || record->session.until < unix_ms)
		return false;
	*ret = record->session;
	return true;
}

int store_put_session(struct store *s, struct slice server, const struct store_session *session, uint64_t *ret_write)
{
	struct store_record *record;
	int r = find_or_add(s, server, &record);

	if (r == 0)
		r = store_record_set_session(record, session);
	if (r)
		return r;
	note_change(s, record, true);
	await_expiry(s);
	*ret_write = s->last;
	return 0;
}

/* ---- consumers and their messages ---- */

static int put_entry(struct store *s, const struct store_entry *e, uint64_t *ret_write)
{
	struct store_entry *copy;
	int r = s->worker && !s->rewrite_due ? store_entry_copy(e, &copy) : 0;

	if (r)
		return r;
	if (s->worker && !s->rewrite_due)
		list_append(&s->entries, &copy->link);
	*ret_write = ++s->last;
	loop_at_end(s->loop, &s->hook);
	return 0;
}

int store_put_message(struct store *s, struct slice server, const struct store_message *m, uint64_t *ret_write)
{
	return put_entry(s, &(struct store_entry){.kind = STORE_ENTRY_MESSAGE, .server = server, .message = *m},
			 ret_write);
}

int store_trim_messages(struct store *s, struct slice server, uint64_t seq, uint64_t *ret_write)
{
	return put_entry(s, &(struct store_entry){.kind = STORE_ENTRY_TRIM, .server = server, .message.seq = seq},
			 ret_write);
}

int store_put_consumer(struct store *s, struct slice server, const struct store_consumer *c, uint64_t *ret_write)
{
	return put_entry(s, &(struct store_entry){.kind = STORE_ENTRY_CONSUMER, .server = server, .consumer = *c},
			 ret_write);
}

int store_end_consumer(struct store *s, struct slice server, struct slice name, uint64_t *ret_write)
{
	return put_entry(s, &(struct store_entry){.kind = STORE_ENTRY_END, .server = server, .consumer.name = name},
			 ret_write);
}

int store_clear(struct store *s, struct slice server, uint64_t *ret_write)
{
	if (s->was_read)
		return put_entry(s, &(struct store_entry){.kind = STORE_ENTRY_CLEAR, .server = server}, ret_write);
	*ret_write = s->last;
	return 0;
}

static bool is_read(const struct store_entry *e, struct slice server, enum store_entry_kind kind)
{
	return e->kind == kind && slice_eq(e->server, server);
}

int store_each_consumer(const struct store *s, struct slice server,
			int (*fn)(void *ctx, const struct store_consumer *c), void *ctx)
{
	int r = 0;

	LIST_EACH(e, &s->read, struct store_entry, link)
		if (r == 0 && is_read(e, server, STORE_ENTRY_CONSUMER))
			r = fn(ctx, &e->consumer);
	return r;
}

int store_each_message(const struct store *s, struct slice server,
		       int (*fn)(void *ctx, const struct store_message *m), void *ctx)
{
	int r = 0;

	LIST_EACH(e, &s->read, struct store_entry, link)
		if (r == 0 && is_read(e, server, STORE_ENTRY_MESSAGE))
			r = fn(ctx, &e->message);
	return r;
}

void store_release(struct store *s, struct slice server)
{
	struct list of_server = LIST_INIT(of_server);

	LIST_EACH_SAFE(e, &s->read, struct store_entry, link)
		if (slice_eq(e->server, server)) {
			list_remove(&e->link);
			list_append(&of_server, &e->link);
		}
	store_entries_free(&of_server);
}

/* ---- commits ---- */

uint64_t store_committed(const struct store *s)
{
	return s->committed;
}

void store_listen(struct store *s, struct store_listener *l, void (*fn)(void *ctx), void *ctx)
{
	l->fn = fn;
	l->ctx = ctx;
	list_append(&s->listeners, &l->link);
}

void store_listen_rewrite(struct store *s, struct store_listener *l, void (*fn)(void *ctx), void *ctx)
{
	l->fn = fn;
	l->ctx = ctx;
	list_append(&s->rewrite_listeners, &l->link);
}
