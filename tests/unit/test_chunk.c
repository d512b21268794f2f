/*
 * hub/chunk: frames are adjacent in one blob until it is full, a large one has its own,
 * and a blob without other references is used again.
 */
#include "hub/chunk.h"
#include "protocol/message.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <stdlib.h>

static int encode_event(struct chunk *c, uint64_t seq, const struct slice *piece,
			struct chunk_frame *ret)
{
	struct buf *out;
	int r = chunk_begin(c, piece->n + 512, &out);

	if (r)
		return r;
	return chunk_end(c, message_encode_event(out, SLICE("one"), seq, piece, 1, SLICE_NULL), ret);
}

static int encode(struct chunk *c, const struct message *m, struct chunk_frame *ret)
{
	struct buf *out;

	assert_int_equal(chunk_begin(c, 512, &out), 0);
	return chunk_end(c, message_encode(m, out), ret);
}

static struct chunk_frame event(struct chunk *c, size_t size)
{
	char *text = malloc(size);
	struct slice piece = {text, size};
	struct chunk_frame f;

	assert_non_null(text);
	memset(text, '1', size);
	assert_int_equal(encode_event(c, 1, &piece, &f), 0);
	free(text);
	return f;
}

static void test_side_by_side(void **state)
{
	struct chunk_frame first, f, last;
	struct chunk c;
	unsigned n = 1;

	(void)state;
	chunk_init(&c);
	first = last = event(&c, 1000);
	blob_ref(first.blob);
	while ((f = event(&c, 1000)).blob == first.blob) {
		assert_int_equal(f.offset, last.offset + last.n);
		last = f;
		n++;
	}
	assert_in_range(n, 14, 16);
	assert_int_equal(f.offset, 0);
	blob_unref(first.blob);
	chunk_fini(&c);
}

/* also after others: the limit applies to the frame, not to its blob */
static void test_the_largest_frame(void **state)
{
	struct chunk_frame small, large;
	size_t extra;
	struct chunk c;

	(void)state;
	chunk_init(&c);
	small = event(&c, 10);
	extra = small.n - PROTOCOL_PREFIX - 10;
	blob_ref(small.blob);
	large = event(&c, PROTOCOL_FRAME_MAX - extra);
	assert_int_equal(large.n, PROTOCOL_PREFIX + PROTOCOL_FRAME_MAX);
	blob_unref(small.blob);
	chunk_fini(&c);
}

/* else it would keep alive, or be kept alive by, what lies before it */
static void test_large_lies_alone(void **state)
{
	struct chunk_frame small, large, next;
	struct chunk c;

	(void)state;
	chunk_init(&c);
	small = event(&c, 10);
	blob_ref(small.blob);
	large = event(&c, 100000);
	blob_ref(large.blob);
	assert_ptr_not_equal(large.blob, small.blob);
	next = event(&c, 10);
	assert_ptr_not_equal(next.blob, large.blob);
	blob_unref(small.blob);
	blob_unref(large.blob);
	chunk_fini(&c);
}

static void test_used_again(void **state)
{
	struct chunk_frame f;
	struct chunk c;

	(void)state;
	chunk_init(&c);
	for (unsigned i = 0; i < 3; i++) {
		f = event(&c, 100);
		assert_int_equal(f.offset, 0);
	}
	/* but not while there is another reference to it */
	blob_ref(f.blob);
	assert_int_equal(event(&c, 100).offset, f.n);
	blob_unref(f.blob);
	chunk_fini(&c);
}

static void test_what_cannot_be_encoded(void **state)
{
	struct chunk_frame f, before;
	struct message m;
	struct chunk c;

	(void)state;
	chunk_init(&c);
	before = event(&c, 100);
	blob_ref(before.blob);
	message_init(&m, PROTOCOL_OP_CLOSING);
	m.code = SLICE("shutdown");
	m.message = SLICE("\"\xff\"");
	m.has = PROTOCOL_F(CODE) | PROTOCOL_F(RETRY_IN);
	assert_int_equal(encode(&c, &m, &f), 0);
	assert_int_equal(f.offset, before.n);
	m.code = SLICE("\xff");
	assert_int_equal(encode(&c, &m, &f), -EINVAL);
	/* nothing of it is left between the frames */
	assert_int_equal(event(&c, 100).offset, f.offset + f.n);
	blob_unref(before.blob);
	chunk_fini(&c);
	message_fini(&m);
}

static void test_no_memory(void **state)
{
	struct slice piece = SLICE("1");
	struct chunk c;

	(void)state;
	FAIL_EACH_ALLOCATION {
		struct chunk_frame f;
		int r;

		chunk_init(&c);
		for (uint64_t seq = 1; seq <= 2; seq++) {
			f = (struct chunk_frame){0};
			r = encode_event(&c, seq, &piece, &f);
			assert_true(r == 0 || r == -ENOMEM);
			assert_int_equal(r == 0, f.n > 0);
		}
		chunk_fini(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_side_by_side),
		cmocka_unit_test(test_the_largest_frame),
		cmocka_unit_test(test_large_lies_alone),
		cmocka_unit_test(test_used_again),
		cmocka_unit_test(test_what_cannot_be_encoded),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
