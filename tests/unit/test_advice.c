/* Advice: the latest alone counts, over the defaults; odd values are bounded or as if absent. */
#include "tests/unit/testing.h"

#include "bayeux/advice.h"

#include <errno.h>

static const struct {
	const char *text;
	struct advice expect;
} table[] = {
	{"{}", {ADVICE_ABSENT, 0, 60000, 0, false, false}},
	{"{\"reconnect\":\"retry\",\"interval\":500,\"timeout\":30000,\"maxInterval\":10000}",
	 {ADVICE_RETRY, 500, 30000, 10000, false, false}},
	{"{\"reconnect\":\"handshake\",\"interval\":0}",
	 {ADVICE_HANDSHAKE, 0, 60000, 0, false, false}},
	{"{\"reconnect\":\"none\"}", {ADVICE_NONE, 0, 60000, 0, false, false}},
	{"{\"multiple-clients\":true,\"interval\":2000,\"reconnect\":\"retry\"}",
	 {ADVICE_RETRY, 2000, 60000, 0, true, false}},
	{"{\"multiple-clients\":1}", {ADVICE_ABSENT, 0, 60000, 0, false, false}},
	/* wrong types and sizes */
	{"{\"interval\":1500.75,\"timeout\":2e3}", {ADVICE_ABSENT, 1500, 2000, 0, false, false}},
	{"{\"interval\":-1,\"timeout\":-5.5,\"maxInterval\":-1}",
	 {ADVICE_ABSENT, 0, 0, 0, false, false}},
	{"{\"interval\":1e300,\"timeout\":99999999999,\"maxInterval\":3600001}",
	 {ADVICE_ABSENT, 3600000, 3600000, 3600000, false, false}},
	{"{\"interval\":\"500\",\"timeout\":null,\"maxInterval\":[1],\"reconnect\":7}",
	 {ADVICE_ABSENT, 0, 60000, 0, false, false}},
	{"{\"reconnect\":\"later\",\"x\":{\"interval\":1}}",
	 {ADVICE_ABSENT, 0, 60000, 0, false, false}},
	/* that there are others, but not who */
	{"{\"hosts\":[\"a\",\"http://b/\"]}", {ADVICE_ABSENT, 0, 60000, 0, false, true}},
	{"{\"hosts\":\"a\"}", {ADVICE_ABSENT, 0, 60000, 0, false, false}},
	{"{\"long-polling\":{\"hosts\":[]}}", {ADVICE_ABSENT, 0, 60000, 0, false, true}},
	/* the object of the transport in use lies on top; others do not count */
	{"{\"interval\":1,\"timeout\":2,\"long-polling\":{\"interval\":9,\"reconnect\":\"none\"}}",
	 {ADVICE_NONE, 9, 2, 0, false, false}},
	{"{\"interval\":1,\"websocket\":{\"interval\":9}}",
	 {ADVICE_ABSENT, 1, 60000, 0, false, false}},
	{"{\"interval\":1,\"long-polling\":9}", {ADVICE_ABSENT, 1, 60000, 0, false, false}},
};

static void assert_same(const struct advice *a, const struct advice *b, const char *text)
{
	if (a->reconnect != b->reconnect || a->interval != b->interval ||
	    a->timeout != b->timeout || a->max_interval != b->max_interval ||
	    a->multiple_clients != b->multiple_clients || a->hosts != b->hosts)
		fail_msg("%s", text);
}

static void latest_advice_alone_counts(void **state)
{
	(void)state;
	struct advice a = {ADVICE_NONE, 11, 12, 13, true, false};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_int_equal(advice_read(&a, slice_of(table[i].text), "long-polling"), 0);
		assert_same(&a, &table[i].expect, table[i].text);
	}
}

static void unreadable_advice_changes_nothing(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "[]", "7", "{", "{\"interval\":1,\"interval\":2}",
					  "{\"long-polling\":{\"timeout\":1,\"timeout\":2}}"};
	const struct advice before = {ADVICE_RETRY, 11, 12, 13, true, false};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct advice a = before;
		assert_int_equal(advice_read(&a, slice_of(bad[i]), "long-polling"), 0);
		assert_same(&a, &before, bad[i]);
	}
}

static void memory_may_be_short(void **state)
{
	(void)state;
	const struct advice before = {ADVICE_RETRY, 11, 12, 13, true, false};
	FAIL_EACH_ALLOCATION {
		struct advice a = before;
		int r = advice_read(&a, slice_of(table[11].text), "long-polling");
		assert_true(r == 0 || r == -ENOMEM);
		assert_same(&a, r ? &before : &table[11].expect, "advice");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(latest_advice_alone_counts),
		cmocka_unit_test(unreadable_advice_changes_nothing),
		cmocka_unit_test(memory_may_be_short),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
