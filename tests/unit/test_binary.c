/*
 * binary: payloads of CometD's binary extension, converted to the local wire and back;
 * malformed ones are an error, or refused.
 */
#include "tests/unit/testing.h"

#include "bayeux/binary.h"

#include <errno.h>
#include <stdio.h>

static int to_wire(const char *data, const char *ext, struct buf *out)
{
	struct envelope e = {.data = slice_of(data), .ext = ext ? slice_of(ext) : SLICE_NULL};
	return binary_to_wire(&e, out);
}

static void events_become_base64(void **state)
{
	static const struct {
		const char *data, *ext, *wire;
	} cases[] = {
		{"{\"data\":\"xK#0@zV\",\"last\":true}", "{\"binary\":{}}",
		 "{\"data\":\"aGVsbG8=\",\"last\":true}"},
		{"{\"last\":false,\"meta\":{\"n\": 9007199254740993},\"data\":\"Hello\"}",
		 "{\"a\":1,\"binary\":true}",
		 "{\"data\":\"hk/Sbw==\",\"last\":false,\"meta\":{\"n\": 9007199254740993}}"},
		{"{\"data\":\"\",\"meta\":null,\"more\":1}", "{\"binary\":{}}",
		 "{\"data\":\"\",\"last\":true,\"meta\":null}"},
		/* the alphabet, escaped as JSON may be */
		{"{\"data\":\"\\u002b\\/{\",\"last\":true}", "{\"binary\":{}}",
		 "{\"data\":\"zM0=\",\"last\":true}"},
		/* no marker */
		{"{\"data\":\"Hello\",\"last\":true}", NULL, NULL},
		{"{\"data\":\"Hello\",\"last\":true}", "{}", NULL},
		/* a marker that lies */
		{"{\"data\":\"Hello \",\"last\":true}", "{\"binary\":{}}",
		 "{\"error\":\"data of binary is no Z85\"}"},
		{"{\"data\":7,\"last\":true}", "{\"binary\":{}}",
		 "{\"error\":\"data of binary is no Z85\"}"},
		{"{\"last\":true}", "{\"binary\":{}}", "{\"error\":\"data of binary is no Z85\"}"},
		{"{\"data\":\"Hello\",\"last\":1}", "{\"binary\":{}}",
		 "{\"error\":\"last of binary is neither true nor false\"}"},
		{"\"Hello\"", "{\"binary\":{}}", "{\"error\":\"binary is no object with data\"}"},
		{"{\"data\":\"\",\"data\":\"\"}", "{\"binary\":{}}",
		 "{\"error\":\"binary is no object with data\"}"},
	};
	struct buf out;
	(void)state;
	buf_init(&out, 4096);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_clear(&out);
		int r = to_wire(cases[i].data, cases[i].ext, &out);
		assert_int_equal(r, cases[i].wire ? 0 : BINARY_E_NONE);
		struct slice wanted = cases[i].wire ? slice_of(cases[i].wire) : SLICE("");
		if (!slice_eq(buf_slice(&out), wanted))
			fail_msg("%s: %.*s", cases[i].data, SLICE_ARG(buf_slice(&out)));
	}
	buf_fini(&out);
}

static void bytes_become_z85(void **state)
{
	static const struct {
		const char *wish, *own, *data, *ext;    /* ext NULL: data is the complaint */
	} cases[] = {
		{"{\"data\":\"aGVsbG8=\"}", NULL, "{\"data\":\"xK#0@zV\",\"last\":true}",
		 "{\"binary\":{}}"},
		{"{\"meta\": [1] ,\"data\":\"\",\"last\":false}", "{}",
		 "{\"data\":\"\",\"last\":false,\"meta\":[1]}", "{\"binary\":{}}"},
		{"{\"data\":\"aGVsbG8=\",\"last\":true}", "{ \"a\":{} \n}",
		 "{\"data\":\"xK#0@zV\",\"last\":true}", "{ \"a\":{},\"binary\":{}}"},
		{"{\"data\":\"aGVsbG8=\"}", "{ }", "{\"data\":\"xK#0@zV\",\"last\":true}",
		 "{\"binary\":{}}"},
		{"{\"data\":\"aGVsbG8\"}", NULL, "data of binary is no base64", NULL},
		{"{\"data\":1}", NULL, "data of binary is no base64", NULL},
		{"{}", NULL, "data of binary is no base64", NULL},
		{"{\"data\":\"\",\"last\":null}", NULL, "last of binary is neither true nor false", NULL},
		{"{\"data\":\"\",\"lats\":true}", NULL,
		 "binary has data, last and meta, and nothing else", NULL},
		{"[]", NULL, "binary is no object with data", NULL},
		{"{\"data\":\"\"}", "{\"binary\":null}", "ext must not contain binary", NULL},
	};
	struct buf data, ext;
	(void)state;
	buf_init(&data, 4096);
	buf_init(&ext, 4096);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *why = NULL;
		buf_clear(&data);
		buf_clear(&ext);
		int r = binary_from_wire(slice_of(cases[i].wish),
					 cases[i].own ? slice_of(cases[i].own) : SLICE_NULL, &data,
					 &ext, &why);
		if (!cases[i].ext) {
			assert_int_equal(r, BINARY_E_OBJECT);
			assert_string_equal(why, cases[i].data);
			assert_int_equal(buf_len(&data) + buf_len(&ext), 0);
			continue;
		}
		assert_int_equal(r, 0);
		if (!slice_eq(buf_slice(&data), slice_of(cases[i].data)) ||
		    !slice_eq(buf_slice(&ext), slice_of(cases[i].ext)))
			fail_msg("%s: %.*s %.*s", cases[i].wish, SLICE_ARG(buf_slice(&data)),
				 SLICE_ARG(buf_slice(&ext)));
	}
	buf_fini(&data);
	buf_fini(&ext);
}

static void there_is_a_ceiling(void **state)
{
	struct buf data, ext;
	const char *why;
	(void)state;
	for (size_t max = 1; max < 31; max++) {
		buf_init(&data, max);
		buf_init(&ext, max > 12 ? 12 : max);
		assert_int_equal(to_wire("{\"data\":\"xK#0@zV\"}", "{\"binary\":{}}", &data),
				 -EMSGSIZE);
		assert_int_equal(binary_from_wire(SLICE("{\"data\":\"aGVsbG8=\"}"), SLICE_NULL,
						  &data, &ext, &why), -EMSGSIZE);
		assert_int_equal(buf_len(&data) + buf_len(&ext), 0);
		buf_fini(&data);
		buf_fini(&ext);
	}
}

static void memory_fails(void **state)
{
	unsigned failed = 0;
	(void)state;
	FAIL_EACH_ALLOCATION {
		struct buf data, ext;
		const char *why;
		buf_init(&data, 4096);
		buf_init(&ext, 4096);
		int r = to_wire("{\"data\":\"H\\u0065llo\"}", "{\"binary\":{}}", &data);
		if (r) {
			assert_int_equal(r, -ENOMEM);
			assert_int_equal(buf_len(&data), 0);
			failed++;
		}
		r = binary_from_wire(SLICE("{\"data\":\"aGVsbG8=\"}"), SLICE("{\"a\":1}"), &data, &ext,
				     &why);
		if (r) {
			assert_int_equal(r, -ENOMEM);
			assert_int_equal(buf_len(&ext), 0);
			failed++;
		}
		buf_fini(&data);
		buf_fini(&ext);
	}
	assert_in_range(failed, 5, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_become_base64),
		cmocka_unit_test(bytes_become_z85),
		cmocka_unit_test(there_is_a_ceiling),
		cmocka_unit_test(memory_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
