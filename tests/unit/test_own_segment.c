/*
 * The client id as first segment of channel names: what is exchanged in a JSON
 * text, and what is left alone.
 */
#include "tests/unit/testing.h"

#include "bayeux/own_segment.h"
#include "protocol/protocol.h"

#include <errno.h>

static const struct {
	const char *before, *after;
} table[] = {
	{"", ""},
	{"[{\"channel\":\"/{clientId}/slim/x\"}]", "[{\"channel\":\"/1ab/slim/x\"}]"},
	{"\"/{clientId}/\"", "\"/1ab/\""},
	{"\"\\/{clientId}\\/x\"", "\"\\/1ab\\/x\""},
	{"[\"/{clientId}/a\",\"/{clientId}/b\"]", "[\"/1ab/a\",\"/1ab/b\"]"},
	{"{\"/{clientId}/a\":\"\"}", "{\"/1ab/a\":\"\"}"},
	/* a whole segment, the first one, at the start of a text */
	{"\"/{clientId}\"", NULL},
	{"\"/{clientId}x/a\"", NULL},
	{"\"/x{clientId}/a\"", NULL},
	{"\"/a/{clientId}/b\"", NULL},
	{"\"{clientId}/a\"", NULL},
	{"\" /{clientId}/a\"", NULL},
	{"\"see \\\"/{clientId}/a\\\"\"", NULL},
	{"\"\\\\\",\"/a\"", NULL},
	{"\"/{clientId", NULL},
	{"\"", NULL},
	{"\"/", NULL},
};

static void only_first_segments_of_texts_change(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct slice before = slice_of(table[i].before);
		struct slice after = slice_of(table[i].after ? table[i].after : table[i].before);
		bool changes = !slice_eq(before, after);
		struct buf out;

		buf_init(&out, 1000);
		assert_int_equal(own_segment_replace(before, OWN_SEGMENT, SLICE("1ab"), &out), 0);
		if (!slice_eq(buf_slice(&out), after))
			fail_msg("%s became %.*s", table[i].before, SLICE_ARG(buf_slice(&out)));
		assert_int_equal(own_segment_found(before, OWN_SEGMENT), changes);
		/* and back */
		buf_clear(&out);
		assert_int_equal(own_segment_replace(after, SLICE("1ab"), OWN_SEGMENT, &out), 0);
		assert_true(slice_eq(buf_slice(&out), before));
		buf_fini(&out);
	}
}

static void not_every_id_can_be_a_segment(void **state)
{
	char large[PROTOCOL_CHANNEL_MAX];

	(void)state;
	memset(large, 'x', sizeof(large));
	assert_true(own_segment_possible(SLICE("ab12_-~x")));
	assert_true(own_segment_possible(slice_make(large, sizeof(large) - 1)));
	assert_false(own_segment_possible(slice_make(large, sizeof(large))));
	assert_false(own_segment_possible(SLICE("")));
	assert_false(own_segment_possible(SLICE("a/b")));
	assert_false(own_segment_possible(SLICE("a\"b")));
	assert_false(own_segment_possible(SLICE("a\\b")));
	assert_false(own_segment_possible(SLICE("*")));
	assert_false(own_segment_possible(SLICE("**")));
	assert_false(own_segment_possible(SLICE("\xc3\xa4")));
	assert_false(own_segment_possible(SLICE("a?b")));
}

static void what_does_not_fit_changes_nothing(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 10);
	assert_int_equal(buf_put_str(&out, "abc"), 0);
	assert_int_equal(own_segment_replace(SLICE("\"/a/bc\""), SLICE("a"), OWN_SEGMENT, &out),
			 -EMSGSIZE);
	assert_true(slice_eq(buf_slice(&out), SLICE("abc")));
	buf_fini(&out);
	FAIL_EACH_ALLOCATION {
		buf_init(&out, 1000);
		int r = own_segment_replace(SLICE("\"/a/bc\""), SLICE("a"), OWN_SEGMENT, &out);
		assert_true(r == 0 || (r == -ENOMEM && buf_len(&out) == 0));
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_first_segments_of_texts_change),
		cmocka_unit_test(not_every_id_can_be_a_segment),
		cmocka_unit_test(what_does_not_fit_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
