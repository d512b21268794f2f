/*
 * hub, subscribing: each request gets one reply, at once or when the server has answered;
 * the session wants exactly the channels that have a holder.
 */
#include "tests/unit/hub_talk.h"

#include <stdlib.h>

static void test_waits_for_the_server(void **state)
{
	struct world *w = world_new();

	(void)state;
	assert_asked(w, 0, "{'op':'subscribe','id':1,'channels':['/a','/b']}", "");
	assert_session(w, "+/a +/b ");
	assert_asked(w, 0, "{'op':'publish','id':1,'channel':'/a','data':1}",
		     REFUSED(1, "id-in-use", "a request with this id waits for its reply"));
	confirm(w, "/b");
	assert_heard(w, 0, "");
	assert_true(hub_tag_in_use(&w->members[0], 1));
	confirm(w, "/a");
	assert_heard(w, 0, CHANNELS(1, "{'channel':'/a','ok':true},{'channel':'/b','ok':true}"));
	assert_false(hub_tag_in_use(&w->members[0], 1));
	/* what is confirmed twice, or was never asked for, is no news */
	confirm(w, "/a");
	confirm(w, "/c");
	assert_heard(w, 0, "");
	/* the second subscriber is answered at once, without a call of the session */
	assert_asked(w, 1, "{'op':'subscribe','id':9,'channel':'/a'}",
		     CHANNELS(9, "{'channel':'/a','ok':true}"));
	assert_session(w, "");
	world_drop(w);
}

/* The server's reply goes to those who waited for it, up to 64 KiB of it. */
static void test_replies_are_passed_on(void **state)
{
	struct world *w = world_new();
	char *big = calloc(1, (64u << 10) + 1);
	struct envelope e = {.pieces = {slice_make(big, (64u << 10) + 1)}, .n_pieces = 1};
	const struct session_event event = {
		.kind = SESSION_EVENT_CHANNEL, .status = SESSION_CHANNEL_ACTIVE,
		.channel = SLICE("/a"), .envelope = &e};

	(void)state;
	assert_non_null(big);
	assert_asked(w, 0, "{'op':'subscribe','id':1,'channels':['/a','/b']}", "");
	say_channel(w, 0, "/b", SESSION_CHANNEL_ACTIVE, "{'successful':true,'data':2}", NULL);
	hub_handle_event(w->hub, w->servers[0], &event, WORLD_NOW, WORLD_UNIX_MS);
	assert_heard(w, 0, CHANNELS(1, "{'channel':'/a','ok':true},{'channel':'/b','ok':true,"
				       "'bayeux':{'successful':true,'data':2}}"));
	free(big);
	world_drop(w);
}

static void test_listening_asks_nothing(void **state)
{
	struct world *w = world_new();

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
	world_drop(w);
}

static void test_pending_without_a_session(void **state)
{
	struct world *w = world_new();

	(void)state;
	go(w, false);
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':1,'channel':'/a'}"), 0);
	assert_heard_but_state(w, 0, CHANNELS(1, "{'channel':'/a','pending':true}"));
	go(w, true);
	confirm(w, "/a");
	assert_heard_but_state(w, 0, CONFIRMED("/a"));
	/* reported once: the next outage is reported by the state */
	go(w, false);
	go(w, true);
	confirm(w, "/a");
	assert_heard_but_state(w, 0, "");
	world_drop(w);
}

static void test_disconnects_before_the_answer(void **state)
{
	struct world *w = world_new();

	(void)state;
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':1,'channels':['/a','/b']}"), 0);
	assert_int_equal(ask(w, 1, "{'op':'subscribe','id':1,'channel':'/b'}"), 0);
	assert_int_equal(ask(w, 2, "{'op':'subscribe','id':1,'channel':'/c'}"), 0);
	assert_int_equal(ask(w, 0, "{'op':'publish','id':2,'channel':'/p','data':1}"), 0);
	confirm(w, "/a");
	go(w, true);
	assert_heard_but_state(w, 0, "");
	go(w, false);
	assert_heard_but_state(w, 0, CHANNELS(1, "{'channel':'/a','ok':true},"
						 "{'channel':'/b','pending':true}"));
	assert_heard_but_state(w, 1, CHANNELS(1, "{'channel':'/b','pending':true}"));
	assert_heard_but_state(w, 2, CHANNELS(1, "{'channel':'/c','pending':true}"));
	go(w, true);
	confirm(w, "/c");
	assert_heard_but_state(w, 2, CONFIRMED("/c"));
	say_channel(w, 0, "/b", SESSION_CHANNEL_REFUSED, NULL, "no");
	for (unsigned i = 0; i < 2; i++)
		assert_heard_but_state(w, i, "{'op':'subscription','server':'one','channel':'/b',"
					     "'ok':false,'error':{'code':'refused',"
					     "'message':'no'}}\n");
	world_drop(w);
}

/* what a reply reports, no event reports again */
static void test_pending_and_asked_again(void **state)
{
	struct world *w = world_new();

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
	confirm(w, "/a");
	for (unsigned i = 0; i < 2; i++)
		assert_heard(w, i, CHANNELS(3, "{'channel':'/a','ok':true}"));
	/* pending, turned to listening, and active when it asks again: nothing is to come */
	go(w, false);
	assert_int_equal(ask(w, 2, "{'op':'subscribe','id':1,'channel':'/b'}"), 0);
	assert_int_equal(ask(w, 2, "{'op':'subscribe','id':2,'channel':'/b','upstream':false}"), 0);
	go(w, true);
	assert_int_equal(ask(w, 3, "{'op':'subscribe','id':1,'channel':'/b'}"), 0);
	confirm(w, "/b");
	assert_int_equal(ask(w, 2, "{'op':'subscribe','id':3,'channel':'/b'}"), 0);
	heard(w, 2);
	confirm(w, "/b");
	assert_heard(w, 2, "");
	world_drop(w);
}

/* "not now": the server is asked again later, but a reply has no deadline to wait for that */
static void test_postponed_by_the_server(void **state)
{
	struct world *w = world_new();

	(void)state;
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':1,'channel':'/a'}"), 0);
	say_channel(w, 0, "/a", SESSION_CHANNEL_PENDING, NULL, "busy");
	assert_heard(w, 0, CHANNELS(1, "{'channel':'/a','pending':true}")
			   "{'op':'subscription','server':'one','channel':'/a','ok':true,"
			   "'error':{'code':'refused','message':'busy'},'pending':true}\n");
	say_channel(w, 0, "/a", SESSION_CHANNEL_PENDING, NULL, "busy");
	assert_heard(w, 0, "");
	confirm(w, "/a");
	assert_heard(w, 0, CONFIRMED("/a"));
	world_drop(w);
}

static void test_refused(void **state)
{
	struct world *w = world_new();

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
	confirm(w, "/b");
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
	world_drop(w);
}

static void test_refused_while_held(void **state)
{
	struct world *w = world_new();

	(void)state;
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':1,'channel':'/a'}"), 0);
	confirm(w, "/a");
	heard(w, 0);
	refuse_a(w);
	assert_heard(w, 0, "{'op':'subscription','server':'one','channel':'/a','ok':false,"
			   "'error':" NO_A "}\n");
	assert_asked(w, 0, "{'op':'unsubscribe','id':2,'channel':'/a'}",
		     REFUSED(2, "not-subscribed", "not subscribed to \\'/a\\'"));
	world_drop(w);
}

/* Each holder gets a temporary refusal once, with the reason: one that waits, one that holds it from an
   earlier session, and one that subscribes later; and all get the end of it. */
static void test_refused_for_the_moment(void **state)
{
	struct world *w = world_new();
#define POSTPONED                                                                                  \
	"{'op':'subscription','server':'one','channel':'/a','ok':true,"                            \
	"'error':{'code':'refused','message':'403::limit'},'pending':true}\n"

	(void)state;
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':1,'channel':'/a'}"), 0);
	confirm(w, "/a");
	heard(w, 0);
	session_double_set(&w->sessions[0], "/a", SESSION_CHANNEL_PENDING);
	assert_asked(w, 1, "{'op':'subscribe','id':1,'channel':'/a'}", "");
	say_channel(w, 0, "/a", SESSION_CHANNEL_PENDING, NULL, "403::limit");
	assert_heard(w, 0, POSTPONED);
	assert_heard(w, 1, CHANNELS(1, "{'channel':'/a','pending':true}") POSTPONED);
	w->sessions[0].deferred = "/a";
	assert_asked(w, 2, "{'op':'subscribe','id':1,'channel':'/a'}",
		     CHANNELS(1, "{'channel':'/a','pending':true}") POSTPONED);
	say_channel(w, 0, "/a", SESSION_CHANNEL_PENDING, NULL, "403::limit");
	for (unsigned i = 0; i < 3; i++)
		assert_heard(w, i, "");
	/* if its reply waits for another channel, it is reported with the next refusal */
	assert_asked(w, 3, "{'op':'subscribe','id':1,'channels':['/a','/b']}", "");
	confirm(w, "/b");
	assert_heard(w, 3, CHANNELS(1, "{'channel':'/a','pending':true},{'channel':'/b','ok':true}"));
	say_channel(w, 0, "/a", SESSION_CHANNEL_PENDING, NULL, "403::limit");
	assert_heard(w, 3, POSTPONED);
	confirm(w, "/a");
	for (unsigned i = 0; i < 4; i++)
		assert_heard(w, i, CONFIRMED("/a"));
	/* and again */
	say_channel(w, 0, "/a", SESSION_CHANNEL_PENDING, NULL, "403::limit");
	assert_heard(w, 0, POSTPONED);
	refuse_a(w);
	assert_heard(w, 2, POSTPONED "{'op':'subscription','server':'one','channel':'/a','ok':false,"
			   "'error':" NO_A "}\n");
	world_drop(w);
}

static void test_options_are_replaced(void **state)
{
	struct world *w = world_new();

	(void)state;
	assert_asked(w, 0, "{'op':'subscribe','id':1,'channel':'/a','upstream':false}",
		     CHANNELS(1, "{'channel':'/a','ok':true}"));
	assert_asked(w, 0, "{'op':'subscribe','id':1,'channel':'/a'}", "");
	assert_session(w, "+/a ");
	confirm(w, "/a");
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
	/* changed to upstream:false while it waits: answered at once, and still held */
	assert_asked(w, 0, "{'op':'subscribe','id':1,'channel':'/a'}", "");
	assert_asked(w, 0, "{'op':'subscribe','id':2,'channel':'/a','upstream':false}",
		     CHANNELS(1, "{'channel':'/a','ok':true}")
		     CHANNELS(2, "{'channel':'/a','ok':true}"));
	assert_session(w, "+/a -/a ");
	world_drop(w);
}

static void test_same_channel_twice(void **state)
{
	struct world *w = world_new();

	(void)state;
	assert_asked(w, 0, "{'op':'subscribe','id':1,'channels':['/a','/a']}", "");
	assert_asked(w, 0, "{'op':'subscribe','id':2,'channel':'/a'}", "");
	assert_session(w, "+/a ");
	confirm(w, "/a");
	assert_heard(w, 0, CHANNELS(1, "{'channel':'/a','ok':true},{'channel':'/a','ok':true}")
			   CHANNELS(2, "{'channel':'/a','ok':true}"));
	assert_asked(w, 0, "{'op':'unsubscribe','id':1,'channels':['/a','/a']}", DONE(1));
	assert_session(w, "-/a ");
	world_drop(w);
}

static void test_first_and_last_of_many(void **state)
{
	struct world *w = world_new();

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(ask(w, i, "{'op':'subscribe','id':1,'channel':'/a'}"), 0);
	assert_session(w, "+/a ");
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(ask(w, i, "{'op':'unsubscribe','id':2,'channel':'/a'}"), 0);
	assert_session(w, "");
	hub_remove_member(w->hub, &w->members[3]);
	assert_session(w, "-/a ");
	world_drop(w);
}

static void test_servers_apart(void **state)
{
	struct world *w = world_new();

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
	world_drop(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits_for_the_server),
		cmocka_unit_test(test_replies_are_passed_on),
		cmocka_unit_test(test_listening_asks_nothing),
		cmocka_unit_test(test_pending_without_a_session),
		cmocka_unit_test(test_disconnects_before_the_answer),
		cmocka_unit_test(test_pending_and_asked_again),
		cmocka_unit_test(test_postponed_by_the_server),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_refused_while_held),
		cmocka_unit_test(test_refused_for_the_moment),
		cmocka_unit_test(test_options_are_replaced),
		cmocka_unit_test(test_same_channel_twice),
		cmocka_unit_test(test_first_and_last_of_many),
		cmocka_unit_test(test_servers_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
