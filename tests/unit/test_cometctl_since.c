/*
 * The value of --since of cometctl: positions, ages, times of day and dates.
 */
#include "tests/unit/testing.h"

#include "libclient/cometctl/since.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* 2026-03-01T12:00:00.500Z, in a zone one hour ahead of UTC */
#define NOW 1772366400500ull

static const struct {
	const char *text;
	unsigned long long ms;
} times[] = {
	{"0s", NOW}, {"90s", NOW - 90000}, {"10m", NOW - 600000}, {"2h", NOW - 7200000},
	{"3d", NOW - 3 * 86400000ull}, {"99999999d", 1}, {"18446744073709551615d", 1},
	{"13:00", NOW - 500}, {"12:59:59", NOW - 1500}, {"13:00:00.500", NOW}, {"13:00:00,4", NOW - 100},
	/* today it is not that late yet */
	{"13:00:01", NOW + 500 - 86400000}, {"23:30", NOW - 500 - 13 * 3600000 - 1800000},
	{"2026-03-01", NOW - 500 - 13 * 3600000}, {"2026-03-01T13:00", NOW - 500},
	{"2026-03-01 13:00:00", NOW - 500}, {"2026-03-01T12:00Z", NOW - 500},
	{"2026-03-01T12:00:00.123Z", NOW - 377}, {"2026-03-01T12:00:00.1234567Z", NOW - 377},
	{"2026-03-01T14:30:00+0230", NOW - 500}, {"2026-03-01T14:30:00+02:30", NOW - 500},
	{"2026-03-01T11:00:00-0100", NOW - 500}, {"2026-02-28T23:00-13:00", NOW - 500},
	{"2024-02-29T00:00Z", 1709164800000ull},
	/* in the future: nothing of the past */
	{"2999-01-01T00:00Z", 32472144000000ull},
};

static const struct {
	const char *text, *epoch;
	unsigned long long seq;
} positions[] = {
	{"e1:7", "e1", 7}, {"5f0c1e7b93a2d846:0", "5f0c1e7b93a2d846", 0},
	{"0123456789012345:18446744073709551615", "0123456789012345", 18446744073709551615ull},
};

static const char *const invalid[] = {
	"", "7", "m", "10x", "10mm", "1h30m", "-10m", "+10m", "18446744073709551616s", "now", "yesterday", "Z",
	"e1:", ":7", "e1:7x", "e1:-7", "e1:18446744073709551616", "2026-02-29", "2026-13-01", "2026-00-01",
	"2026-03-00", "2026-03-01T", "2026-03-01Tx", "2026-03-01T13:00:00.", "2026-03-01T13:00:00+", "2026-03-01T13:00+1",
	"2026-03-01T13:00+01:0", "2026-03-01T13:00Zx", "1965-01-01", "13:00x", "9:05", "13:0", "24:00", "12:60", "13:00:61", "a:b:3",
	"12345678901234567890123456789012345678901234567890123456789012345:7",
};

static void test_times(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		struct ctl_position p = {.epoch = ""};
		unsigned long long ms = 0;

		if (!since_read(times[i].text, NOW, &p, &ms) || ms != times[i].ms)
			fail_msg("%s: %llu", times[i].text, ms);
		assert_string_equal(p.epoch, "");
	}
}

static void test_positions(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(positions) / sizeof(positions[0]); i++) {
		struct ctl_position p = {.epoch = ""};
		unsigned long long ms = 0;

		assert_true(since_read(positions[i].text, NOW, &p, &ms));
		assert_int_equal(ms, 0);
		assert_string_equal(p.epoch, positions[i].epoch);
		assert_true(p.seq == positions[i].seq);
	}
}

static void test_invalid(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
		struct ctl_position p = {.epoch = ""};
		unsigned long long ms = 0;

		if (since_read(invalid[i], NOW, &p, &ms))
			fail_msg("%s: %s:%llu or %llu", invalid[i], p.epoch, p.seq, ms);
	}
}

/* The hour that is repeated or skipped when the clocks change is some hour. */
static void test_summer_time(void **state)
{
	struct ctl_position p = {.epoch = ""};
	unsigned long long ms = 0;

	(void)state;
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	assert_true(since_read("2026-07-01T12:00", NOW, &p, &ms));
	assert_true(ms == 1782900000000ull);
	assert_true(since_read("2026-03-29T02:30", NOW, &p, &ms));
	assert_true(ms == 1774747800000ull || ms == 1774751400000ull || ms == 1774744200000ull);
	assert_true(since_read("12:00", 1782900000000ull, &p, &ms));
	assert_true(ms == 1782900000000ull);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_positions),
		cmocka_unit_test(test_invalid),
		cmocka_unit_test(test_summer_time),
	};

	setenv("TZ", "CET-1", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
