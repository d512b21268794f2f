/*
 * One conversation repeated with another allocation failing each time: the caller that
 * gets -ENOMEM calls again, and in the end nothing is missing and nothing was delivered
 * twice. The server's replies have no ids, so they are the same in every run.
 */
#include "tests/unit/testing.h"

#include "bayeux/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct talk {
	struct session *s;
	uint64_t now;
	struct buf out;
	unsigned connects;              /* each brings the next event that is retained */
	unsigned messages, active, refused, outcomes[4], connected;
};

/* the server's answer to a batch of each kind */
static const char *const replies[] = {
	[SESSION_BATCH_HANDSHAKE] =
		"[{\"channel\":\"/meta/handshake\",\"successful\":true,\"clientId\":\"c\\u0031\","
		"\"supportedConnectionTypes\":[\"long-polling\"],"
		"\"ext\":{\"replay\":true,\"ack\":{\"enabled\":true,"
		"\"batch\":1}},\"advice\":{\"timeout\":1000,\"long-polling\":{\"interval\":5}}}]",
	[SESSION_BATCH_CONNECT] =
		"[{\"channel\":\"/a\",\"data\":{\"event\":{\"replayId\":%u}}},"
		"{\"channel\":\"/service/x\",\"data\":\"\\n\"},"
		"{\"channel\":\"/meta/connect\",\"successful\":true,\"ext\":{\"ack\":2},"
		"\"advice\":{\"timeout\":1000}}]",
	[SESSION_BATCH_MIXED] =
		"[{\"channel\":\"/meta/subscribe\",\"subscription\":\"/a\",\"successful\":true},"
		"{\"channel\":\"/meta/subscribe\",\"subscription\":\"/b\",\"successful\":false,"
		"\"error\":\"403::no\",\"ext\":{\"sfdc\":{\"failureReason\":\"403::no\"}}},"
		"{\"channel\":\"/p\",\"successful\":true}]",
	/* the call, on a lane of its own */
	[SESSION_BATCH_PUBLISH] = "[{\"channel\":\"/service/x\",\"successful\":true}]",
	[SESSION_BATCH_DISCONNECT] = "[{\"channel\":\"/meta/disconnect\",\"successful\":true}]",
};

/* The call may fail once, never twice. */
#define PERSIST(result, call)                                                                      \
	do {                                                                                       \
		result = (call);                                                                   \
		if (result == -ENOMEM)                                                             \
			result = (call);                                                           \
	} while (0)

static void count(struct talk *t, const struct session_event *e)
{
	struct session_info info;
	switch (e->kind) {
	case SESSION_EVENT_MESSAGE:
		t->messages++;
		break;
	case SESSION_EVENT_CHANNEL:
		t->active += e->status == SESSION_CHANNEL_ACTIVE;
		t->refused += e->status == SESSION_CHANNEL_REFUSED;
		break;
	case SESSION_EVENT_OUTCOME:
		assert_int_equal(e->outcome, SESSION_OK);
		t->outcomes[e->cookie]++;
		break;
	case SESSION_EVENT_STATE:
		session_info(t->s, &info);
		t->connected += info.state == SESSION_CONNECTED;
		break;
	default:
		break;
	}
}

static void tell(struct talk *t)
{
	struct session_event e;
	int r;
	for (;;) {
		PERSIST(r, session_next(t->s, t->now, &e));
		if (r)
			break;
		count(t, &e);
	}
	assert_int_equal(r, SESSION_E_NONE);
}

/* Takes one batch, whose reply comes at once; false when there is none. */
static bool exchange(struct talk *t)
{
	struct session_batch b;
	char reply[512];
	int r;
	tell(t);
	buf_clear(&t->out);
	PERSIST(r, session_take_batch(t->s, t->now, &t->out, &b));
	if (r)
		return false;
	tell(t);
	if (b.kind == SESSION_BATCH_CONNECT)
		snprintf(reply, sizeof(reply), replies[b.kind], t->connects++);
	else
		snprintf(reply, sizeof(reply), "%s", replies[b.kind]);
	PERSIST(r, session_feed(t->s, t->now, b.id, slice_of(reply)));
	assert_int_equal(r, 0);
	tell(t);
	session_batch_end(t->s, t->now, b.id);
	tell(t);
	return true;
}

/* Hooks that rewrite every message. */
static int see(void *ctx, const struct hook_message *m, struct hook_change *ret)
{
	(void)ctx;
	ret->data = m->data;
	ret->ext = m->ext.p ? m->ext : SLICE("{}");
	return m->may_change ? HOOK_CHANGED : 0;
}

static int begin(struct talk *t)
{
	struct session_options o;
	int r;
	session_options_default(&o);
	o.hooks.see = see;
	o.transports[0] = SESSION_LONG_POLLING;
	o.n_transports = 1;
	o.timesync = o.timestamp = true;
	r = session_new(&o, (struct wake){0}, &t->s);
	if (r)
		return r;
	PERSIST(r, session_want(t->s, SLICE("/a"), 0));
	assert_int_equal(r, 0);
	PERSIST(r, session_want(t->s, SLICE("/b"), 0));
	assert_int_equal(r, 0);
	PERSIST(r, session_publish(t->s, 0, SLICE("/p"), SLICE("1"), SLICE("{\"x\":1}"), false,
				   90000, 0, 1));
	assert_int_equal(r, 0);
	PERSIST(r, session_publish(t->s, 0, SLICE("/service/x"), SLICE("2"), SLICE_NULL, true,
				   90000, 0, 2));
	assert_int_equal(r, 0);
	session_start(t->s, 0);
	return 0;
}

static void converse(struct talk *t)
{
	unsigned exchanges = 0;
	for (; t->now < 2000 && exchanges < 8; t->now += 10) {
		session_tick(t->s, t->now);
		while (exchanges < 8 && exchange(t))
			exchanges++;
	}
	session_stop(t->s, t->now);
	exchange(t);
	tell(t);
}

static void nothing_is_missing(void **state)
{
	(void)state;
	unsigned runs = 0;
	FAIL_EACH_ALLOCATION {
		struct talk t = {0};
		struct session_info info;
		runs++;
		buf_init(&t.out, 1 << 16);
		int r = begin(&t);
		if (r == 0) {
			converse(&t);
			session_info(t.s, &info);
			assert_int_equal(info.state, SESSION_OFF);
			assert_int_equal(info.counts.failures, 0);
			assert_int_equal(t.connected, 1);
			assert_int_equal(t.active, 1);
			assert_int_equal(t.refused, 1);
			assert_int_equal(t.outcomes[1], 1);
			assert_int_equal(t.outcomes[2], 1);
			/* five connects with two events each, one of them the answer to the call */
			assert_int_equal(t.messages, 5 * 2 - 1);
		} else {
			assert_int_equal(r, -ENOMEM);
		}
		session_free(t.s);
		buf_fini(&t.out);
	}
	assert_in_range(runs, 20, 1000);
}

/* Goes on until the batch in hand is a connect. */
static uint64_t until_connect(struct talk *t)
{
	struct session_batch b;
	for (; t->now < 10000; t->now += 10) {
		session_tick(t->s, t->now);
		tell(t);
		buf_clear(&t->out);
		while (session_take_batch(t->s, t->now, &t->out, &b) == 0) {
			if (b.kind == SESSION_BATCH_CONNECT)
				return b.id;
			assert_int_equal(session_feed(t->s, t->now, b.id, slice_of(replies[b.kind])), 0);
			tell(t);
			session_batch_end(t->s, t->now, b.id);
			tell(t);
			buf_clear(&t->out);
		}
	}
	fail_msg("no connect");
	return 0;
}

static bool says(const struct talk *t, const char *text)
{
	return memmem(buf_slice(&t->out).p, buf_len(&t->out), text, strlen(text));
}

/*
 * The driver has no memory to read a text and discards it: its memory is not accessed
 * again, and it is not acknowledged, so the server sends it again.
 */
static void a_text_is_let_go(void **state)
{
	(void)state;
	const struct session_failure broken = {.kind = SESSION_BROKEN, .reason = {"no memory", 9}};
	struct talk t = {0};
	struct session_event e;
	buf_init(&t.out, 1 << 16);
	assert_int_equal(begin(&t), 0);
	uint64_t id = until_connect(&t);
	assert_true(says(&t, "\"ack\":1"));
	char reply[512];
	snprintf(reply, sizeof(reply), replies[SESSION_BATCH_CONNECT], 100u);
	char *text = strdup(reply);
	assert_int_equal(session_feed(t.s, t.now, id, slice_of(text)), 0);
	assert_int_equal(session_next(t.s, t.now, &e), 0);
	assert_int_equal(e.kind, SESSION_EVENT_MESSAGE);
	session_discard_text(t.s);
	free(text);
	session_batch_failed(t.s, t.now, id, &broken);
	tell(&t);
	assert_int_equal(t.outcomes[2], 0);
	id = until_connect(&t);
	assert_true(says(&t, "\"ack\":1"));
	assert_int_equal(session_feed(t.s, t.now, id, slice_of(reply)), 0);
	tell(&t);
	/* the first event was seen before, the second one is the answer to the call */
	assert_int_equal(t.messages, 0);
	assert_int_equal(t.outcomes[2], 1);
	session_free(t.s);
	buf_fini(&t.out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_missing),
		cmocka_unit_test(a_text_is_let_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
