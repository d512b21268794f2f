/*
 * hub, what members ask: each request gets its one reply, at once or when the
 * server has answered; the session is asked for what somebody wants and for
 * nothing else; a request that is wrong changes nothing.
 */
#include "tests/unit/hub_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define REFUSED(id, code, text)                                                                    \
	"{'op':'reply','id':" #id ",'ok':false,'error':{'code':'" code "','message':'" text "'}}\n"
#define DONE(id) "{'op':'reply','id':" #id ",'ok':true}\n"
#define CHANNELS(id, items)                                                                        \
	"{'op':'reply','id':" #id ",'ok':true,'result':{'channels':[" items "]}}\n"
#define CONFIRMED(channel)                                                                         \
	"{'op':'subscription','server':'one','channel':'" channel "','ok':true}\n"
#define UNSUBSCRIBED                                                                               \
	"{'code':'not-subscribed','message':'unsubscribed before the server answered'}"
#define NO_A "{'code':'refused','message':'403:/a:no','bayeux':{'successful':false}}"

#define assert_session(w, text)                                                                    \
	assert_string_equal(session_double_asked(&(w)->sessions[0]), text)

static struct world *setup(void)
{
	struct world *w = malloc(sizeof(*w));

	assert_non_null(w);
	world_init(w);
	return w;
}

static void teardown(struct world *w)
{
	world_fini(w);
	free(w);
}

static void refuse_a(struct world *w)
{
	say_channel(w, 0, "/a", SESSION_CHANNEL_REFUSED, "{'successful':false}", "403:/a:no");
}

static void accept(struct world *w, const char *channel)
{
	say_channel(w, 0, channel, SESSION_CHANNEL_ACTIVE, NULL, NULL);
}

/* state events are the matter of test_hub */
static void go(struct world *w, bool up)
{
	say_state(w, 0, up);
}

static void assert_heard_but_state(struct world *w, unsigned m, const char *expected)
{
	char text[4096] = "", *line, *rest = (char *)heard(w, m);

	while ((line = strsep(&rest, "\n")) && *line)
		if (strncmp(line, "{'op':'state'", 13) != 0)
			strcat(strcat(text, line), "\n");
	assert_string_equal(text, expected);
}

/* ---- subscribe ---- */

static void test_waits_for_the_server(void **state)
{
	struct world *w = setup();

	(void)state;
	assert_asked(w, 0, "{'op':'subscribe','id':1,'channels':['/a','/b']}", "");
	assert_session(w, "+/a +/b ");
	assert_asked(w, 0, "{'op':'publish','id':1,'channel':'/a','data':1}",
		     REFUSED(1, "id-in-use", "a request with this id waits for its reply"));
	accept(w, "/b");
	assert_heard(w, 0, "");
	assert_true(hub_id_in_use(&w->members[0], 1));
	accept(w, "/a");
	assert_heard(w, 0, CHANNELS(1, "{'channel':'/a','ok':true},{'channel':'/b','ok':true}"));
	assert_false(hub_id_in_use(&w->members[0], 1));
	/* what is confirmed twice, or was never asked for, is no news */
	accept(w, "/a");
	accept(w, "/c");
	assert_heard(w, 0, "");
	/* the second subscriber is answered at once, and the session hears nothing of him */
	assert_asked(w, 1, "{'op':'subscribe','id':9,'channel':'/a'}",
		     CHANNELS(9, "{'channel':'/a','ok':true}"));
	assert_session(w, "");
	teardown(w);
}

static void test_listening_asks_nothing(void **state)
{
	struct world *w = setup();

	(void)state;
	assert_asked(w, 0, "{'op':'subscribe','id':1,'channel':'/a','upstream':false}",
		     CHANNELS(1, "{'channel':'/a','ok':true}"));
	assert_asked(w, 0, "{'op':'subscribe','id':2,'channel':'/service/x'}",
		     CHANNELS(2, "{'channel':'/service/x','ok':true}"));
	/* not only the listener: he must be counted out, too */
	assert_asked(w, 1, "{'op':'subscribe','id':1,'channel':'/a'}", "");
	assert_session(w, "+/a ");
	assert_asked(w, 1, "{'op':'unsubscribe','id':2,'channel':'/a'}",
		     "{'op':'reply','id':1,'ok':false,'result':{'channels':[{'channel':'/a',"
		     "'error':" UNSUBSCRIBED "}]},'error':" UNSUBSCRIBED "}\n" DONE(2));
	assert_session(w, "-/a ");
	teardown(w);
}

static void test_pending_while_away(void **state)
{
	struct world *w = setup();

	(void)state;
	go(w, false);
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':1,'channel':'/a'}"), 0);
	assert_heard_but_state(w, 0, CHANNELS(1, "{'channel':'/a','pending':true}"));
	go(w, true);
	accept(w, "/a");
	assert_heard_but_state(w, 0, CONFIRMED("/a"));
	/* told once: the next outage is told by the state */
	go(w, false);
	go(w, true);
	accept(w, "/a");
	assert_heard_but_state(w, 0, "");
	teardown(w);
}

static void test_goes_away_before_the_answer(void **state)
{
	struct world *w = setup();

	(void)state;
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':1,'channels':['/a','/b']}"), 0);
	assert_int_equal(ask(w, 1, "{'op':'subscribe','id':1,'channel':'/b'}"), 0);
	assert_int_equal(ask(w, 2, "{'op':'subscribe','id':1,'channel':'/c'}"), 0);
	assert_int_equal(ask(w, 0, "{'op':'publish','id':2,'channel':'/p','data':1}"), 0);
	accept(w, "/a");
	go(w, true);
	assert_heard_but_state(w, 0, "");
	go(w, false);
	assert_heard_but_state(w, 0, CHANNELS(1, "{'channel':'/a','ok':true},"
						 "{'channel':'/b','pending':true}"));
	assert_heard_but_state(w, 1, CHANNELS(1, "{'channel':'/b','pending':true}"));
	assert_heard_but_state(w, 2, CHANNELS(1, "{'channel':'/c','pending':true}"));
	go(w, true);
	accept(w, "/c");
	assert_heard_but_state(w, 2, CONFIRMED("/c"));
	say_channel(w, 0, "/b", SESSION_CHANNEL_REFUSED, NULL, "no");
	for (unsigned i = 0; i < 2; i++)
		assert_heard_but_state(w, i, "{'op':'subscription','server':'one','channel':'/b',"
					     "'ok':false,'error':{'code':'refused',"
					     "'message':'no'}}\n");
	teardown(w);
}

/* what a reply tells, no event tells again */
static void test_pending_and_asked_again(void **state)
{
	struct world *w = setup();

	(void)state;
	go(w, false);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(ask(w, i, "{'op':'subscribe','id':1,'channel':'/a'}"), 0);
	go(w, true);
	/* the one asks again; the other turns to listening, forgets, and then asks again */
	assert_int_equal(ask(w, 1, "{'op':'subscribe','id':2,'channel':'/a','upstream':false}"), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(ask(w, i, "{'op':'subscribe','id':3,'channel':'/a'}"), 0);
		heard(w, i);
	}
	accept(w, "/a");
	for (unsigned i = 0; i < 2; i++)
		assert_heard(w, i, CHANNELS(3, "{'channel':'/a','ok':true}"));
	/* pending, turned to listening, and active when it asks again: nothing is to come */
	go(w, false);
	assert_int_equal(ask(w, 2, "{'op':'subscribe','id':1,'channel':'/b'}"), 0);
	assert_int_equal(ask(w, 2, "{'op':'subscribe','id':2,'channel':'/b','upstream':false}"), 0);
	go(w, true);
	assert_int_equal(ask(w, 3, "{'op':'subscribe','id':1,'channel':'/b'}"), 0);
	accept(w, "/b");
	assert_int_equal(ask(w, 2, "{'op':'subscribe','id':3,'channel':'/b'}"), 0);
	heard(w, 2);
	accept(w, "/b");
	assert_heard(w, 2, "");
	teardown(w);
}

/* "not now": the server is asked again later, but a reply has no deadline to wait for that */
static void test_postponed_by_the_server(void **state)
{
	struct world *w = setup();

	(void)state;
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':1,'channel':'/a'}"), 0);
	say_channel(w, 0, "/a", SESSION_CHANNEL_PENDING, NULL, "busy");
	assert_heard(w, 0, CHANNELS(1, "{'channel':'/a','pending':true}"));
	say_channel(w, 0, "/a", SESSION_CHANNEL_PENDING, NULL, "busy");
	assert_heard(w, 0, "");
	accept(w, "/a");
	assert_heard(w, 0, CONFIRMED("/a"));
	teardown(w);
}

static void test_refused(void **state)
{
	struct world *w = setup();

	(void)state;
	/* 0 and 1 wait, 2 holds it as pending, 3 listens only */
	go(w, false);
	assert_int_equal(ask(w, 2, "{'op':'subscribe','id':1,'channel':'/a'}"), 0);
	go(w, true);
	assert_int_equal(ask(w, 3, "{'op':'subscribe','id':1,'channel':'/a','upstream':false}"), 0);
	for (unsigned i = 0; i < 4; i++)
		heard(w, i);
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':1,'channels':['/b','/a']}"), 0);
	assert_int_equal(ask(w, 1, "{'op':'subscribe','id':1,'channel':'/a'}"), 0);
	accept(w, "/b");
	assert_session(w, "+/a +/b ");
	refuse_a(w);
	assert_session(w, "-/a ");
	assert_heard(w, 0, "{'op':'reply','id':1,'ok':false,'result':{'channels':["
			   "{'channel':'/b','ok':true},{'channel':'/a','error':" NO_A "}]},"
			   "'error':" NO_A "}\n");
	assert_heard(w, 1, "{'op':'reply','id':1,'ok':false,'result':{'channels':["
			   "{'channel':'/a','error':" NO_A "}]},'error':" NO_A "}\n");
	assert_heard(w, 2, "{'op':'subscription','server':'one','channel':'/a','ok':false,"
			   "'error':" NO_A "}\n");
	/* only the listener holds it still */
	say_message(w, 0, "/a", "1");
	assert_heard(w, 0, "");
	assert_heard(w, 2, "");
	assert_heard(w, 3, "{'op':'message','server':'one','seq':1,'message':1}\n");
	/* asked for again, it is asked again */
	assert_asked(w, 0, "{'op':'subscribe','id':1,'channel':'/a'}", "");
	assert_session(w, "+/a ");
	teardown(w);
}

static void test_refused_though_held(void **state)
{
	struct world *w = setup();

	(void)state;
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':1,'channel':'/a'}"), 0);
	accept(w, "/a");
	heard(w, 0);
	refuse_a(w);
	assert_heard(w, 0, "{'op':'subscription','server':'one','channel':'/a','ok':false,"
			   "'error':" NO_A "}\n");
	assert_asked(w, 0, "{'op':'unsubscribe','id':2,'channel':'/a'}",
		     REFUSED(2, "not-subscribed", "not subscribed to \\'/a\\'"));
	teardown(w);
}

static void test_options_are_replaced(void **state)
{
	struct world *w = setup();

	(void)state;
	assert_asked(w, 0, "{'op':'subscribe','id':1,'channel':'/a','upstream':false}",
		     CHANNELS(1, "{'channel':'/a','ok':true}"));
	assert_asked(w, 0, "{'op':'subscribe','id':1,'channel':'/a'}", "");
	assert_session(w, "+/a ");
	accept(w, "/a");
	heard(w, 0);
	assert_asked(w, 0, "{'op':'subscribe','id':1,'channel':'/a','overflow':'disconnect'}",
		     CHANNELS(1, "{'channel':'/a','ok':true}"));
	assert_session(w, "");
	assert_int_equal(w->members[0].n_subscriptions, 1);
	say_message(w, 0, "/a", "1");
	assert_int_equal(w->members[0].hit_overflow, OUTBOX_DISCONNECT);
	assert_heard(w, 0, "{'op':'message','server':'one','seq':1,'message':1}\n");
	assert_asked(w, 0, "{'op':'subscribe','id':1,'channel':'/a','upstream':false}",
		     CHANNELS(1, "{'channel':'/a','ok':true}"));
	assert_session(w, "-/a ");
	say_message(w, 0, "/a", "2");
	assert_int_equal(w->members[0].hit_overflow, OUTBOX_DROP_OLDEST);
	assert_heard(w, 0, "{'op':'message','server':'one','seq':2,'message':2}\n");
	/* turned to listening while it waits: nobody is left to answer, but it is held */
	assert_asked(w, 0, "{'op':'subscribe','id':1,'channel':'/a'}", "");
	assert_asked(w, 0, "{'op':'subscribe','id':2,'channel':'/a','upstream':false}",
		     CHANNELS(1, "{'channel':'/a','ok':true}")
		     CHANNELS(2, "{'channel':'/a','ok':true}"));
	assert_session(w, "+/a -/a ");
	teardown(w);
}

static void test_same_channel_twice(void **state)
{
	struct world *w = setup();

	(void)state;
	assert_asked(w, 0, "{'op':'subscribe','id':1,'channels':['/a','/a']}", "");
	assert_asked(w, 0, "{'op':'subscribe','id':2,'channel':'/a'}", "");
	assert_session(w, "+/a ");
	accept(w, "/a");
	assert_heard(w, 0, CHANNELS(1, "{'channel':'/a','ok':true},{'channel':'/a','ok':true}")
			   CHANNELS(2, "{'channel':'/a','ok':true}"));
	assert_asked(w, 0, "{'op':'unsubscribe','id':1,'channels':['/a','/a']}", DONE(1));
	assert_session(w, "-/a ");
	teardown(w);
}

static void test_first_and_last_of_many(void **state)
{
	struct world *w = setup();

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(ask(w, i, "{'op':'subscribe','id':1,'channel':'/a'}"), 0);
	assert_session(w, "+/a ");
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(ask(w, i, "{'op':'unsubscribe','id':2,'channel':'/a'}"), 0);
	assert_session(w, "");
	hub_remove_member(w->hub, &w->members[3]);
	assert_session(w, "-/a ");
	teardown(w);
}

static void test_servers_apart(void **state)
{
	struct world *w = setup();

	(void)state;
	assert_asked(w, 0, "{'op':'subscribe','id':1,'channel':'/a'}", "");
	assert_asked(w, 0, "{'op':'subscribe','id':2,'channel':'/a','server':'two'}", "");
	assert_session(w, "+/a ");
	say_channel(w, 1, "/a", SESSION_CHANNEL_ACTIVE, NULL, NULL);
	assert_heard(w, 0, CHANNELS(2, "{'channel':'/a','ok':true}"));
	say_message(w, 1, "/a", "1");
	assert_heard(w, 0, "{'op':'message','server':'two','seq':1,'message':1}\n");
	assert_asked(w, 0, "{'op':'unsubscribe','id':3,'channel':'/a','server':'two'}", DONE(3));
	assert_string_equal(session_double_asked(&w->sessions[1]), "+/a -/a ");
	assert_session(w, "");
	teardown(w);
}

/* ---- what is wrong changes nothing ---- */

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
		/* nobody is told, and nothing is sent */
		{"{'op':'publish','channel':'/meta/x','data':1}", ""},
		{"{'op':'publish','channel':'/x','data':1,'server':'none'}", ""},
	};
	struct world *w = setup();

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
	teardown(w);
}

/* a long name is shown in part, and never half a character of it */
static void test_long_bad_channel(void **state)
{
	char name[400] = "/", json[600];
	struct world *w = setup();

	(void)state;
	for (size_t i = 1; i < 390; i += 2)
		memcpy(name + i, "\xc3\xa4", 3);
	for (unsigned shift = 0; shift < 2; shift++) {
		snprintf(json, sizeof(json), "{'op':'subscribe','id':1,'channel':'%s%s'}",
			 shift ? "/" : "", name);
		assert_int_equal(ask(w, 0, json), 0);
		assert_non_null(strstr(heard(w, 0), "'bad-channel','message':'channel"));
	}
	assert_false(w->members[0].outbox.overrun);
	teardown(w);
}

static void test_long_names(void **state)
{
	char name[800], json[1000];
	struct world *w = setup();

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
	teardown(w);
}

/* as long as a name may be it is a name like others; a longer one is held by nobody */
static void test_longest_channel(void **state)
{
	char name[4000] = "/", json[5000];
	struct world *w = setup();

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
	teardown(w);
}

/* the longest that may be asked for is granted, as it was asked for */
static void test_longest_timeout(void **state)
{
	struct world *w = setup();

	(void)state;
	assert_asked(w, 0, "{'op':'publish','id':1,'channel':'/a','data':1,'timeout':3600000}", "");
	assert_int_equal(w->sessions[0].deadline, WORLD_NOW + 3600000);
	assert_asked(w, 0, "{'op':'publish','id':2,'channel':'/a','data':1,'timeout':3600001}",
		     REFUSED(2, "bad-request", "\\'timeout\\' may be 3600000 at most"));
	teardown(w);
}

static void test_limits(void **state)
{
	struct world *w = setup();

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
	teardown(w);
}

/* ---- publish and call ---- */

static void test_publish_outcomes(void **state)
{
	static const struct {
		enum session_outcome outcome;
		const char *json, *text, *reply;
	} table[] = {
		{SESSION_OK, "{'successful':true}", NULL, DONE(5)},
		{SESSION_REFUSED, "{'successful':false}", "403::denied",
		 "{'op':'reply','id':5,'ok':false,'error':{'code':'refused',"
		 "'message':'403::denied','bayeux':{'successful':false}}}\n"},
		{SESSION_REFUSED, NULL, "too large", REFUSED(5, "refused", "too large")},
		{SESSION_OUTCOME_NOT_SENT, NULL, "no route", REFUSED(5, "not-sent", "no route")},
		{SESSION_OUTCOME_NOT_SENT, NULL, NULL,
		 REFUSED(5, "not-sent", "never left the daemon")},
		{SESSION_OUTCOME_UNKNOWN, NULL, NULL,
		 REFUSED(5, "unknown-outcome", "sent, but not answered")},
		{SESSION_OUTCOME_TOO_LARGE, NULL, "too long", REFUSED(5, "too-large", "too long")},
		{SESSION_OUTCOME_TIMEOUT, NULL, NULL, REFUSED(5, "timeout", "no answer in time")},
	};
	struct world *w = setup();

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_asked(w, 0, "{'op':'publish','id':5,'channel':'/a','data':{'x':[1]},"
				   "'ext':{'e':1},'timeout':70}", "");
		assert_string_equal(w->sessions[0].publish, "/a {\"x\":[1]} {\"e\":1}");
		assert_false(w->sessions[0].call);
		assert_int_equal(w->sessions[0].deadline, WORLD_NOW + 70);
		assert_int_not_equal(w->sessions[0].cookie, 0);
		say_outcome(w, 0, w->sessions[0].cookie, table[i].outcome, table[i].json,
			    table[i].text);
		assert_heard(w, 0, table[i].reply);
		/* once and for all */
		say_outcome(w, 0, w->sessions[0].cookie, SESSION_OK, NULL, NULL);
		assert_heard(w, 0, "");
	}
	teardown(w);
}

static void test_publish_without_id(void **state)
{
	struct world *w = setup();

	(void)state;
	assert_asked(w, 0, "{'op':'publish','channel':'/a','data':null}", "");
	assert_string_equal(w->sessions[0].publish, "/a null ");
	assert_int_equal(w->sessions[0].deadline, WORLD_NOW + PROTOCOL_TIMEOUT_DEFAULT_MS);
	assert_int_equal(w->sessions[0].cookie, 0);
	say_outcome(w, 0, 0, SESSION_OK, NULL, NULL);
	assert_heard(w, 0, "");
	teardown(w);
}

static void test_call(void **state)
{
	struct world *w = setup();

	(void)state;
	assert_asked(w, 0, "{'op':'call','id':1,'channel':'/service/x','data':2}", "");
	assert_true(w->sessions[0].call);
	say_outcome(w, 0, w->sessions[0].cookie, SESSION_OK, "{'channel':'/service/x','data':4}",
		    NULL);
	assert_heard(w, 0, "{'op':'reply','id':1,'ok':true,'result':{'message':"
			   "{'channel':'/service/x','data':4}}}\n");
	teardown(w);
}

/* answers come in any order, and each finds its own */
static void test_answers_find_their_askers(void **state)
{
	struct world *w = setup();
	uint64_t cookies[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_asked(w, i, "{'op':'call','id':1,'channel':'/service/x','data':2}", "");
		cookies[i] = w->sessions[0].cookie;
	}
	hub_remove_member(w->hub, &w->members[1]);
	say_outcome(w, 0, cookies[2], SESSION_OK, "2", NULL);
	say_outcome(w, 0, cookies[1], SESSION_OK, "1", NULL);
	assert_heard(w, 0, "");
	assert_heard(w, 1, "");
	assert_heard(w, 2, "{'op':'reply','id':1,'ok':true,'result':{'message':2}}\n");
	say_outcome(w, 0, cookies[0], SESSION_OK, "0", NULL);
	assert_heard(w, 0, "{'op':'reply','id':1,'ok':true,'result':{'message':0}}\n");
	teardown(w);
}

/* an end that does not wait answers all who do, and what comes then finds nobody */
static void test_end_of_requests(void **state)
{
	struct world *w = setup();

	(void)state;
	w->sessions[0].up = w->sessions[1].up = true;
	assert_asked(w, 0, "{'op':'call','id':1,'channel':'/service/x','data':2}", "");
	uint64_t cookie = w->sessions[0].cookie;
	assert_asked(w, 0, "{'op':'publish','id':2,'channel':'/a','data':2,'server':'two'}", "");
	assert_asked(w, 1, "{'op':'subscribe','id':1,'channels':['/a','/service/b']}", "");
	hub_end_requests(w->hub, SLICE("the end"));
	assert_heard(w, 0, REFUSED(1, "unknown-outcome", "the end")
			   REFUSED(2, "unknown-outcome", "the end"));
	assert_heard(w, 1, CHANNELS(1, "{'channel':'/a','pending':true},"
				       "{'channel':'/service/b','ok':true}"));
	say_outcome(w, 0, cookie, SESSION_OK, "{}", NULL);
	hub_end_requests(w->hub, SLICE("the end"));
	assert_heard(w, 0, "");
	assert_heard(w, 1, "");
	teardown(w);
}

static void test_queue_full(void **state)
{
	struct world *w = setup();

	(void)state;
	w->sessions[0].publish_result = SESSION_E_FULL;
	assert_asked(w, 0, "{'op':'publish','id':1,'channel':'/a','data':1}",
		     REFUSED(1, "too-many", "too much waits to be sent to the server"));
	assert_asked(w, 0, "{'op':'publish','channel':'/a','data':1}", "");
	w->sessions[0].publish_result = SESSION_E_TOO_LARGE;
	assert_asked(w, 0, "{'op':'publish','id':1,'channel':'/a','data':1}",
		     REFUSED(1, "too-large", "larger than what is sent to this server (max-sent)"));
	w->sessions[0].publish_result = -ENOMEM;
	assert_int_equal(ask(w, 0, "{'op':'publish','id':1,'channel':'/a','data':1}"), -ENOMEM);
	assert_heard(w, 0, REFUSED(1, "internal", "out of memory"));
	teardown(w);
}

/* an answer too large for a frame is replaced by words, not by silence */
static void test_answer_too_large(void **state)
{
	struct world *w = setup();
	char *big = malloc((16u << 20) + 1);
	struct envelope e = {0};
	struct session_event event = {.kind = SESSION_EVENT_OUTCOME, .envelope = &e};

	(void)state;
	assert_non_null(big);
	memset(big, '1', (16u << 20) + 1);
	for (size_t size = (16u << 20) - 12; size <= (16u << 20) + 1; size += 13) {
		e.pieces[0] = slice_make(big, size);
		e.n_pieces = 1;
		assert_asked(w, 0, "{'op':'call','id':1,'channel':'/service/a','data':1}", "");
		event.cookie = w->sessions[0].cookie;
		hub_take(w->hub, w->servers[0], &event, WORLD_NOW, WORLD_UNIX_MS);
		assert_heard(w, 0, REFUSED(1, "too-large", "the answer is too large"));
	}
	free(big);
	teardown(w);
}

/* ---- no memory ---- */

/* Exactly one reply to id 1, or the member is given up. */
static void one_reply_of(struct world *w, unsigned m, bool may_be_ok)
{
	const char *text, *reply;

	/* reading needs memory of its own */
	(void)testing_allocation_failed();
	text = heard(w, m);
	reply = strstr(text, "{'op':'reply','id':1,");
	assert_true(w->members[m].outbox.overrun || reply);
	if (reply)
		assert_null(strstr(reply + 1, "{'op':'reply','id':1,"));
	if (reply && !may_be_ok)
		assert_null(strstr(reply, "'ok':true"));
	w->members[m].outbox.overrun = false;
}

static void one_reply(struct world *w, unsigned m)
{
	one_reply_of(w, m, true);
}

static void test_no_memory_to_subscribe(void **state)
{
	struct world *w = setup();

	(void)state;
	assert_int_equal(ask(w, 1, "{'op':'subscribe','id':7,'channel':'/b','upstream':false}"), 0);
	FAIL_EACH_ALLOCATION {
		int r = ask(w, 1, "{'op':'subscribe','id':1,"
				  "'channels':['/a','/b','/c/d/**','/a']}");
		size_t n = w->members[1].n_subscriptions;

		assert_true(r == 0 || r == -ENOMEM);
		/* all or nothing; what was held before is as it was */
		assert_int_equal(n, r == 0 ? 3 : 1);
		assert_int_equal(session_double_wants(&w->sessions[0], "/b"), r == 0);
		if (r == 0)
			go(w, false);
		go(w, true);
		one_reply(w, 1);
		assert_int_equal(w->members[1].requests.n, 0);
		heard(w, 0);
		if (r == 0)
			assert_int_equal(ask(w, 1, "{'op':'unsubscribe','id':2,"
						   "'channels':['/a','/b','/c/d/**']}"), 0);
		if (r == 0)
			assert_int_equal(ask(w, 1, "{'op':'subscribe','id':7,'channel':'/b',"
						   "'upstream':false}"), 0);
		heard(w, 1);
	}
	teardown(w);
}

/* a member that holds nothing yet has to find memory for more than one that holds something */
static void test_no_memory_for_the_first(void **state)
{
	(void)state;
	FAIL_EACH_ALLOCATION {
		struct world *w;

		testing_fail_allocation(UINT32_MAX);
		w = setup();
		testing_fail_allocation(fail_at_);
		ask(w, 0, "{'op':'subscribe','id':1,'channel':'/a/b','upstream':false}");
		one_reply(w, 0);
		say_message(w, 0, "/a/b", "{}");
		assert_int_equal(strlen(heard(w, 0)) > 0, w->members[0].n_subscriptions == 1);
		teardown(w);
	}
}

/* memory that ends is no fault of the request, and is not told as one */
static void test_no_memory_to_read(void **state)
{
	struct world *w = setup();
	unsigned internal = 0;

	(void)state;
	FAIL_EACH_ALLOCATION {
		const char *said;

		ask(w, 0, "{'op':'subscribe','id':1,'channels':['\\/a'],'upstream':false}");
		said = heard(w, 0);
		assert_null(strstr(said, "bad-request"));
		internal += strstr(said, "'code':'internal'") != NULL;
	}
	assert_true(internal > 0);
	teardown(w);
}

static void test_no_memory_to_refuse(void **state)
{
	struct world *w = setup();

	(void)state;
	FAIL_EACH_ALLOCATION {
		int r = ask(w, 0, "{'op':'subscribe','id':1,'channels':['/a','/b']}");

		if (r == 0) {
			say_channel(w, 0, "/a", SESSION_CHANNEL_REFUSED, "{}", "no");
			say_channel(w, 0, "/b", SESSION_CHANNEL_REFUSED, "{}", "no");
		}
		one_reply_of(w, 0, false);
		assert_int_equal(w->members[0].n_subscriptions, 0);
		assert_int_equal(w->members[0].requests.n, 0);
	}
	teardown(w);
}

static void test_no_memory_to_publish(void **state)
{
	struct world *w = setup();

	(void)state;
	FAIL_EACH_ALLOCATION {
		int r = ask(w, 0, "{'op':'call','id':1,'channel':'/service/a','data':1}");

		assert_true(r == 0 || r == -ENOMEM);
		if (r == 0)
			say_outcome(w, 0, w->sessions[0].cookie, SESSION_REFUSED, "{}", "no");
		/* what was refused is never told as done */
		one_reply_of(w, 0, false);
		assert_int_equal(w->members[0].requests.n, 0);
	}
	teardown(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits_for_the_server),
		cmocka_unit_test(test_listening_asks_nothing),
		cmocka_unit_test(test_pending_while_away),
		cmocka_unit_test(test_goes_away_before_the_answer),
		cmocka_unit_test(test_pending_and_asked_again),
		cmocka_unit_test(test_postponed_by_the_server),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_refused_though_held),
		cmocka_unit_test(test_options_are_replaced),
		cmocka_unit_test(test_same_channel_twice),
		cmocka_unit_test(test_first_and_last_of_many),
		cmocka_unit_test(test_servers_apart),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_long_bad_channel),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_longest_channel),
		cmocka_unit_test(test_longest_timeout),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_publish_outcomes),
		cmocka_unit_test(test_publish_without_id),
		cmocka_unit_test(test_call),
		cmocka_unit_test(test_answers_find_their_askers),
		cmocka_unit_test(test_end_of_requests),
		cmocka_unit_test(test_queue_full),
		cmocka_unit_test(test_answer_too_large),
		cmocka_unit_test(test_no_memory_to_subscribe),
		cmocka_unit_test(test_no_memory_for_the_first),
		cmocka_unit_test(test_no_memory_to_read),
		cmocka_unit_test(test_no_memory_to_refuse),
		cmocka_unit_test(test_no_memory_to_publish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
