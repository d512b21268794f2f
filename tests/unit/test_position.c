/*
 * upstream/position: no position is used twice, whenever the daemon is killed, stopped, or cannot write. Each run
 * continues the numbers of the one before.
 */
#include "upstream/position.h"
#include "base/clock.h"
#include "tests/unit/disk.h"
#include "tests/unit/hub_world.h"
#include "tests/unit/state_dir.h"

#include <stdlib.h>

static struct loop *loop;
static struct store *store;
static struct world world;
static struct position position;

static void begin(const char *directory)
{
	assert_int_equal(store_new(loop, directory, (struct wake){NULL, NULL}, &store), 0);
	store_flush(store, 60000);
	world_init(&world);
	position_init(&position, store, world.servers[0]);
}

static void leave(void)
{
	world_fini(&world);
	store_free(store);
}

/* All that was not committed is lost. */
static void kill_it(void)
{
	store_unlisten(&position.listener);
	leave();
}

static void stop_it(void)
{
	position_fini(&position);
	store_flush(store, 60000);
	leave();
}

static struct hub_position now_at(void)
{
	struct hub_position p;

	hub_server_position(world.servers[0], &p);
	return p;
}

/* `n` messages; whether the epoch changed. */
static bool receive(uint64_t n)
{
	bool changed = position_reserve(&position);

	hub_set_position(world.servers[0], now_at().epoch, now_at().seq + n);
	return changed;
}

static int setup(void **state)
{
	(void)state;
	clock_fake(1796070190000, 1000000);
	state_dir_make();
	return loop_new(&loop);
}

static int teardown(void **state)
{
	(void)state;
	disk_repair();
	loop_free(loop);
	state_dir_remove();
	clock_fake(UINT64_MAX, UINT64_MAX);
	return 0;
}

static void a_stop_keeps_the_exact_position(void **state)
{
	(void)state;
	begin(state_dir);
	uint64_t epoch = now_at().epoch;
	assert_true(epoch != 0 && now_at().seq == 0);
	assert_true(store_flush(store, 60000));
	assert_false(receive(7));
	stop_it();
	begin(state_dir);
	assert_true(now_at().epoch == epoch && now_at().seq == 7);
	assert_true(store_flush(store, 60000));
	assert_false(receive(1));
	stop_it();
	begin(state_dir);
	assert_true(now_at().epoch == epoch && now_at().seq == 8);
	stop_it();
}

static void a_kill_skips_numbers(void **state)
{
	(void)state;
	begin(state_dir);
	uint64_t epoch = now_at().epoch;
	assert_true(store_flush(store, 60000));
	for (int i = 0; i < 10; i++) {
		/* more than are reserved at a time, while the store commits */
		assert_false(receive(POSITION_STEP / 2));
		assert_false(receive(1));
		assert_true(store_flush(store, 60000));
	}
	uint64_t last = now_at().seq;
	kill_it();
	begin(state_dir);
	assert_int_equal(now_at().epoch, epoch);
	assert_true(now_at().seq >= last && now_at().seq <= last + 2 * POSITION_STEP);
	stop_it();
}

static void without_a_directory_each_run_has_its_epoch(void **state)
{
	(void)state;
	begin(NULL);
	uint64_t epoch = now_at().epoch;
	assert_false(receive(7));
	/* numbers are never short */
	for (int i = 0; i < 10; i++) {
		assert_false(receive(POSITION_STEP / 2));
		assert_false(receive(1));
		assert_true(store_flush(store, 60000));
	}
	assert_int_equal(now_at().epoch, epoch);
	stop_it();
	clock_fake(1796070190001, 1000001);
	begin(NULL);
	assert_true(now_at().epoch != epoch && now_at().seq == 0);
	stop_it();
}

static void no_store(void **state)
{
	struct hub_position before;

	(void)state;
	world_init(&world);
	before = now_at();
	position_init(&position, NULL, world.servers[0]);
	assert_false(receive(UINT32_MAX));
	assert_int_equal(now_at().epoch, before.epoch);
	position_fini(&position);
	position_fini(&position);
	world_fini(&world);
}

/* A message before the first reservation is committed, and more messages than were reserved. */
static void a_disk_that_is_late(void **state)
{
	(void)state;
	begin(state_dir);
	assert_true(store_flush(store, 60000));
	uint64_t first = now_at().epoch;
	assert_false(receive(1));
	stop_it();
	begin(state_dir);
	assert_int_equal(now_at().epoch, first);
	assert_true(receive(1));
	uint64_t second = now_at().epoch;
	assert_true(second != first && now_at().seq == 2);
	assert_false(receive(POSITION_STEP - 2));
	assert_false(receive(1));
	assert_true(receive(1));
	assert_true(now_at().epoch != second && now_at().epoch != first);
	assert_true(store_flush(store, 60000));
	uint64_t third = now_at().epoch;
	kill_it();
	begin(state_dir);
	assert_int_equal(now_at().epoch, third);
	stop_it();
}

static void hold_again(void *ctx)
{
	store_unlisten(ctx);
	disk_hold();
}

/* A commit of something else reserves nothing. */
static void another_commit(void **state)
{
	struct store_listener listener;
	uint64_t write;

	(void)state;
	begin(state_dir);
	assert_true(store_flush(store, 60000));
	store_listen(store, &listener, hold_again, &listener);
	disk_hold();
	assert_int_equal(store_put_position(store, SLICE("other"), &(struct store_position){1, 1}, &write), 0);
	assert_int_equal(loop_turn(loop, false), 0);
	assert_false(receive(POSITION_STEP / 2));
	assert_false(receive(1));
	disk_release();
	while (store_committed(store) < write)
		assert_int_equal(loop_turn(loop, true), 0);
	assert_false(receive(POSITION_STEP / 2 - 1));
	assert_true(receive(1));
	disk_release();
	stop_it();
}

/* ---- at random ---- */

/* ranges of positions that were used */
struct range {
	uint64_t epoch, first, last;
};
static struct range used[20000];
static size_t n_used;

static void use(uint64_t n)
{
	struct range r = {now_at().epoch, now_at().seq + 1, now_at().seq + n};

	for (size_t i = 0; i < n_used; i++)
		if (used[i].epoch == r.epoch && used[i].last >= r.first)
			fail_msg("range %zu: seq %llu to %llu was used before", n_used, (unsigned long long)r.first,
				 (unsigned long long)used[i].last);
	used[n_used++] = r;
	hub_set_position(world.servers[0], r.epoch, r.last);
}

/* A few messages, or as many as can come before the next one needs a new reservation. */
static void use_some(void)
{
	if (rand() % 3 == 0) {
		position_reserve(&position);
		use(position.limit - now_at().seq);
		return;
	}
	for (int i = rand() % 10; i >= 0; i--) {
		position_reserve(&position);
		use(1);
	}
}

static void random_runs(void **state)
{
	unsigned epochs = 0;

	(void)state;
	srand(1);
	for (int run = 0; run < 300; run++) {
		if (rand() % 2)
			disk_fail((unsigned)rand() % 40, rand() % 2 ? DISK_FULL : DISK_BROKEN, rand() % 2);
		begin(state_dir);
		for (int i = rand() % 30; i > 0; i--) {
			use_some();
			if (rand() % 3 == 0)
				store_flush(store, 60000);
			if (rand() % 10 == 0) {
				disk_repair();
				clock_fake(clock_unix_ms() + 90000, clock_boot_ms() + 90000);
				assert_int_equal(loop_turn(loop, false), 0);
			}
		}
		disk_repair();
		if (rand() % 2)
			kill_it();
		else
			stop_it();
	}
	for (size_t i = 1; i < n_used; i++)
		epochs += used[i].epoch != used[i - 1].epoch;
	print_message("%zu ranges, %u epochs\n", n_used, epochs);
	assert_true(n_used > 3000 && epochs > 20 && epochs < 2000);
}

static void short_of_memory(void **state)
{
	(void)state;
	begin(state_dir);
	assert_true(store_flush(store, 60000));
	FAIL_EACH_ALLOCATION {
		n_used = 0;
		for (int i = 0; i < 5; i++) {
			use_some();
			store_flush(store, 60000);
		}
	}
	stop_it();
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_stop_keeps_the_exact_position), T(a_kill_skips_numbers),
		T(without_a_directory_each_run_has_its_epoch), T(no_store), T(a_disk_that_is_late), T(another_commit), T(random_runs),
		T(short_of_memory),
	};

	disk_use();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
