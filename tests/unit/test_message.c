/*
 * protocol/message: driven by the tables of protocol.h, so that a new row is
 * tested by itself. Every op with every field there and back, every field
 * missing, misplaced and of every wrong type.
 */
#include "protocol/frame.h"
#include "protocol/message.h"
#include "tests/unit/testing.h"

#include <stdio.h>

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
		"must be a whole number", "must be true or false", "must be a string",
		"must be an array of strings", "must be an object", "",
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

/* what is read and written by the same mistake goes round unseen */
static void test_values_are_as_sent(void **state)
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
		cmocka_unit_test(test_values_are_as_sent),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
