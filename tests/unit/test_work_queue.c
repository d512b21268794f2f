/*
 * io/work_queue by a clock that the steps themselves move: a turn is bounded,
 * expensive and cheap items get equal shares, an item that was idle is not kept
 * waiting, and each may end any other, itself included.
 */
#include "base/clock.h"
#include "local/work_queue.h"
#include "tests/unit/testing.h"

#include <stdlib.h>

#define ITEMS 300

struct worker {
	struct work_item item;
	struct world *world;
	unsigned cost;                  /* ms of each step; 0: as good as nothing */
	size_t bytes;
	unsigned left;                  /* steps to do */
	unsigned done, rests, again;    /* again: steps that rest() adds, once */
	struct worker *ends;            /* whom its step cancels */
};

struct world {
	struct loop *loop;
	struct work_queue *queue;
	uint64_t now;
	struct worker w[ITEMS];
};

static bool on_step(void *ctx, size_t *bytes)
{
	struct worker *w = ctx;

	assert_int_equal(*bytes, 0);
	assert_true(w->left > 0);
	w->left--;
	w->done++;
	*bytes = w->bytes;
	clock_fake(1, w->world->now += w->cost);
	if (w->ends)
		work_queue_cancel(w->world->queue, &w->ends->item);
	return w->left > 0;
}

static void on_rest(void *ctx)
{
	struct worker *w = ctx;

	w->rests++;
	w->left += w->again;
	if (w->again)
		work_queue_add(w->world->queue, &w->item);
	w->again = 0;
}

static const struct work_functions functions = {on_step, on_rest};

static struct world *open_world(void)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	clock_fake(1, world->now = 1000);
	assert_int_equal(loop_new(&world->loop), 0);
	assert_int_equal(work_queue_new(world->loop, &world->queue), 0);
	assert_ptr_equal(work_queue_loop(world->queue), world->loop);
	for (unsigned i = 0; i < ITEMS; i++) {
		world->w[i].world = world;
		work_item_init(&world->w[i].item, &functions, &world->w[i]);
	}
	return world;
}

static void close_world(struct world *world)
{
	for (unsigned i = 0; i < ITEMS; i++)
		work_queue_cancel(world->queue, &world->w[i].item);
	work_queue_free(world->queue);
	loop_free(world->loop);
	clock_fake(UINT64_MAX, UINT64_MAX);
	free(world);
}

static void add(struct worker *w, unsigned steps)
{
	w->left += steps;
	work_queue_add(w->world->queue, &w->item);
	assert_true(work_item_busy(&w->item));
}

static void turn(struct world *world)
{
	assert_int_equal(loop_turn(world->loop, false), 0);
}

static unsigned all_done(const struct world *world)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ITEMS; i++)
		n += world->w[i].done;
	return n;
}

static void test_all_is_done_and_then_it_rests(void **state)
{
	struct world *world = open_world();

	(void)state;
	add(&world->w[0], 3);
	add(&world->w[0], 2);
	turn(world);
	assert_int_equal(world->w[0].done, 5);
	assert_int_equal(world->w[0].rests, 1);
	assert_false(work_item_busy(&world->w[0].item));
	world->w[0].again = 4;
	add(&world->w[0], 1);
	turn(world);
	turn(world);
	assert_int_equal(world->w[0].done, 10);
	close_world(world);
}

/* A step that takes longer than a turn may take ends the turn's work. */
static void test_a_turn_is_bounded(void **state)
{
	struct world *world = open_world();

	(void)state;
	for (unsigned i = 0; i < ITEMS; i++) {
		world->w[i].cost = 1;
		add(&world->w[i], 2);
	}
	for (unsigned i = 1; i <= 2 * ITEMS; i++) {
		turn(world);
		assert_int_equal(all_done(world), i);
	}
	turn(world);
	assert_int_equal(all_done(world), 2 * ITEMS);
	close_world(world);
}

/* what is written costs, too, though no time has passed yet */
static void test_bytes_cost(void **state)
{
	struct world *world = open_world();

	(void)state;
	world->w[0].bytes = WORK_TURN_US * 1024 / WORK_US_PER_KIB;
	add(&world->w[0], 3);
	turn(world);
	assert_int_equal(world->w[0].done, 1);
	turn(world);
	assert_int_equal(world->w[0].done, 2);
	close_world(world);
}

/* No item that always has work is served twice before each other one was. */
static void test_shares_are_equal(void **state)
{
	struct world *world = open_world();

	(void)state;
	/* the first ten need a millisecond for each step, the next ten next to nothing */
	for (unsigned i = 0; i < 20; i++) {
		world->w[i].cost = i < 10;
		add(&world->w[i], 100000);
	}
	for (unsigned i = 0; i < 2000; i++)
		turn(world);
	for (unsigned i = 0; i < 10; i++)
		assert_in_range(world->w[i].done, world->w[0].done - 1, world->w[0].done + 1);
	for (unsigned i = 10; i < 20; i++)
		assert_in_range(world->w[i].done, world->w[0].done * 500, world->w[0].done * 1500);
	close_world(world);
}

static void pass(struct world *world, uint64_t ms)
{
	clock_fake(1, world->now += ms);
}

/* one that asks now and then among many that always ask: its step is the first of the turn */
static void test_idle_ones_go_first(void **state)
{
	struct world *world = open_world();
	struct worker *seldom = &world->w[ITEMS - 1];

	(void)state;
	for (unsigned i = 0; i < ITEMS - 1; i++) {
		world->w[i].cost = 1;
		add(&world->w[i], 1000);
	}
	/* they were idle, too, until each had its first share */
	for (unsigned i = 0; i < ITEMS; i++)
		turn(world);
	for (unsigned i = 1; i < 500; i++) {
		pass(world, 11);
		add(seldom, 1);
		turn(world);
		assert_int_equal(seldom->done, i);
	}
	/* each turn had time for one of the others, too, which had paused long enough */
	assert_int_equal(all_done(world), ITEMS + 2 * 499);
	close_world(world);
}

/* One that had to pause waits for its turn: many that resume at once keep no idle one waiting. */
static void test_resumed_ones_are_not_idle(void **state)
{
	struct world *world = open_world();

	(void)state;
	for (unsigned i = 1; i < ITEMS; i++) {
		world->w[i].cost = 1;
		world->w[i].left = 1;
		work_queue_resume(world->queue, &world->w[i].item);
		assert_true(work_item_busy(&world->w[i].item));
	}
	add(&world->w[0], 1);
	turn(world);
	assert_int_equal(world->w[0].done, 1);
	assert_int_equal(all_done(world), 2);
	close_world(world);
}

/* Many idle ones do not starve the others. */
static void test_idle_ones_keep_half_free(void **state)
{
	struct world *world = open_world();

	(void)state;
	add(&world->w[0], 100000);
	for (unsigned k = 0; k < 100; k++) {
		unsigned before = world->w[0].done;

		for (unsigned i = 1; i < ITEMS; i++)
			if (!work_item_busy(&world->w[i].item))
				add(&world->w[i], WORK_LIGHT_US - 1);
		/* more than the heavy one pauses after a turn */
		pass(world, 5);
		turn(world);
		assert_true(world->w[0].done >= before + WORK_QUANTUM_US - 1);
	}
	close_world(world);
}

/* Lets 400 ms pass, in which `light` asks once in each; how many ms the others used. */
static unsigned used_beside(struct world *world, struct worker *light)
{
	unsigned before = all_done(world) - light->done;

	for (uint64_t end = world->now + 400; world->now < end;) {
		uint64_t began = world->now;

		add(light, 1);
		turn(world);
		assert_false(work_item_busy(&light->item));
		if (world->now == began)
			pass(world, 1);
	}
	return all_done(world) - light->done - before;
}

/* One that always asks for a little among many that always ask for much: these pause. */
static void test_heavy_ones_pause(void **state)
{
	struct world *world = open_world();

	(void)state;
	for (unsigned i = 1; i < ITEMS; i++) {
		world->w[i].cost = 1;
		add(&world->w[i], 1000);
	}
	/* until each was served, none is known to be heavy */
	for (unsigned i = 1; i < ITEMS; i++)
		turn(world);
	assert_in_range(used_beside(world, &world->w[0]), 30, 45);
	/* and not on and on: without it they use all the time, as soon as it was not there for long */
	for (unsigned i = 0; i < 4; i++)
		pass(world, 30), turn(world);
	uint64_t began = world->now;
	unsigned before = all_done(world);
	for (unsigned i = 0; i < 100; i++)
		turn(world);
	assert_int_equal(world->now - began, 100);
	assert_int_equal(all_done(world) - before, 100);
	/* of them none was served twice before another was served once */
	for (unsigned i = 1; i < ITEMS; i++)
		assert_in_range(world->w[i].done, 1, 2);
	close_world(world);
}

/* In a storm of peers that ask for a little and leave, which costs much, the heavy ones pause all the time for
   the sake of one that stays. */
static void test_one_that_leaves_ends_no_pause(void **state)
{
	struct world *world = open_world();

	(void)state;
	world->w[2].cost = 1;
	add(&world->w[2], 1000);
	turn(world);
	for (uint64_t end = world->now + 400; world->now < end;) {
		add(&world->w[0], 1);
		turn(world);
		add(&world->w[1], 1);
		turn(world);
		/* it leaves: that waits with the heavy ones */
		world->w[1].left++;
		work_queue_resume(world->queue, &world->w[1].item);
		turn(world);
		work_queue_cancel(world->queue, &world->w[1].item);
		world->w[1].left = 0;
		pass(world, 1);
	}
	assert_in_range(world->w[2].done, 30, 45);
	close_world(world);
}

/* A small request that now and then seems to cost much, because of interrupts or cold caches, leaves its peer
   light: the next one does not wait for the round of the heavy ones. */
static void test_one_long_step_does_not_make_heavy(void **state)
{
	struct world *world = open_world();
	struct worker *light = &world->w[0];

	(void)state;
	for (unsigned i = 1; i < ITEMS; i++) {
		world->w[i].cost = 1;
		add(&world->w[i], 1000);
		turn(world);
	}
	for (unsigned i = 1; i < 500; i++) {
		light->bytes = i % 8 == 7 ? 300u << 10 : 0;
		pass(world, 11);
		add(light, 1);
		turn(world);
		turn(world);
		assert_int_equal(light->done, i);
	}
	close_world(world);
}

/* A peer whose requests are small and costly by turns is heavy, and pauses beside a light one. */
static void test_small_ones_hide_no_costly_ones(void **state)
{
	struct world *world = open_world();
	struct worker *light = &world->w[0], *both = &world->w[1];
	unsigned used = 0;

	(void)state;
	for (uint64_t end = world->now + 400; world->now < end;) {
		uint64_t began = world->now;

		both->cost = both->done % 2;
		if (!work_item_busy(&both->item))
			add(both, 1);
		if (!work_item_busy(&light->item))
			add(light, 1);
		turn(world);
		used += (unsigned)(world->now - began);
		if (world->now == began)
			pass(world, 1);
	}
	assert_in_range(used, 20, 45);
	assert_true(light->done > 300);
	close_world(world);
}

/* What is known to cost much makes no other pause, although it cost little this time. */
static void test_resumed_ones_make_none_pause(void **state)
{
	struct world *world = open_world();

	(void)state;
	world->w[1].cost = 1;
	add(&world->w[1], 100);
	turn(world);
	for (unsigned i = 0; i < 20; i++) {
		world->w[0].left++;
		work_queue_resume(world->queue, &world->w[0].item);
		turn(world);
		turn(world);
	}
	assert_in_range(world->w[1].done, 20, 41);
	assert_false(loop_is_interactive(world->loop));
	close_world(world);
}

/* Peers that wait for each reply pause, too, when what they ask for costs much. */
static void test_who_waits_may_be_heavy(void **state)
{
	struct world *world = open_world();
	unsigned used = 0;

	(void)state;
	for (unsigned i = 1; i < 9; i++)
		world->w[i].cost = 1;
	for (uint64_t end = world->now + 400; world->now < end;) {
		uint64_t began = world->now;

		for (unsigned i = 0; i < 9; i++)
			if (!work_item_busy(&world->w[i].item))
				add(&world->w[i], 1);
		turn(world);
		used += (unsigned)(world->now - began);
		if (world->now == began)
			pass(world, 1);
	}
	/* the first request of each is served before it is known */
	assert_in_range(used, 30, 45);
	close_world(world);
}

/* One that asked for a little, and now asks for much, does not pause for its own sake. */
static void test_alone_it_does_not_pause(void **state)
{
	struct world *world = open_world();

	(void)state;
	add(&world->w[0], 1);
	turn(world);
	world->w[0].cost = 1;
	add(&world->w[0], 50);
	for (unsigned i = 1; i <= 50; i++) {
		turn(world);
		assert_int_equal(world->w[0].done, 1 + i);
	}
	close_world(world);
}

/* The servers take short turns while small requests are served, and not because of large ones. */
static void test_small_requests_make_the_loop_interactive(void **state)
{
	struct world *world = open_world();

	(void)state;
	world->w[0].cost = 1;
	add(&world->w[0], 10);
	while (work_item_busy(&world->w[0].item))
		turn(world);
	assert_false(loop_is_interactive(world->loop));
	add(&world->w[1], 1);
	turn(world);
	assert_true(loop_is_interactive(world->loop));
	close_world(world);
}

static void test_ends_others_and_itself(void **state)
{
	struct world *world = open_world();

	(void)state;
	world->w[0].ends = &world->w[1];
	world->w[2].ends = &world->w[2];
	for (unsigned i = 0; i < 4; i++)
		add(&world->w[i], 2);
	turn(world);
	assert_int_equal(world->w[0].done, 2);
	assert_int_equal(world->w[1].done, 0);
	assert_int_equal(world->w[2].done, 1);
	assert_int_equal(world->w[2].rests, 0);
	assert_int_equal(world->w[3].done, 2);
	assert_false(work_item_busy(&world->w[1].item));
	close_world(world);
}

static void test_no_memory(void **state)
{
	struct loop *loop;

	(void)state;
	assert_int_equal(loop_new(&loop), 0);
	FAIL_EACH_ALLOCATION {
		struct work_queue *queue = NULL;

		if (work_queue_new(loop, &queue) == 0)
			assert_non_null(queue);
		work_queue_free(queue);
	}
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_is_done_and_then_it_rests),
		cmocka_unit_test(test_a_turn_is_bounded),
		cmocka_unit_test(test_bytes_cost),
		cmocka_unit_test(test_shares_are_equal),
		cmocka_unit_test(test_idle_ones_go_first),
		cmocka_unit_test(test_resumed_ones_are_not_idle),
		cmocka_unit_test(test_idle_ones_keep_half_free),
		cmocka_unit_test(test_heavy_ones_pause),
		cmocka_unit_test(test_one_that_leaves_ends_no_pause),
		cmocka_unit_test(test_one_long_step_does_not_make_heavy),
		cmocka_unit_test(test_small_ones_hide_no_costly_ones),
		cmocka_unit_test(test_resumed_ones_make_none_pause),
		cmocka_unit_test(test_who_waits_may_be_heavy),
		cmocka_unit_test(test_alone_it_does_not_pause),
		cmocka_unit_test(test_small_requests_make_the_loop_interactive),
		cmocka_unit_test(test_ends_others_and_itself),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
