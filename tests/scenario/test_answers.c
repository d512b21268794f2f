/*
 * Answers of every size and pace: of megabytes, dripping for longer than any
 * deadline, stopping in the middle, late after their events. What comes
 * arrives whole and in order as long as bytes come, and what does not is
 * noticed; a slow reader costs only itself.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUICK "backoff = 50ms 200ms\n"

static struct world *up(void **state, const char *bridge, const char *more)
{
	struct world *w = world_new(NULL);
	char server[512];

	snprintf(server, sizeof(server), QUICK "transports = %s\n%s", (const char *)*state, more);
	world_configure(w, bridge, server, NULL);
	world_start(w);
	return w;
}

/* under valgrind each byte costs much, and finds no more than the first ones did */
static unsigned fewer(unsigned n)
{
	return getenv("DAEMON_WRAPPER") ? n / 20 : n;
}

static void expect_message(struct wire *a, const char *prefix, unsigned i)
{
	const struct message *m = wire_expect(a, PROTOCOL_OP_MESSAGE);
	char expected[64];

	snprintf(expected, sizeof(expected), "\"%s-%u ", prefix, i);
	if (!memmem(m->message.p, m->message.n, expected, strlen(expected)))
		fail_msg("heard %.60s instead of %s", m->message.p, expected);
}

/* ---- sizes ---- */

/* An answer of any size arrives whole when each message of it is below the limit. */
static void large_answers_arrive(void **state)
{
	static const struct { unsigned n, size; } bursts[] = {{300, 1000}, {1000, 10000}, {60, 60000}};
	struct world *w = up(state, NULL, "max-message = 64K\n");
	struct wire *a = world_peer(w, "a");
	bool one_answer = !strcmp(*state, "long-polling");

	wire_ok(a, "subscribe", ",\"channel\":\"/r\"");
	for (size_t i = 0; i < sizeof(bursts) / sizeof(bursts[0]); i++) {
		unsigned n = fewer(one_answer ? bursts[i].n : bursts[i].n / 5);

		fake_command(w->fake, "burst /r %u n %u", n, bursts[i].size);
		for (unsigned k = 1; k <= n; k++)
			expect_message(a, "n", k);
	}
	wire_assert_none(a, PROTOCOL_OP_LOST);
	wire_assert_none(a, PROTOCOL_OP_STATE);
	wire_close(a);
	world_free(w);
}

/* All that a server retained, in the reply to the subscribe, while a max-message holds a few of them. */
static void all_that_was_retained(void **state)
{
	struct world *w = world_new((const char *const[]){"--dialect", "salesforce", NULL});
	unsigned n = fewer(2000);

	(void)state;
	/* the queue has room for all: how fast this test reads on a busy machine does not matter */
	world_configure(w, "outbox-max = 64M\n", QUICK "replay = all\nmax-message = 64K\n", NULL);
	fake_command(w->fake, "burst /event/E__e %u n 10000", n);
	world_start(w);
	struct wire *a = world_peer(w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/event/E__e\"");
	for (unsigned k = 1; k <= n; k++)
		expect_message(a, "n", k);
	fake_command(w->fake, "burst /event/E__e 1 last 20");
	expect_message(a, "last", 1);
	wire_assert_none(a, PROTOCOL_OP_LOST);
	assert_int_equal(fake_count(w->fake, "subscribe", NULL), 1);
	wire_close(a);
	world_free(w);
}

/* One message beyond the limit among good ones costs itself; and one of several, each time. */
static void too_large_among_good_ones(void **state)
{
	struct world *w = up(state, NULL, "max-message = 64K\n");
	struct wire *a = world_peer(w, "a");

	wire_ok(a, "subscribe", ",\"channels\":[\"/r\",\"/m\"]");
	fake_await(w->fake, "held", NULL, 1);
	for (int i = 0; i < 3; i++) {
		fake_command(w->fake, "burst /r 1 before 100");
		fake_command(w->fake, "burst /m 1 large 70000");
		fake_command(w->fake, "burst /r 1 behind 100");
		expect_message(a, "before", 1);
		const struct message *m = wire_expect(a, PROTOCOL_OP_LOST);
		assert_int_equal(m->count, 1);
		assert_true(slice_eq(m->code, SLICE("too-large")));
		assert_true(slice_eq(m->channel, SLICE("/m")));
		expect_message(a, "behind", 1);
	}
	wire_assert_none(a, PROTOCOL_OP_LOST);
	wire_assert_none(a, PROTOCOL_OP_STATE);
	assert_true(world_log_has(w, "larger than max-message"));
	wire_close(a);
	world_free(w);
}

/* ---- a reader that does not read ---- */

static void account(struct wire *w, uint64_t *ret_received, uint64_t *ret_lost)
{
	uint64_t seq = 0;
	bool ended = false;

	while (!ended) {
		const struct message *m = wire_next(w);

		if (m->op == PROTOCOL_OP_LOST) {
			assert_true(m->first > seq && m->last >= m->first);
			*ret_lost += m->count;
			seq = m->last;
		} else if (m->op == PROTOCOL_OP_MESSAGE) {
			assert_true(m->seq > seq);
			++*ret_received;
			seq = m->seq;
			ended = memmem(m->message.p, m->message.n, "\"end-1 ", 7) != NULL;
		}
	}
}

/* 19 MB to one that reads and to one that does not: who reads misses nothing. */
static void a_slow_reader_of_large_messages(void **state)
{
	struct world *w = up(state, "outbox-max = 1M\n", "");
	struct wire *good = world_peer(w, "good"), *slow = world_peer(w, "slow");
	unsigned n = fewer(300);
	uint64_t received = 0, lost = 0;

	wire_ok(good, "subscribe", ",\"channel\":\"/r\"");
	wire_ok(slow, "subscribe", ",\"channel\":\"/r\"");
	fake_command(w->fake, "burst /r %u n 65536", n);
	for (unsigned k = 1; k <= n; k++)
		expect_message(good, "n", k);
	wire_assert_none(good, PROTOCOL_OP_LOST);
	fake_command(w->fake, "burst /r 1 end 20");
	expect_message(good, "end", 1);
	account(slow, &received, &lost);
	assert_int_equal(received + lost, n + 1);
	if (n >= 100)
		assert_true(lost > 0);
	wire_close(good);
	wire_close(slow);
	world_free(w);
}

/* 60 MB at once, and 10 in one answer: what is held of it stays below the queue of a reader and some pieces. */
static void a_burst_of_many_megabytes(void **state)
{
	struct world *w = up(state, "outbox-max = 1M\n", "");
	struct wire *a = world_peer(w, "a");
	unsigned n = fewer(!strcmp(*state, "websocket") ? 960 : 160), before;

	wire_ok(a, "subscribe", ",\"channel\":\"/r\"");
	before = world_daemon_peak(w);
	fake_command(w->fake, "burst /r %u n 65000", n);
	for (unsigned k = 1; k <= n; k++)
		expect_message(a, "n", k);
	wire_assert_none(a, PROTOCOL_OP_LOST);
	assert_in_range(world_daemon_peak(w), 0, before + 16384);
	wire_close(a);
	world_free(w);
}

/* ---- paces ---- */

/* longer than the deadline of the tests below, twice */
#define LONG_MS 1300

/*
 * Whether `again` is received although it takes LONG_MS. If the machine stalls for a whole deadline,
 * the daemon rightly gives up; then the caller tries again.
 */
static bool arrives_slowly(struct world *w, struct wire *a, int try)
{
	int64_t begin;
	char prefix[32];
	const struct message *m;

	snprintf(prefix, sizeof(prefix), "try%d", try);
	wire_ok(a, "ping", "%s", "");
	fake_command(w->fake, "drip 40 20");
	begin = wire_now();
	/* 20 ms for 40 bytes: 1.5 s */
	fake_command(w->fake, "burst /r 1 %s 3000", prefix);
	do
		m = wire_next(a);
	while (m->op != PROTOCOL_OP_MESSAGE && m->op != PROTOCOL_OP_STATE);
	bool arrived = m->op == PROTOCOL_OP_MESSAGE && wire_now() - begin > LONG_MS &&
		       memmem(m->message.p, m->message.n, prefix, strlen(prefix));
	fake_command(w->fake, "drip off");
	return arrived;
}

static void dripping_answers_arrive(void **state)
{
	struct world *w = up(state, NULL, "network-delay = 600ms\nrequest-timeout = 600ms\n");
	struct wire *a = world_peer(w, "a");
	int try = 0;

	wire_ok(a, "subscribe", ",\"channel\":\"/r\"");
	fake_await(w->fake, "held", NULL, 1);
	while (!arrives_slowly(w, a, try))
		assert_true(try++ < 10);
	wire_close(a);
	world_free(w);
}

/* It stops in the middle: that is noticed, and what it held comes again. */
static void an_answer_that_stalls(void **state)
{
	struct world *w = up(state, NULL, "network-delay = 600ms\n");
	struct wire *a = world_peer(w, "a");

	wire_ok(a, "subscribe", ",\"channel\":\"/r\"");
	fake_await(w->fake, "held", NULL, 1);
	fake_command(w->fake, "drip 3000 600000");
	fake_command(w->fake, "burst /r 1 n 9000");
	wire_state(a, "demo", "unconnected");
	fake_command(w->fake, "drip off");
	wire_state(a, "demo", "connected");
	expect_message(a, "n", 1);
	wire_close(a);
	world_free(w);
}

/* Whether events keep the link up while a reply is LONG_MS late; if not, the machine stalled. */
static bool stays_up_by_events(struct world *w, struct wire *a)
{
	int64_t begin = wire_now();

	while (wire_now() - begin < LONG_MS) {
		const struct message *m;

		fake_command(w->fake, "publish /r 1");
		do
			m = wire_next(a);
		while (m->op != PROTOCOL_OP_MESSAGE && m->op != PROTOCOL_OP_STATE);
		if (m->op == PROTOCOL_OP_STATE)
			return false;
	}
	return true;
}

/* The reply to a connect is late, and events come meanwhile: the server is there. */
static void events_before_a_late_reply(void **state)
{
	struct world *w = world_new((const char *const[]){"--timeout", "300", NULL});
	struct wire *a;
	int try = 0;

	(void)state;
	world_configure(w, NULL, QUICK "transports = websocket\nack = no\nnetwork-delay = 600ms\n", NULL);
	world_start(w);
	a = world_peer(w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/r\"");
	do {
		assert_true(try++ < 10);
		fake_command(w->fake, "mark");
		fake_command(w->fake, "rule type=connect hold");
		fake_await(w->fake, "parked", NULL, 1);
	} while (!stays_up_by_events(w, a));
	fake_command(w->fake, "release");
	fake_await(w->fake, "held", NULL, 1);
	wire_close(a);
	world_free(w);
}

/* The server pings, and answers a connect no more: that is noticed. */
static void pings_are_no_replies(void **state)
{
	struct world *w = world_new((const char *const[]){"--timeout", "300", NULL});
	int64_t deadline = wire_now() + SCENARIO_DEADLINE_MS;

	(void)state;
	world_configure(w, NULL, QUICK "transports = websocket\nnetwork-delay = 600ms\n", NULL);
	world_start(w);
	struct wire *a = world_peer(w, "a");
	fake_command(w->fake, "rule type=connect silent");
	do {
		fake_command(w->fake, "ping");
		wire_ok(a, "ping", "%s", "");
		assert_true(wire_now() < deadline);
	} while (!a->first);
	wire_state(a, "demo", "unconnected");
	wire_state(a, "demo", "connected");
	wire_close(a);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(large_answers_arrive),
		cmocka_unit_test(all_that_was_retained),
		ON_BOTH(too_large_among_good_ones),
		ON_BOTH(a_slow_reader_of_large_messages),
		ON_BOTH(a_burst_of_many_megabytes),
		ON_BOTH(dripping_answers_arrive),
		ON_BOTH(an_answer_that_stalls),
		cmocka_unit_test(events_before_a_late_reply),
		cmocka_unit_test(pings_are_no_replies),
	};

	return scenario_run("answers", tests, NULL, NULL);
}
