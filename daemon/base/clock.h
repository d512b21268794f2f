/*
 * Clocks. The time of day is for people (status, events, logs); deadlines use only
 * loop_now(). Tests may set both.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* milliseconds since 1970-01-01 UTC */
uint64_t clock_unix_ms(void);
/* milliseconds of CLOCK_BOOTTIME: counts while the machine is suspended */
uint64_t clock_boot_ms(void);
/* microseconds of processor time used by this thread: the cost of some work, without the time of other
   processes */
uint64_t clock_work_us(void);
/* microseconds of CLOCK_MONOTONIC: cheaper to read, for limiting the duration of some work */
uint64_t clock_mono_us(void);
/* from now on the clocks return `unix_ms` and `boot_ms`, and the microsecond clocks follow `boot_ms`;
   UINT64_MAX restores the real clocks */
void clock_fake(uint64_t unix_ms, uint64_t boot_ms);

/* The time of day `age` ms before `unix_ms`; 0 if that is before 1970: the clock of a machine may not be set
   after boot. */
static inline uint64_t clock_before(uint64_t unix_ms, uint64_t age)
{
	return unix_ms > age ? unix_ms - age : 0;
}

#endif
