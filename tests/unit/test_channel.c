/*
 * Channel grammar, matching and covering, in tables; and the rule for covering: a pattern
 * covers another exactly when it matches everything that one matches.
 */
#include "tests/unit/testing.h"

#include "bayeux/channel.h"
#include "protocol/protocol.h"

#include <stdio.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	const char *text;
	int pattern, name;
} grammar[] = {
	{"/a", 0, 0},
	{"/a/b/c", 0, 0},
	{"/a b!#$()+-._@{}~/0", 0, 0},
	{"/service/echo", 0, 0},
	{"/service/*", 0, CHANNEL_E_WILDCARD},
	{"/*", 0, CHANNEL_E_WILDCARD},
	{"/**", 0, CHANNEL_E_WILDCARD},
	{"/a/**", 0, CHANNEL_E_WILDCARD},
	{"/a/b*", 0, 0},
	{"/a/***", 0, 0},
	{"/metadata/x", 0, 0},
	{"", CHANNEL_E_SLASH, CHANNEL_E_SLASH},
	{"/", CHANNEL_E_SLASH, CHANNEL_E_SLASH},
	{"a/b", CHANNEL_E_SLASH, CHANNEL_E_SLASH},
	{"/a/", CHANNEL_E_SLASH, CHANNEL_E_SLASH},
	{"//a", CHANNEL_E_SLASH, CHANNEL_E_SLASH},
	{"/a//b", CHANNEL_E_SLASH, CHANNEL_E_SLASH},
	{"/a/*/b", CHANNEL_E_WILDCARD, CHANNEL_E_WILDCARD},
	{"/**/b", CHANNEL_E_WILDCARD, CHANNEL_E_WILDCARD},
	/* servers differ in which of these they accept, so they are passed on */
	{"/a:b", 0, 0},
	{"/a\"b", 0, 0},
	{"/room/1:2,3=4&5'6%7", 0, 0},
	{"/gr\xc3\xb6\xc3\x9f" "e", 0, 0},
	{"/\xf0\x9f\x98\x80/\xc2\xa0", 0, 0},
	{"/\xe4\xbd\xa0/*", 0, CHANNEL_E_WILDCARD},
	/* filters, of Salesforce; the channel in front of them is as strict as ever */
	{"/a?b=c", 0, CHANNEL_E_FILTER},
	{"/topic/X?Status=Open&Name='\xc3\xa4 \"b\"'", 0, CHANNEL_E_FILTER},
	{"/event/Foo__e", 0, 0},
	{"/data/AccountChangeEvent", 0, 0},
	{"/u/notifications/a b", 0, 0},
	{"/topic/X?a=//*/**/", 0, CHANNEL_E_FILTER},
	{"/topic/X?a=?b", 0, CHANNEL_E_FILTER},
	{"/topic/X?", CHANNEL_E_FILTER, CHANNEL_E_FILTER},
	{"/topic/*?a=b", CHANNEL_E_FILTER, CHANNEL_E_FILTER},
	{"/topic/**?a=b", CHANNEL_E_FILTER, CHANNEL_E_FILTER},
	{"/topic/*/X?a=b", CHANNEL_E_WILDCARD, CHANNEL_E_FILTER},
	{"/topic/\xc3\xa4?a=b", 0, CHANNEL_E_FILTER},
	{"/topic/X?a=\xc2\x9b", CHANNEL_E_CHARACTER, CHANNEL_E_FILTER},
	{"/topic/X?a=\n", CHANNEL_E_CHARACTER, CHANNEL_E_FILTER},
	{"/topic/X?a=\x7f", CHANNEL_E_CHARACTER, CHANNEL_E_FILTER},
	{"/topic/?a=b", CHANNEL_E_SLASH, CHANNEL_E_FILTER},
	{"/?a=b", CHANNEL_E_SLASH, CHANNEL_E_FILTER},
	{"?a=b", CHANNEL_E_SLASH, CHANNEL_E_FILTER},
	{"/meta/connect?a=b", CHANNEL_E_META, CHANNEL_E_FILTER},
	{"/\xc3", CHANNEL_E_CHARACTER, CHANNEL_E_CHARACTER},
	{"/a\xc2/b", CHANNEL_E_CHARACTER, CHANNEL_E_CHARACTER},
	{"/\xed\xa0\xbd", CHANNEL_E_CHARACTER, CHANNEL_E_CHARACTER},
	{"/a\n", CHANNEL_E_CHARACTER, CHANNEL_E_CHARACTER},
	{"/a\x7f", CHANNEL_E_CHARACTER, CHANNEL_E_CHARACTER},
	{"/a\xc2\x80", CHANNEL_E_CHARACTER, CHANNEL_E_CHARACTER},
	{"/a\xc2\x9f/b", CHANNEL_E_CHARACTER, CHANNEL_E_CHARACTER},
	{"/meta/connect", CHANNEL_E_META, CHANNEL_E_META},
	{"/meta/*", CHANNEL_E_META, CHANNEL_E_META},
	{"/meta", CHANNEL_E_META, CHANNEL_E_META},
};

static void names_are_checked(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(grammar); i++) {
		struct slice s = slice_of(grammar[i].text);
		if (channel_check_pattern(s) != grammar[i].pattern ||
		    channel_check_name(s) != grammar[i].name)
			fail_msg("%s: %d, %d", grammar[i].text, channel_check_pattern(s),
				 channel_check_name(s));
	}
	assert_int_equal(channel_check_name(slice_make("/a\0b", 4)), CHANNEL_E_CHARACTER);
}

static void the_bad_character_is_found(void **state)
{
	(void)state;
	assert_int_equal(channel_bad_character(SLICE("/a\nb\n")), 2);
	assert_int_equal(channel_bad_character(SLICE("/\xc3\xa4\xc2\x9b")), 3);
	assert_int_equal(channel_bad_character(SLICE("/\xc2\xa0")), 3);
	assert_int_equal(channel_bad_character(SLICE("/a\xc2")), 3);
	assert_int_equal(channel_bad_character(SLICE_NULL), 0);
}

static void names_are_limited(void **state)
{
	(void)state;
	char s[PROTOCOL_CHANNEL_MAX + 1];
	memset(s, 'x', sizeof(s));
	s[0] = '/';
	assert_int_equal(channel_check_name(slice_make(s, PROTOCOL_CHANNEL_MAX)), 0);
	assert_int_equal(channel_check_name(slice_make(s, sizeof(s))), CHANNEL_E_LENGTH);
	for (size_t i = 0; i < PROTOCOL_SEGMENTS_MAX * 2 + 2; i += 2)
		s[i] = '/';
	assert_int_equal(channel_check_name(slice_make(s, PROTOCOL_SEGMENTS_MAX * 2)), 0);
	assert_int_equal(channel_check_name(slice_make(s, PROTOCOL_SEGMENTS_MAX * 2 + 2)),
			 CHANNEL_E_LENGTH);
}

static void faults_have_words(void **state)
{
	(void)state;
	for (int f = CHANNEL_E_SLASH; f <= CHANNEL_E_META; f++)
		assert_string_not_equal(channel_fault_text(f), channel_fault_text(0));
}

static const struct {
	const char *pattern, *channel;
	bool matches;
} matching[] = {
	{"/a/b", "/a/b", true},      {"/a/b", "/a/c", false},    {"/a/b", "/a/b/c", false},
	{"/a/*", "/a/b", true},      {"/a/*", "/a", false},      {"/a/*", "/a/b/c", false},
	{"/a/*", "/ab/c", false},    {"/a/**", "/a/b", true},    {"/a/**", "/a/b/c/d", true},
	{"/a/**", "/a", false},      {"/a/**", "/ab/c", false},  {"/*", "/a", true},
	{"/*", "/a/b", false},       {"/**", "/a", true},        {"/**", "/a/b/c", true},
	{"/a/b*", "/a/bc", false},   {"/a/b*", "/a/b*", true},   {"/A", "/a", false},
	/* a filter belongs to the last segment, and matches itself alone */
	{"/a?b", "/a?b", true},      {"/a?b", "/a", false},      {"/a", "/a?b", false},
	{"/a?b=/*", "/a?b=/c", false}, {"/*", "/a?b=/c/d", true}, {"/a/*", "/a/b?/c/d", true},
	{"/a/*", "/a?/b", false},    {"/a/**", "/a?/b/c", false},
};

static void patterns_match(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(matching); i++)
		if (channel_matches(slice_of(matching[i].pattern),
				    slice_of(matching[i].channel)) != matching[i].matches)
			fail_msg("%s on %s", matching[i].pattern, matching[i].channel);
}

/* all channels of up to three segments over two letters, and all patterns over them */
static size_t all_names(char (*names)[16], bool wild)
{
	static const char *const last[] = {"/a", "/b", "/*", "/**"};
	size_t n = 0;
	for (int depth = 1; depth <= 3; depth++)
		for (int i = 0; i < 1 << (depth - 1); i++)
			for (size_t l = 0; l < (wild ? 4u : 2u); l++, n++) {
				names[n][0] = '\0';
				for (int d = 0; d < depth - 1; d++)
					strcat(names[n], i >> d & 1 ? "/b" : "/a");
				strcat(names[n], last[l]);
			}
	return n;
}

static void covering_means_matching_all(void **state)
{
	(void)state;
	char patterns[64][16], channels[64][16];
	size_t n = all_names(patterns, true), m = all_names(channels, false);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++) {
			bool all = true;
			for (size_t k = 0; k < m; k++)
				if (channel_matches(slice_of(patterns[j]), slice_of(channels[k])) &&
				    !channel_matches(slice_of(patterns[i]), slice_of(channels[k])))
					all = false;
			/* the sample ends at depth 3, where "*" and "**" match the same */
			if (strlen(patterns[j]) >= 6 && channel_is_wild(slice_of(patterns[j])))
				continue;
			if (channel_covers(slice_of(patterns[i]), slice_of(patterns[j])) != all)
				fail_msg("%s over %s", patterns[i], patterns[j]);
		}
	assert_true(channel_covers(slice_of("/a/**"), slice_of("/a/b/c/d/*")));
	assert_true(channel_covers(slice_of("/a/**"), slice_of("/a/*")));
	assert_false(channel_covers(slice_of("/a/*"), slice_of("/a/**")));
	assert_false(channel_covers(slice_of("/a/**"), slice_of("/ab/**")));
}

static void trailing_slash_is_removed(void **state)
{
	(void)state;
	assert_true(slice_eq(channel_normal(SLICE("/a/b/")), SLICE("/a/b")));
	assert_true(slice_eq(channel_normal(SLICE("/a/b")), SLICE("/a/b")));
	assert_true(slice_eq(channel_normal(SLICE("/")), SLICE("/")));
	assert_true(slice_eq(channel_parent(SLICE("/a/b/**")), SLICE("/a/b")));
	assert_true(slice_eq(channel_parent(SLICE("/a")), SLICE("")));
	assert_true(slice_eq(channel_normal(SLICE("/a?b=/")), SLICE("/a?b=/")));
	assert_true(slice_eq(channel_parent(SLICE("/a/b?c=/d")), SLICE("/a")));
	assert_true(slice_eq(channel_bare(SLICE("/a/b?c=?d")), SLICE("/a/b")));
	assert_true(slice_eq(channel_bare(SLICE("/a/b")), SLICE("/a/b")));
	assert_false(channel_is_wild(SLICE("/a?b=/**")));
	assert_true(channel_is_service(SLICE("/service/x")));
	assert_false(channel_is_service(SLICE("/services/x")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_checked),
		cmocka_unit_test(the_bad_character_is_found),
		cmocka_unit_test(names_are_limited),
		cmocka_unit_test(faults_have_words),
		cmocka_unit_test(patterns_match),
		cmocka_unit_test(covering_means_matching_all),
		cmocka_unit_test(trailing_slash_is_removed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
