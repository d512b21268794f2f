/*
 * store/store: the interface, the same for both implementations; and what the one with a database does when the
 * disk is slow, fails or recovers, and over restarts.
 */
#include "store/store.h"
#include "base/clock.h"
#include "base/errors.h"
#include "tests/unit/disk.h"
#include "tests/unit/state_dir.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct loop *loop;
static struct store *store;
static bool in_memory, no_threads;
static unsigned changes;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
			  void *ctx);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
			  void *ctx);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
			  void *ctx)
{
	return no_threads ? EAGAIN : __real_pthread_create(thread, attributes, run, ctx);
}

static void on_change(void *ctx)
{
	(void)ctx;
	changes++;
}

static void open_store(void)
{
	changes = 0;
	assert_int_equal(store_new(loop, in_memory ? NULL : state_dir, (struct wake){on_change, NULL}, &store), 0);
}

static int setup(void **state)
{
	(void)state;
	no_threads = false;
	clock_fake(1796070190000, 1000000);
	state_dir_make();
	store = NULL;
	return loop_new(&loop);
}

static int setup_memory(void **state)
{
	in_memory = true;
	return setup(state);
}

static int setup_sqlite(void **state)
{
	in_memory = false;
	return setup(state);
}

static int teardown(void **state)
{
	(void)state;
	disk_repair();
	disk_release();
	store_free(store);
	loop_free(loop);
	state_dir_remove();
	clock_fake(UINT64_MAX, UINT64_MAX);
	return 0;
}

static uint64_t put(const char *server, uint64_t epoch, uint64_t seq)
{
	uint64_t write = 0;

	assert_int_equal(store_put_position(store, slice_of(server), &(struct store_position){epoch, seq}, &write), 0);
	return write;
}

static void assert_position(const char *server, uint64_t epoch, uint64_t seq)
{
	struct store_position p;

	assert_true(store_position(store, slice_of(server), &p));
	assert_int_equal(p.epoch, epoch);
	assert_int_equal(p.seq, seq);
}

static struct store_info info(void)
{
	struct store_info i;

	store_info(store, &i);
	return i;
}

static void restart(void)
{
	store_free(store);
	open_store();
	assert_true(store_flush(store, 60000));
}

#define UNTIL(condition)                                                                           \
	while (!(condition))                                                                       \
		assert_int_equal(loop_turn(loop, true), 0)

/* This time passes, and what is due then is done. */
static void pass(uint64_t ms)
{
	clock_fake(clock_unix_ms() + ms, clock_boot_ms() + ms);
	assert_int_equal(loop_turn(loop, false), 0);
	store_flush(store, 60000);
}

/* ---- both ---- */

static void values_are_there_at_once(void **state)
{
	struct store_position p = {1, 2};

	(void)state;
	open_store();
	assert_true(store_flush(store, 60000));
	assert_false(store_position(store, SLICE("a"), &p));
	assert_true(p.epoch == 1 && p.seq == 2);
	put("a", 3, 4);
	put("b", 5, 6);
	put("a", 3, 7);
	assert_position("a", 3, 7);
	assert_position("b", 5, 6);
	assert_false(store_position(store, SLICE("c"), &p));
}

struct listener {
	struct store_listener base;
	uint64_t committed[16];
	unsigned n, rank;               /* in the order of calls */
};
static unsigned calls;

static void on_commit(void *ctx)
{
	struct listener *l = ctx;

	l->rank = calls++;
	assert_true(l->n < 16);
	l->committed[l->n++] = store_committed(store);
}

static void commits_are_reported_in_order(void **state)
{
	struct listener first = {.n = 0}, second = {.n = 0};

	(void)state;
	open_store();
	assert_true(store_flush(store, 60000));
	store_listen(store, &first.base, on_commit, &first);
	store_listen(store, &second.base, on_commit, &second);
	uint64_t a = put("a", 1, 1), b = put("b", 1, 1), c = put("a", 1, 2);
	assert_true(a < b && b < c && store_committed(store) < a);
	/* never within a call that changes something */
	assert_int_equal(first.n, 0);
	UNTIL(store_committed(store) == c);
	/* one commit for all changes of the turn */
	assert_true(first.n == 1 && first.committed[0] == c);
	assert_true(second.n == 1 && first.rank < second.rank);
	store_unlisten(&first.base);
	uint64_t d = put("a", 1, 3);
	UNTIL(store_committed(store) == d);
	assert_true(first.n == 1 && second.n == 2);
	d = put("a", 1, 4);
	assert_true(store_flush(store, 60000));
	assert_true(store_committed(store) == d && second.n == 3);
	store_unlisten(&second.base);
}

static struct store_listener putter;

static void on_commit_put(void *ctx)
{
	(void)ctx;
	if (store_committed(store) < 50)
		put("a", 1, store_committed(store));
}

/* A change made by a listener is the next commit. */
static void listeners_may_change_values(void **state)
{
	(void)state;
	open_store();
	assert_true(store_flush(store, 60000));
	store_listen(store, &putter, on_commit_put, NULL);
	put("a", 1, 0);
	UNTIL(store_committed(store) == 50);
	store_unlisten(&putter);
	assert_position("a", 1, 49);
}

static void short_of_memory(void **state)
{
	(void)state;
	FAIL_EACH_ALLOCATION {
		uint64_t write;
		int r = store_new(loop, in_memory ? NULL : state_dir, (struct wake){NULL, NULL}, &store);

		if (r) {
			assert_int_equal(r, -ENOMEM);
			continue;
		}
		store_flush(store, 60000);
		r = store_put_position(store, SLICE("a"), &(struct store_position){1, 1}, &write);
		assert_true(r == 0 || r == -ENOMEM);
		if (!store_flush(store, 60000)) {
			assert_int_equal(info().state, STORE_FAILING);
			pass(80000);
		}
		assert_int_equal(info().state, in_memory ? STORE_MEMORY : STORE_READY);
		store_free(TAKE(store));
	}
}

/* ---- in memory ---- */

static void memory_is_not_kept(void **state)
{
	struct store_position p;

	(void)state;
	open_store();
	assert_int_equal(info().state, STORE_MEMORY);
	assert_string_equal(store_state_name(info().state), "memory");
	assert_null(info().directory);
	put("a", 1, 1);
	restart();
	assert_false(store_position(store, SLICE("a"), &p));
	assert_int_equal(state_count(""), 0);
}

/* ---- in a database ---- */

static void values_survive_a_restart(void **state)
{
	(void)state;
	open_store();
	assert_int_equal(info().state, STORE_OPENING);
	assert_true(store_flush(store, 60000));
	assert_int_equal(info().state, STORE_READY);
	assert_string_equal(info().directory, state_dir);
	put("a", UINT64_MAX, 4);
	put("b", 5, 6);
	assert_true(store_flush(store, 60000));
	restart();
	assert_position("a", UINT64_MAX, 4);
	assert_position("b", 5, 6);
	put("b", 5, 7);
	assert_true(store_flush(store, 60000));
	restart();
	assert_position("a", UINT64_MAX, 4);
	assert_position("b", 5, 7);
}

static void put_session(const char *server, const char *snapshot, uint64_t until)
{
	const struct store_session session = {slice_of(snapshot), until};
	uint64_t write;

	assert_int_equal(store_put_session(store, slice_of(server), snapshot ? &session : NULL, &write), 0);
}

/* NULL: there is none. */
static void assert_session(const char *server, const char *snapshot)
{
	struct store_session session;
	bool found = store_session(store, slice_of(server), clock_unix_ms(), &session);

	assert_int_equal(found, snapshot != NULL);
	if (found && !slice_eq(session.snapshot, slice_of(snapshot)))
		fail_msg("%.*s", SLICE_ARG(session.snapshot));
}

static void sessions(void **state)
{
	uint64_t now = clock_unix_ms();

	(void)state;
	open_store();
	assert_true(store_flush(store, 60000));
	assert_session("a", NULL);
	put_session("a", NULL, 0);
	assert_session("a", NULL);
	put_session("a", "one", now + 1000);
	put("a", 1, 2);
	put_session("b", "two", now + 1000);
	put_session("b", "three", now + 2000);
	assert_session("a", "one");
	assert_session("b", "three");
	put_session("a", NULL, 0);
	assert_session("a", NULL);
	assert_position("a", 1, 2);
	/* the server has given it up */
	put_session("a", "one", now - 1);
	assert_session("a", NULL);
}

static void sessions_survive_a_restart(void **state)
{
	uint64_t now = clock_unix_ms();
	struct store_session session;

	(void)state;
	open_store();
	assert_true(store_flush(store, 60000));
	put_session("a", "one", now + 5000);
	put_session("b", "two", now + 90000);
	put_session("c", "three", now + 90000);
	assert_true(store_flush(store, 60000));
	/* another change leaves it as it is */
	put("a", 1, 2);
	put_session("c", NULL, 0);
	assert_true(store_flush(store, 60000));
	restart();
	assert_session("a", "one");
	assert_session("b", "two");
	assert_session("c", NULL);
	assert_position("a", 1, 2);
	/* the first one is deleted, because its server has given it up */
	clock_fake(now + 6000, clock_boot_ms() + 6000);
	restart();
	assert_false(store_session(store, SLICE("a"), 0, &session));
	assert_session("b", "two");
	assert_position("a", 1, 2);
}

/* Neither in the database nor in what SQLite keeps beside it. */
static void an_ended_session_leaves_no_trace(void **state)
{
	static char large[50000];
	uint64_t until = clock_unix_ms() + 600000;

	(void)state;
	open_store();
	assert_true(store_flush(store, 60000));
	put_session("a", "secret-1", until);
	put_session("b", "secret-other", until);
	assert_true(store_flush(store, 60000));
	assert_true(state_files_with("secret-1") > 0);
	put_session("a", "secret-2", until);
	assert_true(store_flush(store, 60000));
	assert_int_equal(state_files_with("secret-1"), 0);
	/* one of several pages */
	memset(large, 'x', sizeof(large) - 1);
	memcpy(large + 40000, "secret-3", 8);
	put_session("a", large, until);
	assert_true(store_flush(store, 60000));
	assert_int_equal(state_files_with("secret-2"), 0);
	assert_true(state_files_with("secret-3") > 0);
	put_session("a", NULL, 0);
	assert_true(store_flush(store, 60000));
	assert_int_equal(state_files_with("secret-3"), 0);
	assert_true(state_files_with("secret-other") > 0);
}

/* Also if no server of this name is configured any more. */
static void sessions_expire_meanwhile(void **state)
{
	uint64_t now = clock_unix_ms();

	(void)state;
	open_store();
	put_session("a", "secret-1", now + 90000);
	put_session("b", "secret-2", now + 400000);
	assert_true(store_flush(store, 60000));
	restart();
	/* changes of others do not postpone it */
	for (int i = 0; i < 20; i++) {
		put_session("c", "secret-3", now + 900000);
		pass(10000);
	}
	assert_session("a", NULL);
	assert_session("b", "secret-2");
	assert_int_equal(state_files_with("secret-1"), 0);
	assert_true(state_files_with("secret-2") > 0);
	for (int i = 0; i < 30; i++)
		pass(10000);
	assert_int_equal(state_files_with("secret-2"), 0);
	assert_session("c", "secret-3");
}

static void a_session_without_memory(void **state)
{
	const struct store_session session = {SLICE("one"), UINT64_MAX};
	uint64_t write;

	(void)state;
	open_store();
	FAIL_EACH_ALLOCATION {
		int r = store_put_session(store, SLICE("a"), &session, &write);

		if (r)
			assert_int_equal(r, -ENOMEM);
	}
	assert_session("a", "one");
}

/* The loop turns, and values change, while a sync takes long; then all of that is one commit. */
static void a_slow_disk(void **state)
{
	(void)state;
	open_store();
	assert_true(store_flush(store, 60000));
	disk_hold();
	uint64_t a = put("a", 1, 0), last = 0;
	for (unsigned i = 0; i < 1000; i++) {
		last = put("a", 1, i);
		assert_int_equal(loop_turn(loop, false), 0);
	}
	assert_true(store_committed(store) < a);
	assert_false(store_flush(store, 1));
	disk_release();
	UNTIL(store_committed(store) == last);
	restart();
	assert_position("a", 1, 999);
}

/* What was put before the database was read is newer. */
static void values_put_meanwhile_are_valid(void **state)
{
	(void)state;
	open_store();
	put("a", 1, 1);
	put("b", 2, 2);
	assert_true(store_flush(store, 60000));
	store_free(store);
	disk_hold();
	open_store();
	put("a", 3, 3);
	assert_false(store_flush(store, 1));
	disk_release();
	assert_true(store_flush(store, 60000));
	assert_position("a", 3, 3);
	assert_position("b", 2, 2);
	restart();
	assert_position("a", 3, 3);
	assert_position("b", 2, 2);
}

static void a_failing_disk_recovers(void **state)
{
	(void)state;
	open_store();
	uint64_t a = put("a", 1, 1);
	assert_true(store_flush(store, 60000));
	changes = 0;
	disk_fail(0, DISK_FULL, true);
	uint64_t b = put("a", 1, 2);
	assert_false(store_flush(store, 60000));
	assert_int_equal(info().state, STORE_FAILING);
	assert_non_null(strstr(info().reason, "state.db: database or disk is full"));
	assert_int_equal(changes, 1);
	/* live values go on; each failure, of writing and of opening, is reported once, and no commit */
	for (unsigned i = 0; i < 20; i++) {
		b = put("a", 1, 3 + i);
		pass(80000);
		assert_int_equal(info().state, STORE_FAILING);
	}
	assert_int_equal(changes, 2);
	assert_true(store_committed(store) == a);
	assert_position("a", 1, 22);
	/* tried again only after a pause, which has grown by now */
	disk_repair();
	put("b", 9, 9);
	pass(30000);
	assert_int_equal(info().state, STORE_FAILING);
	pass(80000);
	assert_int_equal(info().state, STORE_READY);
	assert_int_equal(changes, 3);
	assert_true(store_committed(store) > b);
	assert_null(info().reason);
	restart();
	assert_position("a", 1, 22);
	assert_position("b", 9, 9);
	assert_null(info().moved);
}

/* At whichever operation the disk fails: it goes on afterwards with all values, and what was committed is there. */
static void each_operation_fails_once(void **state)
{
	unsigned n = 0;
	bool failed;

	(void)state;
	do {
		disk_fail(n, n % 2 ? DISK_FULL : DISK_BROKEN, true);
		n++;
		open_store();
		store_flush(store, 60000);
		for (unsigned i = 1; i <= 4; i++) {
			put("a", n, i);
			put("b", n, i);
			store_flush(store, 60000);
		}
		failed = disk_repair();
		if (failed)
			assert_int_equal(info().state, STORE_FAILING);
		pass(80000);
		assert_int_equal(info().state, STORE_READY);
		restart();
		assert_position("a", n, 4);
		assert_position("b", n, 4);
		assert_int_equal(state_count("state.db."), 0);
		store_free(store);
		store = NULL;
		state_dir_clear();
	} while (failed);
	assert_true(n > 20);
}

static void a_removed_file_is_written_again(void **state)
{
	(void)state;
	open_store();
	put("a", 1, 1);
	put("b", 1, 1);
	assert_true(store_flush(store, 60000));
	state_dir_clear();
	put("a", 1, 2);
	assert_false(store_flush(store, 60000));
	assert_non_null(strstr(info().reason, "was removed or replaced"));
	pass(5000);
	assert_int_equal(info().state, STORE_READY);
	restart();
	assert_position("a", 1, 2);
	assert_position("b", 1, 1);
}

static void an_unusable_file_is_reported(void **state)
{
	struct store_position p;

	(void)state;
	state_write("state.db", "garbage", 7);
	open_store();
	assert_true(store_flush(store, 60000));
	assert_int_equal(info().state, STORE_READY);
	assert_int_equal(info().moves, 1);
	assert_non_null(strstr(info().moved, "file is not a database; it is kept as state.db.2"));
	assert_true(changes >= 1);
	assert_false(store_position(store, SLICE("a"), &p));
	put("a", 1, 1);
	restart();
	assert_int_equal(info().moves, 0);
	assert_null(info().moved);
}

/* A directory at the place of the file: the values are in memory until it is removed. */
static void a_place_that_is_repaired(void **state)
{
	(void)state;
	mkdir(state_path("state.db"), 0700);
	open_store();
	put("a", 1, 1);
	assert_false(store_flush(store, 60000));
	assert_int_equal(info().state, STORE_FAILING);
	assert_non_null(strstr(info().reason, "is not a regular file; remove it"));
	assert_position("a", 1, 1);
	rmdir(state_path("state.db"));
	pass(5000);
	assert_int_equal(info().state, STORE_READY);
	restart();
	assert_position("a", 1, 1);
}

static void without_threads(void **state)
{
	(void)state;
	no_threads = true;
	open_store();
	put("a", 1, 1);
	assert_false(store_flush(store, 60000));
	assert_string_equal(info().reason, "Resource temporarily unavailable");
	no_threads = false;
	pass(5000);
	assert_int_equal(info().state, STORE_READY);
	restart();
	assert_position("a", 1, 1);
}

/* The disk does not answer any more: the daemon stops all the same. */
static void freed_while_the_disk_hangs(void **state)
{
	(void)state;
	open_store();
	assert_true(store_flush(store, 60000));
	disk_hold();
	put("a", 1, 1);
	assert_false(store_flush(store, 1));
	store_free(store);
	store = NULL;
	disk_release();
	/* the thread closes the database, which then has what it was writing */
	open_store();
	while (info().state != STORE_READY)
		pass(80000);
	assert_position("a", 1, 1);
}

#define BOTH(test)                                                                                 \
	{#test " (memory)", test, setup_memory, teardown, NULL},                                   \
	{#test " (SQLite)", test, setup_sqlite, teardown, NULL}
#define MEMORY(test) cmocka_unit_test_setup_teardown(test, setup_memory, teardown)
#define SQLITE(test) cmocka_unit_test_setup_teardown(test, setup_sqlite, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(values_are_there_at_once), BOTH(commits_are_reported_in_order), BOTH(listeners_may_change_values),
		BOTH(short_of_memory), MEMORY(memory_is_not_kept), BOTH(sessions),
		SQLITE(sessions_survive_a_restart), SQLITE(an_ended_session_leaves_no_trace),
		SQLITE(sessions_expire_meanwhile), MEMORY(a_session_without_memory), SQLITE(values_survive_a_restart),
		SQLITE(a_slow_disk), SQLITE(values_put_meanwhile_are_valid), SQLITE(a_failing_disk_recovers),
		SQLITE(each_operation_fails_once), SQLITE(a_removed_file_is_written_again),
		SQLITE(an_unusable_file_is_reported), SQLITE(a_place_that_is_repaired), SQLITE(without_threads),
		SQLITE(freed_while_the_disk_hangs),
	};

	disk_use();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
