/*
 * Channels that are kept subscribed without a member, by the configuration or for a time
 * after a member left: what the session is asked, what members get, what a refusal and
 * another session change.
 */
#include "base/strings.h"
#include "hub/interest.h"
#include "hub/kept.h"
#include "tests/unit/hub_talk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int setup(void **state)
{
	struct world *w = world_new();

	go(w, true);
	for (unsigned m = 0; m < 4; m++)
		heard(w, m);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	world_drop(*state);
	return 0;
}

/* Up to three patterns; NULL: no more. */
static int keep(struct world *w, const char *a, const char *b, const char *c)
{
	const char *const v[] = {a, b, c};
	size_t n = 0;

	while (n < 3 && v[n])
		n++;
	return hub_set_kept(w->servers[0], &(struct strings){v, n});
}

/* "PATTERN STATUS WHY\n" of each */
static void assert_kept(struct world *w, const char *expected)
{
	static const char *const names[] = {"none", "pending", "active", "refused"};
	const struct subscription *s = NULL;
	struct hub_kept k;
	char text[512] = "";

	while ((s = hub_next_kept(w->servers[0], s, &k)))
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%.*s %s %.*s\n",
			 SLICE_ARG(k.pattern), names[k.status], SLICE_ARG(k.refusal));
	assert_string_equal(text, expected);
}

static void the_session_wants_them(void **state)
{
	struct world *w = *state;

	assert_int_equal(keep(w, "/a", "/b/**", "/a"), 0);
	assert_session(w, "+/a +/b/** ");
	confirm(w, "/a");
	assert_kept(w, "/a active \n/b/** pending \n");
	/* what is in both lists is not interrupted */
	assert_int_equal(keep(w, "/c", "/a", NULL), 0);
	assert_session(w, "+/c -/b/** ");
	assert_kept(w, "/a active \n/c pending \n");
	assert_true(interest_covers(w->servers[0], SLICE("/a"), 0));
	/* nothing receives their messages, which have a seq nevertheless */
	say_message(w, 0, "/a", "{}");
	assert_int_equal(hub_server_seq(w->servers[0]), 1);
	for (unsigned m = 0; m < 4; m++)
		assert_heard(w, m, "");
	assert_int_equal(keep(w, NULL, NULL, NULL), 0);
	assert_session(w, "-/a -/c ");
	assert_kept(w, "");
}

static void members_share_them(void **state)
{
	struct world *w = *state;

	assert_int_equal(keep(w, "/a", NULL, NULL), 0);
	confirm(w, "/a");
	assert_session(w, "+/a ");
	assert_asked(w, 0, "{'op':'subscribe','id':1,'channel':'/a'}",
		     CHANNELS(1, "{'channel':'/a','ok':true}"));
	say_message(w, 0, "/a", "{'channel':'/a'}");
	assert_heard(w, 0, "{'op':'message','server':'one','seq':1,'message':{'channel':'/a'}}\n");
	assert_asked(w, 0, "{'op':'unsubscribe','id':2,'channel':'/a'}", DONE(2));
	assert_session(w, "");
	/* and the other way: the member's is kept when the configuration does not */
	assert_asked(w, 0, "{'op':'subscribe','id':3,'channel':'/a'}",
		     CHANNELS(3, "{'channel':'/a','ok':true}"));
	assert_int_equal(keep(w, NULL, NULL, NULL), 0);
	assert_int_equal(keep(w, "/a", NULL, NULL), 0);
	assert_session(w, "");
	hub_remove_member(w->hub, &w->members[0]);
	assert_session(w, "");
	assert_kept(w, "/a active \n");
}

static void a_temporary_refusal_is_shown(void **state)
{
	struct world *w = *state;
	bool refused = true;

	assert_int_equal(keep(w, "/a", NULL, NULL), 0);
	say_channel(w, 0, "/a", SESSION_CHANNEL_PENDING, NULL, "busy");
	assert_kept(w, "/a pending busy\n");
	assert_true(hub_is_kept(w->servers[0], SLICE("/a"), &refused));
	assert_false(refused);
	confirm(w, "/a");
	assert_kept(w, "/a active \n");
	assert_false(hub_is_kept(w->servers[0], SLICE("/b"), &refused));
}

static void a_final_refusal_ends_only_the_members(void **state)
{
	struct world *w = *state;
	bool refused = false;

	assert_int_equal(keep(w, "/a", NULL, NULL), 0);
	for (unsigned m = 0; m < 2; m++)
		assert_asked(w, m, "{'op':'subscribe','id':1,'channel':'/a'}", "");
	refuse_a(w);
	for (unsigned m = 0; m < 2; m++)
		assert_non_null(strstr(heard(w, m), "'channels':[{'channel':'/a','error':" NO_A "}]"));
	assert_int_equal(w->members[0].n_subscriptions + w->members[1].n_subscriptions, 0);
	assert_session(w, "+/a ");
	assert_kept(w, "/a refused 403:/a:no\n");
	assert_false(interest_covers(w->servers[0], SLICE("/a"), 0));
	assert_true(hub_is_kept(w->servers[0], SLICE("/a"), &refused));
	assert_true(refused);
	/* a member that wants it asks again */
	assert_asked(w, 1, "{'op':'subscribe','id':2,'channel':'/a'}", "");
	assert_session(w, "+/a ");
	assert_kept(w, "/a pending 403:/a:no\n");
	assert_true(hub_is_kept(w->servers[0], SLICE("/a"), &refused));
	assert_true(refused);
	confirm(w, "/a");
	assert_heard(w, 1, CHANNELS(2, "{'channel':'/a','ok':true}"));
	assert_kept(w, "/a active \n");
	assert_true(hub_is_kept(w->servers[0], SLICE("/a"), &refused));
	assert_false(refused);
	assert_true(interest_covers(w->servers[0], SLICE("/a"), 1));
	/* refused again: the session asks in its next session, the hub does nothing */
	refuse_a(w);
	heard(w, 1);
	go(w, false);
	go(w, true);
	confirm(w, "/a");
	assert_session(w, "");
	assert_kept(w, "/a active \n");
}

/* The first holder of a refused one is the member. */
static void a_final_refusal_with_the_member_first(void **state)
{
	struct world *w = *state;

	assert_asked(w, 0, "{'op':'subscribe','id':1,'channel':'/a'}", "");
	assert_int_equal(keep(w, "/a", NULL, NULL), 0);
	assert_asked(w, 1, "{'op':'subscribe','id':1,'channel':'/a'}", "");
	assert_session(w, "+/a ");
	refuse_a(w);
	assert_int_equal(w->members[0].n_subscriptions + w->members[1].n_subscriptions, 0);
	assert_kept(w, "/a refused 403:/a:no\n");
	/* removed from the list, it is gone */
	assert_int_equal(keep(w, NULL, NULL, NULL), 0);
	assert_session(w, "-/a ");
}

static void another_session_wants_them(void **state)
{
	struct world *w = *state;
	struct session other;

	session_double_init(&other);
	assert_int_equal(keep(w, "/a", "/b", NULL), 0);
	assert_asked(w, 0, "{'op':'subscribe','id':1,'channels':['/a','/c']}", "");
	FAIL_EACH_ALLOCATION {
		int r = hub_set_session(w->hub, w->servers[0], &other);

		assert_true(r == 0 || r == -ENOMEM);
		assert_true(hub_server_session(w->servers[0]) == (r ? &w->sessions[0] : &other));
		assert_true(session_double_wants(&other, "/a") == !r);
	}
	assert_true(session_double_wants(&other, "/b") && session_double_wants(&other, "/c"));
	assert_int_equal(session_double_peer(&other, "/a"), 0);
	session_double_drop(&other);
	assert_int_equal(hub_set_session(w->hub, w->servers[0], &w->sessions[0]), 0);
	session_double_fini(&other);
}

/* A list is in effect, or what was in effect goes on; the next try adds what is missing. */
static void no_memory_to_keep(void **state)
{
	struct world *w = *state;

	FAIL_EACH_ALLOCATION {
		int r;

		testing_fail_allocation(UINT32_MAX);
		assert_int_equal(keep(w, "/old", NULL, NULL), 0);
		testing_fail_allocation(fail_at_);
		r = keep(w, "/a/b", "/c/*", "/d?x=1");
		assert_true(r == 0 || r == -ENOMEM);
		assert_true(session_double_wants(&w->sessions[0], "/old") == (r != 0));
		assert_true(r != 0 || session_double_wants(&w->sessions[0], "/d?x=1"));
	}
	assert_kept(w, "/a/b pending \n/c/* pending \n/d?x=1 pending \n");
}

static void they_end_with_the_server(void **state)
{
	struct world *w = *state;

	assert_int_equal(keep(w, "/a", "/b", NULL), 0);
	hub_remove_server(w->hub, w->servers[0]);
	assert_session(w, "+/a +/b -/a -/b ");
	assert_int_equal(hub_add_server(w->hub, SLICE("one"), true, &w->sessions[0], &w->servers[0]), 0);
	assert_kept(w, "");
}

/* ---- for a time ---- */

#define LINGER 5000u

/* Member 0, which has only /a at the server, leaves at WORLD_NOW + `at`; and is there again at once. */
static void leave_with_a(struct world *w, uint64_t at)
{
	hub_set_linger(w->servers[0], LINGER);
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':1,'channel':'/a'}"), 0);
	confirm(w, "/a");
	heard(w, 0);
	hub_member_left(w->hub, &w->members[0], WORLD_NOW + at);
	assert_int_equal(hub_add_member(w->hub, &w->members[0]), 0);
}

static void tick(struct world *w, uint64_t at)
{
	hub_tick(w->hub, w->servers[0], WORLD_NOW + at, WORLD_UNIX_MS + at);
}

static void it_stays_for_a_time(void **state)
{
	struct world *w = *state;

	assert_true(hub_deadline(w->servers[0]) == UINT64_MAX);
	leave_with_a(w, 10);
	assert_int_equal(hub_server_lingering(w->servers[0]), 1);
	assert_true(hub_deadline(w->servers[0]) == WORLD_NOW + 10 + LINGER);
	tick(w, 10 + LINGER - 1);
	assert_session(w, "+/a ");
	/* its messages are logged, and none is missing */
	hub_set_history(w->servers[0], &(struct hub_log_limits){1 << 20, 1, UINT64_MAX}, WORLD_NOW);
	say_message(w, 0, "/a", "{}");
	say_message(w, 0, "/a", "{}");
	assert_int_equal(hub_server_seq(w->servers[0]), 2);
	assert_true(interest_covers(w->servers[0], SLICE("/a"), 0));
	struct hub_position position;
	hub_server_position(w->servers[0], &position);
	assert_int_equal(position.first, 2);
	/* it is not of the configuration */
	assert_kept(w, "");
	bool refused;
	assert_false(hub_is_kept(w->servers[0], SLICE("/a"), &refused));
	tick(w, 10 + LINGER);
	assert_session(w, "-/a ");
	assert_int_equal(hub_server_lingering(w->servers[0]), 0);
	assert_true(hub_deadline(w->servers[0]) == UINT64_MAX);
	assert_false(interest_covers(w->servers[0], SLICE("/a"), 2));
}

static void another_member_takes_it_over(void **state)
{
	struct world *w = *state;

	leave_with_a(w, 0);
	/* one that only listens does not */
	assert_asked(w, 2, "{'op':'subscribe','id':1,'channel':'/a','upstream':false}",
		     CHANNELS(1, "{'channel':'/a','ok':true}"));
	assert_int_equal(hub_server_lingering(w->servers[0]), 1);
	assert_asked(w, 1, "{'op':'subscribe','id':1,'channel':'/a'}", CHANNELS(1, "{'channel':'/a','ok':true}"));
	assert_int_equal(hub_server_lingering(w->servers[0]), 0);
	assert_true(hub_deadline(w->servers[0]) == UINT64_MAX);
	tick(w, 2 * LINGER);
	assert_session(w, "+/a ");
	assert_true(interest_covers(w->servers[0], SLICE("/a"), 0));
	/* unsubscribed, it is not needed any longer */
	assert_asked(w, 1, "{'op':'unsubscribe','id':2,'channel':'/a'}", DONE(2));
	assert_session(w, "-/a ");
	assert_int_equal(hub_server_lingering(w->servers[0]), 0);
}

/* Only what no other holds stays, once, also while the server has not answered. */
static void what_stays(void **state)
{
	struct world *w = *state;

	hub_set_linger(w->servers[0], LINGER);
	assert_int_equal(keep(w, "/kept", NULL, NULL), 0);
	for (unsigned m = 0; m < 2; m++) {
		ask(w, m, "{'op':'subscribe','id':1,'channels':['/a','/b','/kept']}");
		ask(w, m, "{'op':'subscribe','id':2,'channel':'/l','upstream':false}");
	}
	ask(w, 0, "{'op':'subscribe','id':3,'channels':['/c','/d?x=1']}");
	ask(w, 0, "{'op':'subscribe','id':4,'channel':'/two','server':'two'}");
	hub_member_left(w->hub, &w->members[0], WORLD_NOW);
	assert_int_equal(hub_server_lingering(w->servers[0]), 2);
	assert_int_equal(hub_server_lingering(w->servers[1]), 0);
	hub_member_left(w->hub, &w->members[1], WORLD_NOW + 1);
	assert_int_equal(hub_server_lingering(w->servers[0]), 4);
	assert_session(w, "+/kept +/a +/b +/c +/d?x=1 ");
	/* the configuration keeps one of them, and takes it back; a final refusal ends one */
	assert_int_equal(keep(w, "/kept", "/a", NULL), 0);
	assert_int_equal(hub_server_lingering(w->servers[0]), 3);
	refuse_a(w);
	assert_kept(w, "/kept pending \n/a refused 403:/a:no\n");
	say_channel(w, 0, "/b", SESSION_CHANNEL_REFUSED, NULL, "no");
	assert_session(w, "-/b ");
	assert_int_equal(hub_server_lingering(w->servers[0]), 2);
	assert_int_equal(keep(w, NULL, NULL, NULL), 0);
	assert_session(w, "-/kept -/a ");
	/* without the option, all end at once */
	hub_set_linger(w->servers[0], 0);
	assert_true(hub_deadline(w->servers[0]) <= WORLD_NOW);
	tick(w, 0);
	assert_session(w, "-/c -/d?x=1 ");
	for (unsigned m = 0; m < 2; m++)
		assert_int_equal(hub_add_member(w->hub, &w->members[m]), 0);
	leave_with_a(w, 0);
	hub_set_linger(w->servers[0], 0);
	tick(w, 0);
	ask(w, 0, "{'op':'subscribe','id':1,'channel':'/z'}");
	hub_member_left(w->hub, &w->members[0], WORLD_NOW);
	assert_session(w, "+/a -/a +/z -/z ");
	assert_int_equal(hub_add_member(w->hub, &w->members[0]), 0);
}

/* Another session wants them, and with the server they end. */
static void with_another_session(void **state)
{
	struct world *w = *state;
	struct session other;

	session_double_init(&other);
	leave_with_a(w, 0);
	assert_int_equal(hub_set_session(w->hub, w->servers[0], &other), 0);
	assert_true(session_double_wants(&other, "/a"));
	hub_remove_server(w->hub, w->servers[0]);
	assert_false(session_double_wants(&other, "/a"));
	session_double_fini(&other);
	session_double_drop(&w->sessions[0]);
	assert_int_equal(hub_add_server(w->hub, SLICE("one"), true, &w->sessions[0], &w->servers[0]), 0);
	assert_int_equal(hub_server_lingering(w->servers[0]), 0);
}

/* The first to leave ends first. */
static void too_many(void **state)
{
	const struct hub_options options = {.subscriptions_max = 100, .requests_max = 4, .message_max = 1000};
	struct world *w = *state;
	char json[128];

	hub_set_options(w->hub, &options);
	hub_set_linger(w->servers[0], LINGER);
	for (unsigned i = 0; i < KEPT_LINGERING_MAX + 2; i++) {
		snprintf(json, sizeof(json), "{'op':'subscribe','id':1,'channel':'/%u'}", i);
		assert_int_equal(ask(w, 0, json), 0);
		hub_member_left(w->hub, &w->members[0], WORLD_NOW + i);
		assert_int_equal(hub_add_member(w->hub, &w->members[0]), 0);
	}
	assert_int_equal(hub_server_lingering(w->servers[0]), KEPT_LINGERING_MAX);
	assert_false(session_double_wants(&w->sessions[0], "/1"));
	assert_true(session_double_wants(&w->sessions[0], "/2"));
	assert_true(hub_deadline(w->servers[0]) == WORLD_NOW + 2 + LINGER);
	tick(w, LINGER + 3);
	assert_int_equal(hub_server_lingering(w->servers[0]), KEPT_LINGERING_MAX - 2);
	tick(w, 2 * LINGER + KEPT_LINGERING_MAX);
	assert_int_equal(hub_server_lingering(w->servers[0]), 0);
}

#define HUB_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HUB_TEST(the_session_wants_them),
		HUB_TEST(members_share_them),
		HUB_TEST(a_temporary_refusal_is_shown),
		HUB_TEST(a_final_refusal_ends_only_the_members),
		HUB_TEST(a_final_refusal_with_the_member_first),
		HUB_TEST(another_session_wants_them),
		HUB_TEST(no_memory_to_keep),
		HUB_TEST(they_end_with_the_server),
		HUB_TEST(it_stays_for_a_time),
		HUB_TEST(another_member_takes_it_over),
		HUB_TEST(what_stays),
		HUB_TEST(with_another_session),
		HUB_TEST(too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
