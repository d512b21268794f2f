/*
 * base/list: order, removal in the middle of a walk, removal twice, splicing.
 */
#include "base/list.h"
#include "tests/unit/testing.h"

struct item {
	struct list link;
	int n;
};

/* the numbers in the list read as one decimal number */
static int digits(const struct list *head)
{
	int all = 0;

	LIST_EACH(it, head, struct item, link)
		all = all * 10 + it->n;
	return all;
}

static void test_order(void **state)
{
	struct list head = LIST_INIT(head);
	struct item a = {.n = 1}, b = {.n = 2}, c = {.n = 3}, d = {.n = 4};

	(void)state;
	assert_true(list_empty(&head));
	assert_null(LIST_FIRST(&head, struct item, link));
	list_init(&a.link);
	assert_false(list_linked(&a.link));
	list_append(&head, &b.link);
	list_append(&head, &c.link);
	list_prepend(&head, &a.link);
	list_insert_after(&b.link, &d.link);
	assert_int_equal(digits(&head), 1243);
	assert_ptr_equal(LIST_FIRST(&head, struct item, link), &a);
	assert_true(list_linked(&a.link));
	list_remove(&b.link);
	list_remove(&b.link);
	assert_false(list_linked(&b.link));
	assert_int_equal(digits(&head), 143);
}

static void test_remove_while_walking(void **state)
{
	struct list head = LIST_INIT(head);
	struct item items[6];

	(void)state;
	for (int i = 0; i < 6; i++) {
		items[i].n = i + 1;
		list_append(&head, &items[i].link);
	}
	LIST_EACH_SAFE(it, &head, struct item, link)
		if (it->n % 2)
			list_remove(&it->link);
	assert_int_equal(digits(&head), 246);
	LIST_EACH_SAFE(it, &head, struct item, link)
		list_remove(&it->link);
	assert_true(list_empty(&head));
}

static void test_splice(void **state)
{
	struct list to = LIST_INIT(to), from = LIST_INIT(from);
	struct item a = {.n = 1}, b = {.n = 2}, c = {.n = 3};

	(void)state;
	list_splice(&to, &from);
	assert_true(list_empty(&to));
	list_append(&to, &a.link);
	list_append(&from, &b.link);
	list_append(&from, &c.link);
	list_splice(&to, &from);
	assert_true(list_empty(&from));
	assert_int_equal(digits(&to), 123);
	list_splice(&from, &to);
	assert_true(list_empty(&to));
	assert_int_equal(digits(&from), 123);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_remove_while_walking),
		cmocka_unit_test(test_splice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
