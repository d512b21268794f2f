/*
 * date: moments as HTTP writes them, whatever the process's zone and locale are.
 */
#include "tests/unit/testing.h"

#include "base/date.h"

#include <stdlib.h>
#include <time.h>

static void moments_as_http_writes_them(void **state)
{
	static const struct {
		uint64_t unix_ms;
		const char *text;
	} cases[] = {
		{0, "Thu, 01 Jan 1970 00:00:00 GMT"},
		{999, "Thu, 01 Jan 1970 00:00:00 GMT"},
		{784111777000, "Sun, 06 Nov 1994 08:49:37 GMT"},
		{951782400000, "Tue, 29 Feb 2000 00:00:00 GMT"},
		{1795233276123, "Sat, 21 Nov 2026 03:54:36 GMT"},
		{4102444799999, "Thu, 31 Dec 2099 23:59:59 GMT"},
		{253402300799999, "Fri, 31 Dec 9999 23:59:59 GMT"},
		{UINT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT"},
	};
	char text[DATE_HTTP_SIZE];

	(void)state;
	setenv("TZ", "Pacific/Kiritimati", 1);
	tzset();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		date_http(cases[i].unix_ms, text);
		assert_string_equal(text, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(moments_as_http_writes_them)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
