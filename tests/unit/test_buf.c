/*
 * protocol/buf: the ceiling holds, failures change nothing, bytes keep their
 * order whatever is appended, consumed and moved, memory goes back.
 */
#include "protocol/buf.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <stdlib.h>

static void assert_holds(const struct buf *b, const char *expected)
{
	assert_true(slice_eq(buf_slice(b), slice_of(expected)));
}

static void test_empty_allocates_nothing(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	assert_null(b.mem);
	assert_int_equal(buf_len(&b), 0);
	assert_int_equal(buf_put(&b, SLICE_NULL), 0);
	assert_null(b.mem);
	buf_fini(&b);
}

static void test_append_and_consume(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	assert_int_equal(buf_put(&b, SLICE("one ")), 0);
	assert_int_equal(buf_put_str(&b, "two"), 0);
	assert_int_equal(buf_putc(&b, '!'), 0);
	assert_int_equal(buf_printf(&b, "%s%d", "x", 42), 0);
	assert_holds(&b, "one two!x42");
	buf_consume(&b, 4);
	assert_holds(&b, "two!x42");
	buf_truncate(&b, 4);
	assert_holds(&b, "two!");
	buf_clear(&b);
	assert_holds(&b, "");
	assert_int_equal(buf_put_str(&b, "again"), 0);
	assert_holds(&b, "again");
	buf_fini(&b);
}

static void test_ceiling_is_exact(void **state)
{
	struct buf b;
	char *to;

	(void)state;
	buf_init(&b, 5);
	assert_int_equal(buf_put(&b, SLICE("abcdef")), -EMSGSIZE);
	assert_int_equal(buf_printf(&b, "abcdef"), -EMSGSIZE);
	assert_int_equal(buf_printf(&b, "abcde"), 0);
	assert_holds(&b, "abcde");
	assert_int_equal(buf_putc(&b, 'x'), -EMSGSIZE);
	assert_int_equal(buf_room(&b, 1, &to), -EMSGSIZE);
	assert_int_equal(buf_room(&b, SIZE_MAX, &to), -EMSGSIZE);
	assert_holds(&b, "abcde");
	/* what is consumed makes room, though the bytes must move for it */
	buf_consume(&b, 2);
	assert_int_equal(buf_put(&b, SLICE("fg")), 0);
	assert_holds(&b, "cdefg");
	assert_true(b.cap <= 5);
	buf_fini(&b);
}

static void test_lowered_ceiling(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	assert_int_equal(buf_put_str(&b, "12345678"), 0);
	b.max = 4;
	assert_int_equal(buf_putc(&b, '9'), -EMSGSIZE);
	buf_consume(&b, 6);
	assert_int_equal(buf_putc(&b, '9'), 0);
	assert_holds(&b, "789");
	buf_fini(&b);
}

static void test_room_in_place(void **state)
{
	struct buf b;
	char *to;

	(void)state;
	buf_init(&b, 1000);
	assert_int_equal(buf_room(&b, 700, &to), 0);
	memcpy(to, "hello", 5);
	buf_grown(&b, 5);
	assert_holds(&b, "hello");
	buf_fini(&b);
}

/* A queue under load: bytes go in and out in uneven portions and stay in order. */
static void test_order_survives_moves(void **state)
{
	struct buf b;
	unsigned in = 0, out = 0;

	(void)state;
	buf_init(&b, 3000);
	for (unsigned turn = 0; turn < 5000; turn++) {
		size_t add = turn * 7 % 613, take;

		for (size_t i = 0; i < add && buf_putc(&b, (char)in) == 0; i++)
			in++;
		take = turn * 11 % 617;
		if (take > buf_len(&b))
			take = buf_len(&b);
		for (size_t i = 0; i < take; i++)
			assert_int_equal((unsigned char)buf_slice(&b).p[i], (unsigned char)out++);
		buf_consume(&b, take);
		assert_true(b.cap <= b.max);
	}
	assert_true(in > 1000000);
	assert_int_equal(in - out, buf_len(&b));
	buf_fini(&b);
}

static void test_burst_gives_memory_back(void **state)
{
	struct buf b;
	char *to;

	(void)state;
	buf_init(&b, 1u << 20);
	assert_int_equal(buf_room(&b, 1u << 20, &to), 0);
	memset(to, 'x', 1u << 20);
	buf_grown(&b, 1u << 20);
	buf_consume(&b, (1u << 20) - 1);
	assert_non_null(b.mem);
	buf_consume(&b, 1);
	assert_null(b.mem);
	assert_int_equal(b.max, 1u << 20);
	buf_fini(&b);
}

static void test_failed_allocation_changes_nothing(void **state)
{
	(void)state;
	FAIL_EACH_ALLOCATION {
		struct buf b;
		const char *expected = "";

		buf_init(&b, 2000);
		if (buf_put_str(&b, "kept") == 0)
			expected = "kept";
		assert_holds(&b, expected);
		if (buf_printf(&b, "%1000d", 1) == 0)
			assert_int_equal(buf_len(&b), strlen(expected) + 1000);
		else
			assert_holds(&b, expected);
		buf_fini(&b);
	}
}

/* bytes given to explicit_bzero(); freed memory itself cannot be examined */
static size_t wiped;

void explicit_bzero(void *p, size_t n)
{
	memset(p, 0, n);
	__asm__ volatile("" : : "r"(p) : "memory");
	wiped += n;
}

/* A secret is overwritten wherever a buf lets its bytes go. */
static void test_secrets_are_wiped(void **state)
{
	char *room;
	struct buf b;

	(void)state;
	buf_init_secret(&b, 1000);
	buf_fini(&b);
	assert_int_equal(wiped, 0);
	assert_int_equal(buf_put_str(&b, "user:password"), 0);
	/* where it grows, also what was consumed before */
	buf_consume(&b, 5);
	assert_int_equal(buf_room(&b, 500, &room), 0);
	assert_int_equal(wiped, 13);
	assert_holds(&b, "password");
	/* where it is cut, and what moving leaves */
	buf_truncate(&b, 4);
	assert_int_equal(wiped, 13 + 4);
	assert_int_equal(buf_room(&b, 996, &room), 0);
	assert_int_equal(wiped, 13 + 4 + 5);
	assert_holds(&b, "pass");
	/* with the last byte, and with the memory */
	buf_consume(&b, 4);
	assert_int_equal(wiped, 13 + 4 + 5 + 4);
	assert_int_equal(buf_put_str(&b, "word"), 0);
	buf_fini(&b);
	assert_int_equal(wiped, 13 + 4 + 5 + 4 + 4);
	assert_true(b.secret && !b.mem && b.max == 1000);
	/* any other buf is not */
	buf_init(&b, 10);
	assert_int_equal(buf_put_str(&b, "word"), 0);
	buf_fini(&b);
	assert_int_equal(wiped, 13 + 4 + 5 + 4 + 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_allocates_nothing),
		cmocka_unit_test(test_append_and_consume),
		cmocka_unit_test(test_ceiling_is_exact),
		cmocka_unit_test(test_lowered_ceiling),
		cmocka_unit_test(test_room_in_place),
		cmocka_unit_test(test_order_survives_moves),
		cmocka_unit_test(test_burst_gives_memory_back),
		cmocka_unit_test(test_failed_allocation_changes_nothing),
		cmocka_unit_test(test_secrets_are_wiped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
