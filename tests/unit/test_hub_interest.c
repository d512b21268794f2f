/*
 * From which position on an interest is complete: whether a member that has the messages
 * up to a seq missed none of a pattern.
 */
#include "hub/interest.h"
#include "tests/unit/hub_talk.h"

#include <stdio.h>
#include <stdlib.h>

static int setup(void **state)
{
	struct world *w = world_new();

	w->sessions[0].info.generation = 1;
	go(w, true);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	world_drop(*state);
	return 0;
}

/* Several may wait for the server's answer, each with an id of its own. */
static void subscribe(struct world *w, unsigned m, const char *channel)
{
	static unsigned id = 10;
	char json[1024];

	snprintf(json, sizeof(json), "{'op':'subscribe','id':%u,'channel':'%s'}", ++id, channel);
	assert_int_equal(ask(w, m, json), 0);
}

static void unsubscribe(struct world *w, unsigned m, const char *channel)
{
	char json[1024];

	snprintf(json, sizeof(json), "{'op':'unsubscribe','id':2,'channel':'%s'}", channel);
	assert_int_equal(ask(w, m, json), 0);
}

/* Messages that no member wants count, too. */
static void receive(struct world *w, unsigned n)
{
	while (n--)
		say_message(w, 0, "/other", "{}");
}

static void session_is(struct world *w, enum session_state state, uint64_t generation, bool gap)
{
	struct session_event event = {.kind = SESSION_EVENT_STATE};

	w->sessions[0].up = state == SESSION_CONNECTED;
	w->sessions[0].info.state = state;
	w->sessions[0].info.generation = generation;
	w->sessions[0].info.gap = gap;
	hub_handle_event(w->hub, w->servers[0], &event, WORLD_NOW, WORLD_UNIX_MS);
}

/* The pattern is covered from position `first` on, and not before. */
static void assert_covered_from(struct world *w, const char *pattern, uint64_t first)
{
	const struct hub_server *s = w->servers[0];

	for (uint64_t seq = 0; seq < first + 3; seq++)
		if (interest_covers(s, slice_of(pattern), seq) != (seq >= first))
			fail_msg("%s at %lu: first is %lu", pattern, (unsigned long)seq, (unsigned long)first);
	assert_true(interest_covers(s, slice_of(pattern), UINT64_MAX));
}

static void assert_not_covered(struct world *w, const char *pattern)
{
	assert_false(interest_covers(w->servers[0], slice_of(pattern), 0));
	assert_false(interest_covers(w->servers[0], slice_of(pattern), UINT64_MAX));
}

static void it_counts_from_the_confirmation(void **state)
{
	struct world *w = *state;

	assert_not_covered(w, "/a");
	receive(w, 2);
	subscribe(w, 0, "/a");
	receive(w, 1);
	assert_not_covered(w, "/a");
	confirm(w, "/a");
	assert_covered_from(w, "/a", 3);
	/* another confirmation, another member, other messages change nothing */
	receive(w, 4);
	confirm(w, "/a");
	subscribe(w, 1, "/a");
	unsubscribe(w, 0, "/a");
	assert_covered_from(w, "/a", 3);
	/* nor does another server */
	assert_false(interest_covers(w->servers[1], SLICE("/a"), 9));
}

/* Position 2 is that of a member that held the channel before, and of one after it. */
static void one_that_ended_is_missing_until_the_next_message(void **state)
{
	struct world *w = *state;

	subscribe(w, 0, "/a");
	confirm(w, "/a");
	receive(w, 2);
	unsubscribe(w, 0, "/a");
	assert_not_covered(w, "/a");
	subscribe(w, 0, "/a");
	confirm(w, "/a");
	assert_covered_from(w, "/a", 3);
	receive(w, 2);
	assert_covered_from(w, "/a", 3);
	/* one that was never confirmed interrupts nothing */
	subscribe(w, 0, "/b");
	unsubscribe(w, 0, "/b");
	subscribe(w, 0, "/c");
	confirm(w, "/c");
	assert_covered_from(w, "/c", 5);
}

static void a_refusal_interrupts_it(void **state)
{
	struct world *w = *state;

	subscribe(w, 0, "/a");
	confirm(w, "/a");
	receive(w, 1);
	say_channel(w, 0, "/a", SESSION_CHANNEL_PENDING, NULL, "busy");
	assert_not_covered(w, "/a");
	receive(w, 1);
	/* a member that knows that has position 2 from before */
	confirm(w, "/a");
	assert_covered_from(w, "/a", 3);
	say_channel(w, 0, "/a", SESSION_CHANNEL_REFUSED, NULL, "no");
	assert_not_covered(w, "/a");
}

/* Each confirmation names the position from which on the channel is complete, so that a member may continue there. */
static void members_get_the_position(void **state)
{
	struct world *w = *state;

	heard_positions = true;
	receive(w, 4);
	subscribe(w, 0, "/a");
	confirm(w, "/a");
	assert_non_null(strstr(heard(w, 0), "{'channel':'/a','ok':true,'seq':4}"));
	assert_covered_from(w, "/a", 4);
	receive(w, 2);
	subscribe(w, 1, "/a");
	assert_non_null(strstr(heard(w, 1), "{'channel':'/a','ok':true,'seq':6}"));
	/* one for which it was pending has the newest position already: a new one is made */
	say_channel(w, 0, "/a", SESSION_CHANNEL_PENDING, NULL, "busy");
	heard(w, 0);
	confirm(w, "/a");
	assert_non_null(strstr(heard(w, 0), "'channel':'/a','ok':true,'seq':7}"));
	assert_covered_from(w, "/a", 7);
	heard_positions = false;
}

static void a_new_session_interrupts_all(void **state)
{
	struct world *w = *state;

	subscribe(w, 0, "/a");
	subscribe(w, 0, "/b");
	confirm(w, "/a");
	confirm(w, "/b");
	receive(w, 3);
	/* nothing is missing yet, and a gap is reported to all members when the link is back */
	session_is(w, SESSION_UNCONNECTED, 1, true);
	assert_covered_from(w, "/a", 0);
	session_is(w, SESSION_CONNECTING, 2, true);
	assert_not_covered(w, "/a");
	assert_not_covered(w, "/b");
	receive(w, 1);
	confirm(w, "/a");
	assert_covered_from(w, "/a", 4);
	/* confirmed before the session is connected: later counts, to be sure */
	session_is(w, SESSION_CONNECTED, 2, true);
	assert_covered_from(w, "/a", 5);
	receive(w, 2);
	confirm(w, "/b");
	assert_covered_from(w, "/b", 6);
}

static void a_gap_within_a_session_interrupts_what_is_active(void **state)
{
	struct world *w = *state;

	subscribe(w, 0, "/a");
	subscribe(w, 0, "/b");
	confirm(w, "/a");
	receive(w, 3);
	session_is(w, SESSION_UNCONNECTED, 1, false);
	session_is(w, SESSION_CONNECTED, 1, false);
	assert_covered_from(w, "/a", 0);
	session_is(w, SESSION_CONNECTED, 1, true);
	assert_covered_from(w, "/a", 4);
	assert_not_covered(w, "/b");
}

/* Between two runs of the daemon messages may have been missed. */
static void another_position_interrupts_all(void **state)
{
	struct world *w = *state;

	subscribe(w, 0, "/a");
	confirm(w, "/a");
	hub_begin_epoch(w->servers[0], 6);
	assert_covered_from(w, "/a", 0);
	hub_set_position(w->servers[0], 7, 0);
	assert_covered_from(w, "/a", 1);
	hub_set_position(w->servers[0], 7, 100);
	assert_covered_from(w, "/a", 101);
	subscribe(w, 0, "/b");
	confirm(w, "/b");
	assert_covered_from(w, "/b", 101);
}

static void a_wider_pattern_covers(void **state)
{
	static const struct { const char *outer, *inner; bool covers; } rows[] = {
		{"/a/**", "/a/**", true}, {"/a/**", "/a/*", true}, {"/a/**", "/a/b", true},
		{"/a/**", "/a/b/c", true}, {"/a/**", "/a/b/*", true}, {"/a/**", "/a/b/**", true},
		{"/a/**", "/a", false}, {"/a/**", "/ab/c", false}, {"/a/**", "/**", false},
		{"/a/*", "/a/b", true}, {"/a/*", "/a/*", true}, {"/a/*", "/a/**", false},
		{"/a/*", "/a/b/c", false}, {"/a/*", "/a/b/*", false},
		{"/*", "/a", true}, {"/*", "/a/b", false}, {"/**", "/a", true}, {"/**", "/*", true},
		{"/**", "/a/b/**", true}, {"/**", "/service/a", false}, {"/a", "/a/b", false},
		{"/a?x=1", "/a?x=1", true}, {"/a?x=1", "/a?x=2", false}, {"/a?x=1", "/a", false},
		{"/a", "/a?x=1", false}, {"/**", "/a?x=1", false},
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		subscribe(w, 0, rows[i].outer);
		confirm(w, rows[i].outer);
		receive(w, 1);
		if (interest_covers(w->servers[0], slice_of(rows[i].inner), hub_server_seq(w->servers[0])) !=
		    rows[i].covers)
			fail_msg("%s and %s", rows[i].outer, rows[i].inner);
		unsubscribe(w, 0, rows[i].outer);
	}
	subscribe(w, 0, "/service/a");
	assert_not_covered(w, "/service/a");
}

/* whatever is asked */
static void a_long_name_is_not_covered(void **state)
{
	char name[PROTOCOL_CHANNEL_MAX + 2];

	memset(name, 'x', sizeof(name));
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	assert_not_covered(*state, name);
	name[sizeof(name) - 2] = '\0';
	assert_not_covered(*state, name);
	memset(name, '/', sizeof(name) - 2);
	assert_not_covered(*state, name);
	assert_not_covered(*state, "");
	assert_not_covered(*state, "a");
}

#define HUB_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HUB_TEST(it_counts_from_the_confirmation),
		HUB_TEST(one_that_ended_is_missing_until_the_next_message),
		HUB_TEST(a_refusal_interrupts_it),
		HUB_TEST(members_get_the_position),
		HUB_TEST(a_new_session_interrupts_all),
		HUB_TEST(a_gap_within_a_session_interrupts_what_is_active),
		HUB_TEST(another_position_interrupts_all),
		HUB_TEST(a_wider_pattern_covers),
		HUB_TEST(a_long_name_is_not_covered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
