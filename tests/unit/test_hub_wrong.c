/*
 * hub, invalid requests: they change nothing and get the reason; names and numbers at
 * their limits, on both sides of them.
 */
#include "tests/unit/hub_talk.h"

#include <stdio.h>

static void test_bad_requests(void **state)
{
	static const struct { const char *json, *reply; } table[] = {
		{"{'op':'subscribe','id':1,'channels':['/ok','/a//b']}",
		 REFUSED(1, "bad-channel", "channel \\'/a//b\\' must begin with \\'/\\', "
					   "not end in it, and have no empty segment")},
		{"{'op':'subscribe','id':1,'channel':'/meta/connect'}",
		 REFUSED(1, "bad-channel",
			 "channel \\'/meta/connect\\' belongs to the session, not to its users")},
		{"{'op':'subscribe','id':1}",
		 REFUSED(1, "bad-request", "either \\'channel\\' or \\'channels\\'")},
		{"{'op':'subscribe','id':1,'channel':'/a','channels':['/b']}",
		 REFUSED(1, "bad-request", "either \\'channel\\' or \\'channels\\'")},
		{"{'op':'subscribe','id':1,'channels':[]}",
		 REFUSED(1, "bad-request", "\\'channels\\' must hold 1 to 64 texts")},
		{"{'op':'subscribe','id':1,'channel':'/a','overflow':'whatever'}",
		 REFUSED(1, "bad-request", "\\'overflow\\' must be drop-oldest or disconnect")},
		{"{'op':'subscribe','id':1,'channel':'/a','server':'none'}",
		 REFUSED(1, "unknown-server", "no server \\'none\\'")},
		{"{'op':'subscribe','id':1,"
		 "'channels':['/1','/2','/3','/4','/5','/6','/7','/8','/9']}",
		 REFUSED(1, "too-many", "a connection may hold 8 subscriptions")},
		{"{'op':'unsubscribe','id':1,'channels':['/held','/not']}",
		 REFUSED(1, "not-subscribed", "not subscribed to \\'/not\\'")},
		{"{'op':'unsubscribe','id':1,'channel':''}",
		 REFUSED(1, "not-subscribed", "not subscribed to \\'\\'")},
		{"{'op':'publish','id':1,'channel':'/a/*','data':1}",
		 REFUSED(1, "bad-channel", "channel \\'/a/*\\' may have \\'*\\' or \\'**\\' "
					   "only as the last segment of a subscription")},
		{"{'op':'publish','id':1,'channel':'/meta/x','data':1}",
		 REFUSED(1, "bad-channel",
			 "channel \\'/meta/x\\' belongs to the session, not to its users")},
		{"{'op':'publish','id':1,'channel':'/a','data':1,'timeout':3600001}",
		 REFUSED(1, "bad-request", "\\'timeout\\' may be 3600000 at most")},
		{"{'op':'call','id':1,'channel':'/service/**','data':1}",
		 REFUSED(1, "bad-channel", "channel \\'/service/**\\' may have \\'*\\' or \\'**\\' "
					   "only as the last segment of a subscription")},
		{"{'op':'call','id':1,'channel':'/a','data':1}",
		 REFUSED(1, "bad-channel",
			 "channel \\'/a\\' is not below /service/, where calls go")},
		/* no reply, and nothing is sent */
		{"{'op':'publish','channel':'/meta/x','data':1}", ""},
		{"{'op':'publish','channel':'/x','data':1,'server':'none'}", ""},
	};
	struct world *w = world_new();

	(void)state;
	assert_asked(w, 0, "{'op':'subscribe','id':1,'channel':'/held','upstream':false}",
		     CHANNELS(1, "{'channel':'/held','ok':true}"));
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_asked(w, 0, table[i].json, table[i].reply);
		assert_int_equal(w->members[0].n_subscriptions, 1);
		assert_int_equal(w->members[0].requests.n, 0);
	}
	assert_session(w, "");
	assert_int_equal(w->sessions[0].published, 0);
	world_drop(w);
}

/* a long name is shown in part, and never half a character of it */
static void test_long_bad_channel(void **state)
{
	char name[PROTOCOL_CHANNEL_MAX + 200] = "/", json[PROTOCOL_CHANNEL_MAX + 400];
	struct world *w = world_new();

	(void)state;
	for (size_t i = 1; i < PROTOCOL_CHANNEL_MAX + 190; i += 2)
		memcpy(name + i, "\xc3\xa4", 3);
	for (unsigned shift = 0; shift < 2; shift++) {
		snprintf(json, sizeof(json), "{'op':'subscribe','id':1,'channel':'%s%s'}",
			 shift ? "/" : "", name);
		assert_int_equal(ask(w, 0, json), 0);
		assert_non_null(strstr(heard(w, 0), "is too long: at most 2048 bytes"));
	}
	assert_asked(w, 0, "{'op':'subscribe','id':1,'channel':'/\xc3\xa4\\u009b'}",
		     REFUSED(1, "bad-channel", "channel \\'/\xc3\xa4\xc2\x9b\\' has a control "
					       "character, U+009B, after 3 bytes"));
	assert_false(w->members[0].outbox.overrun);
	world_drop(w);
}

static void test_long_names(void **state)
{
	char name[800], json[1000];
	struct world *w = world_new();

	(void)state;
	for (size_t i = 0; i < 798; i += 2)
		memcpy(name + i, "\xc3\xa4", 3);
	for (unsigned shift = 0; shift < 2; shift++) {
		const char *said;

		snprintf(json, sizeof(json), "{'op':'subscribe','id':1,'server':'%s%s','channel':"
					     "'/a'}", shift ? "s" : "", name);
		assert_int_equal(ask(w, 0, json), 0);
		said = heard(w, 0);
		assert_non_null(strstr(said, "'unknown-server','message':'no server "));
		assert_true(strlen(said) < 500);
		snprintf(json, sizeof(json), "{'op':'publish','id':1,'channel':'%s%s','data':1}",
			 shift ? "s" : "", name);
		assert_int_equal(ask(w, 0, json), 0);
		said = heard(w, 0);
		assert_non_null(strstr(said, "'bad-channel','message':'channel "));
		assert_true(strlen(said) < 500);
	}
	world_drop(w);
}

/* a name of the maximum length is valid; a longer one matches no subscription */
static void test_longest_channel(void **state)
{
	char name[4000] = "/", json[5000];
	struct world *w = world_new();

	(void)state;
	memset(name + 1, 'a', PROTOCOL_CHANNEL_MAX - 1);
	snprintf(json, sizeof(json), "{'op':'subscribe','id':1,'upstream':false,'channel':'%s'}",
		 name);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(ask(w, 0, json), 0);
		assert_non_null(strstr(heard(w, 0), "'ok':true"));
		assert_int_equal(w->members[0].n_subscriptions, 1);
	}
	snprintf(json, sizeof(json), "{'op':'unsubscribe','id':1,'channel':'%s'}", name);
	assert_asked(w, 0, json, DONE(1));
	memset(name + 1, 'a', sizeof(name) - 2);
	snprintf(json, sizeof(json), "{'op':'unsubscribe','id':1,'channel':'%s'}", name);
	assert_int_equal(ask(w, 0, json), 0);
	assert_non_null(strstr(heard(w, 0), "'code':'not-subscribed'"));
	assert_asked(w, 0, "{'op':'unsubscribe','id':1,'channel':''}",
		     REFUSED(1, "not-subscribed", "not subscribed to \\'\\'"));
	world_drop(w);
}

/* the longest that may be asked for is granted, as it was asked for */
static void test_longest_timeout(void **state)
{
	struct world *w = world_new();

	(void)state;
	assert_asked(w, 0, "{'op':'publish','id':1,'channel':'/a','data':1,'timeout':3600000}", "");
	assert_int_equal(w->sessions[0].deadline, WORLD_NOW + 3600000);
	assert_asked(w, 0, "{'op':'publish','id':2,'channel':'/a','data':1,'timeout':3600001}",
		     REFUSED(2, "bad-request", "\\'timeout\\' may be 3600000 at most"));
	world_drop(w);
}

static void test_limits(void **state)
{
	struct world *w = world_new();

	(void)state;
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':1,'upstream':false,"
				   "'channels':['/1','/2','/3','/4','/5','/6','/7','/8']}"), 0);
	heard(w, 0);
	/* what is held already counts once */
	assert_asked(w, 0, "{'op':'subscribe','id':1,'channel':'/8','upstream':false}",
		     CHANNELS(1, "{'channel':'/8','ok':true}"));
	assert_asked(w, 0, "{'op':'subscribe','id':1,'channels':['/8','/9'],'upstream':false}",
		     REFUSED(1, "too-many", "a connection may hold 8 subscriptions"));
	/* and what is named twice counts once */
	assert_asked(w, 0, "{'op':'unsubscribe','id':1,'channel':'/1'}", DONE(1));
	assert_asked(w, 0, "{'op':'subscribe','id':1,'channels':['/9','/9'],'upstream':false}",
		     CHANNELS(1, "{'channel':'/9','ok':true},{'channel':'/9','ok':true}"));
	for (unsigned i = 0; i < 4; i++) {
		char json[80];

		snprintf(json, sizeof(json), "{'op':'publish','id':%u,'channel':'/a','data':1}", i);
		assert_asked(w, 0, json, "");
	}
	assert_asked(w, 0, "{'op':'publish','id':9,'channel':'/a','data':1}",
		     REFUSED(9, "too-many", "4 requests wait for their replies"));
	assert_asked(w, 0, "{'op':'subscribe','id':9,'channel':'/8'}",
		     REFUSED(9, "too-many", "4 requests wait for their replies"));
	/* others are not concerned */
	assert_asked(w, 1, "{'op':'publish','id':9,'channel':'/a','data':1}", "");
	world_drop(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_long_bad_channel),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_longest_channel),
		cmocka_unit_test(test_longest_timeout),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
