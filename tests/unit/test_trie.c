/*
 * hub/trie: every pattern that matches is found and none else, once each, in
 * the order promised; nothing is left of what was taken out, also when an
 * allocation failed on the way.
 */
#include "hub/trie.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct entry {
	struct trie_entry entry;
	const char *pattern;
	unsigned hits;
};

static void add(struct trie *t, struct entry *e, const char *pattern)
{
	*e = (struct entry){.pattern = pattern};
	trie_entry_init(&e->entry);
	assert_int_equal(trie_add(t, slice_of(pattern), &e->entry), 0);
}

static struct entry *entry_of(struct trie_entry *e)
{
	return LIST_OF(e, struct entry, entry);
}

static void note_pattern(void *ctx, struct trie_entry *e)
{
	strcat(strcat(ctx, entry_of(e)->pattern), " ");
}

/* the patterns that match, in the order in which they are found */
static const char *matches(struct trie *t, const char *channel)
{
	static char found[512];

	found[0] = '\0';
	trie_collect(t, slice_of(channel), note_pattern, found);
	return found;
}

static void test_wildcards(void **state)
{
	static const char *const patterns[] = {
		"/**", "/*", "/a", "/a/*", "/a/**", "/a/b", "/a/b/**", "/a/b/c", "/b/*",
		"/b/c?x=/**",
	};
	static const struct { const char *channel, *found; } table[] = {
		{"/a", "/a /* /** "},
		{"/b", "/* /** "},
		{"/a/b", "/a/b /a/* /a/** /** "},
		{"/a/x", "/a/* /a/** /** "},
		{"/a/b/c", "/a/b/c /a/b/** /a/** /** "},
		{"/a/b/c/d/e", "/a/b/** /a/** /** "},
		{"/a/x/y", "/a/** /** "},
		{"/b/c", "/b/* /** "},
		{"/b/c/d", "/** "},
		{"/aa", "/* /** "},
		/* what a filter holds is no pattern and parts nothing */
		{"/b/c?x=/**", "/b/c?x=/** /b/* /** "},
		{"/b/c?x=/d", "/b/* /** "},
		/* a channel with a literal "*": it is no pattern, and no entry is found twice */
		{"/*", "/* /** "},
		{"/**", "/* /** "},
		{"/a/*", "/a/* /a/** /** "},
		{"/a/**", "/a/* /a/** /** "},
		{"", ""},
		{"a", ""},
		{"/", "/* /** "},
		{"//", "/** "},
		{"/a//", "/a/** /** "},
	};
	struct entry entries[10];
	struct trie *t;

	(void)state;
	assert_int_equal(trie_new(&t), 0);
	for (size_t i = 0; i < 10; i++)
		add(t, &entries[i], patterns[i]);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_string_equal(matches(t, table[i].channel), table[i].found);
	assert_false(trie_empty(t));
	for (size_t i = 0; i < 10; i++)
		trie_remove(&entries[i].entry);
	assert_true(trie_empty(t));
	assert_string_equal(matches(t, "/a/b"), "");
	trie_free(t);
}

static void test_several_under_one_pattern(void **state)
{
	struct entry a, b, deep;
	struct trie *t;

	(void)state;
	assert_int_equal(trie_new(&t), 0);
	add(t, &a, "/x/y");
	add(t, &b, "/x/y");
	add(t, &deep, "/x/y/z");
	assert_string_equal(matches(t, "/x/y"), "/x/y /x/y ");
	trie_remove(&a.entry);
	trie_remove(&a.entry);
	assert_string_equal(matches(t, "/x/y"), "/x/y ");
	trie_remove(&b.entry);
	assert_string_equal(matches(t, "/x/y"), "");
	assert_string_equal(matches(t, "/x/y/z"), "/x/y/z ");
	trie_remove(&deep.entry);
	assert_true(trie_empty(t));
	trie_free(t);
}

/* the caller's text may go as soon as the pattern is in */
static void test_pattern_is_copied(void **state)
{
	char text[] = "/one/two";
	struct entry e;
	struct trie *t;

	(void)state;
	assert_int_equal(trie_new(&t), 0);
	add(t, &e, text);
	memset(text, 'x', sizeof(text) - 1);
	e.pattern = "found";
	assert_string_equal(matches(t, "/one/two"), "found ");
	assert_string_equal(matches(t, text), "");
	trie_remove(&e.entry);
	trie_free(t);
}

/* a matcher too simple to be wrong: segment by segment, wildcards at the end only */
static bool model_matches(const char *pattern, const char *channel)
{
	size_t same = 0;
	const char *wild = strchr(pattern, '*');

	if (!wild)
		return strcmp(pattern, channel) == 0;
	same = (size_t)(wild - pattern);
	if (strncmp(pattern, channel, same) != 0 || channel[same] == '\0')
		return false;
	return wild[1] == '*' || !strchr(channel + same, '/');
}

static unsigned seed = 12345;

static unsigned chance(unsigned n)
{
	seed = seed * 1103515245u + 12345u;
	return seed / 65536u % n;
}

static void random_channel(char *out, size_t size, bool wild)
{
	unsigned depth = 1 + chance(4);
	size_t n = 0;

	for (unsigned i = 0; i < depth; i++)
		n += (size_t)snprintf(out + n, size - n, "/%c", 'a' + (int)chance(3));
	if (wild && chance(2))
		snprintf(out + n - 1, size - n + 1, chance(2) ? "*" : "**");
}

static void count(void *ctx, struct trie_entry *e)
{
	entry_of(e)->hits++;
	++*(unsigned *)ctx;
}

#define MANY 200

static void compare(struct trie *t, struct entry *entries)
{
	char channel[32];
	unsigned told = 0, expected = 0;

	random_channel(channel, sizeof(channel), false);
	for (unsigned i = 0; i < MANY; i++)
		entries[i].hits = 0;
	trie_collect(t, slice_of(channel), count, &told);
	for (unsigned i = 0; i < MANY; i++) {
		bool in = entries[i].entry.node;
		unsigned want = in && model_matches(entries[i].pattern, channel);

		assert_int_equal(entries[i].hits, want);
		expected += want;
	}
	assert_int_equal(told, expected);
}

static void test_random_against_model(void **state)
{
	static char patterns[MANY][32];
	struct entry entries[MANY];
	struct trie *t;

	(void)state;
	assert_int_equal(trie_new(&t), 0);
	for (unsigned i = 0; i < MANY; i++)
		trie_entry_init(&entries[i].entry);
	for (unsigned step = 0; step < 5000; step++) {
		unsigned i = chance(MANY);

		if (entries[i].entry.node) {
			trie_remove(&entries[i].entry);
		} else {
			random_channel(patterns[i], sizeof(patterns[i]), true);
			add(t, &entries[i], patterns[i]);
		}
		compare(t, entries);
	}
	for (unsigned i = 0; i < MANY; i++)
		trie_remove(&entries[i].entry);
	assert_true(trie_empty(t));
	trie_free(t);
}

static void test_no_memory(void **state)
{
	struct entry other, e;

	(void)state;
	FAIL_EACH_ALLOCATION {
		struct trie *t;
		int r = trie_new(&t);

		if (r) {
			assert_int_equal(r, -ENOMEM);
			continue;
		}
		trie_entry_init(&other.entry);
		trie_entry_init(&e.entry);
		other.pattern = e.pattern = "here";
		r = trie_add(t, SLICE("/a/b"), &other.entry);
		if (r == 0)
			r = trie_add(t, SLICE("/a/c/d/**"), &e.entry);
		assert_true(r == 0 || r == -ENOMEM);
		/* an entry whose addition succeeded is found */
		assert_string_equal(matches(t, "/a/c/d/e"), r == 0 ? "here " : "");
		assert_string_equal(matches(t, "/a/b"), other.entry.node ? "here " : "");
		trie_remove(&e.entry);
		trie_remove(&other.entry);
		assert_true(trie_empty(t));
		trie_free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wildcards),
		cmocka_unit_test(test_several_under_one_pattern),
		cmocka_unit_test(test_pattern_is_copied),
		cmocka_unit_test(test_random_against_model),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
