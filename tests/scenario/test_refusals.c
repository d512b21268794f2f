/*
 * Servers that refuse one of many requests, temporarily or finally, by a message or
 * an HTTP status: the others succeed, the requester gets the reason, and what was
 * refused temporarily is repeated until there is a final answer.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUICK "backoff = 20ms 100ms\n"
#define PATIENT "backoff = 5m 5m\n"
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
	/* it is asked for again and again, alone, and reported once */
	fake_await(w->fake, "subscribe", "/s/42", 4);
	wire_assert_none(a, PROTOCOL_OP_SUBSCRIPTION);
	fake_command(w->fake, "unrule");
	assert_confirmed(a, "/s/42");
	assert_works(a, "/s/42");
	assert_int_equal(fake_count(w->fake, "subscribe", NULL) -
			 fake_count(w->fake, "subscribe", "/s/42"), MANY - 1);
	assert_int_equal(fake_count(w->fake, "session", NULL), 1);
	assert_true(world_log_has(w, "trying again: 403::subscription limit exceeded"));
	wire_close(a);
	world_free(w);
}

/* Who joins a channel that is refused for the moment learns why, long before the next try. */
static void late_joiners_get_the_reason(void **state)
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

/* Runs `cometctl sub` on a channel that is refused temporarily, until it has printed the reason. */
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

/* A temporary refusal followed by a final one: ends the subscription of all peers. */
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
	/* no peer holds it, and it is not asked for any more; a peer that asks again gets messages again */
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

/* It persists over the ends of sessions, which is reported once; it goes, and comes once more. */
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

/* ---- one of several commands ---- */

static bool is_one_of(const struct message *m, const char *codes)
{
	struct message_error e;
	struct buf scratch;
	char code[64];

	if (m->ok)
		return strstr(codes, "ok");
	buf_init(&scratch, 1 << 20);
	assert_int_equal(message_get_error(m->error, &scratch, &e), 0);
	snprintf(code, sizeof(code), "%.*s", SLICE_ARG(e.code_text));
	buf_fini(&scratch);
	return strstr(codes, code);
}

/*
 * A code is the answer to one of three publishes, and of three subscribes, that leave together: by HTTP
 * for the request that holds it, on a WebSocket for the message. What HTTP leaves unknown of the others
 * is reported so, and nothing else is refused; after it all goes on in the same session.
 */
static void a_code_for_one_of_several(void **state)
{
	static const struct { int code; const char *by_http, *neighbours, *by_message; } rows[] = {
		{401, "refused", "ok", "refused"}, {402, "unknown-outcome", "ok unknown-outcome", "refused"},
		{403, "refused", "ok", "refused"}, {413, "refused", "ok", "refused"},
		{500, "unknown-outcome", "ok unknown-outcome", "refused"},
		{502, "unknown-outcome", "ok unknown-outcome", "refused"},
		{503, "unknown-outcome", "ok unknown-outcome", "refused"},
	};
	bool http = !strcmp(*state, "long-polling");
	struct world *w = up(state, QUICK);
	struct wire *peers[3];

	for (int i = 0; i < 3; i++)
		peers[i] = world_peer(w, "a");
	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		uint64_t ids[3];

		fake_command(w->fake, http ? "rule type=publish channel=/bad times=all status %d"
					   : "rule type=publish channel=/bad times=all refuse %d::x",
			     rows[k].code);
		for (int i = 0; i < 3; i++)
			ids[i] = wire_request(peers[i], "publish", ",\"channel\":\"%s\",\"data\":1",
					      i == 1 ? "/bad" : "/good");
		for (int i = 0; i < 3; i++) {
			const struct message *m = wire_reply(peers[i], ids[i]);
			const char *codes = i == 1 ? http ? rows[k].by_http : rows[k].by_message
					  : http ? rows[k].neighbours : "ok";
			if (!is_one_of(m, codes))
				fail_msg("code %d, publish %d: %.*s instead of %s", rows[k].code, i,
					 SLICE_ARG(m->error), codes);
		}
		fake_command(w->fake, "unrule");
		wire_ok(peers[1], "publish", ",\"channel\":\"/bad\",\"data\":2");
	}
	assert_int_equal(fake_count(w->fake, "session", NULL), 1);
	for (int i = 0; i < 3; i++)
		wire_close(peers[i]);
	world_free(w);
}

/* ---- joining while the session is lost ---- */

#define ROUNDS 14
#define JOINERS 6

/* The joiner holds its channels: confirmed by the reply, or later. Refusals for the moment may come first. */
static void until_held(struct wire *j, uint64_t id)
{
	const struct message *m = wire_reply(j, id);

	assert_true(m->ok);
	for (unsigned n = count(m->result, "\"pending\":true"); n > 0;) {
		m = wire_expect(j, PROTOCOL_OP_SUBSCRIPTION);
		assert_true(m->ok);
		n -= !m->pending;
	}
}

/*
 * Sessions end at any moment while peers subscribe: each peer is subscribed in the end, to a channel
 * that others hold and to one of its own, and receives its messages.
 */
static void joiners_race_with_lost_sessions(void **state)
{
	struct world *w = up(state, QUICK);
	struct wire *a = world_peer(w, "a"), *joiners[JOINERS];
	uint64_t ids[JOINERS];

	wire_ok(a, "subscribe", ",\"channels\":[\"/j/all\",\"/j/**\"]");
	for (unsigned i = 0; i < JOINERS; i++)
		joiners[i] = wire_hello(w->socket, "joiner");
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < JOINERS; i++) {
			if (i == round % JOINERS)
				fake_command(w->fake, round % 3 ? "expire" : "kick");
			/* each at another moment of what follows */
			for (unsigned k = 0; k < round * i % 7; k++)
				wire_ok(joiners[i], "ping", "%s", "");
			ids[i] = wire_request(joiners[i], "subscribe",
					      ",\"channels\":[\"/j/all\",\"/j/%u\"]", i);
		}
		for (unsigned i = 0; i < JOINERS; i++)
			until_held(joiners[i], ids[i]);
		for (unsigned i = 0; i < JOINERS; i++) {
			wire_ok(a, "publish", ",\"channel\":\"/j/%u\",\"data\":%u", i, round);
			wire_expect(joiners[i], PROTOCOL_OP_MESSAGE);
			wire_ok(joiners[i], "unsubscribe", ",\"channels\":[\"/j/all\",\"/j/%u\"]", i);
		}
	}
	for (unsigned i = 0; i < JOINERS; i++)
		wire_close(joiners[i]);
	wire_close(a);
	world_free(w);
}

/* The same by cometctl: a message ends it. */
static void cometctl_joins_a_lost_session(void **state)
{
	static const char *const argv[] = {"cometctl", "sub", "-n", "1", "/j", NULL};
	struct world *w = up(state, QUICK);
	struct wire *a = world_peer(w, "a");

	wire_ok(a, "subscribe", ",\"channel\":\"/j\"");
	for (int round = 0; round < 4; round++) {
		struct process *p;
		struct pollfd out;

		if (round % 2)
			fake_command(w->fake, "expire");
		p = world_run(w, argv);
		if (round % 2 == 0)
			fake_command(w->fake, "expire");
		out = (struct pollfd){.fd = p->out, .events = POLLIN};
		do
			wire_ok(a, "publish", ",\"channel\":\"/j\",\"data\":1");
		while (poll(&out, 1, 5) == 0);
		assert_int_equal(process_wait(p, NULL, NULL), 0);
	}
	wire_close(a);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(one_of_a_hundred),
		ON_BOTH(late_joiners_get_the_reason),
		ON_BOTH(a_final_refusal_ends_it),
		ON_BOTH(refusals_outlast_sessions),
		ON_BOTH(a_code_for_one_of_several),
		ON_BOTH(joiners_race_with_lost_sessions),
		ON_BOTH(cometctl_joins_a_lost_session),
	};

	return scenario_run("refusals", tests, NULL, NULL);
}
