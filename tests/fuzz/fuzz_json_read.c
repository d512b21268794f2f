/*
 * Any bytes into protocol/json_read. For accepted text, raw values are within the text
 * and are valid JSON by themselves, strings are UTF-8, and all walks give the same result.
 */
#include "protocol/json_read.h"
#include "protocol/utf8.h"
#include "tests/fuzz/fuzz.h"

const char *const fuzz_seeds = "tests/vectors/json";

static int ignore(void *ctx, const struct json_value *value)
{
	(void)ctx;
	(void)value;
	return 0;
}

static void check_value(struct slice text, const struct json_value *v)
{
	struct buf scratch;
	struct slice s;
	uint64_t n;
	double d;
	int r;

	FUZZ_CHECK(v->raw.p >= text.p && v->raw.n > 0 && v->raw.p + v->raw.n <= text.p + text.n);
	buf_init(&scratch, text.n);
	r = json_text(v, &scratch, &s);
	FUZZ_CHECK(r == (v->kind == JSON_STRING ? 0 : JSON_E_SHAPE));
	FUZZ_CHECK(r || utf8_valid(s));
	buf_fini(&scratch);
	if (v->kind == JSON_OBJECT)
		FUZZ_CHECK(json_read_object(v->raw, NULL, 0, false, NULL) == 0);
	if (v->kind == JSON_ARRAY)
		FUZZ_CHECK(json_read_array(v->raw, ignore, NULL) == 0);
	r = json_double(v, &d);
	FUZZ_CHECK(r == (v->kind == JSON_NUMBER ? 0 : JSON_E_SHAPE));
	if (json_u64(v, &n) == 0)
		FUZZ_CHECK(d >= (double)n - 2048 && d <= (double)n + 2048);
}

static int on_value(void *ctx, const struct json_value *value)
{
	check_value(*(struct slice *)ctx, value);
	return 0;
}

static int on_element(void *ctx, const struct json_element *e, const struct json_field *fields)
{
	struct slice text = *(struct slice *)ctx;

	check_value(text, &e->value);
	for (unsigned i = 0; i < 2; i++) {
		if (fields[i].value.kind == JSON_ABSENT)
			continue;
		check_value(e->value.raw, &fields[i].value);
		FUZZ_CHECK(fields[i].member.p[0] == '"');
		FUZZ_CHECK(fields[i].member.p + fields[i].member.n ==
			   fields[i].value.raw.p + fields[i].value.raw.n);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice text = slice_make(data, n), key = SLICE_NULL;
	struct json_field fields[] = {{.name = "a"}, {.name = "id"}};
	int array = json_read_array(text, on_value, &text);
	int objects = json_read_objects(text, fields, 2, on_element, &text);
	int object = json_read_object(text, fields, 2, true, &key);

	FUZZ_CHECK((array == JSON_E_SYNTAX) == (object == JSON_E_SYNTAX) || array == JSON_E_DEPTH);
	FUZZ_CHECK((array == JSON_E_UTF8) == (object == JSON_E_UTF8));
	FUZZ_CHECK(objects != 0 || array == 0 || array == JSON_E_SHAPE);
	FUZZ_CHECK(array != 0 || object == JSON_E_SHAPE);
	FUZZ_CHECK((object == JSON_E_UNKNOWN) == (key.p != NULL));
	return 0;
}
