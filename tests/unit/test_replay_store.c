/* replay_store in memory: what was put last, a ceiling, and each allocation failing. */
#include "tests/unit/testing.h"

#include "bayeux/replay_store.h"

#include <errno.h>
#include <stdio.h>

static struct slice name(unsigned i)
{
	static char text[4][24];
	char *to = text[i % 4];
	return slice_make(to, (size_t)snprintf(to, sizeof(text[0]), "/event/%u", i));
}

static void assert_marker(struct replay_store *s, unsigned i, const char *expected)
{
	struct replay_id id = {"untouched"};
	int r = s->get(s, name(i), &id);
	assert_int_equal(r, expected ? 0 : REPLAY_STORE_NONE);
	assert_string_equal(id.text, expected ? expected : "untouched");
}

static void last_put_counts(void **state)
{
	struct replay_store *s;
	(void)state;
	assert_int_equal(replay_store_new(8, &s), 0);
	assert_marker(s, 1, NULL);
	assert_int_equal(s->put(s, name(1), &(struct replay_id){"9007199254740993"}), 0);
	assert_int_equal(s->put(s, name(2), &(struct replay_id){"-1"}), 0);
	assert_marker(s, 1, "9007199254740993");
	assert_int_equal(s->put(s, name(1), &(struct replay_id){"18446744073709551615"}), 0);
	assert_marker(s, 1, "18446744073709551615");
	assert_marker(s, 2, "-1");
	s->forget(s, name(1));
	s->forget(s, name(3));
	assert_marker(s, 1, NULL);
	assert_marker(s, 2, "-1");
	replay_store_free(s);
	replay_store_free(NULL);
}

static void the_least_recently_changed_is_removed(void **state)
{
	struct replay_store *s;
	(void)state;
	assert_int_equal(replay_store_new(3, &s), 0);
	for (unsigned i = 1; i <= 3; i++)
		assert_int_equal(s->put(s, name(i), &(struct replay_id){"1"}), 0);
	assert_int_equal(s->put(s, name(1), &(struct replay_id){"2"}), 0);
	assert_int_equal(s->put(s, name(4), &(struct replay_id){"3"}), 0);
	assert_marker(s, 1, "2");
	assert_marker(s, 2, NULL);
	assert_marker(s, 3, "1");
	assert_marker(s, 4, "3");
	replay_store_free(s);
}

static void memory_fails(void **state)
{
	unsigned failed = 0;
	(void)state;
	FAIL_EACH_ALLOCATION {
		struct replay_store *s;
		int r = replay_store_new(2, &s);
		if (r) {
			failed++;
			assert_int_equal(r, -ENOMEM);
			continue;
		}
		for (unsigned i = 1; i <= 2; i++) {
			r = s->put(s, name(i), &(struct replay_id){"5"});
			failed += r == -ENOMEM;
			if (r)
				assert_marker(s, i, NULL);
			if (r)
				r = s->put(s, name(i), &(struct replay_id){"5"});
			assert_int_equal(r, 0);
			/* to move a marker needs no memory */
			assert_marker(s, i, "5");
		}
		replay_store_free(s);
	}
	assert_in_range(failed, 3, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(last_put_counts),
		cmocka_unit_test(the_least_recently_changed_is_removed),
		cmocka_unit_test(memory_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
