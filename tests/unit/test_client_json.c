/*
 * The functions with which programs read and write JSON.
 */
#include "tests/unit/testing.h"

#include "tests/unit/client_test.h"

#include <math.h>
#include <unistd.h>

static int count_element(void *user, const struct cometd_json *element)
{
	int *n = user;

	++*n;
	return element->kind == COMETD_JSON_NULL ? 42 : 0;
}

static void test_json(void **state)
{
	static const char text[] = " {\"a\":\"\\u00e9\\n\", \"n\":18446744073709551615,"
				   " \"l\":[1,2,null,3]} ";
	struct cometd_json v, m;
	char buf[8];
	uint64_t n;
	size_t len;
	int count = 0;

	(void)state;
	assert_int_equal(cometd_json_parse(text, strlen(text), &v), 0);
	assert_int_equal(v.kind, COMETD_JSON_OBJECT);
	assert_ptr_equal(v.json, text + 1);
	assert_int_equal(cometd_json_get(&v, "a", &m), 0);
	assert_int_equal(cometd_json_text(&m, buf, sizeof(buf), &len), 0);
	assert_string_equal(buf, "\303\251\n");
	assert_int_equal(len, 3);
	assert_int_equal(cometd_json_text(&m, buf, 2, NULL), 0);
	assert_string_equal(buf, "\303");
	assert_int_equal(cometd_json_u64(&m, &n), COMETD_E_JSON);
	assert_int_equal(cometd_json_get(&v, "n", &m), 0);
	assert_int_equal(cometd_json_u64(&m, &n), 0);
	assert_true(n == UINT64_MAX);
	assert_int_equal(cometd_json_text(&m, buf, sizeof(buf), NULL), COMETD_E_JSON);
	assert_int_equal(cometd_json_get(&v, "l", &m), 0);
	assert_int_equal(cometd_json_each(&m, count_element, &count), 42);
	assert_int_equal(count, 3);
	assert_int_equal(cometd_json_each(&v, count_element, &count), COMETD_E_JSON);
	assert_int_equal(cometd_json_get(&v, "x", &m), 0);
	assert_int_equal(m.kind, COMETD_JSON_NONE);
	assert_int_equal(cometd_json_get(&m, "x", &m), COMETD_E_JSON);
	assert_int_equal(cometd_json_parse("{} {}", 5, &v), COMETD_E_JSON);
	assert_int_equal(cometd_json_parse("1,2", 3, NULL), COMETD_E_JSON);
	assert_int_equal(cometd_json_parse("", 0, NULL), COMETD_E_JSON);
	assert_int_equal(cometd_json_parse("0", 1, &v), 0);
	assert_int_equal(v.kind, COMETD_JSON_NUMBER);
	FAIL_EACH_ALLOCATION {
		int error = cometd_json_parse(text, strlen(text), &v);

		if (error)
			assert_int_equal(error, COMETD_E_NOMEM);
	}
}

/* ---- writing ----------------------------------------------------------- */

static void write_all(struct cometd_json_writer *w)
{
	cometd_json_object_begin(w);
	cometd_json_key(w, "t");
	cometd_json_put_string(w, "a\"b\\\n\302\205");
	cometd_json_key(w, "u");
	cometd_json_put_text(w, "x\0y", 3);
	cometd_json_key(w, "l");
	cometd_json_array_begin(w);
	cometd_json_put_i64(w, INT64_MIN);
	cometd_json_put_u64(w, UINT64_MAX);
	cometd_json_put_double(w, 0.1);
	cometd_json_put_double(w, 1e300);
	cometd_json_put_bool(w, 7);
	cometd_json_put_null(w);
	cometd_json_put_string(w, NULL);
	cometd_json_put_raw(w, " {} ", 4);
	cometd_json_array_end(w);
	cometd_json_object_end(w);
}

static const char written[] =
	"{\"t\":\"a\\\"b\\\\\\n\302\205\",\"u\":\"x\\u0000y\",\"l\":[-9223372036854775808,"
	"18446744073709551615,0.1,1e+300,true,null,null, {} ]}";

static void test_write(void **state)
{
	struct cometd_json_writer *w = NULL;
	const char *json;
	size_t len;

	(void)state;
	assert_int_equal(cometd_json_writer_new(&w), 0);
	for (int i = 0; i < 2; i++) {
		write_all(w);
		assert_int_equal(cometd_json_writer_result(w, &json, &len), 0);
		assert_string_equal(json, written);
		assert_int_equal(len, strlen(written));
	}
	cometd_json_put_string(w, "alone");
	assert_int_equal(cometd_json_writer_result(w, &json, NULL), 0);
	assert_string_equal(json, "\"alone\"");
	cometd_json_writer_free(w);
	cometd_json_writer_free(NULL);
}

/* One mistake, and what follows it does not hide it; the next value is free of it. */
static void assert_mistake(struct cometd_json_writer *w, int error)
{
	const char *json;
	size_t len;

	assert_int_equal(cometd_json_writer_result(w, &json, &len), error);
	cometd_json_put_i64(w, 1);
	assert_int_equal(cometd_json_writer_result(w, &json, &len), 0);
	assert_string_equal(json, "1");
}

static void test_write_mistakes(void **state)
{
	struct cometd_json_writer *w = NULL;

	(void)state;
	assert_int_equal(cometd_json_writer_new(&w), 0);
	assert_mistake(w, COMETD_E_JSON);
	cometd_json_put_string(w, "\377");
	assert_mistake(w, COMETD_E_JSON);
	cometd_json_put_raw(w, "1,2", 3);
	assert_mistake(w, COMETD_E_JSON);
	cometd_json_put_i64(w, 1);
	cometd_json_put_i64(w, 2);
	assert_mistake(w, COMETD_E_JSON);
	cometd_json_object_begin(w);
	assert_mistake(w, COMETD_E_JSON);
	cometd_json_array_end(w);
	assert_mistake(w, COMETD_E_JSON);
	cometd_json_object_begin(w);
	cometd_json_put_i64(w, 1);
	cometd_json_object_end(w);
	assert_mistake(w, COMETD_E_JSON);
	for (int i = 0; i < 1000; i++)
		cometd_json_array_begin(w);
	assert_mistake(w, COMETD_E_JSON);
	cometd_json_array_begin(w);
	cometd_json_put_double(w, HUGE_VAL);
	cometd_json_array_end(w);
	assert_mistake(w, COMETD_E_INVALID);
	cometd_json_writer_free(w);
}

/* too large is an error, however it gets there */
static void test_write_too_much(void **state)
{
	static char text[1 << 20];
	struct cometd_json_writer *w = NULL;

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(cometd_json_writer_new(&w), 0);
	cometd_json_array_begin(w);
	for (int i = 0; i < 17; i++)
		cometd_json_put_text(w, text, sizeof(text));
	cometd_json_array_end(w);
	assert_mistake(w, COMETD_E_TOO_LARGE);
	cometd_json_writer_free(w);
}

static void test_write_memory(void **state)
{
	(void)state;
	FAIL_EACH_ALLOCATION {
		struct cometd_json_writer *w = NULL;
		const char *json;
		int error = cometd_json_writer_new(&w);

		if (!error) {
			write_all(w);
			error = cometd_json_writer_result(w, &json, NULL);
		}
		if (error)
			assert_int_equal(error, COMETD_E_NOMEM);
		else
			assert_string_equal(json, written);
		cometd_json_writer_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_json),
		TEST(test_write),
		TEST(test_write_mistakes),
		TEST(test_write_too_much),
		TEST(test_write_memory),
	};

	/* a hang is a failure, too */
	alarm(600);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
