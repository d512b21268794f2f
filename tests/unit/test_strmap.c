/*
 * base/strmap: what was put is found and nothing else, whatever the bytes of
 * the key; it grows, walks each node once, survives removal on the way and a
 * failed growth.
 */
#include "base/strmap.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define MANY 5000

struct item {
	struct strmap_node node;
	char key[16];
	unsigned seen;
};

static void number(struct item *it, unsigned n)
{
	snprintf(it->key, sizeof(it->key), "key-%u", n);
	it->seen = 0;
}

static int put(struct strmap *m, struct item *it)
{
	return strmap_put(m, slice_of(it->key), &it->node);
}

/* Runs first: a hash that was taken before there was any map is the same afterwards. */
static void test_hash_before_the_first_map(void **state)
{
	uint64_t early = strmap_hash(SLICE("a"));
	struct strmap m;
	struct strmap_node node;

	(void)state;
	strmap_init(&m);
	assert_int_equal(strmap_put(&m, SLICE("a"), &node), 0);
	assert_true(node.hash == early);
	assert_true(strmap_hash(SLICE("a")) == early);
	strmap_remove(&m, &node);
	strmap_fini(&m);
}

static void test_get_put_remove(void **state)
{
	struct strmap m;
	struct strmap_node a, b, empty, nul;

	(void)state;
	strmap_init(&m);
	assert_null(strmap_get(&m, SLICE("a")));
	assert_null(strmap_first(&m));
	assert_int_equal(strmap_put(&m, SLICE("a"), &a), 0);
	assert_int_equal(strmap_put(&m, SLICE("ab"), &b), 0);
	assert_int_equal(strmap_put(&m, SLICE(""), &empty), 0);
	assert_int_equal(strmap_put(&m, SLICE("a\0"), &nul), 0);
	assert_ptr_equal(strmap_get(&m, SLICE("a")), &a);
	assert_ptr_equal(strmap_get(&m, SLICE("ab")), &b);
	assert_ptr_equal(strmap_get(&m, SLICE_NULL), &empty);
	assert_ptr_equal(strmap_get(&m, SLICE("a\0")), &nul);
	assert_null(strmap_get(&m, SLICE("b")));
	assert_int_equal(m.n, 4);
	strmap_remove(&m, &a);
	assert_null(strmap_get(&m, SLICE("a")));
	assert_ptr_equal(strmap_get(&m, SLICE("a\0")), &nul);
	strmap_remove(&m, &nul);
	strmap_remove(&m, &b);
	strmap_remove(&m, &empty);
	assert_null(strmap_first(&m));
	strmap_fini(&m);
}

/* It grows by a slot with each put, also when it grew late for want of memory; most slots hold few. */
static void test_no_put_takes_long(void **state)
{
	static struct item items[MANY];
	struct strmap m;

	(void)state;
	strmap_init(&m);
	for (unsigned i = 0; i < MANY; i++) {
		size_t before = m.n_slots, longest = 0;

		number(&items[i], i);
		assert_int_equal(put(&m, &items[i]), 0);
		assert_int_equal(m.n_slots, before + 1);
		assert_true(m.n_slots <= m.room && m.mask >= m.n_slots - 1);
		for (struct strmap_node *it = m.slots[i]; it; it = it->next)
			longest++;
		assert_true(longest < 20);
	}
	for (unsigned i = 0; i < MANY; i++)
		assert_ptr_equal(strmap_get(&m, slice_of(items[i].key)), &items[i].node);
	for (unsigned i = 0; i < MANY; i++)
		strmap_remove(&m, &items[i].node);
	strmap_fini(&m);
}

/* Keys of every length around the words of the hash, differing in the last byte alone. */
static void test_lengths(void **state)
{
	char bytes[40];

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	for (size_t n = 1; n < sizeof(bytes); n++) {
		struct strmap m;
		struct strmap_node node;

		strmap_init(&m);
		assert_int_equal(strmap_put(&m, slice_make(bytes, n), &node), 0);
		assert_ptr_equal(strmap_get(&m, slice_make(bytes, n)), &node);
		assert_null(strmap_get(&m, slice_make(bytes, n - 1)));
		assert_null(strmap_get(&m, slice_make(bytes, n + 1)));
		strmap_remove(&m, &node);
		strmap_fini(&m);
	}
}

static void test_many_and_walk(void **state)
{
	struct item *items = calloc(MANY, sizeof(*items));
	struct strmap m;
	size_t longest = 0;

	(void)state;
	assert_non_null(items);
	strmap_init(&m);
	for (unsigned i = 0; i < MANY; i++) {
		number(&items[i], i);
		assert_int_equal(put(&m, &items[i]), 0);
	}
	for (unsigned i = 0; i < MANY; i++)
		assert_ptr_equal(strmap_get(&m, slice_of(items[i].key)), &items[i].node);
	/* spread, and grown with the number of nodes */
	assert_true(m.n_slots >= MANY);
	for (size_t i = 0; i < m.n_slots; i++) {
		size_t n = 0;

		for (struct strmap_node *it = m.slots[i]; it; it = it->next)
			n++;
		longest = n > longest ? n : longest;
	}
	assert_true(longest < 16);
	/* each once, removing half of them on the way */
	for (struct strmap_node *it = strmap_first(&m), *next; it; it = next) {
		struct item *item = STRMAP_OF(it, struct item, node);

		next = strmap_after(&m, it);
		item->seen++;
		if ((item - items) % 2)
			strmap_remove(&m, it);
	}
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(items[i].seen, 1);
		assert_int_equal(!!strmap_get(&m, slice_of(items[i].key)), i % 2 == 0);
		if (i % 2 == 0)
			strmap_remove(&m, &items[i].node);
	}
	assert_int_equal(m.n, 0);
	strmap_fini(&m);
	free(items);
}

/* Only the very first slots are needed to go on: a growth that fails costs speed, not records. */
static void test_failed_allocation(void **state)
{
	struct item items[40];

	(void)state;
	FAIL_EACH_ALLOCATION {
		struct strmap m;

		strmap_init(&m);
		for (unsigned i = 0; i < 40; i++) {
			number(&items[i], i);
			if (put(&m, &items[i])) {
				assert_int_equal(i, 0);
				assert_int_equal(put(&m, &items[i]), 0);
			}
		}
		for (unsigned i = 0; i < 40; i++) {
			assert_ptr_equal(strmap_get(&m, slice_of(items[i].key)), &items[i].node);
			strmap_remove(&m, &items[i].node);
		}
		strmap_fini(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash_before_the_first_map),
		cmocka_unit_test(test_get_put_remove),
		cmocka_unit_test(test_no_put_takes_long),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_many_and_walk),
		cmocka_unit_test(test_failed_allocation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
