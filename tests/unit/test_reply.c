/* Classification of replies: codes and texts of several servers, and similar ones of another meaning. */
#include "tests/unit/testing.h"

#include "bayeux/reply.h"

#include <string.h>

static struct envelope with_error(const char *error)
{
	return (struct envelope){.successful = JSON_FALSE, .error = slice_of(error)};
}

static void success(void **state)
{
	(void)state;
	struct envelope e = {.successful = JSON_TRUE};
	assert_true(reply_is_ok(&e));
	e = (struct envelope){.successful = JSON_ABSENT};
	assert_true(reply_is_ok(&e));
	e.error = SLICE("403::no");
	assert_false(reply_is_ok(&e));
	e.successful = JSON_FALSE;
	e.error = SLICE("");
	assert_false(reply_is_ok(&e));
}

static void unknown_session(void **state)
{
	(void)state;
	static const struct {
		const char *error;
		bool unknown;
	} table[] = {
		{"402::Unknown client", true},          /* CometD */
		{"401:x:Unknown client", true},         /* Faye */
		{"402:clientId:Missing required parameter", false},   /* Faye */
		{"403::Unknown client", true},          /* Salesforce */
		{"403:denied_by_security_policy:create_denied", false},
		{"invalid clientId", true},             /* Lyrion */
		{"no such channel", false},
		{"", false},
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct envelope e = with_error(table[i].error);
		assert_int_equal(reply_is_session_unknown(&e), table[i].unknown);
	}
}

static void rejected_credentials(void **state)
{
	(void)state;
	struct envelope e = with_error("403::Handshake denied");
	assert_true(reply_rejects_credentials(&e, SLICE_NULL));
	assert_true(reply_rejects_credentials(&e, SLICE("401::Authentication invalid")));
	assert_false(reply_rejects_credentials(&e, SLICE("403::Organization total events daily limit exceeded")));
	e = with_error("403::Unknown client");
	assert_false(reply_rejects_credentials(&e, SLICE_NULL));
	e = with_error("402::Unknown client");
	assert_false(reply_rejects_credentials(&e, SLICE_NULL));
}

static void next_step_without_advice(void **state)
{
	(void)state;
	static const char *const handshake[] = {"401::x", "402::x", "403::x"};
	static const char *const retry[] = {"400::x", "404::x", "503::x", "x", ""};
	for (size_t i = 0; i < sizeof(handshake) / sizeof(handshake[0]); i++) {
		struct envelope e = with_error(handshake[i]);
		assert_int_equal(reply_reconnect(&e), ADVICE_HANDSHAKE);
	}
	for (size_t i = 0; i < sizeof(retry) / sizeof(retry[0]); i++) {
		struct envelope e = with_error(retry[i]);
		assert_int_equal(reply_reconnect(&e), ADVICE_RETRY);
	}
}

static void temporary_refusals(void **state)
{
	(void)state;
	static const char *const temporary[] = {
		"408::x", "429::x", "500::x", "503::x", "403::limit reached", "403::LIMITS",
		"403::TOO_MANY_SUBSCRIPTIONS", "403::too-many", "server is starting, retry later",
	};
	static const char *const final[] = {
		"403::denied", "400::limit", "404::try again later", "403::unlimited",
		"403::translated", "", "403::busyness",
	};
	for (size_t i = 0; i < sizeof(temporary) / sizeof(temporary[0]); i++) {
		struct envelope e = with_error(temporary[i]), denied = with_error("403::denied");
		assert_true(reply_is_temporary(&e, SLICE_NULL));
		assert_true(reply_is_temporary(&denied, slice_of(temporary[i])));
	}
	for (size_t i = 0; i < sizeof(final) / sizeof(final[0]); i++) {
		struct envelope e = with_error(final[i]);
		assert_false(reply_is_temporary(&e, SLICE_NULL));
	}
}

static void salesforce_reason(void **state)
{
	(void)state;
	static const struct {
		const char *ext, *reason;
	} table[] = {
		{"{\"sfdc\":{\"failureReason\":\"401::Authentication invalid\"}}",
		 "401::Authentication invalid"},
		{"{\"sfdc\":{\"failureReason\":7}}", ""},
		{"{\"sfdc\":[]}", ""},
		{"{}", ""},
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct envelope e = {.ext = slice_of(table[i].ext)};
		struct slice reason;
		assert_int_equal(reply_failure_reason(&e, &reason), 0);
		assert_true(slice_eq(reason, slice_of(table[i].reason)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(success),
		cmocka_unit_test(unknown_session),
		cmocka_unit_test(rejected_credentials),
		cmocka_unit_test(next_step_without_advice),
		cmocka_unit_test(temporary_refusals),
		cmocka_unit_test(salesforce_reason),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
