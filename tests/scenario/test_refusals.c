/*
 * Servers that refuse one thing among many, for the moment or for good, by a
 * message or by an HTTP status: the rest is done, who asked learns why, and
 * what was refused for the moment is asked for again until it is settled.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUICK "backoff-min = 50ms\nbackoff-max = 200ms\n"
#define PATIENT "backoff-min = 5m\nbackoff-max = 5m\n"
#define MANY 100

static struct world *up(void **state, const char *more)
{
	char server[512];

	snprintf(server, sizeof(server), "transports = %s\n%s", (const char *)*state, more);
	return world_up(NULL, server);
}

static bool has(struct slice s, const char *part)
{
	return memmem(s.p, s.n, part, strlen(part)) != NULL;
}

/* a publish of `a` on a channel that it holds comes back */
static void assert_works(struct wire *a, const char *channel)
{
	wire_ok(a, "publish", ",\"channel\":\"%s\",\"data\":1", channel);
	wire_expect(a, PROTOCOL_OP_MESSAGE);
}

/* The next news of a channel: refused for the moment, with this reason. */
static void assert_postponed(struct wire *a, const char *channel, const char *why)
{
	const struct message *m = wire_expect(a, PROTOCOL_OP_SUBSCRIPTION);

	assert_true(slice_eq(m->channel, slice_of(channel)));
	assert_true(m->ok && m->pending);
	assert_true(has(m->error, why));
}

static void assert_confirmed(struct wire *a, const char *channel)
{
	const struct message *m = wire_expect(a, PROTOCOL_OP_SUBSCRIPTION);

	assert_true(slice_eq(m->channel, slice_of(channel)));
	assert_true(m->ok && !m->pending);
}

static void subscribe_pending(struct wire *a, const char *channel)
{
	const struct message *m = wire_ask(a, "subscribe", ",\"channel\":\"%s\"", channel);

	assert_true(m->ok);
	assert_true(has(m->result, "\"pending\":true"));
}

/* ---- subscribes ---- */

static unsigned count(struct slice s, const char *part)
{
	size_t n = strlen(part);
	unsigned found = 0;

	for (const char *at; (at = memmem(s.p, s.n, part, n)); found++)
		s = slice_drop(s, (size_t)(at - s.p) + n);
	return found;
}

static uint64_t subscribe_half(struct wire *a, int first)
{
	char channels[MANY / 2 * 16], *end = channels;

	for (int i = first; i < first + MANY / 2; i++)
		end += sprintf(end, "%s\"/s/%d\"", i == first ? "" : ",", i);
	return wire_request(a, "subscribe", ",\"channels\":[%s]", channels);
}

/* The others are subscribed, asked for once, and bring messages meanwhile. */
static void one_of_a_hundred(void **state)
{
	struct world *w = up(state, QUICK);
	struct wire *a = world_peer(w, "a");
	unsigned n = 0;
	uint64_t id[2];

	fake_command(w->fake, "rule type=subscribe channel=/s/42 times=all refuse "
			      "\"403::subscription limit exceeded\"");
	for (int i = 0; i < 2; i++)
		id[i] = subscribe_half(a, i * MANY / 2);
	for (int i = 0; i < 2; i++) {
		const struct message *m = wire_reply(a, id[i]);
		assert_true(m->ok);
		n += count(m->result, "\"ok\":true");
		assert_int_equal(has(m->result, "{\"channel\":\"/s/42\",\"pending\":true}"), i == 0);
	}
	assert_int_equal(n, MANY - 1);
	assert_postponed(a, "/s/42", "403::subscription limit exceeded");
	assert_works(a, "/s/41");
	assert_works(a, "/s/99");
	/* it is asked for again and again, alone, and told once */
	fake_await(w->fake, "subscribe", "/s/42", 4);
	wire_assert_none(a, PROTOCOL_OP_SUBSCRIPTION);
	fake_command(w->fake, "unrule");
	assert_confirmed(a, "/s/42");
	assert_works(a, "/s/42");
	assert_int_equal(fake_count(w->fake, "subscribe", NULL) -
			 fake_count(w->fake, "subscribe", "/s/42"), MANY - 1);
	assert_int_equal(fake_count(w->fake, "session", NULL), 1);
	assert_true(world_log_has(w, "asked for again: 403::subscription limit exceeded"));
	wire_close(a);
	world_free(w);
}

/* Who joins a channel that is refused for the moment learns why, long before the next try. */
static void late_joiners_learn_why(void **state)
{
	struct world *w = up(state, PATIENT);
	struct wire *a = world_peer(w, "a"), *b = world_peer(w, "b");

	fake_command(w->fake, "rule type=subscribe times=all refuse \"403::limit\"");
	subscribe_pending(a, "/r");
	assert_postponed(a, "/r", "403::limit");
	for (int i = 0; i < 2; i++) {
		subscribe_pending(b, "/r");
		assert_postponed(b, "/r", "403::limit");
		wire_ok(b, "unsubscribe", ",\"channel\":\"/r\"");
	}
	assert_int_equal(fake_count(w->fake, "subscribe", NULL), 1);
	wire_assert_none(a, PROTOCOL_OP_SUBSCRIPTION);
	wire_close(a);
	wire_close(b);
	world_free(w);
}

/* Runs `cometctl sub` on a channel that is refused for the moment, until it has said why. */
static struct process *late_sub(struct world *w, const char *channel, const char *why)
{
	const char *argv[] = {"cometctl", "--json", "sub", channel, NULL};
	struct process *p = world_run(w, argv);
	bool told = false;

	while (!told) {
		char *line = process_line(p);

		assert_non_null(line);
		told = strstr(line, why) && strstr(line, "\"pending\":true");
		free(line);
	}
	return p;
}

/* What was refused for the moment is then refused for good: that ends it for all who hold it. */
static void a_final_refusal_ends_it(void **state)
{
	struct world *w = up(state, QUICK);
	struct wire *a = world_peer(w, "a");
	char *err;

	fake_command(w->fake, "rule type=subscribe times=all refuse \"503::starting\"");
	fake_command(w->fake, "rule type=subscribe times=1 refuse \"403::denied\"");
	subscribe_pending(a, "/r");
	assert_postponed(a, "/r", "503::starting");
	struct process *p = late_sub(w, "/r", "503::starting");
	fake_command(w->fake, "unrule 1");
	const struct message *m = wire_expect(a, PROTOCOL_OP_SUBSCRIPTION);
	assert_false(m->ok);
	assert_true(has(m->error, "403::denied"));
	char *line = process_line(p);
	assert_non_null(strstr(line, "403::denied"));
	free(line);
	assert_int_equal(process_wait(p, NULL, &err), 5);
	free(err);
	/* nobody holds it, and it is not asked for any more; who asks again is heard again */
	wire_ok(a, "subscribe", ",\"channel\":\"/r\"");
	assert_works(a, "/r");
	wire_close(a);
	world_free(w);
}

static void lose_session(struct world *w, struct wire *a)
{
	fake_command(w->fake, "mark");
	fake_command(w->fake, "expire");
	wire_state(a, "demo", "connected");
	fake_await(w->fake, "subscribe", "/r", 2);
}

/* It persists over the ends of sessions, which is told once; it goes, and comes once more. */
static void refusals_outlast_sessions(void **state)
{
	struct world *w = up(state, QUICK);
	struct wire *a = world_peer(w, "a");

	wire_ok(a, "subscribe", ",\"channel\":\"/ok\"");
	for (int i = 0; i < 2; i++) {
		fake_command(w->fake, "rule type=subscribe channel=/r times=all refuse \"429::busy\"");
		if (i == 0)
			subscribe_pending(a, "/r");
		else
			lose_session(w, a);
		assert_postponed(a, "/r", "429::busy");
		lose_session(w, a);
		lose_session(w, a);
		wire_assert_none(a, PROTOCOL_OP_SUBSCRIPTION);
		assert_works(a, "/ok");
		fake_command(w->fake, "unrule");
		assert_confirmed(a, "/r");
		assert_works(a, "/r");
	}
	wire_close(a);
	world_free(w);
}

#define ON_BOTH(test)                                                                              \
	{"websocket: " #test, test, NULL, NULL, (void *)"websocket"},                              \
	{"long-polling: " #test, test, NULL, NULL, (void *)"long-polling"}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(one_of_a_hundred),
		ON_BOTH(late_joiners_learn_why),
		ON_BOTH(a_final_refusal_ends_it),
		ON_BOTH(refusals_outlast_sessions),
	};

	return scenario_run("refusals", tests, NULL, NULL);
}
