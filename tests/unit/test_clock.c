/*
 * base/clock: returns the time of the kernel, or the one that a test has set, and then
 * the kernel's again.
 */
#include "base/clock.h"
#include "tests/unit/testing.h"

#include <time.h>

static void test_real(void **state)
{
	uint64_t before = (uint64_t)time(NULL) * 1000, boot = clock_boot_ms();

	(void)state;
	assert_true(clock_unix_ms() + 1000 >= before);
	assert_true(clock_unix_ms() <= before + 3600000);
	assert_true(clock_boot_ms() >= boot);
	uint64_t mono = clock_mono_us(), work = clock_work_us();
	while (clock_work_us() == work)
		continue;
	assert_true(clock_mono_us() > mono);
	/* this thread has not worked longer than the machine has run */
	assert_true(clock_work_us() <= clock_mono_us());
}

static void test_fake(void **state)
{
	(void)state;
	clock_fake(123, 456);
	assert_int_equal(clock_unix_ms(), 123);
	assert_int_equal(clock_boot_ms(), 456);
	assert_int_equal(clock_mono_us(), 456000);
	assert_int_equal(clock_work_us(), 456000);
	clock_fake(UINT64_MAX, UINT64_MAX);
	assert_true(clock_unix_ms() > 1600000000000u);
	assert_true(clock_boot_ms() != 456);
}

static void test_before(void **state)
{
	(void)state;
	assert_int_equal(clock_before(1700000000000, 1000), 1699999999000);
	assert_int_equal(clock_before(1000, 1000), 0);
	assert_int_equal(clock_before(1000, 5000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real),
		cmocka_unit_test(test_fake),
		cmocka_unit_test(test_before),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
