/*
 * The few functions with which programs read JSON.
 */
#include "tests/unit/testing.h"

#include "tests/unit/client_test.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_json),
	};

	/* a hang is a failure, too */
	alarm(600);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
