/* Pauses grow by one half to their ceiling, jitter stays within a fifth, a reset starts again. */
#include "tests/unit/testing.h"

#include "base/backoff.h"

static void pauses_grow_to_the_ceiling(void **state)
{
	(void)state;
	static const uint64_t expect[] = {1000, 1500, 2250, 3375, 5000, 5000, 5000};
	struct backoff b;
	struct jitter j;
	backoff_init(&b, 1000, 5000);
	for (uint64_t seed = 0; seed < 200; seed++) {
		jitter_init(&j, seed);
		backoff_reset(&b);
		assert_true(backoff_fresh(&b));
		for (size_t i = 0; i < sizeof(expect) / sizeof(expect[0]); i++) {
			uint64_t pause = backoff_next(&b, &j);
			assert_in_range(pause, expect[i] * 4 / 5, expect[i] * 6 / 5);
			assert_false(backoff_fresh(&b));
		}
	}
}

/* A slow start grows by a fifth to 5 s until the pauses make a minute, then by half to the ceiling. */
static void a_slow_start_lasts_a_minute(void **state)
{
	(void)state;
	struct backoff b;
	struct jitter j;
	jitter_init(&j, 7);
	backoff_init_slow(&b, 1000, 60000);
	for (int round = 0; round < 2; round++) {
		uint64_t sum = 0, last = 0;
		unsigned n = 0;
		while (sum < 60000) {
			uint64_t pause = b.next ? b.next : b.min;
			assert_in_range(backoff_next(&b, &j), pause * 4 / 5, pause * 6 / 5);
			assert_in_range(pause, last, 5000);
			last = pause;
			sum += pause;
			n++;
		}
		assert_in_range(n, 15, 25);
		backoff_next(&b, &j);
		assert_int_equal(b.next, 7500);
		for (int i = 0; i < 20; i++)
			backoff_next(&b, &j);
		assert_int_equal(b.next, 60000);
		backoff_reset(&b);
		assert_true(backoff_fresh(&b));
	}
	/* `min` and `max` are kept to */
	backoff_init_slow(&b, 8000, 60000);
	for (int i = 0; i < 3; i++)
		assert_in_range(backoff_next(&b, &j), 6400, 9600);
	backoff_init_slow(&b, 100, 200);
	for (int i = 0; i < 900; i++)
		assert_in_range(backoff_next(&b, &j), 80, 240);
}

static void jitter_reaches_both_sides(void **state)
{
	(void)state;
	struct jitter j;
	uint64_t low = UINT64_MAX, high = 0;
	jitter_init(&j, 7);
	for (int i = 0; i < 1000; i++) {
		uint64_t ms = jitter_apply(&j, 1000);
		low = ms < low ? ms : low;
		high = ms > high ? ms : high;
	}
	assert_in_range(low, 800, 820);
	assert_in_range(high, 1180, 1200);
	assert_int_equal(jitter_apply(&j, 0), 0);
}

static void odd_limits_are_mended(void **state)
{
	(void)state;
	struct backoff b;
	struct jitter j;
	jitter_init(&j, 1);
	backoff_init(&b, 0, 0);
	assert_int_equal(backoff_next(&b, &j), 1);
	backoff_init(&b, 100, 10);
	backoff_next(&b, &j);
	assert_in_range(backoff_next(&b, &j), 80, 120);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pauses_grow_to_the_ceiling),
		cmocka_unit_test(a_slow_start_lasts_a_minute),
		cmocka_unit_test(jitter_reaches_both_sides),
		cmocka_unit_test(odd_limits_are_mended),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
