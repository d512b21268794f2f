/*
 * The time of day, for people (status, events, logs). What waits and what is
 * overdue is measured by loop_now() alone. Tests may set it.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* milliseconds since 1970-01-01 UTC */
uint64_t clock_unix_ms(void);
/* milliseconds of CLOCK_BOOTTIME: counts while the machine is suspended */
uint64_t clock_boot_ms(void);
/* microseconds of processor time used by this thread: what a piece of work costs, without the time that
   other processes had the processor */
uint64_t clock_work_us(void);
/* microseconds of CLOCK_MONOTONIC: cheaper to read, for deciding when some work has taken long enough */
uint64_t clock_mono_us(void);
/* from now on the clocks return `unix_ms` and `boot_ms`, and the microsecond clocks follow `boot_ms`;
   UINT64_MAX restores the real clocks */
void clock_fake(uint64_t unix_ms, uint64_t boot_ms);

/* The time of day `age` ms before `unix_ms`; 0 when that is before 1970: a machine may start without
   knowing the time. */
static inline uint64_t clock_before(uint64_t unix_ms, uint64_t age)
{
	return unix_ms > age ? unix_ms - age : 0;
}

#endif
