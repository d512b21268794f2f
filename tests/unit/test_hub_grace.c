/*
 * Which members get the loss of a link, and when: those present before, if it lasts;
 * those added meanwhile, each change; all, when messages may have been missed.
 */
#include "hub/grace.h"
#include "tests/unit/hub_world.h"

#include <stdio.h>

#define MAX 5000u

static struct world world;

static int setup(void **state)
{
	world_init(&world);
	world.sessions[0].info.generation = 1;
	hub_set_grace(world.servers[0], MAX);
	say_state(&world, 0, true);
	for (unsigned i = 0; i < 4; i++)
		heard(&world, i);
	*state = &world;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_fini(&world);
	return 0;
}

/* at WORLD_NOW + `at` */
static void say_at(struct world *w, enum session_state s, bool gap, uint64_t at)
{
	struct session_event event = {.kind = SESSION_EVENT_STATE};

	w->sessions[0].up = s == SESSION_CONNECTED;
	w->sessions[0].info.state = s;
	w->sessions[0].info.gap = gap;
	hub_handle_event(w->hub, w->servers[0], &event, WORLD_NOW + at, WORLD_UNIX_MS + at);
}

/* One event; the session's double only has the states "connected" and "unconnected". */
static void assert_reported(struct world *w, unsigned m, const char *state, const char *gap)
{
	char expected[64];
	const char *text = heard(w, m);

	snprintf(expected, sizeof(expected), "'state':'%s'", state);
	if (!strstr(text, expected))
		fail_msg("%s is not in %s", expected, text);
	snprintf(expected, sizeof(expected), "'gap':%s", gap);
	if (!strstr(text, expected) || strchr(text, '\n')[1])
		fail_msg("%s alone is not in %s", expected, text);
}

static void back_in_time_is_no_news(void **state)
{
	struct world *w = *state;

	assert_true(hub_deadline(w->servers[0]) == UINT64_MAX);
	for (int i = 0; i < 3; i++) {
		say_at(w, SESSION_UNCONNECTED, false, 10);
		assert_true(hub_deadline(w->servers[0]) == WORLD_NOW + 10 + MAX);
		say_at(w, SESSION_CONNECTED, false, 4000);
		assert_true(hub_deadline(w->servers[0]) == UINT64_MAX);
		hub_tick(w->hub, w->servers[0], WORLD_NOW + 90000, WORLD_UNIX_MS);
	}
	for (unsigned i = 0; i < 4; i++)
		assert_heard(w, i, "");
}

static void a_gap_is_always_reported(void **state)
{
	struct world *w = *state;

	say_at(w, SESSION_UNCONNECTED, true, 10);
	say_at(w, SESSION_HANDSHAKING, true, 20);
	say_at(w, SESSION_CONNECTING, true, 30);
	assert_heard(w, 0, "");
	say_at(w, SESSION_CONNECTED, true, 40);
	assert_reported(w, 0, "connected", "true");
	assert_reported(w, 3, "connected", "true");
	/* also when it never left that state */
	say_at(w, SESSION_CONNECTED, true, 50);
	assert_reported(w, 0, "connected", "true");
}

static void a_long_loss_is_reported(void **state)
{
	struct world *w = *state;

	say_at(w, SESSION_UNCONNECTED, false, 10);
	/* a further change does not prolong it */
	say_at(w, SESSION_HANDSHAKING, false, 4000);
	hub_tick(w->hub, w->servers[0], WORLD_NOW + 10 + MAX - 1, WORLD_UNIX_MS);
	assert_heard(w, 0, "");
	hub_tick(w->hub, w->servers[0], WORLD_NOW + 10 + MAX, WORLD_UNIX_MS);
	assert_reported(w, 0, "unconnected", "false");
	assert_reported(w, 3, "unconnected", "false");
	hub_tick(w->hub, w->servers[0], WORLD_NOW + 99999, WORLD_UNIX_MS);
	assert_heard(w, 0, "");
	/* from now on it is as without */
	say_at(w, SESSION_UNCONNECTED, false, 7000);
	assert_reported(w, 0, "unconnected", "false");
	say_at(w, SESSION_CONNECTED, false, 8000);
	assert_reported(w, 0, "connected", "false");
}

/* the timer is late, and the next change comes first */
static void a_late_loss_is_reported_too(void **state)
{
	struct world *w = *state;

	say_at(w, SESSION_UNCONNECTED, false, 10);
	say_at(w, SESSION_HANDSHAKING, false, 10 + MAX);
	assert_reported(w, 0, "unconnected", "false");
}

static void an_end_is_reported_at_once(void **state)
{
	static const enum session_state ends[] = {SESSION_HALTED, SESSION_DISCONNECTING,
						  SESSION_OFF};
	struct world *w = *state;

	for (unsigned i = 0; i < 3; i++) {
		say_at(w, SESSION_UNCONNECTED, false, 10);
		say_at(w, ends[i], false, 20);
		assert_true(*heard(w, 0));
		say_at(w, SESSION_CONNECTED, false, 30);
		assert_reported(w, 0, "connected", "false");
		assert_true(*heard(w, 1));
	}
}

/* a member added during the loss got the actual state, and gets each change */
static void new_members_get_later_states(void **state)
{
	struct world *w = *state;

	hub_remove_member(w->hub, &w->members[3]);
	say_at(w, SESSION_UNCONNECTED, false, 10);
	assert_int_equal(hub_add_member(w->hub, &w->members[3]), 0);
	say_at(w, SESSION_HANDSHAKING, false, 20);
	assert_reported(w, 3, "unconnected", "false");
	say_at(w, SESSION_CONNECTED, false, 30);
	assert_reported(w, 3, "connected", "false");
	assert_heard(w, 0, "");
	/* and gets no second event when it lasts */
	hub_remove_member(w->hub, &w->members[3]);
	say_at(w, SESSION_UNCONNECTED, false, 40);
	assert_int_equal(hub_add_member(w->hub, &w->members[3]), 0);
	hub_tick(w->hub, w->servers[0], WORLD_NOW + 40 + MAX, WORLD_UNIX_MS);
	assert_reported(w, 0, "unconnected", "false");
	assert_heard(w, 3, "");
}

static void unlimited_and_none(void **state)
{
	struct world *w = *state;

	hub_set_grace(w->servers[0], UINT64_MAX);
	say_at(w, SESSION_UNCONNECTED, true, 10);
	assert_true(hub_deadline(w->servers[0]) == UINT64_MAX);
	hub_tick(w->hub, w->servers[0], UINT64_MAX - 1, WORLD_UNIX_MS);
	assert_heard(w, 0, "");
	say_at(w, SESSION_CONNECTED, true, 20);
	assert_reported(w, 0, "connected", "true");
	hub_set_grace(w->servers[0], 0);
	say_at(w, SESSION_UNCONNECTED, false, 30);
	assert_reported(w, 0, "unconnected", "false");
}

/* A loss that was not reported yet follows the new value; one that was, is not reported again. */
static void another_value_holds_at_once(void **state)
{
	struct world *w = *state;

	say_at(w, SESSION_UNCONNECTED, false, 10);
	hub_set_grace(w->servers[0], UINT64_MAX);
	assert_true(hub_deadline(w->servers[0]) == UINT64_MAX);
	hub_tick(w->hub, w->servers[0], WORLD_NOW + 10 + MAX, WORLD_UNIX_MS);
	assert_heard(w, 0, "");
	hub_set_grace(w->servers[0], 2 * MAX);
	assert_true(hub_deadline(w->servers[0]) == WORLD_NOW + 10 + 2 * MAX);
	hub_set_grace(w->servers[0], 0);
	assert_true(hub_deadline(w->servers[0]) == WORLD_NOW + 10);
	hub_tick(w->hub, w->servers[0], WORLD_NOW + 20, WORLD_UNIX_MS);
	assert_reported(w, 0, "unconnected", "false");
	assert_true(hub_deadline(w->servers[0]) == UINT64_MAX);
	hub_set_grace(w->servers[0], MAX);
	say_at(w, SESSION_HANDSHAKING, false, 30);
	assert_reported(w, 0, "unconnected", "false");
	say_at(w, SESSION_CONNECTED, false, 40);
	assert_reported(w, 0, "connected", "false");
	/* set while it is connected: from the next loss on */
	say_at(w, SESSION_UNCONNECTED, false, 50);
	assert_heard(w, 0, "");
}

#define HUB_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HUB_TEST(back_in_time_is_no_news), HUB_TEST(a_gap_is_always_reported),
		HUB_TEST(a_long_loss_is_reported), HUB_TEST(a_late_loss_is_reported_too),
		HUB_TEST(an_end_is_reported_at_once), HUB_TEST(new_members_get_later_states),
		HUB_TEST(unlimited_and_none), HUB_TEST(another_value_holds_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
