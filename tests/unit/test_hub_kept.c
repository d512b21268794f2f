/*
 * Channels that are kept subscribed without a member: what the session is asked, what
 * members get, what a refusal and another session change.
 */
#include "base/strings.h"
#include "hub/interest.h"
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
