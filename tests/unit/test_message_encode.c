/*
 * protocol/message, encoding: the fast path for events writes the same as the slow one,
 * and no frame is longer than the receiver's limit.
 */
#include "protocol/message.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <stdlib.h>

/* the fast path writes the same bytes as message_encode */
static void test_event(void **state)
{
	const struct slice whole = SLICE("{\"channel\": \"/a\" ,\"data\":9007199254740993}");
	const struct slice pieces[] = {slice_take(whole, 10), SLICE_NULL, slice_drop(whole, 10)};
	struct message m;
	struct buf slow, fast;

	(void)state;
	for (unsigned shift = 0; shift < 128; shift++) {
		message_init(&m, PROTOCOL_OP_MESSAGE);
		m.server = SLICE("a.server-1_x"), m.seq = UINT64_MAX >> shift / 2, m.message = whole;
		m.has = PROTOCOL_F(SERVER) | PROTOCOL_F(SEQ) | PROTOCOL_F(MESSAGE);
		if (shift % 2) {
			m.binary = SLICE("{\"data\":\"aGVsbG8=\",\"last\":true}");
			m.has |= PROTOCOL_F(BINARY);
		}
		buf_init(&slow, 4096);
		assert_int_equal(message_encode(&m, &slow), 0);
		/* the room it asks for is the room it needs */
		buf_init(&fast, buf_len(&slow) - 1);
		assert_int_equal(message_encode_event(&fast, m.server, m.seq, pieces, 3, m.binary),
				 -EMSGSIZE);
		assert_null(fast.mem);
		fast.max++;
		assert_int_equal(message_encode_event(&fast, m.server, m.seq, pieces, 3, m.binary),
				 0);
		assert_true(slice_eq(buf_slice(&slow), buf_slice(&fast)));
		buf_fini(&slow);
		buf_fini(&fast);
		message_fini(&m);
	}
}

static void test_encoding_beyond_limits(void **state)
{
	const struct slice small = SLICE("111");
	struct slice huge = slice_make(calloc(1, PROTOCOL_FRAME_MAX), PROTOCOL_FRAME_MAX);
	const size_t around = strlen("{'op':'message','server':'s','seq':1,'message':}");
	struct slice largest = slice_take(huge, PROTOCOL_FRAME_MAX - around);
	struct message m;
	struct buf out;

	(void)state;
	assert_non_null(huge.p);
	memset((char *)huge.p, '1', huge.n);
	buf_init(&out, SIZE_MAX / 8);
	assert_int_equal(buf_put_str(&out, "before"), 0);
	message_init(&m, PROTOCOL_OP_PUBLISH);
	m.has = PROTOCOL_F(DATA), m.data = slice_take(huge, PROTOCOL_REQUEST_MAX - 23);
	assert_int_equal(message_encode(&m, &out), -EMSGSIZE);
	m.data.n--;
	assert_int_equal(message_encode(&m, &out), 0);
	assert_int_equal(buf_len(&out), 6 + PROTOCOL_PREFIX + PROTOCOL_REQUEST_MAX);
	buf_truncate(&out, 6);
	message_init(&m, PROTOCOL_OP_HELLO);
	m.has = PROTOCOL_F(NAME), m.name = slice_take(huge, PROTOCOL_HELLO_MAX);
	assert_int_equal(message_encode(&m, &out), -EMSGSIZE);
	m.name = SLICE("\xff");
	assert_int_equal(message_encode(&m, &out), -EINVAL);
	assert_int_equal(message_encode_event(&out, SLICE("s"), 1, &huge, 1, SLICE_NULL), -EMSGSIZE);
	assert_int_equal(message_encode_event(&out, SLICE("s"), 1, &largest, 1, SLICE_NULL), 0);
	assert_int_equal(buf_len(&out), 6 + PROTOCOL_PREFIX + PROTOCOL_FRAME_MAX);
	buf_truncate(&out, 6);
	largest.n++;
	assert_int_equal(message_encode_event(&out, SLICE("s"), 1, &largest, 1, SLICE_NULL),
			 -EMSGSIZE);
	assert_int_equal(buf_len(&out), 6);
	out.max = buf_len(&out) + 60;
	assert_int_equal(message_encode_event(&out, SLICE("s"), 1, &small, 1, SLICE_NULL), 0);
	buf_truncate(&out, 6);
	out.max = 7;
	assert_int_equal(message_encode_event(&out, SLICE("s"), 1, &small, 1, SLICE_NULL), -EMSGSIZE);
	m.name = SLICE("n");
	assert_int_equal(message_encode(&m, &out), -EMSGSIZE);
	assert_true(slice_eq(buf_slice(&out), SLICE("before")));
	buf_fini(&out);
	free((char *)huge.p);
}

static void test_each_allocation_failing(void **state)
{
	const struct slice text = SLICE("{\"op\":\"subscr\\u0069be\",\"id\":7,\"channels\":"
					"[\"\\/a\"],\"server\":\"\\u0061\"}");
	unsigned failures = 0;

	(void)state;
	FAIL_EACH_ALLOCATION {
		struct slice got[2];
		struct buf scratch, out;
		struct message m;
		char why[160];
		size_t n;
		int r = message_decode(text, PROTOCOL_FROM_PEER, &m, why, sizeof(why));

		buf_init(&scratch, 100);
		buf_init(&out, 1000);
		if (r == 0)
			r = message_strings(m.channels, &scratch, got, 2, &n);
		if (r == 0)
			r = message_encode(&m, &out);
		if (r == 0)
			r = message_encode_event(&out, SLICE("s"), 1, &m.channels, 1, SLICE_NULL);
		assert_int_equal(r, r ? -ENOMEM : 0);
		failures += r != 0;
		message_fini(&m);
		buf_fini(&scratch);
		buf_fini(&out);
	}
	assert_true(failures >= 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_event),
		cmocka_unit_test(test_encoding_beyond_limits),
		cmocka_unit_test(test_each_allocation_failing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
