/*
 * Consumers: what waits for them while no member holds them, what they get again, what acknowledgements and
 * limits take away, and who may hold one.
 */
#include "tests/unit/hub_talk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME "'durable':'c'"

static struct world *consumers_new(void)
{
	struct world *w = world_new();

	go(w, true);
	for (unsigned i = 0; i < 4; i++) {
		w->members[i].identity.uid = 1000;
		w->members[i].identity.pid = 100 + (int)i;
		heard(w, i);
	}
	return w;
}

/* "/a1 lost2:3-4 reply7:5-6 ": what the member received, in short; of a subscribe what is acknowledged and redelivered */
static const char *got(struct world *w, unsigned m)
{
	static char text[1 << 16];
	char *line, *rest;
	size_t at = 0;

	read_all(w, m);
	rest = (char *)heard(w, m);
	text[0] = '\0';
	while ((line = strsep(&rest, "\n")) && *line) {
		const char *seq = strstr(line, "'seq':"), *channel = strstr(line, "{'channel':'");
		const char *acked = strstr(line, "'acked':"), *lost = strstr(line, "'count':");
		unsigned long long a = 0, b = 0, c = 0;

		if (strncmp(line, "{'op':'message'", 15) == 0)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%.*s%llu ", (int)strcspn(channel + 12, "'"),
					       channel + 12, strtoull(seq + 6, NULL, 10));
		else if (lost && sscanf(lost, "'count':%llu,'first':%llu,'last':%llu", &a, &b, &c) == 3)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%llu:%llu-%llu ",
					       strstr(line, "expired") ? "expired" : "lost", a, b, c);
		else if (acked && sscanf(acked, "'acked':%llu,'redelivered':%llu", &a, &b) == 2)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "reply%s:%llu-%llu ",
					       strstr(line, "'pending':true") ? "pending" : "", a, b);
		else if (strncmp(line, "{'op':'reply'", 13) == 0)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%.*s ", strstr(line, "'ok':false") ? "" : "ok",
					       strstr(line, "'code':'") ? (int)strcspn(strstr(line, "'code':'") + 8, "'") : 0,
					       strstr(line, "'code':'") ? strstr(line, "'code':'") + 8 : "");
		else if (strncmp(line, "{'op':'subscription'", 20) == 0)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s ",
					       strstr(line, "'ok':false") ? "refused" : "confirmed");
	}
	return text;
}

#define assert_got(w, m, expected) assert_string_equal(got(w, m), expected)

/* Member m subscribes the consumer `c` to the channel, which the server accepted before or accepts now. */
static void hold(struct world *w, unsigned m, const char *channel)
{
	char text[300];

	snprintf(text, sizeof(text), "{'op':'subscribe','id':9,'channel':'%s'," NAME "}", channel);
	assert_int_equal(ask(w, m, text), 0);
	confirm(w, channel);
}

static void ack(struct world *w, unsigned m, unsigned seq)
{
	char text[100];

	snprintf(text, sizeof(text), "{'op':'ack','id':8," NAME ",'seq':%u}", seq);
	assert_int_equal(ask(w, m, text), 0);
}

/* The connection ends, and the next one comes. */
static void leave(struct world *w, unsigned m)
{
	const struct identity who = w->members[m].identity;

	hub_member_left(w->hub, &w->members[m], WORLD_NOW);
	w->members[m].identity = who;
	assert_int_equal(hub_add_member(w->hub, &w->members[m]), 0);
	heard(w, m);
}

static void test_what_waits(void **state)
{
	struct world *w = consumers_new();

	(void)state;
	talk(w, "/a", 1);
	hold(w, 0, "/a");
	assert_got(w, 0, "reply:1-1 ");
	talk(w, "/a", 2);
	talk(w, "/b", 1);
	talk(w, "/a", 1);
	assert_got(w, 0, "/a2 /a3 /a5 ");
	ack(w, 0, 2);
	assert_got(w, 0, "ok ");
	leave(w, 0);
	talk(w, "/a", 2);
	/* 3 and 5 were sent before */
	hold(w, 1, "/a");
	assert_got(w, 1, "reply:2-5 /a3 /a5 /a6 /a7 ");
	ack(w, 1, 7);
	assert_got(w, 1, "ok ");
	/* nothing is sent twice on one connection */
	talk(w, "/a", 1);
	assert_got(w, 1, "/a8 ");
	leave(w, 1);
	hold(w, 2, "/a");
	assert_got(w, 2, "reply:7-8 /a8 ");
	world_drop(w);
}

/* Both wait in one log; what one has acknowledged, the other still gets. */
static void test_two_consumers(void **state)
{
	struct world *w = consumers_new();
	struct hub_consumer c;
	const struct consumer *first;

	(void)state;
	hold(w, 0, "/a");
	assert_int_equal(ask(w, 1, "{'op':'subscribe','id':9,'channels':['/a','/b'],'durable':'d'}"), 0);
	confirm(w, "/b");
	got(w, 0), got(w, 1);
	talk(w, "/a", 2);
	talk(w, "/b", 1);
	assert_got(w, 0, "/a1 /a2 ");
	ack(w, 0, 2);
	first = hub_next_consumer(w->servers[0], NULL, &c);
	assert_int_equal(c.acked, 2);
	assert_non_null(hub_next_consumer(w->servers[0], first, &c));
	assert_int_equal(c.waiting, 3);
	leave(w, 1);
	assert_int_equal(ask(w, 2, "{'op':'subscribe','id':9,'channels':['/a','/b'],'durable':'d'}"), 0);
	assert_got(w, 2, "reply:0-0 /a1 /a2 /b3 ");
	assert_int_equal(ask(w, 2, "{'op':'ack','durable':'d','seq':3}"), 0);
	assert_got(w, 2, "");
	hub_next_consumer(w->servers[0], first, &c);
	assert_int_equal(c.waiting, 0);
	assert_int_equal(c.acked, 3);
	world_drop(w);
}

/* A member without consumers gets what it always got, and consumers cost it nothing. */
static void test_beside_a_live_member(void **state)
{
	struct world *w = consumers_new();

	(void)state;
	assert_int_equal(ask(w, 3, "{'op':'subscribe','id':1,'channel':'/a'}"), 0);
	hold(w, 0, "/a");
	got(w, 0), got(w, 3);
	talk(w, "/a", 2);
	assert_heard(w, 3, "{'op':'message','server':'one','seq':1,'message':{'channel':'/a'}}\n"
			   "{'op':'message','server':'one','seq':2,'message':{'channel':'/a'}}\n");
	assert_got(w, 0, "/a1 /a2 ");
	/* the consumer's is the only subscription left */
	assert_int_equal(ask(w, 3, "{'op':'unsubscribe','id':1,'channel':'/a'}"), 0);
	leave(w, 0);
	talk(w, "/a", 1);
	hold(w, 0, "/a");
	assert_got(w, 0, "reply:0-2 /a1 /a2 /a3 ");
	world_drop(w);
}

static void test_the_reply_comes_first(void **state)
{
	struct world *w = consumers_new();

	(void)state;
	hold(w, 0, "/a");
	leave(w, 0);
	talk(w, "/a", 1);
	/* /b is asked for, and the answer waits for the server */
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':9,'channels':['/a','/b']," NAME "}"), 0);
	assert_got(w, 0, "");
	confirm(w, "/b");
	assert_got(w, 0, "reply:0-0 /a1 ");
	/* while the server is away it is answered at once, and confirmed later */
	leave(w, 0);
	go(w, false);
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':9,'channels':['/a','/c']," NAME "}"), 0);
	assert_got(w, 0, "replypending:0-1 /a1 ");
	go(w, true);
	got(w, 0);
	confirm(w, "/c");
	assert_got(w, 0, "confirmed ");
	world_drop(w);
}

static void test_bad_requests(void **state)
{
	static const struct { const char *request, *reply; } rows[] = {
		{"'channel':'/a','durable':''", "bad-request "},
		{"'channel':'/a','durable':'a/b'", "bad-request "},
		{"'channel':'/a','durable':'a b'", "bad-request "},
		{"'channel':'/a','durable':'0123456789012345678901234567890123456789012345678901234567890123x'", "bad-request "},
		{"'channel':'/a','durable':'n','history':1", "bad-request "},
		{"'channel':'/a','durable':'n','epoch':'0000000000000001','seq':1", "bad-request "},
		{"'channel':'/a','durable':'n','since':1", "bad-request "},
		{"'channel':'/a','durable':'n','upstream':false", "bad-request "},
		{"'channel':'/a','durable':'n','overflow':'disconnect'", "bad-request "},
		{"'channel':'a','durable':'n'", "bad-channel "},
		{"'channels':['/1','/2','/3','/4','/5','/6','/7','/8','/9'],'durable':'n'", "too-many "},
		{"'channel':'/a','durable':'n','server':'three'", "unknown-server "},
	};
	struct world *w = consumers_new();
	struct hub_consumer c;
	char text[600];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), "{'op':'subscribe','id':9,%s}", rows[i].request);
		assert_int_equal(ask(w, 0, text), 0);
		assert_got(w, 0, rows[i].reply);
		assert_null(hub_next_consumer(w->servers[0], NULL, &c));
	}
	hold(w, 0, "/a");
	got(w, 0);
	/* a connection has either subscriptions of its own or those of one consumer */
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':1,'channel':'/b'}"), 0);
	assert_got(w, 0, "bad-request ");
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':1,'channel':'/b','durable':'other'}"), 0);
	assert_got(w, 0, "bad-request ");
	assert_int_equal(ask(w, 1, "{'op':'subscribe','id':1,'channel':'/a'}"), 0);
	assert_got(w, 1, "ok ");
	assert_int_equal(ask(w, 1, "{'op':'subscribe','id':1,'channel':'/a','durable':'d'}"), 0);
	assert_got(w, 1, "bad-request ");
	/* at another server it may have both */
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':1,'channel':'/b','server':'two'}"), 0);
	assert_asked(w, 2, "{'op':'subscribe','id':1,'channel':'/a'," NAME "}",
		     REFUSED(1, "in-use", "another connection holds the consumer \\'c\\' (process 100)"));
	w->members[2].identity.uid = 1001;
	assert_asked(w, 2, "{'op':'subscribe','id':1,'channel':'/a'," NAME "}",
		     REFUSED(1, "denied", "the consumer \\'c\\' belongs to another user (uid 1000)"));
	world_drop(w);
}

static void test_bad_acks(void **state)
{
	struct world *w = consumers_new();

	(void)state;
	hold(w, 0, "/a");
	got(w, 0);
	talk(w, "/a", 2);
	assert_got(w, 0, "/a1 /a2 ");
	talk(w, "/a", 1);
	ack(w, 0, 3);
	assert_got(w, 0, "bad-request /a3 ");
	ack(w, 1, 1);
	assert_got(w, 1, "unknown-consumer ");
	assert_int_equal(ask(w, 0, "{'op':'ack','id':8,'durable':'d','seq':1}"), 0);
	assert_got(w, 0, "unknown-consumer ");
	ack(w, 0, 2);
	ack(w, 0, 1);
	ack(w, 0, 0);
	assert_got(w, 0, "ok ok ok ");
	leave(w, 0);
	hold(w, 0, "/a");
	/* one that was sent before may be acknowledged before it is sent again, and is then left out */
	ack(w, 0, 3);
	assert_got(w, 0, "reply:2-3 ok ");
	world_drop(w);
}

static void test_limits(void **state)
{
	struct world *w = consumers_new();
	const struct hub_log_limits three = {1 << 20, 3, UINT64_MAX};
	struct hub_consumer c;

	(void)state;
	hold(w, 0, "/a");
	got(w, 0);
	leave(w, 0);
	hub_set_durable(w->servers[0], &three, WORLD_NOW);
	talk(w, "/a", 5);
	hub_next_consumer(w->servers[0], NULL, &c);
	assert_int_equal(c.dropped, 2);
	hold(w, 0, "/a");
	assert_got(w, 0, "reply:0-0 expired2:1-2 /a3 /a4 /a5 ");
	/* a report that was not acknowledged comes again; what was sent to a holder that acknowledges it is not lost */
	talk(w, "/a", 1);
	assert_got(w, 0, "/a6 ");
	leave(w, 0);
	hold(w, 0, "/a");
	assert_got(w, 0, "reply:0-6 expired3:1-3 /a4 /a5 /a6 ");
	ack(w, 0, 6);
	leave(w, 0);
	talk(w, "/a", 1);
	hold(w, 0, "/a");
	assert_got(w, 0, "reply:6-6 /a7 ");
	/* a loss is acknowledged by its last message */
	leave(w, 0);
	talk(w, "/a", 4);
	hold(w, 0, "/a");
	assert_got(w, 0, "reply:6-7 expired2:7-8 /a9 /a10 /a11 ");
	ack(w, 0, 8);
	leave(w, 0);
	hold(w, 0, "/a");
	assert_got(w, 0, "reply:8-11 /a9 /a10 /a11 ");
	world_drop(w);
}

static void test_gaps(void **state)
{
	struct world *w = consumers_new();

	(void)state;
	hold(w, 0, "/a");
	got(w, 0);
	talk(w, "/a", 1);
	leave(w, 0);
	go(w, false);
	w->sessions[0].info.gap = true;
	go(w, true);
	confirm(w, "/a");
	talk(w, "/a", 1);
	hold(w, 0, "/a");
	assert_got(w, 0, "reply:0-0 /a1 expired0:2-2 /a3 ");
	ack(w, 0, 2);
	leave(w, 0);
	hold(w, 0, "/a");
	assert_got(w, 0, "reply:2-3 /a3 ");
	world_drop(w);
}

static void test_channels_end(void **state)
{
	struct world *w = consumers_new();
	struct hub_consumer c;

	(void)state;
	hold(w, 0, "/a");
	hold(w, 0, "/b");
	got(w, 0);
	talk(w, "/a", 1);
	talk(w, "/b", 1);
	assert_got(w, 0, "/a1 /b2 ");
	assert_int_equal(ask(w, 0, "{'op':'unsubscribe','id':1,'channel':'/x'}"), 0);
	assert_int_equal(ask(w, 0, "{'op':'unsubscribe','id':1,'channel':'/a'}"), 0);
	assert_got(w, 0, "not-subscribed ok ");
	leave(w, 0);
	hold(w, 0, "/b");
	assert_got(w, 0, "reply:0-2 /b2 ");
	/* without channels it ends with the connection */
	assert_int_equal(ask(w, 0, "{'op':'unsubscribe','id':1,'channel':'/b'}"), 0);
	assert_non_null(hub_next_consumer(w->servers[0], NULL, &c));
	leave(w, 0);
	assert_null(hub_next_consumer(w->servers[0], NULL, &c));
	world_drop(w);
}

/* The server refuses the channel for good: that ends it, for the holder and for one that has none. */
static void test_refused(void **state)
{
	struct world *w = consumers_new();

	(void)state;
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':9,'channels':['/a','/b']," NAME "}"), 0);
	confirm(w, "/b");
	refuse_a(w);
	assert_got(w, 0, "reply:0-0 ");
	talk(w, "/b", 1);
	assert_got(w, 0, "/b1 ");
	leave(w, 0);
	hold(w, 0, "/b");
	assert_got(w, 0, "reply:0-1 /b1 ");
	world_drop(w);
}

static void test_forget(void **state)
{
	struct world *w = consumers_new();
	struct hub_consumer c;

	(void)state;
	hold(w, 0, "/a");
	got(w, 0);
	assert_asked(w, 1, "{'op':'forget','id':1," NAME "}",
		     REFUSED(1, "in-use", "another connection holds the consumer \\'c\\' (process 100)"));
	assert_asked(w, 1, "{'op':'forget','id':1,'durable':'d'}",
		     REFUSED(1, "unknown-consumer", "the server has no consumer \\'d\\'"));
	leave(w, 0);
	w->members[1].identity.uid = 1001;
	assert_int_equal(ask(w, 1, "{'op':'forget','id':1," NAME "}"), 0);
	assert_got(w, 1, "denied ");
	w->members[1].identity.uid = 0;
	assert_int_equal(ask(w, 1, "{'op':'forget','id':1," NAME "}"), 0);
	assert_got(w, 1, "ok ");
	assert_null(hub_next_consumer(w->servers[0], NULL, &c));
	/* by its holder, while a request of it waits */
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':9,'channel':'/n'," NAME "}"), 0);
	assert_int_equal(ask(w, 0, "{'op':'forget','id':1," NAME "}"), 0);
	assert_got(w, 0, "reply:0-0 ok ");
	assert_null(hub_next_consumer(w->servers[0], NULL, &c));
	world_drop(w);
}

static void test_the_server_goes(void **state)
{
	struct world *w = consumers_new();

	(void)state;
	hold(w, 0, "/a");
	got(w, 0);
	talk(w, "/a", 1);
	assert_got(w, 0, "/a1 ");
	hub_remove_server(w->hub, w->servers[0]);
	assert_got(w, 0, "refused ");
	assert_int_equal(hub_add_server(w->hub, SLICE("one"), true, &w->sessions[0], &w->servers[0]), 0);
	go(w, true);
	got(w, 0);
	hold(w, 0, "/a");
	talk(w, "/a", 1);
	assert_non_null(strstr(got(w, 0), "/a"));
	world_drop(w);
}

/* A new session wants what only a consumer wants. */
static void test_another_session(void **state)
{
	struct world *w = consumers_new();
	struct session other;

	(void)state;
	hold(w, 0, "/a");
	leave(w, 0);
	session_double_init(&other);
	assert_int_equal(hub_set_session(w->hub, w->servers[0], &other), 0);
	assert_non_null(strstr(session_double_asked(&other), "/a"));
	assert_int_equal(hub_set_session(w->hub, w->servers[0], &w->sessions[0]), 0);
	session_unwant(&other, SLICE("/a"));
	session_double_fini(&other);
	world_drop(w);
}

/* A slow holder gets everything: messages wait in the log, not in the outbox. */
static void test_slow(void **state)
{
	struct world *w = consumers_new();

	(void)state;
	outbox_fini(&w->members[0].outbox);
	hub_remove_member(w->hub, &w->members[0]);
	outbox_init(&w->members[0].outbox, 1000, w->members[1].outbox.encode_lost, (struct wake){NULL, NULL});
	assert_int_equal(hub_add_member(w->hub, &w->members[0]), 0);
	hold(w, 0, "/a");
	got(w, 0);
	talk(w, "/a", 100);
	for (unsigned seq = 1; seq <= 100;) {
		const char *text = "";

		while (hub_can_read(&w->members[0]))
			hub_read(&w->members[0]);
		assert_true(w->members[0].outbox.bytes < 700);
		for (text = got(w, 0); *text; text = strchr(text, ' ') + 1, seq++) {
			char expected[20];

			snprintf(expected, sizeof(expected), "/a%u ", seq);
			assert_memory_equal(text, expected, strlen(expected));
		}
	}
	assert_int_equal(w->members[0].outbox.lost, 0);
	world_drop(w);
}

/* ---- with a store ---- */

/* What a store got. */
struct stored {
	char consumers[4][300];         /* "NAME UID ACKED LOST PATTERNS", by name; empty: none */
	struct { uint64_t seq; char channel[8], frame[100]; size_t n; } messages[64];
	size_t n;
};

static void take_change(struct stored *s, const struct hub_durable_change *c)
{
	char *slot = c->consumer.name.n ? s->consumers[c->consumer.name.p[0] & 3] : NULL;

	switch (c->kind) {
	case HUB_DURABLE_MESSAGE:
		while (s->n && s->messages[s->n - 1].seq >= c->seq)
			s->n--;
		s->messages[s->n].seq = c->seq;
		snprintf(s->messages[s->n].channel, 8, "%.*s", SLICE_ARG(c->channel));
		assert_true(c->frame.n <= sizeof(s->messages[0].frame));
		memcpy(s->messages[s->n].frame, c->frame.p, c->frame.n);
		s->messages[s->n++].n = c->frame.n;
		break;
	case HUB_DURABLE_CONSUMER:
		snprintf(slot, 300, "%.*s %u %llu %llu %.*s", SLICE_ARG(c->consumer.name), (unsigned)c->consumer.uid,
			 (unsigned long long)c->consumer.acked, (unsigned long long)c->consumer.lost.count,
			 SLICE_ARG(c->consumer.patterns));
		break;
	case HUB_DURABLE_ENDED:
		slot[0] = '\0';
		break;
	case HUB_DURABLE_TRIM:
		while (s->n && s->messages[0].seq <= c->seq)
			memmove(&s->messages[0], &s->messages[1], --s->n * sizeof(s->messages[0]));
		break;
	}
}

/* Takes all changes. The number to report when they are stored. */
static uint64_t take(struct world *w, struct stored *s)
{
	struct hub_durable_change change;

	while (hub_next_durable_change(w->servers[0], &change))
		take_change(s, &change);
	return hub_durable_taken(w->servers[0]);
}

static struct world *stored_new(void)
{
	struct world *w = consumers_new();

	hub_store_consumers(w->servers[0], (struct wake){NULL, NULL});
	return w;
}

static void test_stored_first(void **state)
{
	struct world *w = stored_new();
	struct stored s = {.n = 0};
	uint64_t before, after;

	(void)state;
	hold(w, 0, "/a");
	assert_got(w, 0, "reply:0-0 ");
	talk(w, "/a", 2);
	assert_true(hub_durable_waits(w->servers[0]));
	assert_got(w, 0, "");
	before = take(w, &s);
	assert_string_equal(s.consumers['c' & 3], "c 1000 0 0 1 /a\n");
	assert_int_equal(s.n, 2);
	talk(w, "/a", 1);
	after = take(w, &s);
	assert_got(w, 0, "");
	/* what was taken later is not stored yet */
	hub_durable_stored(w->servers[0], before);
	assert_got(w, 0, "/a1 /a2 ");
	hub_durable_stored(w->servers[0], after);
	assert_false(hub_durable_waits(w->servers[0]));
	assert_got(w, 0, "/a3 ");
	/* an acknowledgement is answered when it is stored; one that changes nothing at once */
	ack(w, 0, 2);
	assert_got(w, 0, "");
	after = take(w, &s);
	assert_int_equal(s.n, 1);
	hub_durable_stored(w->servers[0], after);
	assert_got(w, 0, "ok ");
	ack(w, 0, 1);
	assert_got(w, 0, "ok ");
	/* its connection ends before */
	ack(w, 0, 3);
	leave(w, 0);
	hub_durable_stored(w->servers[0], take(w, &s));
	assert_string_equal(s.consumers['c' & 3], "c 1000 3 0 1 /a\n");
	assert_int_equal(ask(w, 0, "{'op':'forget','id':1," NAME "}"), 0);
	take(w, &s);
	assert_string_equal(s.consumers['c' & 3], "");
	world_drop(w);
}

/* Another process goes on with what was stored. */
static void restore(struct world *w, const struct stored *s)
{
	hub_set_position(w->servers[0], 1, 1000);
	for (size_t i = 0; i < 4; i++) {
		unsigned uid;
		unsigned long long acked, lost;
		char name[20];
		int n = 0;

		if (!s->consumers[i][0])
			continue;
		assert_int_equal(sscanf(s->consumers[i], "%19s %u %llu %llu %n", name, &uid, &acked, &lost, &n), 4);
		struct hub_consumer_saved saved = {slice_of(name), uid, acked, {lost, acked + 1, acked + lost, true},
						   slice_of(s->consumers[i] + n)};
		assert_int_equal(hub_restore_consumer(w->hub, w->servers[0], &saved), 0);
		assert_int_equal(hub_restore_consumer(w->hub, w->servers[0], &saved), -EINVAL);
	}
	for (size_t i = 0; i < s->n; i++) {
		struct hub_durable_change m = {
			.kind = HUB_DURABLE_MESSAGE, .seq = s->messages[i].seq, .time = WORLD_NOW,
			.channel = slice_of(s->messages[i].channel), .frame = slice_make(s->messages[i].frame, s->messages[i].n),
		};
		assert_int_equal(hub_restore_message(w->servers[0], &m, WORLD_NOW), 0);
		assert_int_equal(hub_restore_message(w->servers[0], &m, WORLD_NOW), -EINVAL);
	}
}

static void test_another_process(void **state)
{
	struct world *w = stored_new();
	struct stored s = {.n = 0};

	(void)state;
	hold(w, 0, "/a");
	assert_int_equal(ask(w, 1, "{'op':'subscribe','id':9,'channels':['/b','/a'],'durable':'d'}"), 0);
	confirm(w, "/b");
	talk(w, "/a", 2);
	talk(w, "/b", 1);
	hub_durable_stored(w->servers[0], take(w, &s));
	got(w, 0), got(w, 1);
	ack(w, 0, 1);
	take(w, &s);
	/* not stored: the server will send it again */
	talk(w, "/a", 1);
	world_drop(w);

	w = stored_new();
	restore(w, &s);
	hold(w, 0, "/a");
	talk(w, "/a", 1);
	hub_durable_stored(w->servers[0], take(w, &s));
	assert_got(w, 0, "reply:1-3 /a2 /a1002 ");
	assert_int_equal(ask(w, 1, "{'op':'subscribe','id':9,'channels':['/b','/a'],'durable':'d'}"), 0);
	confirm(w, "/b");
	assert_got(w, 1, "reply:0-3 /a1 /a2 /b3 /a1002 ");
	world_drop(w);
}

static void test_bad_stored(void **state)
{
	static const char *const patterns[] = {"x", "1", "1 ", " /a\n", "1 /a", "1 a\n", "1  /a\n", "1 /a\n1 /a\n", "-1 /a\n",
					       "1 /service/a\n", "99999999999999999999 /a\n"};
	struct world *w = stored_new();
	struct hub_consumer c;

	(void)state;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		const struct hub_consumer_saved saved = {.name = SLICE("c"), .patterns = slice_of(patterns[i])};

		assert_int_equal(hub_restore_consumer(w->hub, w->servers[0], &saved), -EINVAL);
		assert_null(hub_next_consumer(w->servers[0], NULL, &c));
	}
	world_drop(w);
}

/* The store lost everything: it gets it again. */
static void test_rewrite(void **state)
{
	struct world *w = stored_new();
	struct stored s = {.n = 0}, again = {.n = 0};

	(void)state;
	hold(w, 0, "/a");
	talk(w, "/a", 3);
	hub_durable_stored(w->servers[0], take(w, &s));
	got(w, 0);
	ack(w, 0, 1);
	hub_durable_stored(w->servers[0], take(w, &s));
	hub_rewrite_durable(w->servers[0]);
	take(w, &again);
	assert_int_equal(again.n, 2);
	assert_memory_equal(&again, &s, sizeof(again.consumers));
	world_drop(w);
}

static void test_no_memory(void **state)
{
	struct world *w = consumers_new();
	struct hub_consumer c;

	(void)state;
	FAIL_EACH_ALLOCATION {
		int r = ask(w, 0, "{'op':'subscribe','id':9,'channels':['/a','/b']," NAME "}");

		(void)testing_allocation_failed();
		assert_true(r == 0 || r == -ENOMEM);
		assert_int_equal(hub_next_consumer(w->servers[0], NULL, &c) != NULL, r == 0);
		got(w, 0);
		w->members[0].outbox.overrun = false;
		if (r == 0)
			ask(w, 0, "{'op':'forget','id':1," NAME "}");
		got(w, 0);
	}
	hold(w, 0, "/a");
	got(w, 0);
	/* what cannot be kept is reported */
	FAIL_EACH_ALLOCATION {
		talk(w, "/a", 1);
		(void)testing_allocation_failed();
		const char *text = got(w, 0);

		assert_true(w->members[0].outbox.overrun || strncmp(text, "/a", 2) == 0 ||
			    strncmp(text, "expired1:", 9) == 0);
		w->members[0].outbox.overrun = false;
	}
	world_drop(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_waits), cmocka_unit_test(test_two_consumers),
		cmocka_unit_test(test_beside_a_live_member), cmocka_unit_test(test_the_reply_comes_first),
		cmocka_unit_test(test_bad_requests), cmocka_unit_test(test_bad_acks), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_gaps), cmocka_unit_test(test_channels_end), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_forget), cmocka_unit_test(test_the_server_goes),
		cmocka_unit_test(test_another_session), cmocka_unit_test(test_stored_first),
		cmocka_unit_test(test_another_process), cmocka_unit_test(test_bad_stored), cmocka_unit_test(test_rewrite),
		cmocka_unit_test(test_slow), cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
