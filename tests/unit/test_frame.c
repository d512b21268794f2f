/*
 * protocol/frame: one byte at a time and many frames at once give the same
 * frames, lengths at and beyond the limit, and no memory for mere claims.
 */
#include "protocol/frame.h"
#include "protocol/protocol.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <stdlib.h>

enum { LIMIT = 1000 };

static void feed(struct frame_reader *r, struct slice bytes)
{
	while (bytes.n) {
		char *to;
		size_t n;

		assert_int_equal(frame_room(r, bytes.n, &to, &n), 0);
		assert_true(n >= 1 && n <= bytes.n);
		memcpy(to, bytes.p, n);
		frame_filled(r, n);
		bytes = slice_drop(bytes, n);
	}
}

static void assert_next(struct frame_reader *r, struct slice body)
{
	struct slice got = SLICE_NULL;

	assert_int_equal(frame_next(r, &got), 0);
	assert_true(slice_eq(got, body));
}

static void assert_none(struct frame_reader *r, int result)
{
	struct slice got = SLICE("untouched");

	assert_int_equal(frame_next(r, &got), result);
	assert_int_equal(frame_next(r, &got), result);
	assert_true(slice_eq(got, SLICE("untouched")));
}

static void test_many_frames_in_one_feed(void **state)
{
	struct frame_reader r;

	(void)state;
	frame_reader_init(&r, LIMIT);
	feed(&r, SLICE("\0\0\0\3one\0\0\0\1\0\0\0\0\5th"));
	assert_next(&r, SLICE("one"));
	assert_next(&r, SLICE("\0"));
	assert_int_equal(frame_pending(&r), 6);
	assert_none(&r, FRAME_E_AGAIN);
	feed(&r, SLICE("ree"));
	assert_next(&r, SLICE("three"));
	assert_int_equal(frame_pending(&r), 0);
	assert_none(&r, FRAME_E_AGAIN);
	frame_reader_fini(&r);
}

static void test_byte_by_byte(void **state)
{
	const struct slice stream = SLICE("\0\0\0\3one\0\0\0\1x\0\0\1\0");
	char body[256];
	struct frame_reader r;

	(void)state;
	memset(body, 'y', sizeof(body));
	frame_reader_init(&r, LIMIT);
	for (size_t i = 0; i < stream.n; i++) {
		assert_none(&r, FRAME_E_AGAIN);
		feed(&r, slice_make(stream.p + i, 1));
		if (i == 6)
			assert_next(&r, SLICE("one"));
		if (i == 11)
			assert_next(&r, SLICE("x"));
	}
	for (size_t i = 0; i < sizeof(body); i++) {
		assert_none(&r, FRAME_E_AGAIN);
		feed(&r, slice_make(body + i, 1));
		assert_int_equal(frame_pending(&r), 4 + i + 1);
	}
	assert_next(&r, slice_make(body, sizeof(body)));
	assert_none(&r, FRAME_E_AGAIN);
	frame_reader_fini(&r);
}

/* a prefix one byte at a time: the verdict comes with the fourth, and with it no memory */
static void assert_claim(size_t limit, const char *prefix, int verdict)
{
	struct frame_reader r;

	frame_reader_init(&r, limit);
	for (unsigned i = 0; i < 4; i++) {
		assert_none(&r, FRAME_E_AGAIN);
		feed(&r, slice_make(prefix + i, 1));
	}
	assert_none(&r, verdict);
	assert_true(r.in.cap <= 1024);
	frame_reader_fini(&r);
}

static void test_claimed_lengths(void **state)
{
	(void)state;
	assert_claim(LIMIT, "\0\0\0\0", FRAME_E_EMPTY);
	assert_claim(LIMIT, "\0\0\3\xe8", FRAME_E_AGAIN);
	assert_claim(LIMIT, "\0\0\3\xe9", FRAME_E_TOO_LARGE);
	assert_claim(LIMIT, "\xff\xff\xff\xff", FRAME_E_TOO_LARGE);
	assert_claim(LIMIT, "\x80\0\0\0", FRAME_E_TOO_LARGE);
	assert_claim(16u << 20, "\1\0\0\0", FRAME_E_AGAIN);
	assert_claim(16u << 20, "\1\0\0\1", FRAME_E_TOO_LARGE);
}

static void test_longest_frame_fits(void **state)
{
	char body[LIMIT];
	struct frame_reader r;
	char *to;
	size_t n;

	(void)state;
	memset(body, 'b', sizeof(body));
	frame_reader_init(&r, LIMIT);
	for (unsigned turn = 0; turn < 3; turn++) {
		feed(&r, SLICE("\0\0\3\xe8"));
		feed(&r, slice_make(body, sizeof(body)));
		/* full: who does not take frames gets no room for more */
		assert_int_equal(frame_room(&r, 1, &to, &n), -EMSGSIZE);
		assert_next(&r, slice_make(body, sizeof(body)));
		assert_int_equal(frame_room(&r, 5000, &to, &n), 0);
		assert_int_equal(n, LIMIT + 4);
	}
	frame_reader_fini(&r);
}

/* hello is small; frames pipelined after it may be larger, and stay buffered */
static void test_limit_rises_after_hello(void **state)
{
	struct frame_reader r;
	struct slice hello;
	char *to;
	size_t n;

	(void)state;
	frame_reader_init(&r, 5);
	feed(&r, SLICE("\0\0\0\1h\0\0\0\7"));
	assert_int_equal(frame_next(&r, &hello), 0);
	frame_reader_limit(&r, LIMIT);
	assert_true(slice_eq(hello, SLICE("h")));
	assert_none(&r, FRAME_E_AGAIN);
	feed(&r, SLICE("1234567"));
	assert_next(&r, SLICE("1234567"));
	assert_int_equal(frame_room(&r, 5000, &to, &n), 0);
	assert_int_equal(n, LIMIT + 4);
	frame_reader_fini(&r);
}

/* each byte of the length counts: the largest frame of the daemon needs all four */
static void test_lengths_written(void **state)
{
	static const struct { size_t n; const char *prefix; } table[] = {
		{0x12345, "\x00\x01\x23\x45"}, {0x1000000, "\x01\x00\x00\x00"},
	};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct buf out;
		size_t mark;
		char *room;

		buf_init(&out, 0x1000010);
		assert_int_equal(frame_begin(&out, &mark), 0);
		assert_int_equal(buf_room(&out, table[i].n, &room), 0);
		memset(room, 'x', table[i].n);
		buf_grown(&out, table[i].n);
		assert_int_equal(frame_end(&out, mark, table[i].n), 0);
		assert_memory_equal(buf_slice(&out).p, table[i].prefix, PROTOCOL_PREFIX);
		buf_fini(&out);
	}
}

static void test_writing(void **state)
{
	struct frame_reader r;
	struct buf out;
	size_t mark, second;

	(void)state;
	buf_init(&out, LIMIT);
	assert_int_equal(frame_begin(&out, &mark), 0);
	assert_int_equal(buf_put_str(&out, "first"), 0);
	assert_int_equal(frame_end(&out, mark, 5), 0);
	buf_consume(&out, 2);
	assert_int_equal(frame_begin(&out, &second), 0);
	for (unsigned i = 0; i < 0x102; i++)
		assert_int_equal(buf_putc(&out, 'z'), 0);
	assert_int_equal(frame_end(&out, second, LIMIT), 0);
	frame_reader_init(&r, LIMIT);
	feed(&r, SLICE("\0\0"));
	feed(&r, buf_slice(&out));
	assert_next(&r, SLICE("first"));
	assert_int_equal(frame_next(&r, &(struct slice){0}), 0);
	assert_int_equal(r.taken, 4 + 0x102);
	assert_int_equal(frame_pending(&r), 0);
	frame_reader_fini(&r);
	buf_fini(&out);
}

static void test_writing_too_much(void **state)
{
	struct buf out;
	size_t mark = 77;

	(void)state;
	buf_init(&out, 20);
	assert_int_equal(buf_put_str(&out, "before"), 0);
	assert_int_equal(frame_begin(&out, &mark), 0);
	assert_int_equal(frame_end(&out, mark, 10), -EMSGSIZE);
	assert_true(slice_eq(buf_slice(&out), SLICE("before")));
	assert_int_equal(frame_begin(&out, &mark), 0);
	assert_int_equal(buf_put_str(&out, "123456"), 0);
	assert_int_equal(frame_end(&out, mark, 5), -EMSGSIZE);
	assert_true(slice_eq(buf_slice(&out), SLICE("before")));
	assert_int_equal(buf_put_str(&out, "12345678901"), 0);
	mark = 77;
	assert_int_equal(frame_begin(&out, &mark), -EMSGSIZE);
	assert_int_equal(mark, 77);
	buf_fini(&out);
}

static void test_each_allocation_failing(void **state)
{
	char body[LIMIT] = {0};

	(void)state;
	FAIL_EACH_ALLOCATION {
		struct frame_reader r;
		size_t n, fed = 0;
		char *to;
		int result;

		frame_reader_init(&r, LIMIT);
		while (fed < sizeof(body)) {
			result = frame_room(&r, 100, &to, &n);
			if (result) {
				/* nothing is lost: the same bytes may come again */
				assert_int_equal(result, -ENOMEM);
				assert_int_equal(frame_pending(&r), fed);
				continue;
			}
			memset(to, 1, n);
			frame_filled(&r, n);
			fed += n;
		}
		assert_int_equal(frame_pending(&r), sizeof(body));
		frame_reader_fini(&r);
	}
}

/* a frame that is put back comes again; memory goes only when nothing waits */
static void test_put_back_and_trim(void **state)
{
	struct frame_reader r;
	struct slice body;
	size_t n;
	char *to;

	(void)state;
	frame_reader_init(&r, LIMIT);
	assert_int_equal(frame_room(&r, 12, &to, &n), 0);
	memcpy(to, "\0\0\0\1a\0\0\0\2bc", 11);
	frame_filled(&r, 11);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(frame_next(&r, &body), 0);
		assert_true(slice_eq(body, SLICE("a")));
		frame_put_back(&r);
	}
	assert_int_equal(frame_pending(&r), 11);
	assert_int_equal(frame_next(&r, &body), 0);
	frame_reader_trim(&r);
	assert_int_equal(frame_next(&r, &body), 0);
	assert_true(slice_eq(body, SLICE("bc")));
	assert_int_equal(frame_next(&r, &body), FRAME_E_AGAIN);
	frame_reader_trim(&r);
	assert_null(r.in.mem);
	assert_int_equal(frame_next(&r, &body), FRAME_E_AGAIN);
	frame_reader_fini(&r);
}

/* the prefix counts what is sent after the part that is here */
static void test_end_early(void **state)
{
	struct buf out;
	size_t mark;

	(void)state;
	buf_init(&out, 100);
	assert_int_equal(frame_begin(&out, &mark), 0);
	assert_int_equal(buf_put_str(&out, "abc"), 0);
	assert_int_equal(frame_end_early(&out, mark, 0x10000, 0x10003), 0);
	assert_true(slice_eq(buf_slice(&out), slice_make("\0\1\0\3abc", 7)));
	assert_int_equal(frame_end_early(&out, 0, 0x10001, 0x10003), -EMSGSIZE);
	assert_int_equal(buf_len(&out), 0);
	assert_int_equal(frame_begin(&out, &mark), 0);
	assert_int_equal(frame_end_early(&out, mark, SIZE_MAX, 0x10003), -EMSGSIZE);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_frames_in_one_feed),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_claimed_lengths),
		cmocka_unit_test(test_longest_frame_fits),
		cmocka_unit_test(test_limit_rises_after_hello),
		cmocka_unit_test(test_lengths_written),
		cmocka_unit_test(test_writing),
		cmocka_unit_test(test_writing_too_much),
		cmocka_unit_test(test_put_back_and_trim),
		cmocka_unit_test(test_end_early),
		cmocka_unit_test(test_each_allocation_failing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
