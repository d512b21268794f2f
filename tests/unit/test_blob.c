/*
 * base/blob: bytes exist as long as there is a reference, can be read by offset while
 * more are appended, and have a ceiling.
 */
#include "base/blob.h"
#include "tests/unit/testing.h"

#include <errno.h>

static void test_refs(void **state)
{
	struct blob *b, *other;

	(void)state;
	assert_int_equal(blob_new(100, &b), 0);
	other = blob_ref(b);
	assert_int_equal(buf_put_str(&b->buf, "shared"), 0);
	assert_null(blob_unref(b));
	assert_memory_equal(blob_at(other, 2), "ared", 4);
	assert_null(blob_unref(other));
	assert_null(blob_unref(NULL));
}

static void test_offsets_survive_growth(void **state)
{
	struct blob *b;

	(void)state;
	assert_int_equal(blob_new(1u << 20, &b), 0);
	assert_int_equal(buf_put_str(&b->buf, "first"), 0);
	for (unsigned i = 0; i < 10000; i++)
		assert_int_equal(buf_put_str(&b->buf, "0123456789"), 0);
	assert_memory_equal(blob_at(b, 0), "first", 5);
	assert_memory_equal(blob_at(b, 5 + 99990), "0123456789", 10);
	blob_unref(b);
}

static void test_ceiling(void **state)
{
	struct blob *b;

	(void)state;
	assert_int_equal(blob_new(4, &b), 0);
	assert_int_equal(buf_put_str(&b->buf, "12345"), -EMSGSIZE);
	assert_int_equal(buf_put_str(&b->buf, "1234"), 0);
	blob_unref(b);
}

static void test_failed_allocation(void **state)
{
	(void)state;
	FAIL_EACH_ALLOCATION {
		struct blob *b = NULL;

		if (blob_new(10, &b)) {
			assert_null(b);
			continue;
		}
		blob_unref(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refs),
		cmocka_unit_test(test_offsets_survive_growth),
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_failed_allocation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
