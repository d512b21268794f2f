/*
 * fault: words for people, with the place put before them, cut at a whole character.
 */
#include "tests/unit/testing.h"

#include "base/fault.h"
#include "protocol/slice.h"
#include "protocol/utf8.h"

#include <errno.h>
#include <string.h>

static void words(void **state)
{
	struct fault f = {0};

	(void)state;
	assert_false(fault_is_set(&f));
	fault_set(&f, "line %d", 7);
	assert_string_equal(f.text, "line 7");
	assert_int_equal(fault_fail(&f, -EINVAL, "/etc/x: %s", f.text), -EINVAL);
	assert_string_equal(f.text, "/etc/x: line 7");
	for (int sign = -1; sign <= 1; sign += 2) {
		fault_set_errno(&f, sign * ENOENT);
		assert_string_equal(f.text, "No such file or directory");
	}
	fault_clear(&f);
	assert_false(fault_is_set(&f));
}

/* Wherever the end falls, no half character is left. */
static void long_words(void **state)
{
	char text[FAULT_MAX + 16];
	struct fault f;

	(void)state;
	for (size_t before = FAULT_MAX - 8; before <= FAULT_MAX; before++) {
		memset(text, 'x', before);
		strcpy(text + before, "\xf0\x9f\x90\xa7");
		fault_set(&f, "%s", text);
		assert_true(utf8_valid(slice_of(f.text)));
		assert_int_equal(strlen(f.text), before + 4 < FAULT_MAX ? before + 4
						 : before < FAULT_MAX ? before : FAULT_MAX - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(words), cmocka_unit_test(long_words)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
