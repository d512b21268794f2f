/*
 * protocol/message, decoding: invalid requests and their descriptions, descriptions that
 * fit their buffer, texts with escapes, depth, and lists of texts.
 */
#include "protocol/message.h"
#include "protocol/utf8.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <stdio.h>

/* bad requests: what is wrong, and whether the id survives; and a good one in disguise */
static void test_bad_requests(void **state)
{
	static const struct {
		struct slice text;
		int result;
		bool id;
		const char *why;
	} table[] = {
		{SLICE("{\"op\":\"frobnicate\",\"id\":7}"), MESSAGE_E_OP, true,
		 "op \"frobnicate\" is unknown"},
		{SLICE("{\"x\":1,\"id\":7,\"op\":\"\"}"), MESSAGE_E_OP, true, "op \"\" is unknown"},
		{SLICE("{\"op\":\"a\\\"\\n\",\"id\":7}"), MESSAGE_E_OP, true,
		 "op \"a\\\"\\n\" is unknown"},
		{SLICE("{\"op\":\"ping\\u0000\",\"id\":7}"), MESSAGE_E_OP, true,
		 "op \"ping\\u0000\" is unknown"},
		{SLICE("{\"op\":\"reply\",\"id\":7,\"ok\":true}"), MESSAGE_E_OP, true,
		 "op \"reply\" comes from the other side only"},
		{SLICE("{\"id\":7}"), MESSAGE_E_FIELD, true, "field \"op\" is missing"},
		{SLICE("{\"op\":1,\"id\":7}"), MESSAGE_E_FIELD, true,
		 "field \"op\" must be a string"},
		{SLICE("{\"chanel\":\"/a\",\"op\":\"subscribe\",\"id\":7}"), MESSAGE_E_FIELD, true,
		 "subscribe: field \"chanel\" is unknown"},
		{SLICE("{\"op\":\"call\",\"timeout\":1.5,\"id\":7,\"channel\":\"/service/a\","
		       "\"data\":1}"),
		 MESSAGE_E_FIELD, true, "call: field \"timeout\" must be a whole number"},
		{SLICE("{\"\\u006fp\":\"\\u0070ing\",\"i\\u0064\":7}"), 0, true, ""},
		{SLICE("{\"op\":\"ping\",\"id\":\"7\"}"), MESSAGE_E_FIELD, false,
		 "ping: field \"id\" must be a whole number"},
		{SLICE("{\"op\":\"ping\"}"), MESSAGE_E_FIELD, false,
		 "ping: field \"id\" is missing"},
		{SLICE("{\"op\":\"ping\",\"id\":7,\"id\":8}"), MESSAGE_E_FRAME, false,
		 "a key occurs twice"},
		{SLICE("{\"op\":\"ping\",\"o\\u0070\":\"ping\",\"id\":7}"), MESSAGE_E_FRAME, false,
		 "a key occurs twice"},
		{SLICE("{\"op\":\"ping\",\"id\":7"), MESSAGE_E_FRAME, false, "not JSON"},
		{SLICE("[{\"op\":\"ping\",\"id\":7}]"), MESSAGE_E_FRAME, false,
		 "not the array or object expected"},
		{SLICE("7"), MESSAGE_E_FRAME, false, "not the array or object expected"},
		{SLICE(""), MESSAGE_E_FRAME, false, "not JSON"},
		{SLICE("{\"op\":\"ping\",\"id\":7,\"\xff\":1}"), MESSAGE_E_FRAME, false,
		 "not UTF-8"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct message m;
		char why[160] = "";

		assert_int_equal(message_decode(table[i].text, PROTOCOL_FROM_PEER, &m, why,
						sizeof(why)), table[i].result);
		assert_string_equal(why, table[i].why);
		assert_int_equal(message_has(&m, PROTOCOL_FIELD_ID), table[i].id);
		if (table[i].id)
			assert_int_equal(m.id, 7);
		message_fini(&m);
	}
}

static void put_op(struct buf *out, const char *op)
{
	buf_clear(out);
	assert_int_equal(buf_printf(out, "{\"op\":\"%s\"}", op), 0);
}

/* for any size of the buffer: NUL-terminated, valid UTF-8, nothing written after it */
static void test_words_fit(void **state)
{
	struct buf text;
	char op[400];

	(void)state;
	buf_init(&text, 4096);
	memset(op, 0, sizeof(op));
	for (unsigned i = 0; i + 10 < sizeof(op); i += 10)
		memcpy(op + i, "x\xc3\xa9\xe0\xa4\x85\xf0\x9f\x98\x80", 10);
	for (unsigned shift = 0; shift < 10; shift++) {
		put_op(&text, op + sizeof(op) - 201);
		if (!utf8_valid(buf_slice(&text)))
			put_op(&text, op);
		for (size_t size = 0; size <= 80; size++) {
			char why[82];
			struct message m;
			int r;

			memset(why, '#', sizeof(why));
			r = message_decode(buf_slice(&text), PROTOCOL_FROM_PEER, &m, why, size);
			assert_int_equal(r, MESSAGE_E_OP);
			message_fini(&m);
			assert_int_equal(why[size], '#');
			if (size)
				assert_true(strlen(why) < size && utf8_valid(slice_of(why)));
			/* at most three bytes are given up for a whole character */
			if (size > 4 && size < 40)
				assert_true(strlen(why) + 4 >= size);
		}
		memmove(op + 1, op, sizeof(op) - 2);
		op[0] = 'y';
	}
	buf_fini(&text);
}

/* decoded texts stay where they are, however many there are and however long */
static void test_escaped_texts_do_not_move(void **state)
{
	struct message m;
	struct buf text;
	char why[160];

	(void)state;
	buf_init(&text, 65536);
	assert_int_equal(buf_put_str(&text, "{\"op\":\"subscribe\",\"id\":1,"
					    "\"server\":\"\\u0061b\","
					    "\"overflow\":\"plain\",\"channel\":\""), 0);
	for (unsigned i = 0; i < 5000; i++)
		assert_int_equal(buf_put_str(&text, "\\/"), 0);
	assert_int_equal(buf_put_str(&text, "\"}"), 0);
	assert_int_equal(message_decode(buf_slice(&text), PROTOCOL_FROM_PEER, &m, why, sizeof(why)),
			 0);
	assert_true(slice_eq(m.server, SLICE("ab")));
	assert_true(slice_eq(m.overflow, SLICE("plain")));
	assert_int_equal(m.channel.n, 5000);
	assert_int_equal(m.channel.p[4999], '/');
	message_fini(&m);
	buf_fini(&text);
}

static struct slice nest(char *text, size_t size, const char *head, unsigned n)
{
	size_t len = (size_t)snprintf(text, size, "%s", head);

	for (unsigned i = 0; i < n; i++)
		text[len++] = '[';
	for (unsigned i = 0; i < n; i++)
		text[len++] = ']';
	text[len++] = '}';
	return slice_make(text, len);
}

/* What a peer may publish can come back from the server, as event and within a reply. */
static void test_depth_of_both_sides(void **state)
{
	const char *publish = "{\"op\":\"publish\",\"channel\":\"/a\",\"data\":";
	const char *event = "{\"op\":\"message\",\"server\":\"s\",\"seq\":1,\"message\":";
	char text[400], why[160];
	struct message m;

	(void)state;
	for (int beyond = 0; beyond <= 1; beyond++) {
		int expected = beyond ? MESSAGE_E_FRAME : 0;

		assert_int_equal(message_decode(
			nest(text, sizeof(text), publish, PROTOCOL_DEPTH_MAX - 1 + beyond),
			PROTOCOL_FROM_PEER, &m, why, sizeof(why)), expected);
		message_fini(&m);
		assert_int_equal(message_decode(
			nest(text, sizeof(text), event, PROTOCOL_DEPTH_MAX + 1 + beyond),
			PROTOCOL_FROM_DAEMON, &m, why, sizeof(why)), expected);
		message_fini(&m);
	}
	assert_string_equal(why, "nested too deeply");
}

/* a large text needs memory in other places; it is no fault of the text when there is none */
static void test_no_memory_for_a_large_text(void **state)
{
	static char text[200000] = "{\"op\":\"subscribe\",\"id\":7,\"channel\":\"";
	unsigned failures = 0;

	(void)state;
	for (size_t n = strlen(text); n < sizeof(text) - 10; n += 6)
		memcpy(text + n, "\\u0061", 7);
	strcat(text, "\"}");
	FAIL_EACH_ALLOCATION {
		struct message m;
		char why[160];
		int r = message_decode(slice_of(text), PROTOCOL_FROM_PEER, &m, why, sizeof(why));

		assert_int_equal(r, r ? -ENOMEM : 0);
		failures += r != 0;
		message_fini(&m);
	}
	assert_true(failures > 0);
}

static void test_strings(void **state)
{
	struct slice got[3];
	struct buf scratch;
	size_t n = 99;

	(void)state;
	buf_init(&scratch, 1000);
	assert_int_equal(message_strings(SLICE("[]"), &scratch, got, 3, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(message_strings(SLICE("[\"/a\",\"\\/b\\u0000\", \"\"]"), &scratch, got,
					 3, &n), 0);
	assert_int_equal(n, 3);
	assert_true(slice_eq(got[0], SLICE("/a")));
	assert_true(slice_eq(got[1], SLICE("/b\0")));
	assert_true(slice_eq(got[2], SLICE("")));
	n = 99;
	assert_int_equal(message_strings(SLICE("[\"\",\"\",\"\",\"\"]"), &scratch, got, 3, &n),
			 MESSAGE_E_FIELD);
	assert_int_equal(message_strings(SLICE("[\"\",1]"), &scratch, got, 3, &n), MESSAGE_E_FIELD);
	assert_int_equal(message_strings(SLICE("{}"), &scratch, got, 3, &n), MESSAGE_E_FIELD);
	assert_int_equal(n, 99);
	buf_fini(&scratch);
}

/* every element escaped, and scratch too small at first: earlier ones must not move */
static void test_strings_do_not_move(void **state)
{
	enum { N = 60 };
	struct slice got[N];
	struct buf scratch, text;
	size_t n;

	(void)state;
	buf_init(&scratch, 65536);
	buf_init(&text, 65536);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(buf_printf(&text, "%c\"\\/channel\\/number\\/%u\"",
					    i ? ',' : '[', i), 0);
	assert_int_equal(buf_putc(&text, ']'), 0);
	assert_int_equal(message_strings(buf_slice(&text), &scratch, got, N, &n), 0);
	assert_int_equal(n, N);
	for (unsigned i = 0; i < N; i++) {
		char expected[40];

		snprintf(expected, sizeof(expected), "/channel/number/%u", i);
		assert_true(slice_eq(got[i], slice_of(expected)));
	}
	buf_fini(&text);
	buf_fini(&scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_words_fit),
		cmocka_unit_test(test_escaped_texts_do_not_move),
		cmocka_unit_test(test_depth_of_both_sides),
		cmocka_unit_test(test_no_memory_for_a_large_text),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_strings_do_not_move),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
