/*
 * A crowd: peers that mean no good, two of each kind, all at once, and among
 * them those for whom the bridge is there. Those notice nothing, the others get
 * the answer that is theirs, and nothing is left of them. And while the server
 * takes nothing, those who publish all they can leave room for the rest.
 */
#include "bayeux/session.h"
#include "tests/scenario/hostile.h"

#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOOD 20
#define ROUNDS 6
#define HOSTILE_ROOM 64
#define PATIENT ",\"timeout\":3600000"

struct good {
	struct wire *w;
	uint64_t publish, call;         /* ids of this round */
	unsigned received[GOOD];           /* of each publisher */
	uint64_t seq;
};

struct crowd {
	struct world *w;
	struct good good[GOOD];
	struct hostile hostile[HOSTILE_ROOM];
	unsigned order[GOOD];           /* in which the first one received from the publishers this round */
	unsigned round;                 /* from 1, over all passes */
};

static struct crowd *gather(const char *transport, const char *bridge)
{
	struct crowd *c = calloc(1, sizeof(*c));
	char server[96];

	assert_non_null(c);
	assert_in_range(hostile_count, 50, HOSTILE_ROOM);
	/* the log is full from the beginning: memory does not grow because of it */
	snprintf(server, sizeof(server), "transports = %s\nhistory-bytes = 64K\n", transport);
	c->w = world_new(NULL);
	world_configure(c->w, bridge, server, NULL);
	world_start(c->w);
	/* once connected, so that peers that connect later get no change of state */
	wire_close(world_peer(c->w, "early"));
	for (unsigned i = 0; i < GOOD; i++) {
		c->good[i].w = wire_hello(c->w->socket, "good");
		/* two patterns for the same channel: a duplicate would show here */
		wire_ok(c->good[i].w, "subscribe", ",\"channels\":[\"/crowd/*\",\"/crowd/%u\"]", i);
	}
	return c;
}

static void disperse(struct crowd *c)
{
	for (int i = 0; i < GOOD; i++)
		wire_close(c->good[i].w);
	world_free(c->w);
	free(c);
}

/* ---- the good ones ---- */

static void speak(struct crowd *c)
{
	c->round++;
	for (unsigned i = 0; i < GOOD; i++) {
		struct good *g = &c->good[i];

		g->publish = wire_request(g->w, "publish", ",\"channel\":\"/crowd/%u\",\"data\":%u"
					  PATIENT, i, c->round);
		g->call = wire_request(g->w, "call", ",\"channel\":\"/service/echo\",\"data\":\"%u.%u\""
				       PATIENT, i, c->round);
	}
}

/* The next message, which must be the publisher's one of this round; returns the publisher. */
static unsigned receive_one(struct crowd *c, struct good *g)
{
	const struct message *m = wire_expect(g->w, PROTOCOL_OP_MESSAGE);
	char text[128] = "";
	unsigned n, from;

	assert_in_range(m->message.n, 1, sizeof(text) - 1);
	memcpy(text, m->message.p, m->message.n);
	if (sscanf(text, "{\"data\":%u,\"channel\":\"/crowd/%u\"}", &n, &from) != 2)
		fail_msg("heard %s", text);
	assert_in_range(from, 0, GOOD - 1);
	assert_int_equal(n, c->round);
	assert_int_equal(g->received[from] + 1, n);
	assert_true(m->seq > g->seq);
	g->received[from] = n;
	g->seq = m->seq;
	return from;
}

static void receive(struct crowd *c, unsigned i)
{
	struct good *g = &c->good[i];
	char answer[64];

	wire_reply_ok(g->w, g->publish);
	const struct message *m = wire_reply(g->w, g->call);
	assert_true(m->ok);
	snprintf(answer, sizeof(answer), "\"data\":\"%u.%u\"", i, c->round);
	assert_non_null(memmem(m->result.p, m->result.n, answer, strlen(answer)));
	for (unsigned k = 0; k < GOOD; k++) {
		unsigned from = receive_one(c, g);

		if (i == 0)
			c->order[k] = from;
		/* all peers receive messages in the server's order */
		assert_int_equal(from, c->order[k]);
	}
}

static void nothing_else_came(struct crowd *c)
{
	for (unsigned i = 0; i < GOOD; i++) {
		wire_ok(c->good[i].w, "ping", "%s", "");
		if (c->good[i].w->first)
			fail_msg("unexpected: %s", c->good[i].w->first->text);
	}
}

/* ---- the others ---- */

static unsigned served(struct crowd *c)
{
	const struct message *m = wire_ask(c->good[0].w, "status", "%s", "");
	struct slice rest = m->result;
	const char *at;
	unsigned n = 0;

	assert_true(m->ok);
	/* processes that have left are listed after the others */
	at = memmem(rest.p, rest.n, "\"departed\":", 11);
	assert_non_null(at);
	rest = slice_take(rest, (size_t)(at - rest.p));
	while ((at = memmem(rest.p, rest.n, "\"pid\":", 6))) {
		rest = slice_drop(rest, (size_t)(at - rest.p) + 6);
		n++;
	}
	/* one of them is the daemon's own */
	return n - 1;
}

static void only_good_ones_are_left(struct crowd *c)
{
	int64_t deadline = wire_now() + SCENARIO_DEADLINE_MS;

	while (served(c) > GOOD)
		assert_true(wire_now() < deadline);
}

/* The server was asked for each channel once, and is asked for none any more. */
static void one_subscription_for_all(struct crowd *c, unsigned pass)
{
	char channel[32];

	fake_await(c->w->fake, "unsubscribe", "/storm", 1);
	assert_int_equal(fake_count(c->w->fake, "subscribe", "/storm"), 1);
	for (unsigned i = 0; i < HOSTILE_CHANNELS; i++) {
		snprintf(channel, sizeof(channel), "/many/%u/%u", pass, i);
		fake_await(c->w->fake, "unsubscribe", channel, 1);
		assert_int_equal(fake_count(c->w->fake, "subscribe", channel), 1);
	}
	assert_int_equal(fake_count(c->w->fake, "subscribe", NULL), HOSTILE_CHANNELS + 1);
	assert_int_equal(fake_count(c->w->fake, "unsubscribe", NULL), HOSTILE_CHANNELS + 1);
}

static void peers_come_and_go(struct crowd *c, unsigned pass)
{
	fake_command(c->w->fake, "mark");
	for (size_t i = 0; i < hostile_count; i++)
		hostile_begin(&c->hostile[i], c->w, i, pass);
	for (int round = 0; round < ROUNDS; round++) {
		hostile_storm(c->w);
		for (size_t i = 0; i < hostile_count; i++)
			hostile_go_on(&c->hostile[i]);
		speak(c);
		for (unsigned i = 0; i < GOOD; i++)
			receive(c, i);
	}
	hostile_last_storm(c->w);
	for (size_t i = 0; i < hostile_count; i++)
		hostile_end(&c->hostile[i], ROUNDS);
	only_good_ones_are_left(c);
	nothing_else_came(c);
	one_subscription_for_all(c, pass);
}

static void good_ones_notice_nothing(void **state)
{
	struct crowd *c = gather(*state, HOSTILE_BRIDGE);
	unsigned fds, rss;

	only_good_ones_are_left(c);
	/* over long-polling, the connections of calls are kept for the next ones */
	fds = world_daemon_fds(c->w) + SESSION_LANES - SESSION_LANE_CALL;
	peers_come_and_go(c, 0);
	assert_in_range(world_daemon_fds(c->w), 0, fds);
	rss = world_daemon_rss(c->w);
	peers_come_and_go(c, 1);
	assert_in_range(world_daemon_fds(c->w), 0, fds);
	assert_in_range(world_daemon_rss(c->w), 0, rss + 1024);
	disperse(c);
}

/* ---- those who speak too much ---- */

/* More than one may have, large ones and then small ones for the rest of the room, with ids or
   without. Returns how many were refused, of those with ids. */
static unsigned flood(struct wire *w, bool ids)
{
	char data[16001] = "";
	unsigned refused = 0;
	uint64_t first = w->next_id;

	memset(data, 'x', sizeof(data) - 1);
	for (int i = 0; i < 600; i++) {
		char id[32] = "";

		if (ids)
			snprintf(id, sizeof(id), "\"id\":%u,", (unsigned)w->next_id++);
		wire_send(w, "{\"op\":\"publish\",%s\"channel\":\"/flood\",\"data\":\"%s\""
			  PATIENT "}", id, i < 450 ? data : "");
	}
	wire_ok(w, "ping", "%s", "");
	/* the first refusals have arrived, all before the server answers anything */
	for (struct wire_frame *f = w->first; f; f = f->next) {
		assert_int_equal(f->m.op, PROTOCOL_OP_REPLY);
		assert_true(f->m.id >= first);
		wire_assert_error(&f->m, "too-many");
		refused++;
	}
	return refused;
}

/* Two that flood, and one that did and disconnected, while the server does not answer. */
static void floods_leave_room(void **state)
{
	struct crowd *c = gather(*state, NULL);
	struct wire *with = wire_hello(c->w->socket, "with ids");
	struct wire *without = wire_hello(c->w->socket, "without ids");
	struct wire *left = wire_hello(c->w->socket, "left");

	fake_await(c->w->fake, "held", NULL, 1);
	fake_pause(c->w->fake);
	flood(left, false);
	wire_close(left);
	flood(without, false);
	assert_in_range(flood(with, true), 100, 600);
	speak(c);
	/* none is refused */
	for (unsigned i = 0; i < GOOD; i++)
		wire_assert_none(c->good[i].w, PROTOCOL_OP_REPLY);
	fake_resume(c->w->fake);
	for (unsigned i = 0; i < GOOD; i++)
		receive(c, i);
	/* what is through makes room */
	wire_ok(with, "publish", ",\"channel\":\"/flood\",\"data\":1");
	wire_close(with);
	wire_close(without);
	disperse(c);
}

/* ---- those whose requests cost much ---- */

#define ASKERS_MAX 50
/*
 * A daemon under a wrapper is some thirty times slower, one with sanitizers some five times, and shows the
 * same with fewer. The cost grows with the square of their number, and who is read last must be before
 * the daemon takes it for one that has stopped reading.
 */
#define ASKERS (WITH_ADDRESS_SANITIZER || getenv("DAEMON_WRAPPER") ? 20u : ASKERS_MAX)
#define QUESTIONS 64
#define STORMS_MAX 10
#define STATUS_KIB 16384                /* more than the memory that all their answers need at once */

/* frames that the daemon received from peers of this name, from the status */
static uint64_t frames_of(struct wire *w, const char *name)
{
	const struct message *m = wire_ask(w, "status", "%s", "");
	char mark[64];
	uint64_t all = 0;

	snprintf(mark, sizeof(mark), "\"name\":\"%s\"", name);
	for (const char *p = m->result.p, *end = p + m->result.n;
	     (p = memmem(p, (size_t)(end - p), mark, strlen(mark))); p++) {
		const char *n = memmem(p, (size_t)(end - p), "\"frames_in\":", 12);

		assert_non_null(n);
		all += strtoull(n + 12, NULL, 10);
	}
	return all;
}

/* Each asks for the status many times at once. Returns how many of these questions the daemon has taken
   by the time the good one has its replies. */
static uint64_t storm(struct wire **askers, unsigned count, struct wire *good, unsigned ids)
{
	uint64_t before = frames_of(good, "asker");

	for (unsigned i = 0; i < count; i++)
		for (unsigned k = 0; k < QUESTIONS; k++)
			wire_send(askers[i], "{\"op\":\"status\",\"id\":%u}", ids + k);
	for (unsigned k = 0; k < 20; k++) {
		wire_ok(good, "ping", "%s", "");
		wire_ok(good, "publish", ",\"channel\":\"/x\",\"data\":1" PATIENT);
	}
	uint64_t taken = frames_of(good, "asker") - before;
	for (unsigned i = 0; i < count; i++)
		for (unsigned k = 0; k < QUESTIONS; k++)
			wire_reply_ok(askers[i], ids + k);
	return taken;
}

/*
 * A peer that asks little does not wait for a storm of status requests: its replies come while at least
 * half of the questions have not been looked at. A tester that gets no CPU in the middle of a storm sees
 * more of them taken, so that one storm of several has to show it; a daemon that serves the storm
 * first shows it in none. Each question is answered in the end, and the answers are not held once for
 * each peer that asked.
 */
static void status_floods_delay_no_other_peer(void **state)
{
	const unsigned count = ASKERS;
	struct world *w = world_new(NULL);
	struct wire *askers[ASKERS_MAX], *good;
	unsigned peak, storms = 0;
	uint64_t taken;

	(void)state;
	world_configure(w, NULL, NULL, NULL);
	world_start(w);
	good = world_peer(w, "good");
	for (unsigned i = 0; i < count; i++)
		askers[i] = wire_hello(w->socket, "asker");
	peak = world_daemon_peak(w);
	do {
		assert_true(storms < STORMS_MAX);
		storms++;
		taken = storm(askers, count, good, storms * QUESTIONS);
	} while (taken > count * QUESTIONS / 2);
	assert_in_range(world_daemon_peak(w), 0, peak + STATUS_KIB);
	for (unsigned i = 0; i < count; i++)
		wire_close(askers[i]);
	wire_ok(good, "ping", "%s", "");
	wire_close(good);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{"websocket: good_ones_notice_nothing", good_ones_notice_nothing, NULL, NULL,
		 (void *)"websocket"},
		{"long-polling: good_ones_notice_nothing", good_ones_notice_nothing, NULL, NULL,
		 (void *)"long-polling"},
		{"websocket: floods_leave_room", floods_leave_room, NULL, NULL, (void *)"websocket"},
		{"long-polling: floods_leave_room", floods_leave_room, NULL, NULL,
		 (void *)"long-polling"},
		cmocka_unit_test(status_floods_delay_no_other_peer),
	};

	return scenario_run("crowd", tests, NULL, NULL);
}
