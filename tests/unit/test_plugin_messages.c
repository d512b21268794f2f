/*
 * Extensions and messages: what they may read and change, in which order; and that the
 * changes of one that fails are undone, and the failure is logged.
 */
#include "tests/unit/plugin_world.h"

#include <stdio.h>
#include <string.h>

static void verdicts_and_changes(void **state)
{
	(void)state;
	must_add("plugin-good", "a", "");
	assert_string_equal(publish("/pass", "1", NULL), UNTOUCHED);
	assert_string_equal(publish("/delete", "1", NULL), "deleted  ");
	assert_string_equal(event("/delete", "1", NULL), "deleted  ");
	assert_string_equal(pass(HOOK_SUBSCRIBE, false, "/delete", NULL, NULL), "deleted  ");
	assert_string_equal(publish("/data", "1", NULL), "changed {\"n\":9007199254740993} ");
	assert_string_equal(event("/data", "1", "{}"), "changed {\"n\":9007199254740993} ");
	assert_string_equal(publish("/twist", "1", "{\"z\":1}"),
			    "changed [2,3] {\"z\":1,\"d\":2,\"e\\\"\\\\\":2}");
	assert_int_equal(count_in_log("failed"), 0);
}

static void members_of_ext(void **state)
{
	static const struct {
		const char *is, *becomes;
	} cases[] = {
		{NULL, "{\"trace\":\"a\"}"},
		{"{}", "{\"trace\":\"a\"}"},
		{"{ \n}", "{ \n\"trace\":\"a\"}"},
		{"{\"x\":{\"trace\":1}}", "{\"x\":{\"trace\":1},\"trace\":\"a\"}"},
		{"{\"x\" : 1 , \"trace\" : \"b\", \"y\":2}",
		 "{\"x\" : 1 , \"trace\" : \"ba\", \"y\":2}"},
		{"{\"tr\\u0061ce\":\"\"}", "{\"tr\\u0061ce\":\"a\"}"},
	};
	char expected[128];

	(void)state;
	must_add("plugin-good", "a", "a");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(expected, sizeof(expected), "changed  %s", cases[i].becomes);
		assert_string_equal(event("/trace", "1", cases[i].is), expected);
	}
}

/* Out in their order, in the other way round; the next one sees what the one before left. */
static void the_order(void **state)
{
	(void)state;
	must_add("plugin-good", "a", "a");
	must_add("plugin-good", "b", "b");
	must_add("plugin-good", "c", "c");
	assert_string_equal(publish("/trace", "1", NULL), "changed  {\"trace\":\"abc\"}");
	assert_string_equal(event("/trace", "1", NULL), "changed  {\"trace\":\"cba\"}");
}

static void fields_are_read(void **state)
{
	(void)state;
	must_add("plugin-good", "a", "");
	assert_string_equal(publish("/read", "{\"d\":1.50}", "{\"e\":2}"), UNTOUCHED);
	assert_log("channel=\"/read\" id=\"7\" data={\"d\":1.50} ext={\"e\":2} x=[1, 2] nothing=- "
		   "6 0 7");
	world.log[0] = '\0';
	assert_string_equal(pass(HOOK_CONNECT, true, "/read", NULL, NULL), UNTOUCHED);
	assert_log("data=- ext=- x=[1, 2] nothing=- 2 1 7");
}

/* The log has the fault and the extension each time; the message is unchanged. */
static void faults_are_contained(void **state)
{
	static const struct {
		const char *channel, *reason;
	} cases[] = {
		{"/fail", "Input/output error"},
		{"/odd", "an unknown verdict"},
		{"/misuse/garbage-data", "data that it sets is not valid JSON"},
		{"/misuse/two-values", "data that it sets is not valid JSON"},
		{"/misuse/inject-data", "data that it sets is not valid JSON"},
		{"/misuse/inject-same", "data that it sets is not valid JSON"},
		{"/misuse/no-value", "data that it sets is not valid JSON"},
		{"/misuse/bad-utf8", "data that it sets is not valid JSON"},
		{"/misuse/deep-data", "nested too deeply"},
		{"/misuse/garbage-ext", "in ext is not valid JSON"},
		{"/misuse/inject-ext", "in ext is not valid JSON"},
		{"/misuse/close-ext", "in ext is not valid JSON"},
		{"/misuse/deep-ext", "nested too deeply"},
		{"/misuse/no-name", "it sets an invalid name in ext"},
		{"/misuse/bad-name", "it sets an invalid name in ext"},
		{"/misuse/reserved", "belongs to a built-in extension"},
		{"/misuse/too-much", "in ext are too large"},
		{"/misuse/too-often", "in ext are too large"},
	};

	(void)state;
	must_add("plugin-good", "culprit", "");
	must_add("plugin-good", "witness", "w");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char line[256];

		world.log[0] = '\0';
		assert_string_equal(event("/pass", "1", NULL), UNTOUCHED);
		if (strcmp(publish(cases[i].channel, "1", NULL), UNTOUCHED) != 0)
			fail_msg("%s: %s", cases[i].channel,
				 publish(cases[i].channel, "1", NULL));
		snprintf(line, sizeof(line), "passed on unchanged server=demo extension=culprit "
					     "channel=%s reason=", cases[i].channel);
		assert_log(line);
		assert_log(cases[i].reason);
	}
	assert_int_equal(count_in_log("disabled"), 0);
}

static void what_is_not_allowed(void **state)
{
	(void)state;
	must_add("plugin-good", "a", "");
	assert_string_equal(pass(HOOK_CONNECT, false, "/delete", NULL, NULL), UNTOUCHED);
	assert_log("reason=it deletes a message that must not be deleted");
	assert_string_equal(pass(HOOK_PUBLISH, true, "/data", NULL, NULL), UNTOUCHED);
	assert_log("reason=it sets data where that is not allowed");
	assert_string_equal(pass(HOOK_PUBLISH, true, "/trace", NULL, NULL), UNTOUCHED);
	assert_log("reason=it sets ext where that is not allowed");
	assert_string_equal(pass(HOOK_SUBSCRIBE, false, "/data", NULL, NULL), UNTOUCHED);
	assert_int_equal(count_in_log("it sets data"), 2);
}

static void sizes(void **state)
{
	(void)state;
	must_add("plugin-good", "a", "");
	const char *is = publish("/big", "1", "{\"z\":1}");
	assert_int_equal(strlen(is), strlen("changed  {\"z\":1,\"big\":}") +
				     COMETD_EXTENSION_EXT_MAX - 3);
	/* all of them together */
	must_add("plugin-good", "b", "");
	assert_int_equal(strlen(publish("/big", "1", "{\"z\":1}")), strlen(is));
	assert_log("extension=b channel=/big reason=the values that it sets in ext are too large");
}

/* A pointer kept from an earlier call is rejected. */
static void a_message_ends_with_its_call(void **state)
{
	(void)state;
	must_add("plugin-good", "a", "");
	publish("/misuse/kept", "1", NULL);
	assert_string_equal(publish("/misuse/kept", "1", NULL),
			    "changed  {\"trace\":\"x\",\"a\":1}");
}

static void assert_disabled(size_t i, const char *name)
{
	struct session_hooks hooks = plugin_chain_hooks(world.chain);
	const char *is = hooks.disabled(hooks.ctx, i);

	assert_string_equal(is ? is : "none", name ? name : "none");
}

static void who_fails_again_and_again(void **state)
{
	(void)state;
	must_add("plugin-good", "bad", "b");
	must_add("plugin-good", "good", "g");
	for (int i = 0; i < COMETD_EXTENSION_FAILURES_MAX - 1; i++)
		event("/fail", "1", NULL);
	event("/pass", "1", NULL);
	/* both count, and are in the log, each for itself */
	for (int i = 0; i < COMETD_EXTENSION_FAILURES_MAX - 1; i++)
		event("/fail", "1", NULL);
	assert_int_equal(count_in_log("disabled"), 0);
	assert_disabled(0, NULL);
	assert_string_equal(event("/trace", "1", NULL), "changed  {\"trace\":\"gb\"}");
	for (int i = 0; i < COMETD_EXTENSION_FAILURES_MAX; i++)
		event("/fail", "1", NULL);
	assert_int_equal(count_in_log("failed 10 times in a row and is disabled"), 2);
	assert_disabled(0, "bad");
	assert_disabled(1, "good");
	assert_disabled(2, NULL);
	assert_string_equal(event("/trace", "1", NULL), UNTOUCHED);
	assert_string_equal(event("/delete", "1", NULL), UNTOUCHED);
}

/* No message passes without a required extension. */
static void required_ones(void **state)
{
	(void)state;
	must_add("plugin-required", "seal", "");
	for (int i = 0; i < 2 * COMETD_EXTENSION_FAILURES_MAX; i++)
		assert_string_equal(publish("/fail", "1", NULL), "deleted  ");
	assert_string_equal(event("/misuse/garbage-data", "1", NULL), "deleted  ");
	assert_string_equal(pass(HOOK_CONNECT, false, "/fail", NULL, NULL), UNTOUCHED);
	assert_int_equal(count_in_log("disabled"), 0);
	assert_log("to handle a message; the message is deleted server=demo extension=seal");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLUGIN_TEST(verdicts_and_changes),
		PLUGIN_TEST(members_of_ext),
		PLUGIN_TEST(the_order),
		PLUGIN_TEST(fields_are_read),
		PLUGIN_TEST(faults_are_contained),
		PLUGIN_TEST(what_is_not_allowed),
		PLUGIN_TEST(sizes),
		PLUGIN_TEST(a_message_ends_with_its_call),
		PLUGIN_TEST(who_fails_again_and_again),
		PLUGIN_TEST(required_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
