/*
 * What the hub keeps of the messages of a server, and what members get of it.
 */
#include "tests/unit/hub_talk.h"

#include <stdio.h>

static void assert_position(struct world *w, uint64_t first, uint64_t seq)
{
	struct hub_position p;

	hub_server_position(w->servers[0], &p);
	assert_int_equal(p.first, first);
	assert_int_equal(p.seq, seq);
}

/* Only what a member receives is logged; what is dropped is not to be had any more. */
static void test_what_is_logged(void **state)
{
	struct world *w = world_new();

	(void)state;
	hub_set_history(w->servers[0], &(struct hub_log_limits){1 << 20, 2, 1000}, WORLD_NOW);
	assert_position(w, 1, 0);
	assert_true(hub_deadline(w->servers[0]) == UINT64_MAX);
	say_message(w, 0, "/a", "{}");
	assert_true(hub_deadline(w->servers[0]) == UINT64_MAX);
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':1,'channel':'/a'}"), 0);
	for (int i = 0; i < 4; i++)
		say_message(w, 0, "/a", "{}");
	assert_position(w, 4, 5);
	assert_true(hub_deadline(w->servers[0]) > WORLD_NOW + 1000);
	hub_tick(w->hub, w->servers[0], WORLD_NOW + 1001, WORLD_UNIX_MS);
	assert_position(w, 6, 5);
	assert_true(hub_deadline(w->servers[0]) == UINT64_MAX);
	/* also what could not be encoded */
	say_message(w, 0, "/a", "{}");
	assert_position(w, 6, 6);
	hub_set_history(w->servers[0], &(struct hub_log_limits){0}, WORLD_NOW);
	assert_position(w, 7, 6);
	say_message(w, 0, "/a", "{}");
	assert_position(w, 8, 7);
	hub_set_position(w->servers[0], 7, 7);
	assert_position(w, 8, 7);
	hub_set_position(w->servers[0], 7, 100);
	assert_position(w, 101, 100);
	heard(w, 0);
	world_drop(w);
}

/* Without a member, too: what the configuration keeps subscribed, and a loss that may be of such a channel. */
static void test_what_is_kept_is_logged(void **state)
{
	const struct session_event lost = {.kind = SESSION_EVENT_LOST, .loss = SESSION_LOSS_UNREADABLE};
	const char *const pattern = "/k/**";
	struct world *w = world_new();
	struct hub_stats stats;

	(void)state;
	hub_set_history(w->servers[0], &(struct hub_log_limits){1 << 20, 2, 1000}, WORLD_NOW);
	assert_int_equal(hub_set_kept(w->servers[0], &(struct strings){&pattern, 1}), 0);
	for (int i = 0; i < 3; i++)
		say_message(w, 0, "/k/a", "{}");
	assert_position(w, 2, 3);
	say_message(w, 0, "/other", "{}");
	assert_position(w, 2, 4);
	hub_handle_event(w->hub, w->servers[0], &lost, WORLD_NOW, WORLD_UNIX_MS);
	assert_position(w, 3, 5);
	/* without a log it is not even encoded */
	hub_set_history(w->servers[0], &(struct hub_log_limits){0}, WORLD_NOW);
	hub_stats(w->hub, &stats);
	uint64_t matched = stats.matched;
	say_message(w, 0, "/k/a", "{}");
	hub_stats(w->hub, &stats);
	assert_int_equal(stats.matched, matched);
	assert_int_equal(hub_set_kept(w->servers[0], &(struct strings){0}), 0);
	hub_set_history(w->servers[0], &(struct hub_log_limits){1 << 20, 1, 1000}, WORLD_NOW);
	hub_handle_event(w->hub, w->servers[0], &lost, WORLD_NOW, WORLD_UNIX_MS);
	hub_handle_event(w->hub, w->servers[0], &lost, WORLD_NOW, WORLD_UNIX_MS);
	assert_position(w, 7, 8);
	heard(w, 0);
	world_drop(w);
}

/* Without memory for an entry the log is empty, rather than without one in the middle. */
static void test_no_memory_to_log(void **state)
{
	struct world *w = world_new();
	bool emptied = false;

	(void)state;
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':1,'channel':'/**'}"), 0);
	FAIL_EACH_ALLOCATION {
		struct hub_position p;

		for (int i = 0; i < 40; i++) {
			char channel[20];

			snprintf(channel, sizeof(channel), "/%u/%d", fail_at_, i);
			say_message(w, 0, channel, "{}");
			hub_server_position(w->servers[0], &p);
			emptied |= p.first == p.seq + 1;
		}
	}
	assert_true(emptied);
	w->members[0].outbox.overrun = false;
	world_drop(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_logged),
		cmocka_unit_test(test_what_is_kept_is_logged),
		cmocka_unit_test(test_no_memory_to_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
