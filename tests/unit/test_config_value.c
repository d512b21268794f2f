/*
 * config/value: each type accepts valid values completely, and no partly valid ones.
 */
#include "config/value.h"
#include "tests/unit/testing.h"

#include <limits.h>
#include <string.h>

#define WRONG UINT64_MAX

struct sample {
	const char *text;
	uint64_t value;
};

static void check(bool (*parse)(const char *text, uint64_t *ret), const struct sample *samples,
		  size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t got = 77;

		if (samples[i].value == WRONG) {
			if (parse(samples[i].text, &got))
				fail_msg("\"%s\" was taken", samples[i].text);
			assert_int_equal(got, 77);
		} else {
			if (!parse(samples[i].text, &got))
				fail_msg("\"%s\" was refused", samples[i].text);
			assert_int_equal(got, samples[i].value);
		}
	}
}
#define CHECK(parse, samples) check(parse, samples, sizeof(samples) / sizeof(samples[0]))

static void test_numbers(void **state)
{
	static const struct sample samples[] = {
		{"0", 0}, {"1024", 1024}, {"007", 7},
		{"18446744073709551599", 18446744073709551599u},
		{"", WRONG}, {"-1", WRONG}, {"+1", WRONG}, {" 1", WRONG}, {"1 ", WRONG},
		{"1.5", WRONG}, {"1e3", WRONG}, {"0x10", WRONG}, {"1K", WRONG},
		{"18446744073709551616", WRONG}, {"99999999999999999999999", WRONG},
	};

	(void)state;
	CHECK(config_number, samples);
}

static void test_sizes(void **state)
{
	static const struct sample samples[] = {
		{"512", 512}, {"64K", 65536}, {"1M", 1048576}, {"2G", 2147483648u}, {"0", 0},
		{"1k", WRONG}, {"1KB", WRONG}, {"1 M", WRONG}, {"M", WRONG}, {"-1M", WRONG},
		{"17179869184G", WRONG}, {"1.5M", WRONG}, {"unlimited", WRONG},
	};

	(void)state;
	CHECK(config_size, samples);
}

static void test_durations(void **state)
{
	static const struct sample samples[] = {
		{"500ms", 500}, {"10s", 10000}, {"5m", 300000}, {"2h", 7200000}, {"0s", 0},
		{"10", WRONG}, {"0", WRONG}, {"10 s", WRONG}, {"s", WRONG}, {"10sec", WRONG},
		{"1m30s", WRONG}, {"-5s", WRONG}, {"5124095576030432h", WRONG},
	};

	(void)state;
	CHECK(config_duration, samples);
}

static void test_modes(void **state)
{
	static const struct sample samples[] = {
		{"0660", 0660}, {"660", 0660}, {"0777", 0777}, {"0000", 0}, {"7777", 07777},
		{"66", WRONG}, {"0680", WRONG}, {"00660", WRONG}, {"rw-", WRONG}, {"", WRONG},
	};

	(void)state;
	CHECK(config_mode, samples);
}

static void test_yes_no(void **state)
{
	bool b = true;

	(void)state;
	assert_true(config_yes_no("no", &b));
	assert_false(b);
	assert_true(config_yes_no("yes", &b));
	assert_true(b);
	assert_false(config_yes_no("true", &b));
	assert_false(config_yes_no("Yes", &b));
	assert_false(config_yes_no("", &b));
}

static void test_distance(void **state)
{
	char longer[200];

	(void)state;
	assert_int_equal(config_distance("", "", UINT_MAX), 0);
	assert_int_equal(config_distance("socket", "socket", UINT_MAX), 0);
	assert_int_equal(config_distance("sokcet", "socket", UINT_MAX), 1);
	assert_int_equal(config_distance("socke", "socket", UINT_MAX), 1);
	assert_int_equal(config_distance("sockett", "socket", UINT_MAX), 1);
	assert_int_equal(config_distance("pocket", "socket", UINT_MAX), 1);
	assert_int_equal(config_distance("", "abc", UINT_MAX), 3);
	assert_int_equal(config_distance("kitten", "sitting", UINT_MAX), 3);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	assert_int_equal(config_distance(longer, "x", UINT_MAX), 199);
	assert_int_equal(config_distance("kitten", "sitting", 3), 3);
	assert_true(config_distance("kitten", "sitting", 2) > 2);
	assert_true(config_distance("abcdefgh", "zyxwvuts", 2) > 2);
	/* a swap looks two rows back: one row that is too far decides nothing yet */
	assert_int_equal(config_distance("ba", "ab", 1), 1);
	assert_int_equal(config_distance("xbay", "xaby", 1), 1);
	assert_true(config_near("ulr", "url"));
	assert_false(config_near("colour", "url"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_yes_no),
		cmocka_unit_test(test_distance),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
