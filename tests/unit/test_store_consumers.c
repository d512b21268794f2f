/*
 * store/store: durable consumers and their messages are on the disk in the order in which they were put, together with
 * the other values of the turn; when the disk fails, their owners are asked to put them again.
 */
#include "base/clock.h"
#include "base/errors.h"
#include "store/store.h"
#include "tests/unit/disk.h"
#include "tests/unit/state_dir.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct loop *loop;
static struct store *store;
static struct store_listener rewrite;
static unsigned rewrites;
static uint64_t last;
static char text[4096];          /* what the store has of a server */

static int setup(void **state)
{
	(void)state;
	clock_fake(1796070190000, 1000000);
	state_dir_make();
	store = NULL;
	rewrites = 0;
	return loop_new(&loop);
}

static int teardown(void **state)
{
	(void)state;
	disk_repair();
	disk_release();
	if (store)
		store_unlisten(&rewrite);
	store_free(store);
	loop_free(loop);
	state_dir_remove();
	clock_fake(UINT64_MAX, UINT64_MAX);
	return 0;
}

static void put_message(const char *server, uint64_t seq, const char *frame)
{
	const struct store_message m = {seq, 1796070190000 + seq, SLICE("/c"), slice_of(frame), seq == 8};

	assert_int_equal(store_put_message(store, slice_of(server), &m, &last), 0);
}

static void put_consumer(const char *server, const char *name, uint64_t acked)
{
	const struct store_consumer c = {slice_of(name), 4294967295u, acked, 3, 4, 5, SLICE("/c\n/d/*")};

	assert_int_equal(store_put_consumer(store, slice_of(server), &c, &last), 0);
}

static void put_all(void)
{
	put_consumer("a", "one", 7);
	put_message("a", 8, "x");
	put_message("a", 9, "");
}

static void on_rewrite(void *ctx)
{
	(void)ctx;
	rewrites++;
	assert_int_equal(store_clear(store, SLICE("a"), &last), 0);
	put_all();
}

static void open_store(const char *directory)
{
	assert_int_equal(store_new(loop, directory, (struct wake){NULL, NULL}, &store), 0);
	store_listen_rewrite(store, &rewrite, on_rewrite, NULL);
}

static void close_store(void)
{
	store_unlisten(&rewrite);
	store_free(TAKE(store));
}

static void restart(void)
{
	assert_true(store_flush(store, 60000));
	assert_true(store_committed(store) >= last);
	close_store();
	open_store(state_dir);
	assert_true(store_flush(store, 60000));
}

static int note_consumer(void *ctx, const struct store_consumer *c)
{
	size_t n = strlen(text);

	(void)ctx;
	assert_true(c->uid == 4294967295u && c->lost == 3 && c->lost_first == 4 && c->lost_last == 5);
	assert_true(slice_eq(c->patterns, SLICE("/c\n/d/*")));
	snprintf(text + n, sizeof(text) - n, "%.*s@%u ", SLICE_ARG(c->name), (unsigned)c->acked);
	return 0;
}

static int note_message(void *ctx, const struct store_message *m)
{
	size_t n = strlen(text);

	(void)ctx;
	assert_true(m->filtered == (m->seq == 8));
	assert_true(slice_eq(m->channel, SLICE("/c")) && m->unix_ms == 1796070190000 + m->seq);
	snprintf(text + n, sizeof(text) - n, "%u:%.*s ", (unsigned)m->seq, SLICE_ARG(m->frame));
	return m->seq == 1000 ? 77 : 0;
}

static void assert_has(const char *server, const char *expected)
{
	text[0] = '\0';
	assert_int_equal(store_each_consumer(store, slice_of(server), note_consumer, NULL), 0);
	assert_int_equal(store_each_message(store, slice_of(server), note_message, NULL), 0);
	assert_string_equal(text, expected);
}

static void what_was_put_is_there_after_a_restart(void **state)
{
	(void)state;
	open_store(state_dir);
	assert_true(store_flush(store, 60000));
	put_all();
	put_consumer("a", "two", 9);
	put_message("b", 3, "of b");
	/* what comes later replaces it */
	put_consumer("a", "one", 8);
	put_message("a", 10, "ten");
	put_message("a", 10, "ten again");
	restart();
	assert_has("a", "one@8 two@9 8:x 9: 10:ten again ");
	assert_has("b", "3:of b ");
	assert_has("c", "");
	/* it is deleted as far as it was processed, and what follows stays */
	assert_int_equal(store_trim_messages(store, SLICE("a"), 9, &last), 0);
	put_message("a", 11, "eleven");
	assert_int_equal(store_end_consumer(store, SLICE("a"), SLICE("two"), &last), 0);
	restart();
	assert_has("a", "one@8 10:ten again 11:eleven ");
	assert_has("b", "3:of b ");
	/* in the order in which it was put */
	assert_int_equal(store_clear(store, SLICE("a"), &last), 0);
	put_consumer("a", "three", 1);
	restart();
	assert_has("a", "three@1 ");
	assert_has("b", "3:of b ");
	store_release(store, SLICE("b"));
	assert_has("b", "");
	assert_has("a", "three@1 ");
	put_message("a", 1000, "");
	restart();
	assert_int_equal(store_each_message(store, SLICE("a"), note_message, NULL), 77);
}

static void in_memory_nothing_is_kept(void **state)
{
	(void)state;
	open_store(NULL);
	put_all();
	assert_true(store_flush(store, 60000));
	assert_true(store_committed(store) == last);
	assert_has("a", "");
}

static void pass(uint64_t ms)
{
	clock_fake(clock_unix_ms() + ms, clock_boot_ms() + ms);
	assert_int_equal(loop_turn(loop, false), 0);
	store_flush(store, 60000);
}

/* Nothing is collected while the disk fails, and all is there afterwards. */
static void after_a_failure_all_is_put_again(void **state)
{
	(void)state;
	open_store(state_dir);
	put_message("a", 1, "old");
	put_message("b", 1, "of b");
	assert_true(store_flush(store, 60000));
	disk_fail(0, DISK_FULL, true);
	put_message("a", 2, "lost");
	assert_false(store_flush(store, 60000));
	put_message("a", 3, "lost");
	disk_repair();
	assert_int_equal(rewrites, 0);
	pass(80000);
	assert_int_equal(rewrites, 1);
	assert_true(store_committed(store) >= last);
	restart();
	assert_has("a", "one@7 8:x 9: ");
	assert_has("b", "1:of b ");
}

/* What is in a database that cannot be read at the start is not deleted. */
static void what_was_not_read_stays(void **state)
{
	(void)state;
	open_store(state_dir);
	put_message("a", 1, "old");
	assert_true(store_flush(store, 60000));
	close_store();
	disk_fail(0, DISK_BROKEN, true);
	open_store(state_dir);
	assert_false(store_flush(store, 60000));
	disk_repair();
	pass(80000);
	assert_int_equal(rewrites, 1);
	assert_has("a", "");
	restart();
	assert_has("a", "one@7 1:old 8:x 9: ");
}

/* At whichever operation the disk fails, all that was put in one turn is there, or what was there before. */
static void each_operation_fails_once(void **state)
{
	bool failed;
	unsigned n = 0;

	(void)state;
	do {
		open_store(state_dir);
		put_message("a", 1, "old");
		store_put_position(store, SLICE("a"), &(struct store_position){1, 1}, &last);
		assert_true(store_flush(store, 60000));
		disk_fail(n++, DISK_BROKEN, false);
		assert_int_equal(store_trim_messages(store, SLICE("a"), 1, &last), 0);
		put_message("a", 2, "new");
		store_put_position(store, SLICE("a"), &(struct store_position){1, 2}, &last);
		store_flush(store, 60000);
		/* as a kill would leave it */
		store_unlisten(&rewrite);
		store_free(store);
		failed = disk_repair();
		open_store(state_dir);
		assert_true(store_flush(store, 60000));
		struct store_position p;
		assert_true(store_position(store, SLICE("a"), &p));
		assert_has("a", p.seq == 1 ? "1:old " : "2:new ");
		close_store();
		state_dir_clear();
	} while (failed);
	assert_true(n > 3);
}

static void short_of_memory(void **state)
{
	const struct store_message m = {1, 2, SLICE("/c"), SLICE("x"), false};
	int r = -ENOMEM;

	(void)state;
	open_store(state_dir);
	assert_true(store_flush(store, 60000));
	FAIL_EACH_ALLOCATION
		r = store_put_message(store, SLICE("a"), &m, &last);
	assert_int_equal(r, 0);
	assert_true(store_flush(store, 60000));
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_was_put_is_there_after_a_restart), T(in_memory_nothing_is_kept), T(after_a_failure_all_is_put_again),
		T(what_was_not_read_stays), T(each_operation_fails_once), T(short_of_memory),
	};

	disk_use();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
