/*
 * Past messages over the real socket: the last ones, those after a position when a program
 * has connected again, and what is reported when they cannot be had.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct past {
	struct world *w;
	struct wire *keeper;            /* receives everything, so that it is logged */
	char epoch[17];
	uint64_t seq;                   /* of the newest message */
};

static void read_position(struct past *p)
{
	const struct message *m = wire_ask(p->keeper, "status", ",\"detail\":false");
	const char *epoch = memmem(m->result.p, m->result.n, "\"epoch\":\"", 9);

	assert_non_null(epoch);
	memcpy(p->epoch, epoch + 9, 16);
	p->epoch[16] = '\0';
}

static struct past *past_new(const char *bridge, const char *server)
{
	struct past *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->w = world_new(NULL);
	world_configure(p->w, bridge, server, NULL);
	world_start(p->w);
	p->keeper = world_peer(p->w, "keeper");
	wire_ok(p->keeper, "subscribe", ",\"channel\":\"/**\"");
	read_position(p);
	return p;
}

static void past_free(struct past *p)
{
	wire_close(p->keeper);
	world_free(p->w);
	free(p);
}

/* A message whose data is its seq; the daemon has it afterwards. */
static void publish(struct past *p, const char *channel)
{
	fake_command(p->w->fake, "publish %s %d", channel, (int)++p->seq);
	assert_int_equal(wire_expect(p->keeper, PROTOCOL_OP_MESSAGE)->seq, p->seq);
}

static void assert_message(struct wire *w, uint64_t seq)
{
	const struct message *m = wire_next(w);
	char data[40];

	if (m->op != PROTOCOL_OP_MESSAGE || m->seq != seq)
		fail_msg("expected message %d, got %s, seq %d", (int)seq, protocol_op_name(m->op), (int)m->seq);
	snprintf(data, sizeof(data), "\"data\":%d", (int)seq);
	assert_non_null(memmem(m->message.p, m->message.n, data, strlen(data)));
}

/* The next frame is this reply; ok. */
static const struct message *assert_reply(struct wire *w, uint64_t id)
{
	const struct message *m = wire_next(w);

	assert_int_equal(m->op, PROTOCOL_OP_REPLY);
	assert_int_equal(m->id, id);
	assert_true(m->ok);
	return m;
}

static bool has_gap(const struct message *m)
{
	return memmem(m->result.p, m->result.n, "\"gap\":true", 10);
}

static void history(void **state)
{
	struct past *p = past_new(NULL, NULL);
	struct wire *a;
	uint64_t id;

	(void)state;
	for (int i = 0; i < 4; i++)
		publish(p, "/a"), publish(p, "/b/x");
	a = world_peer(p->w, "a");
	id = wire_request(a, "subscribe", ",\"channel\":\"/a\",\"history\":3");
	assert_message(a, 3), assert_message(a, 5), assert_message(a, 7);
	assert_false(has_gap(assert_reply(a, id)));
	publish(p, "/a");
	assert_message(a, 9);
	/* several, together in order; nothing twice */
	id = wire_request(a, "subscribe", ",\"channels\":[\"/b/*\",\"/**\"],\"history\":2");
	assert_message(a, 6), assert_message(a, 8);
	assert_reply(a, id);
	publish(p, "/b/x");
	assert_message(a, 10);
	wire_close(a);
	past_free(p);
}

static void after_a_reconnect(void **state)
{
	struct past *p = past_new(NULL, NULL);
	struct wire *a = world_peer(p->w, "a");
	const struct message *m;
	uint64_t id;

	(void)state;
	wire_ok(a, "subscribe", ",\"channels\":[\"/a\",\"/b\"]");
	publish(p, "/a"), publish(p, "/b");
	assert_message(a, 1), assert_message(a, 2);
	wire_close(a);
	publish(p, "/c"), publish(p, "/b"), publish(p, "/a");
	a = world_peer(p->w, "a");
	id = wire_request(a, "subscribe", ",\"channels\":[\"/a\",\"/b\"],\"epoch\":\"%s\",\"seq\":2", p->epoch);
	assert_message(a, 4), assert_message(a, 5);
	assert_false(has_gap(assert_reply(a, id)));
	publish(p, "/a");
	assert_message(a, 6);
	wire_close(a);
	/* an epoch of another daemon: all that there is, and a gap */
	a = world_peer(p->w, "a");
	id = wire_request(a, "subscribe", ",\"channel\":\"/b\",\"epoch\":\"00112233445566ff\",\"seq\":2");
	/* it is reported before the past: after that, the peer has a position at which there is no gap */
	m = wire_next(a);
	assert_int_equal(m->op, PROTOCOL_OP_LOST);
	assert_true(slice_eq(m->code, SLICE("expired")));
	assert_int_equal(m->count, 0);
	assert_message(a, 2), assert_message(a, 4);
	m = assert_reply(a, id);
	assert_true(has_gap(m));
	wire_close(a);
	past_free(p);
}

static void expired(void **state)
{
	struct past *p = past_new(NULL, "history-count = 5\n");
	struct wire *a = world_peer(p->w, "a");
	const struct message *m;
	uint64_t id;

	(void)state;
	for (int i = 0; i < 9; i++)
		publish(p, "/a");
	id = wire_request(a, "subscribe", ",\"channel\":\"/a\",\"epoch\":\"%s\",\"seq\":2", p->epoch);
	m = wire_next(a);
	assert_int_equal(m->op, PROTOCOL_OP_LOST);
	assert_true(slice_eq(m->code, SLICE("expired")));
	assert_int_equal(m->count, 2);
	assert_int_equal(m->first, 3);
	assert_int_equal(m->last, 4);
	for (uint64_t seq = 5; seq <= 9; seq++)
		assert_message(a, seq);
	assert_reply(a, id);
	wire_close(a);
	past_free(p);
}

/* 200 channels in four requests: one ascending sequence, whatever arrives in between. */
static void many_channels(void **state)
{
	struct past *p = past_new(NULL, NULL);
	struct wire *a = world_peer(p->w, "a");
	uint64_t ids[4], seq = 0;
	unsigned replies = 0;
	char channel[20];

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		snprintf(channel, sizeof(channel), "/m/%u", i * 77 % 200);
		publish(p, channel);
	}
	for (unsigned r = 0; r < 4; r++) {
		char names[2000];
		size_t n = 0;

		for (unsigned i = 0; i < 50; i++)
			n += (size_t)snprintf(names + n, sizeof(names) - n, "%s\"/m/%u\"", i ? "," : "", r * 50 + i);
		ids[r] = wire_request(a, "subscribe", ",\"channels\":[%s],\"epoch\":\"%s\",\"seq\":0%s", names,
				      p->epoch, r < 3 ? ",\"more\":true" : "");
		if (r < 3)
			publish(p, "/m/7");
	}
	while (replies < 4) {
		const struct message *m = wire_next(a);

		if (m->op == PROTOCOL_OP_REPLY)
			assert_int_equal(m->id, ids[replies++]);
		else
			assert_int_equal(m->seq, ++seq);
	}
	assert_int_equal(seq, 203);
	wire_close(a);
	past_free(p);
}

/* More than fits into its queue, read late: nothing is lost, and others are not delayed. */
static void a_slow_reader(void **state)
{
	struct past *p = past_new("outbox-max = 64K\n", NULL);
	struct wire *a = world_peer(p->w, "a");
	uint64_t id;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		fake_command(p->w->fake, "burst /s/x 300 n");
		for (unsigned k = 0; k < 300; k++)
			assert_int_equal(wire_expect(p->keeper, PROTOCOL_OP_MESSAGE)->seq, ++p->seq);
	}
	id = wire_request(a, "subscribe", ",\"channel\":\"/s/*\",\"history\":6000");
	for (unsigned i = 0; i < 50; i++)
		publish(p, "/other");
	for (uint64_t seq = 1; seq <= 6000; seq++) {
		const struct message *m = wire_next(a);

		assert_int_equal(m->op, PROTOCOL_OP_MESSAGE);
		assert_int_equal(m->seq, seq);
	}
	assert_reply(a, id);
	wire_close(a);
	past_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(history),
		cmocka_unit_test(after_a_reconnect),
		cmocka_unit_test(expired),
		cmocka_unit_test(many_channels),
		cmocka_unit_test(a_slow_reader),
	};

	return scenario_run("past", tests, NULL, NULL);
}
