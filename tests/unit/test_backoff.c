/* Pauses grow by one half to their ceiling, jitter stays within a fifth, a reset begins anew. */
#include "tests/unit/testing.h"

#include "bayeux/backoff.h"

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
		cmocka_unit_test(jitter_reaches_both_sides),
		cmocka_unit_test(odd_limits_are_mended),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
