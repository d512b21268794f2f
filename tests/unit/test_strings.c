/* Lists of texts: copies, in order, and nothing of it is left when memory is short. */
#include "base/strings.h"
#include "tests/unit/testing.h"

#include <errno.h>

static void copies_in_order(void **state)
{
	char text[] = "one";
	struct strings s = {0}, copy;

	(void)state;
	assert_int_equal(strings_append(&s, text), 0);
	text[0] = 'X';
	assert_int_equal(strings_append(&s, ""), 0);
	assert_int_equal(s.n, 2);
	assert_string_equal(s.v[0], "one");
	assert_int_equal(strings_copy(&s, &copy), 0);
	strings_fini(&s);
	assert_int_equal(s.n, 0);
	assert_null(s.v);
	assert_int_equal(copy.n, 2);
	assert_string_equal(copy.v[0], "one");
	assert_string_equal(copy.v[1], "");
	strings_fini(&copy);
}

static void failed_allocations(void **state)
{
	static const char *const texts[] = {"a", "b", "c"};
	const struct strings borrowed = {texts, 3};

	(void)state;
	FAIL_EACH_ALLOCATION {
		struct strings s;
		int r = strings_copy(&borrowed, &s);

		assert_true(r == 0 || r == -ENOMEM);
		assert_true(r == 0 ? s.n == 3 : s.n < 3);
		strings_fini(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_in_order),
		cmocka_unit_test(failed_allocations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
