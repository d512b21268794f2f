/* The table compared with a simple model: each entry is found by id, and the earliest comes first. */
#include "tests/unit/testing.h"

#include "bayeux/pending.h"

#include <errno.h>
#include <stdlib.h>

#define N 300

static void table_agrees_with_model(void **state)
{
	(void)state;
	struct pending p;
	static struct pending_node nodes[N];
	unsigned random = 42;
	uint64_t next_id = 1;
	pending_init(&p);
	for (int step = 0; step < 20000; step++) {
		random = random * 1103515245 + 12345;
		struct pending_node *node = &nodes[(random >> 8) % N];
		if (pending_linked(node)) {
			pending_remove(&p, node);
			assert_null(pending_find(&p, node->id));
		} else {
			assert_int_equal(pending_reserve(&p, 1), 0);
			pending_put(&p, node, next_id++, (random >> 4) % 1000);
			assert_ptr_equal(pending_find(&p, node->id), node);
		}
		uint64_t earliest = UINT64_MAX;
		size_t n = 0;
		for (int i = 0; i < N; i++)
			if (pending_linked(&nodes[i])) {
				n++;
				if (nodes[i].deadline < earliest)
					earliest = nodes[i].deadline;
			}
		assert_int_equal(p.n, n);
		if (n)
			assert_int_equal(pending_first(&p)->deadline, earliest);
		else
			assert_null(pending_first(&p));
	}
	for (int i = 0; i < N; i++)
		pending_remove(&p, &nodes[i]);
	assert_null(pending_first(&p));
	pending_fini(&p);
}

static void ids_are_the_digits_we_wrote(void **state)
{
	(void)state;
	static const char *const strangers[] = {"", "0", "012", "12 ", "+12", "1.2e1", "13",
						"0x12", "99999999999999999999", "zwölf"};
	struct pending p;
	struct pending_node node = {0};
	pending_init(&p);
	assert_null(pending_find_text(&p, SLICE("12")));
	assert_int_equal(pending_reserve(&p, 1), 0);
	pending_put(&p, &node, 12, UINT64_MAX);
	assert_ptr_equal(pending_find_text(&p, SLICE("12")), &node);
	for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++)
		assert_null(pending_find_text(&p, slice_of(strangers[i])));
	pending_remove(&p, &node);
	pending_remove(&p, &node);
	pending_fini(&p);
}

static void reserved_room_is_enough(void **state)
{
	(void)state;
	static struct pending_node nodes[100];
	FAIL_EACH_ALLOCATION {
		struct pending p;
		pending_init(&p);
		int r = pending_reserve(&p, 100);
		assert_true(r == 0 || r == -ENOMEM);
		struct pending_node **heap = p.heap;
		for (uint64_t i = 0; r == 0 && i < 100; i++)
			pending_put(&p, &nodes[i], i + 1, 100 - i);
		assert_ptr_equal(p.heap, heap);
		for (int i = 0; i < 100; i++)
			pending_remove(&p, &nodes[i]);
		pending_fini(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_agrees_with_model),
		cmocka_unit_test(ids_are_the_digits_we_wrote),
		cmocka_unit_test(reserved_room_is_enough),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
