/*
 * A process that reads too slowly has a bounded queue, does not affect others, and
 * gets an exact report of what it missed before the next message.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BURST 30000

static struct world *up(void)
{
	struct world *w = world_new(NULL);

	world_configure(w, "outbox-max = 64K", NULL, NULL);
	world_start(w);
	return w;
}

/* What one peer got of a burst: every seq was received or reported lost, once, in order. */
struct account {
	uint64_t received, lost, last_seq;
	bool ended;
};

static void account_message(struct account *a, const struct message *m)
{
	assert_true(m->seq > a->last_seq);
	a->last_seq = m->seq;
	a->received++;
}

static void account_lost(struct account *a, const struct message *m)
{
	assert_true(slice_eq(m->code, SLICE("overflow")));
	assert_true(m->first > a->last_seq);
	assert_true(m->last >= m->first && m->count <= m->last - m->first + 1);
	a->last_seq = m->last;
	a->lost += m->count;
}

/* Takes frames in the order in which they came, until the message with `end` in it. */
static void account_until(struct wire *w, struct account *a, const char *end)
{
	while (!a->ended) {
		const struct message *m = wire_next(w);

		if (m->op == PROTOCOL_OP_LOST)
			account_lost(a, m);
		if (m->op != PROTOCOL_OP_MESSAGE)
			continue;
		account_message(a, m);
		a->ended = memmem(m->message.p, m->message.n, end, strlen(end)) != NULL;
	}
}

/* In steps, so that the backlog of the fast peer never exceeds its outbox. */
static void burst_past(struct world *w, struct wire *fast, struct account *a)
{
	for (int i = 0; i < BURST / 300; i++) {
		char end[32];

		fake_command(w->fake, "burst /s/x 300 n");
		fake_command(w->fake, "publish /s/x \"step%d.\"", i);
		snprintf(end, sizeof(end), "step%d.", i);
		a->ended = false;
		account_until(fast, a, end);
	}
}

static void every_message_is_received_or_reported(void **state)
{
	struct world *w = up();
	struct wire *fast = world_peer(w, "fast"), *slow = world_peer(w, "slow");
	struct account a = {0}, b = {0};

	(void)state;
	wire_ok(fast, "subscribe", ",\"channel\":\"/s/*\"");
	wire_ok(slow, "subscribe", ",\"channel\":\"/s/*\"");
	burst_past(w, fast, &a);
	assert_int_equal(a.lost, 0);
	assert_int_equal(a.received, BURST + BURST / 300);
	/* the slow one has not read a byte yet; its memory is bounded, its loss is counted */
	char *out;
	assert_int_equal(world_command(w, &out, NULL, "cometctl", "--json", "status", NULL), 0);
	free(out);
	fake_command(w->fake, "publish /s/x \"the end\"");
	account_until(slow, &b, "the end");
	assert_true(b.lost > 0);
	assert_int_equal(b.received + b.lost, BURST + BURST / 300 + 1);
	wire_close(fast);
	wire_close(slow);
	world_free(w);
}

/* Reads what still comes: in order, nothing twice; `closing` only if it was read in time. */
static void read_to_the_end(struct wire *slow, struct account *b)
{
	const struct message *m;

	while ((m = wire_next_or_eof(slow))) {
		if (m->op == PROTOCOL_OP_LOST)
			account_lost(b, m);
		else if (m->op == PROTOCOL_OP_MESSAGE)
			account_message(b, m);
		else if (m->op == PROTOCOL_OP_CLOSING)
			assert_true(slice_eq(m->code, SLICE("overflow")));
	}
}

/* a peer with overflow=disconnect is disconnected at its first loss, with the reason in the log */
static void overflow_disconnect_closes_with_the_reason(void **state)
{
	struct world *w = up();
	struct wire *fast = world_peer(w, "fast"), *slow = world_peer(w, "slow");
	struct account a = {0}, b = {0};

	(void)state;
	wire_ok(fast, "subscribe", ",\"channel\":\"/s/x\"");
	wire_ok(slow, "subscribe", ",\"channel\":\"/s/x\",\"overflow\":\"disconnect\"");
	burst_past(w, fast, &a);
	assert_int_equal(a.lost, 0);
	read_to_the_end(slow, &b);
	assert_true(b.received > 0 && b.received < a.received);
	assert_true(world_log_has(w, "code=overflow") || world_log_has(w, "code=\"overflow\""));
	wire_close(fast);
	wire_close(slow);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_is_received_or_reported),
		cmocka_unit_test(overflow_disconnect_closes_with_the_reason),
	};

	return scenario_run("slow peers", tests, NULL, NULL);
}
