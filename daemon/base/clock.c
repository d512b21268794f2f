/* The time, or a fake one that a test has set. */
#include "base/clock.h"

#include <time.h>

static uint64_t fake_unix = UINT64_MAX, fake_boot = UINT64_MAX;

static uint64_t read_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static uint64_t read_ms(clockid_t id)
{
	return read_us(id) / 1000;
}

uint64_t clock_unix_ms(void)
{
	return fake_unix != UINT64_MAX ? fake_unix : read_ms(CLOCK_REALTIME);
}

uint64_t clock_boot_ms(void)
{
	return fake_boot != UINT64_MAX ? fake_boot : read_ms(CLOCK_BOOTTIME);
}

uint64_t clock_work_us(void)
{
	return fake_boot != UINT64_MAX ? fake_boot * 1000 : read_us(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t clock_mono_us(void)
{
	return fake_boot != UINT64_MAX ? fake_boot * 1000 : read_us(CLOCK_MONOTONIC);
}

void clock_fake(uint64_t unix_ms, uint64_t boot_ms)
{
	fake_unix = unix_ms;
	fake_boot = boot_ms;
}
