/*
 * protocol/json_read: what is JSON and what is not (tests/vectors/json), how
 * deep, where each value lies to the byte, and keys that come twice, unasked
 * or in disguise.
 */
#include "protocol/json_read.h"
#include "tests/unit/testing.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int count_elements(void *ctx, const struct json_element *element,
			  const struct json_field *fields)
{
	(void)element;
	(void)fields;
	++*(unsigned *)ctx;
	return 0;
}

static int count_values(void *ctx, const struct json_value *value)
{
	(void)value;
	++*(unsigned *)ctx;
	return 0;
}

static int walk_objects(struct slice text)
{
	unsigned n = 0;

	return json_read_objects(text, NULL, 0, count_elements, &n);
}

/* the three walks must agree whether a text is JSON */
static void check_vector(const char *name, struct slice text)
{
	unsigned n = 0;
	int objects = walk_objects(text);
	int object = json_read_object(text, NULL, 0, false, NULL);
	int array = json_read_array(text, count_values, &n);
	bool good = false;

	switch (name[0]) {
	case 'y':
		good = objects == 0 && (object == 0) != (array == 0) &&
		       object + array == JSON_E_SHAPE;
		break;
	case 's':
		good = objects == JSON_E_SHAPE && object == JSON_E_SHAPE && array == JSON_E_SHAPE;
		break;
	case 'n':
		good = (objects == JSON_E_SYNTAX || objects == JSON_E_UTF8) &&
		       object == objects && array == objects;
		break;
	}
	if (!good)
		fail_msg("%s: objects %d, object %d, array %d", name, objects, object, array);
}

static void test_vectors(void **state)
{
	char path[4096];
	struct dirent *e;
	unsigned n = 0;
	DIR *dir;

	(void)state;
	snprintf(path, sizeof(path), "%s/tests/vectors/json", getenv("top_srcdir"));
	dir = opendir(path);
	assert_non_null(dir);
	while ((e = readdir(dir))) {
		char file[sizeof(path) + 300], *text;
		size_t len;
		FILE *f;

		if (e->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		f = fopen(file, "rb");
		assert_non_null(f);
		/* a block of just this size: valgrind sees a read past the end */
		assert_int_equal(fseek(f, 0, SEEK_END), 0);
		len = (size_t)ftell(f);
		rewind(f);
		text = malloc(len ? len : 1);
		assert_non_null(text);
		assert_int_equal(fread(text, 1, len, f), len);
		fclose(f);
		check_vector(e->d_name, slice_make(text, len));
		free(text);
		n++;
	}
	closedir(dir);
	assert_true(n > 150);
}

/* `n` brackets, around nothing, and closed again unless cut */
static struct slice nest(const char *pair, unsigned n, bool closed)
{
	size_t unit = strlen(pair) - 1;
	char *text = malloc(n * (unit + 1) + 1);

	assert_non_null(text);
	for (unsigned i = 0; i < n; i++) {
		memcpy(text + i * unit, pair, unit);
		text[n * unit + i] = pair[unit];
	}
	if (unit > 1)   /* {"a":{"a": … needs a value inside */
		text[n * unit - unit + 1] = '}', memset(text + n * unit - unit + 2, ' ', unit - 2),
		text[n * unit] = ' ';
	return slice_make(text, closed ? n * (unit + 1) : n * unit);
}

static void assert_depth(const char *pair, unsigned n, int objects, int object, int array)
{
	struct slice text = nest(pair, n, true);
	unsigned count = 0;

	assert_int_equal(walk_objects(text), objects);
	assert_int_equal(json_read_object(text, NULL, 0, false, NULL), object);
	assert_int_equal(json_read_array(text, count_values, &count), array);
	free((char *)text.p);
}

static void test_depth(void **state)
{
	const unsigned max = PROTOCOL_DEPTH_MAX;
	struct slice text;

	(void)state;
	/* the array around messages is not counted: one more */
	assert_depth("[]", max - 1, 0, JSON_E_SHAPE, 0);
	assert_depth("[]", max, 0, JSON_E_SHAPE, 0);
	assert_depth("[]", max + 1, 0, JSON_E_SHAPE, 0);
	assert_depth("[]", max + 2, JSON_E_DEPTH, JSON_E_SHAPE, 0);
	assert_depth("[]", max + 3, JSON_E_DEPTH, JSON_E_DEPTH, JSON_E_DEPTH);
	assert_depth("{\"a\":}", max - 1, 0, 0, JSON_E_SHAPE);
	assert_depth("{\"a\":}", max, 0, 0, JSON_E_SHAPE);
	assert_depth("{\"a\":}", max + 1, JSON_E_DEPTH, 0, JSON_E_SHAPE);
	assert_depth("{\"a\":}", max + 2, JSON_E_DEPTH, 0, JSON_E_SHAPE);
	assert_depth("{\"a\":}", max + 3, JSON_E_DEPTH, JSON_E_DEPTH, JSON_E_DEPTH);
	assert_depth("[]", 1000000, JSON_E_DEPTH, JSON_E_DEPTH, JSON_E_DEPTH);
	assert_depth("{\"a\":}", 1000000, JSON_E_DEPTH, JSON_E_DEPTH, JSON_E_DEPTH);

	text = nest("[]", 1000000, false);
	assert_int_equal(walk_objects(text), JSON_E_DEPTH);
	free((char *)text.p);
	text = nest("{\"a\":}", max, true);
	assert_int_equal(json_read_object_within(text, max, NULL, 0, false, NULL), 0);
	assert_int_equal(json_read_object_within(text, max - 1, NULL, 0, false, NULL),
			 JSON_E_DEPTH);
	free((char *)text.p);
}

static void assert_value(const struct json_value *v, enum json_kind kind, const char *raw)
{
	assert_int_equal(v->kind, kind);
	if (!slice_eq(v->raw, slice_of(raw)))
		fail_msg("\"%.*s\" instead of \"%s\"", SLICE_ARG(v->raw), raw);
}

static void test_raw_values(void **state)
{
	static const struct {
		const char *name;
		enum json_kind kind;
		const char *raw, *member;
	} expected[] = {
		{"null", JSON_NULL, "null", "\"null\":null"},
		{"no", JSON_FALSE, "false", "\"no\" : false"},
		{"yes", JSON_TRUE, "true", "\"yes\"\t:\n true"},
		{"id", JSON_NUMBER, "9007199254740993", "\"id\":9007199254740993"},
		{"big", JSON_NUMBER, "123456789012345678901234567890.10E+02",
		 "\"big\": 123456789012345678901234567890.10E+02"},
		{"text", JSON_STRING, "\"a \\\"b\\\", {c}:\\u0000\"",
		 "\"text\":\"a \\\"b\\\", {c}:\\u0000\""},
		{"empty", JSON_STRING, "\"\"", "\"empty\":\"\""},
		{"array", JSON_ARRAY, "[ 1 , \"]\", [ ] ]", "\"array\":[ 1 , \"]\", [ ] ]"},
		{"object", JSON_OBJECT, "{ \"id\" : {\"id\":[{}]} }",
		 "\"object\": { \"id\" : {\"id\":[{}]} }"},
		{"none", JSON_OBJECT, "{}", "\"none\":{}"},
		{"", JSON_NUMBER, "-0", "\"\":-0"},
		{"absent", JSON_ABSENT, "", ""},
	};
	const struct slice text = SLICE(
		" { \"null\":null,\"no\" : false , \"yes\"\t:\n true\r,\"id\":9007199254740993,"
		"\"big\": 123456789012345678901234567890.10E+02 ,\"x\":{\"id\":1},"
		"\"text\":\"a \\\"b\\\", {c}:\\u0000\" ,\"empty\":\"\","
		"\"array\":[ 1 , \"]\", [ ] ],"
		"\"object\": { \"id\" : {\"id\":[{}]} },\"none\":{},\"\":-0 } ");
	enum { N = sizeof(expected) / sizeof(expected[0]) };
	struct json_field fields[N] = {{0}};

	(void)state;
	for (unsigned i = 0; i < N; i++)
		fields[i].name = expected[i].name;
	assert_int_equal(json_read_object(text, fields, N, false, NULL), 0);
	for (unsigned i = 0; i < N; i++) {
		assert_value(&fields[i].value, expected[i].kind, expected[i].raw);
		assert_true(slice_eq(fields[i].member, slice_of(expected[i].member)));
		if (expected[i].kind != JSON_ABSENT)
			assert_true(fields[i].value.raw.p > text.p &&
				    fields[i].value.raw.p < text.p + text.n);
	}
}

/* "clientId" written with escapes is still clientId, and its member is the whole of it */
static void test_keys_in_disguise(void **state)
{
	struct json_field fields[] = {{.name = "clientId"}, {.name = "q\"\\"}};
	struct slice key = SLICE_NULL;

	(void)state;
	assert_int_equal(json_read_object(
		SLICE("{\"x\":1, \"cli\\u0065nt\\u0049d\" : \"s\" ,\"q\\\"\\\\\":2}"), fields, 2,
		false, NULL), 0);
	assert_value(&fields[0].value, JSON_STRING, "\"s\"");
	assert_true(slice_eq(fields[0].member,
			     SLICE("\"cli\\u0065nt\\u0049d\" : \"s\"")));
	assert_true(slice_eq(fields[1].member, SLICE("\"q\\\"\\\\\":2")));
	assert_int_equal(json_read_object(SLICE("{\"clientId\":1,\"\\u0063lientId\":2}"), fields, 2,
					  true, NULL), JSON_E_DUPLICATE);
	/* a NUL neither ends a key nor makes it equal to a shorter one */
	assert_int_equal(json_read_object(SLICE("{\"clientId\\u0000\":1}"), fields, 2, true, &key),
			 JSON_E_UNKNOWN);
	assert_true(slice_eq(key, SLICE("clientId\\u0000")));
}

/* a key too long for the parser's first buffer, escaped from its first to its last letter */
static void test_long_key_in_disguise(void **state)
{
	enum { N = 5000 };
	char *text = malloc(N * 6 + 10), *name = malloc(N + 1);
	struct json_field field = {0};
	size_t n;

	(void)state;
	assert_true(text && name);
	n = (size_t)sprintf(text, "{\"");
	for (unsigned i = 0; i < N; i++) {
		name[i] = (char)('a' + i % 26);
		n += (size_t)sprintf(text + n, "\\u%04x", name[i]);
	}
	name[N] = '\0';
	n += (size_t)sprintf(text + n, "\":7}");
	field.name = name;
	assert_int_equal(json_read_object(slice_make(text, n), &field, 1, true, NULL), 0);
	assert_value(&field.value, JSON_NUMBER, "7");
	assert_true(field.member.p == text + 1 && field.member.n == n - 2);
	free(name);
	free(text);
}

static void test_strict_and_duplicates(void **state)
{
	static const struct {
		struct slice text;
		int strict, open;
		const char *key;
	} table[] = {
		{SLICE("{}"), 0, 0, NULL},
		{SLICE("{\"a\":1,\"b\":2}"), 0, 0, NULL},
		{SLICE("{\"c\":1,\"b\":2,\"d\":3}"), JSON_E_UNKNOWN, 0, "c"},
		{SLICE("{\"b\":{\"c\":1,\"c\":1,\"a\":[{\"a\":1}]},\"a\":1}"), 0, 0, NULL},
		{SLICE("{\"a\":1,\"a\":1}"), JSON_E_DUPLICATE, JSON_E_DUPLICATE, NULL},
		{SLICE("{\"a\":null,\"b\":1,\"a\":2}"), JSON_E_DUPLICATE, JSON_E_DUPLICATE, NULL},
		{SLICE("{\"x\":1,\"a\":{},\"a\":1}"), JSON_E_DUPLICATE, JSON_E_DUPLICATE, NULL},
		{SLICE("{\"x\":1,\"x\":1}"), JSON_E_UNKNOWN, 0, "x"},
		/* the most serious fault wins, wherever it is */
		{SLICE("{\"x\":1,\"a\":1,\"a\":2"), JSON_E_SYNTAX, JSON_E_SYNTAX, NULL},
		{SLICE("{\"a\":1,\"a\":2}\xff"), JSON_E_UTF8, JSON_E_UTF8, NULL},
		{SLICE("[{\"a\":1,\"a\":2}]"), JSON_E_SHAPE, JSON_E_SHAPE, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct json_field fields[] = {{.name = "a"}, {.name = "b"}};
		struct slice key = SLICE_NULL;

		assert_int_equal(json_read_object(table[i].text, fields, 2, true, &key),
				 table[i].strict);
		assert_true(slice_eq(key, slice_of(table[i].key)));
		assert_int_equal(json_read_object(table[i].text, fields, 2, false, NULL),
				 table[i].open);
		if (table[i].strict == JSON_E_UNKNOWN && i == 2)
			assert_value(&fields[1].value, JSON_NUMBER, "2");
	}
}

/* writes its arguments as text, to be compared at once */
static int note_element(void *ctx, const struct json_element *e, const struct json_field *fields)
{
	struct buf *out = ctx;

	return buf_printf(out, "<%d%s %.*s|%.*s|%.*s>", e->value.kind, e->duplicate ? "!" : "",
			  SLICE_ARG(e->value.raw), SLICE_ARG(fields[0].value.raw),
			  SLICE_ARG(fields[1].member));
}

static void assert_elements(struct slice text, const char *notes)
{
	struct json_field fields[] = {{.name = "channel"}, {.name = "id"}};
	struct buf out;

	buf_init(&out, 4096);
	assert_int_equal(json_read_objects(text, fields, 2, note_element, &out), 0);
	if (!slice_eq(buf_slice(&out), slice_of(notes)))
		fail_msg("%.*s instead of %s", SLICE_ARG(buf_slice(&out)), notes);
	buf_fini(&out);
}

static void test_objects(void **state)
{
	(void)state;
	assert_elements(SLICE("[]"), "");
	assert_elements(SLICE("{}"), "<7 {}||>");
	assert_elements(SLICE(" {\"id\" : 1,\"channel\":\"/a\" } "),
			"<7 {\"id\" : 1,\"channel\":\"/a\" }|\"/a\"|\"id\" : 1>");
	/* fields of one element do not leak into the next */
	assert_elements(SLICE("[ {\"channel\":\"/a\",\"id\":1} , {} ,{\"id\":{\"id\":2}}]"),
			"<7 {\"channel\":\"/a\",\"id\":1}|\"/a\"|\"id\":1><7 {}||>"
			"<7 {\"id\":{\"id\":2}}||\"id\":{\"id\":2}>");
	/* elements that are no objects come too, and nothing inside them counts */
	assert_elements(SLICE("[1 , null,\"a\\n\", [{\"id\":1},[2]] ,true,false,{\"id\":3}]"),
			"<4 1||><1 null||><5 \"a\\n\"||><6 [{\"id\":1},[2]]||><3 true||><2 false||>"
			"<7 {\"id\":3}||\"id\":3>");
	assert_elements(SLICE("[{\"id\":1,\"id\":2},{\"id\":3,\"x\":1,\"x\":1},{}]"),
			"<7! {\"id\":1,\"id\":2}||\"id\":1>"
			"<7 {\"id\":3,\"x\":1,\"x\":1}||\"id\":3><7 {}||>");
	assert_elements(SLICE("{\"id\":1,\"\\u0069d\":2}"),
			"<7! {\"id\":1,\"\\u0069d\":2}||\"id\":1>");
}

static int stop_at_second(void *ctx, const struct json_element *e, const struct json_field *fields)
{
	(void)e;
	(void)fields;
	return ++*(unsigned *)ctx == 2 ? -EXDEV : 0;
}

static int stop_at_two(void *ctx, const struct json_value *value)
{
	++*(unsigned *)ctx;
	return slice_eq(value->raw, SLICE("2")) ? 77 : 0;
}

static void test_walks_end_early(void **state)
{
	unsigned n = 0;

	(void)state;
	/* text after it is not parsed */
	assert_int_equal(json_read_objects(SLICE("[{},{},{} oops"), NULL, 0, stop_at_second, &n),
			 -EXDEV);
	assert_int_equal(n, 2);
	n = 0;
	assert_int_equal(json_read_array(SLICE("[1,2,3]"), stop_at_two, &n), 77);
	assert_int_equal(n, 2);
	/* a number may continue after the end of the text: it is never reported */
	n = 0;
	assert_int_equal(json_read_array(SLICE("[        1"), count_values, &n), JSON_E_SYNTAX);
	assert_int_equal(n, 0);
}

static int note_value(void *ctx, const struct json_value *value)
{
	return buf_printf(ctx, "<%d %.*s>", value->kind, SLICE_ARG(value->raw));
}

static void test_array(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	assert_int_equal(json_read_array(SLICE(" [ 1 ,\"a\\u0000,b\",null , {\"a\":[1]},[ ],-1e5]"),
					 note_value, &out), 0);
	assert_true(slice_eq(buf_slice(&out), SLICE("<4 1><5 \"a\\u0000,b\"><1 null>"
						    "<7 {\"a\":[1]}><6 [ ]><4 -1e5>")));
	buf_fini(&out);
}

/* enough escapes that yajl must grow its buffer, where anything could fail */
static void test_each_allocation_failing(void **state)
{
	enum { ESCAPES = 20000 };
	char *text = malloc(ESCAPES * 2 + 20);
	struct json_field fields[] = {{.name = "a"}};
	unsigned failures = 0;
	size_t n;

	(void)state;
	assert_non_null(text);
	n = (size_t)sprintf(text, "{\"a\":\"");
	for (unsigned i = 0; i < ESCAPES; i++)
		text[n++] = '\\', text[n++] = 'n';
	n += (size_t)sprintf(text + n, "\"}");
	FAIL_EACH_ALLOCATION {
		int r = json_read_object(slice_make(text, n), fields, 1, true, NULL);

		if (r) {
			assert_int_equal(r, -ENOMEM);
			failures++;
			continue;
		}
		assert_int_equal(fields[0].value.raw.n, ESCAPES * 2 + 2);
	}
	assert_true(failures > 2);
	free(text);
}

/* an ordinary message costs no allocation, escapes and depth included */
static void test_ordinary_text_allocates_nothing(void **state)
{
	struct json_field fields[] = {{.name = "channel"}, {.name = "id"}};
	unsigned n = 0;

	(void)state;
	testing_fail_allocation(0);
	assert_int_equal(json_read_objects(
		SLICE("[{\"ch\\u0061nnel\":\"/a\\n\",\"data\":{\"a\":[[[\"\\n\\t\\u1234\"]]]},"
		      "\"id\":\"7\"},{\"channel\":\"\\/b\"}]"), fields, 2, count_elements, &n), 0);
	assert_false(testing_allocation_failed());
	assert_int_equal(n, 2);
}

static void test_fault_texts(void **state)
{
	(void)state;
	for (int fault = JSON_E_SYNTAX; fault <= JSON_E_UNKNOWN; fault++)
		for (int other = 0; other < fault; other++)
			assert_string_not_equal(json_fault_text(fault), json_fault_text(other));
	assert_string_equal(json_fault_text(99), json_fault_text(-ENOMEM));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_raw_values),
		cmocka_unit_test(test_keys_in_disguise),
		cmocka_unit_test(test_long_key_in_disguise),
		cmocka_unit_test(test_strict_and_duplicates),
		cmocka_unit_test(test_objects),
		cmocka_unit_test(test_walks_end_early),
		cmocka_unit_test(test_array),
		cmocka_unit_test(test_each_allocation_failing),
		cmocka_unit_test(test_ordinary_text_allocates_nothing),
		cmocka_unit_test(test_fault_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
