/*
 * cometctl's output: how control characters are shown to people and to programs, and that
 * nothing after a text is read.
 */
#include "libclient/cometctl/cometctl.h"
#include "tests/unit/testing.h"

#include <stdlib.h>
#include <string.h>

enum kind { NAME, JSON, JSON_STRING };

static char *printed(enum kind kind, const char *text, bool terminal)
{
	char *out = NULL, *copy = strdup(text);
	size_t n = 0;
	FILE *to = open_memstream(&out, &n);

	assert_non_null(to);
	assert_non_null(copy);
	print_to_terminal(terminal);
	if (kind == NAME)
		print_name(to, copy);
	else if (kind == JSON)
		print_json(to, copy, strlen(copy));
	else
		print_json_string(to, copy);
	fclose(to);
	free(copy);
	return out;
}

static const struct {
	enum kind kind;
	const char *text, *people, *programs;
} table[] = {
	{NAME, "/a b\"\\", "/a b\"\\", "/a b\"\\"},
	{NAME, "/gr\303\266\303\237e\360\237\230\200", "/gr\303\266\303\237e\360\237\230\200",
	 "/gr\303\266\303\237e\360\237\230\200"},
	/* one line stays one line, for programs too */
	{NAME, "a\tb\nc\033[2J\a", "a\\u0009b\\u000ac\\u001b[2J\\u0007",
	 "a\\u0009b\\u000ac\\u001b[2J\\u0007"},
	/* C1, DEL, what turns the order of its neighbours */
	{NAME, "\302\23331m\302\200\302\237\302\240", "\\u009b31m\\u0080\\u009f\302\240",
	 "\302\23331m\302\200\302\237\302\240"},
	{NAME, "\177", "\\u007f", "\177"},
	{NAME, "\342\200\256evil\342\201\246\330\234\342\200\217", "\\u202eevil\\u2066\\u061c\\u200f",
	 "\342\200\256evil\342\201\246\330\234\342\200\217"},
	{NAME, "\342\200\250", "\\u2028", "\342\200\250"},
	/* no character: a lone lead at the end, one in the middle, overlong, a surrogate, too large */
	{NAME, "/a\302", "/a\\xc2", "/a\302"},
	{NAME, "/\342\200", "/\\xe2\\x80", "/\342\200"},
	{NAME, "\302x\233", "\\xc2x\\x9b", "\302x\233"},
	{NAME, "\300\233\340\200\233", "\\xc0\\x9b\\xe0\\x80\\x9b", "\300\233\340\200\233"},
	{NAME, "\355\240\200\364\220\200\200", "\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80",
	 "\355\240\200\364\220\200\200"},
	{JSON, "{\"a\":\n\t\"\302\233\177\342\200\256\"}", "{\"a\":  \"\\u009b\\u007f\\u202e\"}",
	 "{\"a\":  \"\302\233\177\342\200\256\"}"},
	{JSON_STRING, "a\"b\\\n\302\233\302", "\"a\\\"b\\\\\\u000a\\u009b\\ufffd\"",
	 "\"a\\\"b\\\\\\u000a\302\233\302\""},
};

static void test_for_people_and_programs(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char *people = printed(table[i].kind, table[i].text, true);
		char *programs = printed(table[i].kind, table[i].text, false);

		assert_string_equal(people, table[i].people);
		assert_string_equal(programs, table[i].programs);
		free(people);
		free(programs);
	}
}

/* the column after a name is aligned with its header, whatever the name */
/* The epoch is added inside the object, whatever follows the event in memory. */
static void test_events(void **state)
{
	static const char *const after[] = {"", "}", "}}", " }", "{"};

	(void)state;
	for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
		char text[64], *out = NULL;
		size_t n = 0;
		FILE *to = open_memstream(&out, &n);
		int length = snprintf(text, sizeof(text), "{\"seq\":7,\"message\":{}}");
		const struct cometd_event event = {
			.type = COMETD_EVENT_MESSAGE, .json = text, .json_len = (size_t)length, .epoch = "e1",
		};

		assert_non_null(to);
		snprintf(text + length, sizeof(text) - (size_t)length, "%s", after[i]);
		print_event_json(to, &event);
		fclose(to);
		assert_string_equal(out, "{\"seq\":7,\"message\":{},\"epoch\":\"e1\"}");
		free(out);
	}
}

static void test_columns(void **state)
{
	(void)state;
	print_to_terminal(true);
	assert_int_equal(print_name(NULL, "abc"), 3);
	assert_int_equal(print_name(NULL, "\303\266\360\237\230\200"), 2);
	assert_int_equal(print_name(NULL, "\033\302"), 6 + 4);
	assert_int_equal(print_name(NULL, ""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_for_people_and_programs),
		cmocka_unit_test(test_events), cmocka_unit_test(test_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
