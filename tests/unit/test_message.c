/*
 * protocol/message: driven by the tables of protocol.h, so that a new row is
 * tested by itself. Every op with every field there and back, every field
 * missing, misplaced and of every wrong type, and words that fit.
 */
#include "protocol/frame.h"
#include "protocol/message.h"
#include "protocol/utf8.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum type { U64, BOOL, STRING, STRINGS, OBJECT, ANY };

#define FIELD_ROW(symbol, member, name, type, meaning)                                             \
	{name, type, offsetof(struct message, member)},
static const struct {
	const char *name;
	enum type type;
	size_t offset;
} fields[] = {PROTOCOL_FIELDS(FIELD_ROW)};

#define OP_ROW(symbol, name, who, required, optional, meaning) {name, who, required, optional},
static const struct {
	const char *name;
	unsigned who;
	uint64_t required, optional;
} ops[] = {PROTOCOL_OPS(OP_ROW)};

static unsigned side(unsigned op)
{
	return ops[op].who & (PROTOCOL_FROM_PEER | PROTOCOL_FROM_DAEMON);
}

/* values of JSON, and which types take them */
static const struct {
	const char *json;
	unsigned types;
} samples[] = {
	{"18446744073709551615", 1 << U64 | 1 << ANY},
	{"0", 1 << U64 | 1 << ANY},
	{"true", 1 << BOOL | 1 << ANY},
	{"false", 1 << BOOL | 1 << ANY},
	{"\"text \\u00e9\\n\"", 1 << STRING | 1 << ANY},
	{"\"\"", 1 << STRING | 1 << ANY},
	{"[\"a\",\"\\\"\"]", 1 << STRINGS | 1 << ANY},
	{"[]", 1 << STRINGS | 1 << ANY},
	{"{\"a\":[9007199254740993]}", 1 << OBJECT | 1 << ANY},
	{"{}", 1 << OBJECT | 1 << ANY},
	{"null", 1 << ANY},
	{"-1", 1 << ANY},
	{"1.5", 1 << ANY},
	{"1e3", 1 << ANY},
	{"18446744073709551616", 1 << ANY},
	{"[\"a\",1]", 1 << ANY},
	{"[{}]", 1 << ANY},
	{"[null]", 1 << ANY},
};
enum { SAMPLES = sizeof(samples) / sizeof(samples[0]) };

/* the first sample that a field takes, from `i` on */
static const char *sample(unsigned f, unsigned i)
{
	for (;; i++)
		if (samples[i % SAMPLES].types >> fields[f].type & 1)
			return samples[i % SAMPLES].json;
}

/* {"op":…} with the fields of `has`, but field `other` with the value `json` */
static void put_frame(struct buf *out, const char *op, uint64_t has, unsigned other,
		      const char *json)
{
	buf_clear(out);
	assert_int_equal(buf_put_str(out, "{"), 0);
	for (unsigned f = 0; f < PROTOCOL_FIELDS_END; f++)
		if (f != other && (has >> f & 1))
			assert_int_equal(buf_printf(out, "\"%s\": %s,", fields[f].name,
						    sample(f, f)), 0);
	if (json)
		assert_int_equal(buf_printf(out, "\"%s\":%s ,", fields[other].name, json), 0);
	assert_int_equal(buf_printf(out, "\"op\":\"%s\"}", op), 0);
}

static void assert_same(const struct message *a, const struct message *b)
{
	assert_int_equal(a->op, b->op);
	assert_true(a->has == b->has);
	for (unsigned f = 0; f < PROTOCOL_FIELDS_END; f++) {
		const char *x = (const char *)a + fields[f].offset;
		const char *y = (const char *)b + fields[f].offset;

		if (!message_has(a, f))
			continue;
		if (fields[f].type == U64)
			assert_true(*(const uint64_t *)x == *(const uint64_t *)y);
		else if (fields[f].type == BOOL)
			assert_true(*(const bool *)x == *(const bool *)y);
		else
			assert_true(slice_eq(*(const struct slice *)x, *(const struct slice *)y));
	}
}

/* JSON with these fields -> message -> frame -> message: the same, and raw values to the byte */
static void assert_round_trip(unsigned op, uint64_t has, unsigned other, const char *json)
{
	struct frame_reader reader;
	struct message m, again;
	struct buf text, out;
	struct slice body;
	char why[160], *to;
	size_t n;

	buf_init(&text, 65536);
	buf_init(&out, 65536);
	put_frame(&text, ops[op].name, has, other, json);
	if (message_decode(buf_slice(&text), side(op), &m, why, sizeof(why)))
		fail_msg("%.*s: %s", SLICE_ARG(buf_slice(&text)), why);
	assert_true(m.has == has);
	assert_int_equal(message_encode(&m, &out), 0);

	frame_reader_init(&reader, 65536);
	assert_int_equal(frame_room(&reader, buf_len(&out), &to, &n), 0);
	memcpy(to, buf_slice(&out).p, n);
	frame_filled(&reader, n);
	assert_int_equal(frame_next(&reader, &body), 0);
	assert_int_equal(frame_pending(&reader), 0);
	assert_int_equal(message_decode(body, side(op), &again, why, sizeof(why)), 0);
	assert_same(&m, &again);
	message_fini(&again);
	message_fini(&m);
	frame_reader_fini(&reader);
	buf_fini(&out);
	buf_fini(&text);
}

static void test_round_trip(void **state)
{
	(void)state;
	for (unsigned op = 0; op < PROTOCOL_OPS_END; op++) {
		uint64_t all = ops[op].required | ops[op].optional;

		assert_round_trip(op, ops[op].required, PROTOCOL_FIELDS_END, NULL);
		assert_round_trip(op, all, PROTOCOL_FIELDS_END, NULL);
		for (unsigned f = 0; f < PROTOCOL_FIELDS_END; f++)
			for (unsigned i = 0; all >> f & 1 && i < SAMPLES; i++)
				assert_round_trip(op, ops[op].required | 1ull << f, f,
						  sample(f, i));
	}
}

static void assert_decodes(const struct buf *text, unsigned op, unsigned from, int expected,
			   const char *words)
{
	struct message m;
	char why[160] = "";
	int r = message_decode(buf_slice(text), from, &m, why, sizeof(why));

	if (r != expected || (words && !strstr(why, words)))
		fail_msg("%.*s: %d, %s (not %s)", SLICE_ARG(buf_slice(text)), r, why, words);
	if (op != PROTOCOL_OPS_END)
		assert_int_equal(m.op, op);
	message_fini(&m);
}

static void test_each_field_of_each_wrong_type(void **state)
{
	static const char *const words[] = {
		"must be a whole number", "must be true or false", "must be a text",
		"must be an array of texts", "must be an object", "",
	};
	struct buf text;
	unsigned wrong = 0;

	(void)state;
	buf_init(&text, 65536);
	for (unsigned op = 0; op < PROTOCOL_OPS_END; op++) {
		for (unsigned f = 0; f < PROTOCOL_FIELDS_END; f++) {
			for (unsigned i = 0; i < SAMPLES; i++) {
				char expected[100];

				if (!((ops[op].required | ops[op].optional) >> f & 1) ||
				    samples[i].types >> fields[f].type & 1)
					continue;
				put_frame(&text, ops[op].name, ops[op].required, f,
					  samples[i].json);
				snprintf(expected, sizeof(expected), "%s: field \"%s\" %s",
					 ops[op].name, fields[f].name, words[fields[f].type]);
				assert_decodes(&text, op, side(op), MESSAGE_E_FIELD, expected);
				wrong++;
			}
		}
	}
	assert_true(wrong > 500);
	buf_fini(&text);
}

static void test_each_required_field_missing(void **state)
{
	struct buf text;

	(void)state;
	buf_init(&text, 65536);
	for (unsigned op = 0; op < PROTOCOL_OPS_END; op++) {
		for (unsigned f = 0; f < PROTOCOL_FIELDS_END; f++) {
			char expected[100];

			if (!(ops[op].required >> f & 1))
				continue;
			put_frame(&text, ops[op].name, ops[op].required, f, NULL);
			snprintf(expected, sizeof(expected), "%s: field \"%s\" is missing",
				 ops[op].name, fields[f].name);
			assert_decodes(&text, op, side(op), MESSAGE_E_FIELD, expected);
		}
	}
	buf_fini(&text);
}

/* What does not belong: refused where the table is closed, ignored where it is open. */
static void test_fields_out_of_place(void **state)
{
	struct buf text;

	(void)state;
	buf_init(&text, 65536);
	for (unsigned op = 0; op < PROTOCOL_OPS_END; op++) {
		bool open = ops[op].who & PROTOCOL_OPEN;
		uint64_t known = ops[op].required | ops[op].optional;

		for (unsigned f = 0; f < PROTOCOL_FIELDS_END; f++) {
			if (known >> f & 1)
				continue;
			put_frame(&text, ops[op].name, ops[op].required, f, "[[1]]");
			assert_decodes(&text, op, side(op), open ? 0 : MESSAGE_E_FIELD,
				       open ? "" : "has no place here");
		}
		put_frame(&text, ops[op].name, ops[op].required, PROTOCOL_FIELDS_END, NULL);
		buf_truncate(&text, buf_len(&text) - 1);
		assert_int_equal(buf_put_str(&text, ",\"chanel\":1}"), 0);
		assert_decodes(&text, op, side(op), open ? 0 : MESSAGE_E_FIELD,
			       open ? "" : ": field \"chanel\" is unknown");
	}
	buf_fini(&text);
}

static void test_sides(void **state)
{
	struct buf text;

	(void)state;
	buf_init(&text, 65536);
	for (unsigned op = 0; op < PROTOCOL_OPS_END; op++) {
		unsigned other = side(op) ^ (PROTOCOL_FROM_PEER | PROTOCOL_FROM_DAEMON);

		put_frame(&text, ops[op].name, ops[op].required, PROTOCOL_FIELDS_END, NULL);
		assert_decodes(&text, op, other, MESSAGE_E_OP, ops[op].name);
	}
	buf_fini(&text);
}

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
		 "field \"op\" must be a text"},
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
		 "a key stands twice"},
		{SLICE("{\"op\":\"ping\",\"o\\u0070\":\"ping\",\"id\":7}"), MESSAGE_E_FRAME, false,
		 "a key stands twice"},
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

/* whatever the room for words: ended by NUL, valid UTF-8, nothing written behind it */
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
		put_frame(&text, op + sizeof(op) - 201, 0, PROTOCOL_FIELDS_END, NULL);
		if (!utf8_valid(buf_slice(&text)))
			put_frame(&text, op, 0, PROTOCOL_FIELDS_END, NULL);
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

/* the fast path says what message_encode says, to the byte */
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

/* what is read and written by the same mistake goes round unseen */
static void test_values_are_what_was_said(void **state)
{
	struct message m;
	char why[160];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct slice text = i ? SLICE("{\"op\":\"reply\",\"id\":18446744073709551615,"
					      "\"ok\":true}") :
					SLICE("{\"op\":\"reply\",\"id\":0,\"ok\":false}");

		assert_int_equal(message_decode(text, PROTOCOL_FROM_DAEMON, &m, why, sizeof(why)), 0);
		assert_int_equal(m.ok, i);
		assert_true(m.id == (i ? UINT64_MAX : 0));
		message_fini(&m);
	}
}

static void test_names(void **state)
{
	(void)state;
	for (unsigned op = 0; op < PROTOCOL_OPS_END; op++)
		assert_string_equal(protocol_op_name(op), ops[op].name);
	assert_null(protocol_op_name(PROTOCOL_OPS_END));
	for (unsigned f = 0; f < PROTOCOL_FIELDS_END; f++)
		assert_string_equal(protocol_field_name(f), fields[f].name);
	assert_null(protocol_field_name(PROTOCOL_FIELDS_END));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_each_field_of_each_wrong_type),
		cmocka_unit_test(test_each_required_field_missing),
		cmocka_unit_test(test_fields_out_of_place),
		cmocka_unit_test(test_sides),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_words_fit),
		cmocka_unit_test(test_escaped_texts_do_not_move),
		cmocka_unit_test(test_depth_of_both_sides),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_strings_do_not_move),
		cmocka_unit_test(test_event),
		cmocka_unit_test(test_encoding_beyond_limits),
		cmocka_unit_test(test_each_allocation_failing),
		cmocka_unit_test(test_no_memory_for_a_large_text),
		cmocka_unit_test(test_values_are_what_was_said),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
