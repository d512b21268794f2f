/*
 * Durable consumers over kill -9 at any moment: each gets each message once and in order, but what it had not
 * acknowledged, which comes again with a seq that is marked as redelivered. Nothing is lost: neither what the server sent
 * to the process that is gone, nor what it sent meanwhile.
 */
#include "protocol/json_read.h"
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* the daemon starts slowly under valgrind */
#define KILLS (getenv("DAEMON_WRAPPER") ? 4u : 15u)

struct consumer {
	const char *name;
	struct wire *wire;
	uint64_t acked, redelivered;    /* of the reply, when it was attached */
	uint64_t seq, acknowledged;     /* of the message received last; of the last ack that was answered */
	unsigned number;                /* of the message received last, in all */
};

struct course {
	struct world *w;
	uint64_t random;
	unsigned sent, redelivered;
	struct consumer consumers[2];
};

static unsigned roll(struct course *c, unsigned n)
{
	c->random = c->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(c->random >> 33) % n;
}

static uint64_t member_of(const struct message *m, const char *name)
{
	struct json_value v;
	uint64_t n = 0;

	assert_int_equal(json_read_member(m->result, name, &v), 0);
	assert_int_equal(json_u64(&v, &n), 0);
	return n;
}

static void attach(struct course *c, struct consumer *k)
{
	k->wire = wire_hello(c->w->socket, k->name);
	const struct message *m = wire_ask(k->wire, "subscribe", ",\"channel\":\"/topic/a\",\"durable\":\"%s\"", k->name);

	assert_true(m->ok);
	k->acked = member_of(m, "acked");
	k->redelivered = member_of(m, "redelivered");
	/* an acknowledgement that was answered is never forgotten */
	assert_true(k->acked >= k->acknowledged);
}

/* The payload is the number of the message. */
static unsigned number_of(const struct message *m)
{
	const char *at = memmem(m->message.p, m->message.n, "\"n\":", 4);

	assert_non_null(at);
	return (unsigned)strtoul(at + 4, NULL, 10);
}

/* Checks the next message: the one after the last, or one that was not acknowledged and is marked. */
static void receive(struct course *c, struct consumer *k)
{
	const struct message *m = wire_expect(k->wire, PROTOCOL_OP_MESSAGE);
	unsigned number = number_of(m);

	if (m->seq <= k->acked)
		fail_msg("%s: message %u (seq %u) was acknowledged", k->name, number, (unsigned)m->seq);
	if (number <= k->number) {
		if (m->seq > k->redelivered)
			fail_msg("%s: message %u twice, and not marked", k->name, number);
		c->redelivered++;
	} else if (number != k->number + 1) {
		fail_msg("%s: message %u follows %u", k->name, number, k->number);
	} else {
		k->number = number;
	}
	k->seq = m->seq;
}

static void acknowledge(struct consumer *k, bool wait)
{
	if (k->seq <= k->acked)
		return;
	if (!wait) {
		wire_send(k->wire, "{\"op\":\"ack\",\"server\":\"demo\",\"durable\":\"%s\",\"seq\":%llu}", k->name,
			  (unsigned long long)k->seq);
		return;
	}
	wire_ok(k->wire, "ack", ",\"server\":\"demo\",\"durable\":\"%s\",\"seq\":%llu", k->name, (unsigned long long)k->seq);
	k->acknowledged = k->seq;
}

static void publish(struct course *c)
{
	fake_command(c->w->fake, "publish /topic/a {\"n\":%u}", ++c->sent);
}

/* Up to the newest message, and all of it acknowledged. */
static void drain(struct course *c)
{
	for (int i = 0; i < 2; i++) {
		struct consumer *k = &c->consumers[i];
		while (k->number < c->sent)
			receive(c, k);
		acknowledge(k, true);
	}
}

static void step(struct course *c)
{
	struct consumer *k = &c->consumers[roll(c, 2)];

	switch (roll(c, 4)) {
	case 0:
	case 1:
		publish(c);
		break;
	case 2:
		if (k->number < c->sent)
			receive(c, k);
		break;
	default:
		acknowledge(k, roll(c, 2));
		break;
	}
}

static void start(struct course *c)
{
	world_start(c->w);
	for (int i = 0; i < 2; i++)
		attach(c, &c->consumers[i]);
}

static void kill_it(struct course *c)
{
	world_kill(c->w);
	for (int i = 0; i < 2; i++)
		wire_close(c->consumers[i].wire);
}

static void course_begin(struct course *c, const char *const *options, const char *transport)
{
	char server[160];

	*c = (struct course){.w = world_new(options), .random = 4711, .consumers = {{.name = "one"}, {.name = "two"}}};
	world_keep_state(c->w);
	snprintf(server, sizeof(server), "transports = %s\n", transport);
	world_configure(c->w, NULL, server, NULL);
	start(c);
	fake_await(c->w->fake, "subscribe", "/topic/a", 1);
	/* delivered, so the session is on the disk, too */
	publish(c);
	drain(c);
}

static void course_end(struct course *c)
{
	drain(c);
	print_message("%u messages, %u redelivered\n", c->sent, c->redelivered);
	for (int i = 0; i < 2; i++)
		wire_close(c->consumers[i].wire);
	assert_int_equal(fake_count(c->w->fake, "handshake", NULL), 1);
	world_free(c->w);
}

static void kill_often(const char *const *options, const char *transport)
{
	struct course c;

	course_begin(&c, options, transport);
	for (unsigned kills = 0; kills < KILLS; kills++) {
		for (unsigned n = 5 + roll(&c, 20); n; n--)
			step(&c);
		kill_it(&c);
		/* what comes meanwhile is kept by the server */
		for (unsigned n = roll(&c, 4); n; n--)
			publish(&c);
		start(&c);
		if (kills % 4 == 3)
			drain(&c);
	}
	publish(&c);
	course_end(&c);
}

static void killed_at_any_moment(void **state)
{
	kill_often(NULL, *state);
}

/* A server that retains its messages instead of acknowledgements: the marker of the channel is on the disk with them. */
static void with_replay(void **state)
{
	static const char *const options[] = {"--dialect", "salesforce", "--timeout", "600000", "--max-interval", "600000",
					      NULL};

	kill_often(options, *state);
}

/* A connect that is not answered: the server repeats what was delivered before it. */
static void in_the_middle_of_a_batch(void **state)
{
	struct course c;

	course_begin(&c, NULL, *state);
	for (unsigned kills = 0; kills < 5; kills++) {
		fake_command(c.w->fake, "rule type=connect hold");
		publish(&c);
		drain(&c);
		publish(&c);
		receive(&c, &c.consumers[0]);
		kill_it(&c);
		publish(&c);
		start(&c);
		drain(&c);
	}
	course_end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(killed_at_any_moment),
		LONG_POLLING(with_replay),
		{"websocket: in_the_middle_of_a_batch", in_the_middle_of_a_batch, NULL, NULL, (void *)"websocket"},
	};

	return scenario_run("exactly_once", tests, NULL, NULL);
}
