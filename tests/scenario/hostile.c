/*
 * The kinds of misbehaving peers: each is a row of a table, with what it does and
 * which answer is required. A peer that floods only sends what the kernel accepts at
 * once, so that a daemon that stops reading does not block the test.
 */
#include "tests/scenario/hostile.h"

#include "tests/unit/testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STORM 200               /* messages, each of more than a KiB */
#define LAST "the last storm"

struct hostile_kind {
	const char *name;
	void (*begin)(struct hostile *);
	void (*go_on)(struct hostile *);        /* or NULL */
	void (*end)(struct hostile *);
	const char *bytes;
	size_t n;
	const char *code;                       /* of the answer */
};

static const char *text_of(const struct hostile *h)
{
	return h->kind->bytes;
}

static void greet(struct hostile *h)
{
	h->w = wire_hello(h->world->socket, h->kind->name);
}

/* One frame, if it fits: small ones go whole or not at all. */
static bool send_now(struct hostile *h, const char *text)
{
	size_t n = strlen(text);
	char frame[2048] = {n >> 24, n >> 16, n >> 8, n};

	assert_true(n + 4 <= sizeof(frame));
	memcpy(frame + 4, text, n);
	ssize_t k = send(h->w->fd, frame, n + 4, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (k < 0) {
		assert_int_equal(errno, EAGAIN);
		return false;
	}
	assert_int_equal(k, n + 4);
	return true;
}

/* Up to so many as go, with ids from 100 on where the text has a place for one. */
static void send_many(struct hostile *h, int n)
{
	char text[1024];

	for (int i = 0; i < n; i++) {
		snprintf(text, sizeof(text), text_of(h), (int)(100 + h->sent));
		if (!send_now(h, text))
			return;
		h->sent++;
	}
}

/* ---- those who break the connection ---- */

/* One of the two does so before hello. */
static void send_invalid(struct hostile *h)
{
	if (h->other)
		h->w = wire_open(h->world->socket);
	else
		greet(h);
	wire_send_bytes(h->w, h->kind->bytes, h->kind->n);
}

static void send_deep(struct hostile *h)
{
	char depth[1001] = "";

	memset(depth, h->other ? '{' : '[', sizeof(depth) - 1);
	greet(h);
	wire_send(h->w, "{\"op\":\"publish\",\"id\":1,\"channel\":\"/x\",\"data\":%s", depth);
}

static void send_first(struct hostile *h)
{
	h->w = wire_open(h->world->socket);
	wire_send(h->w, "%s", text_of(h));
}

static void say(struct hostile *h)
{
	greet(h);
	wire_send(h->w, "%s", text_of(h));
}

static void send_half_and_shut(struct hostile *h)
{
	send_invalid(h);
	assert_int_equal(shutdown(h->w->fd, SHUT_WR), 0);
}

static void is_closed(struct hostile *h)
{
	const struct message *m = wire_expect(h->w, PROTOCOL_OP_CLOSING);

	if (!slice_eq(m->code, slice_of(h->kind->code)))
		fail_msg("expected %s, got %.*s: %.*s", h->kind->code, SLICE_ARG(m->code),
			 SLICE_ARG(m->reason));
	assert_true(m->reason.n > 0);
	wire_expect_eof(h->w);
}

/* ---- those who ask for what cannot be ---- */

static void is_refused(struct hostile *h)
{
	wire_assert_error(wire_reply(h->w, 9), h->kind->code);
	wire_ok(h->w, "ping", "%s", "");
}

static void ask_twice(struct hostile *h)
{
	say(h);
	wire_send(h->w, "%s", text_of(h));
}

/* What is left to it of subscriptions-max, it asks for one by one, and for more. The server is not
   even asked for these. */
#define MORE 200
#define LEFT (HOSTILE_SUBSCRIPTIONS - HOSTILE_CHANNELS)

static void subscribe_many(struct hostile *h)
{
	char names[PROTOCOL_CHANNELS_MAX * 24];

	greet(h);
	for (int i = 0; i < HOSTILE_CHANNELS;) {
		int n = 0, id = 1000 + i;

		do
			n += snprintf(names + n, sizeof(names) - (size_t)n, ",\"/many/%u/%d\"", h->pass, i);
		while (++i % PROTOCOL_CHANNELS_MAX);
		wire_send(h->w, "{\"op\":\"subscribe\",\"id\":%d,\"channels\":[%s]}", id, names + 1);
	}
	for (int i = 0; i < MORE; i++)
		wire_send(h->w, "{\"op\":\"subscribe\",\"id\":%d,\"channel\":\"/more/%d\","
			  "\"upstream\":false}", 2000 + i, i);
}

static void has_many(struct hostile *h)
{
	for (uint64_t i = 0; i < HOSTILE_CHANNELS; i += PROTOCOL_CHANNELS_MAX)
		wire_reply_ok(h->w, 1000 + i);
	for (uint64_t i = 0; i < LEFT; i++)
		wire_reply_ok(h->w, 2000 + i);
	for (uint64_t i = LEFT; i < MORE; i++)
		wire_assert_error(wire_reply(h->w, 2000 + i), "too-many");
}

/* ---- those who keep others waiting ---- */

static void send_half(struct hostile *h)
{
	greet(h);
	wire_send_bytes(h->w, "\0\0\0\x14{\"op\":\"pi", 13);
}

/* no deadline ended the frame: its second half completes it */
static void send_the_rest(struct hostile *h)
{
	wire_send_bytes(h->w, "ng\",\"id\":9}", 11);
	wire_reply_ok(h->w, 9);
}

static void send_nothing(struct hostile *h)
{
	h->w = wire_open(h->world->socket);
}

static void leaves(struct hostile *h)
{
	(void)h;
}

static void shut_after_requests(struct hostile *h)
{
	greet(h);
	wire_send(h->w, "{\"op\":\"subscribe\",\"id\":8,\"channel\":\"/storm\"}");
	wire_send(h->w, "%s", text_of(h));
	assert_int_equal(shutdown(h->w->fd, SHUT_WR), 0);
}

/* it is served as before */
static void is_served(struct hostile *h)
{
	wire_reply_ok(h->w, 8);
	wire_reply_ok(h->w, 9);
	wire_expect(h->w, PROTOCOL_OP_MESSAGE);
}

static void shut_in_the_middle(struct hostile *h)
{
	greet(h);
	wire_send(h->w, "{\"op\":\"subscribe\",\"id\":8,\"channel\":\"/storm\"}");
	wire_send_bytes(h->w, "\0\0\1\0{\"op", 8);
	assert_int_equal(shutdown(h->w->fd, h->other ? SHUT_RDWR : SHUT_RD), 0);
}

static void come_and_vanish(struct hostile *h)
{
	for (int i = 0; i < 10; i++) {
		if (h->w)
			wire_close(h->w);
		if (i % 2 == 0) {
			h->w = wire_open(h->world->socket);
			continue;
		}
		greet(h);
		wire_request(h->w, "subscribe", ",\"channels\":[\"/crowd/*\",\"/storm\"]");
		wire_request(h->w, "publish", ",\"channel\":\"/flood\",\"data\":1");
		wire_request(h->w, "call", ",\"channel\":\"/service/deaf\",\"data\":1");
		wire_send_bytes(h->w, "\0\0\0\x20{\"op", h->other ? 8 : 0);
	}
}

/* ---- those who never stop ---- */

static void flood(struct hostile *h)
{
	send_many(h, 200);
}

static void begin_flood(struct hostile *h)
{
	greet(h);
	flood(h);
}

static void ask_for_much(struct hostile *h)
{
	greet(h);
	send_many(h, 20);
}

static void still_there(struct hostile *h)
{
	wire_ok(h->w, "ping", "%s", "");
}

/*
 * Each request that went out whole is answered once: by ok, or by the refusal that is named. Its
 * replies have piled up long since, and nothing was read of it.
 */
static void each_is_answered(struct hostile *h)
{
	bool *seen = calloc(h->sent, sizeof(*seen));

	assert_non_null(seen);
	for (uint64_t n = 0; n < h->sent; n++) {
		const struct message *m = wire_expect(h->w, PROTOCOL_OP_REPLY);

		assert_in_range(m->id, 100, 100 + h->sent - 1);
		assert_false(seen[m->id - 100]);
		seen[m->id - 100] = true;
		assert_true(m->ok || h->kind->code);
		if (!m->ok)
			wire_assert_error(m, h->kind->code);
	}
	free(seen);
}

/* The server never answers these calls: as many wait as may, and each other one is refused. */
static void calls_are_refused(struct hostile *h)
{
	for (uint64_t n = HOSTILE_REQUESTS; n < h->sent; n++)
		wire_assert_error(wire_expect(h->w, PROTOCOL_OP_REPLY), "too-many");
	wire_assert_none(h->w, PROTOCOL_OP_REPLY);
}

/* ---- those who do not read ---- */

static void read_storms(struct hostile *h)
{
	greet(h);
	wire_ok(h->w, "subscribe", ",\"channel\":\"/storm\",\"overflow\":\"%s\"", text_of(h));
}

static void read_bytes(struct hostile *h)
{
	for (int i = 0; i < 100; i++) {
		char *room;
		size_t n;

		assert_int_equal(frame_room(&h->w->reader, 1, &room, &n), 0);
		if (recv(h->w->fd, room, 1, MSG_DONTWAIT) == 1)
			frame_filled(&h->w->reader, 1);
	}
}

/* false when it was the last one */
static bool account(struct hostile *h, const struct message *m)
{
	if (m->op == PROTOCOL_OP_LOST) {
		assert_true(slice_eq(m->code, SLICE("overflow")) && m->first > h->last_seq);
		h->last_seq = m->last;
		h->lost += m->count;
	} else if (m->op == PROTOCOL_OP_MESSAGE) {
		assert_true(m->seq > h->last_seq);
		h->last_seq = m->seq;
		h->received++;
		return !memmem(m->message.p, m->message.n, LAST, strlen(LAST));
	}
	return true;
}

static void has_all(struct hostile *h)
{
	while (account(h, wire_next(h->w)))
		;
	assert_int_equal(h->received + h->lost, h->due);
}

static void is_cut_off(struct hostile *h)
{
	const struct message *m;

	while ((m = wire_next_or_eof(h->w))) {
		account(h, m);
		/* `closing` arrives only if the peer reads in time */
		if (m->op == PROTOCOL_OP_CLOSING)
			assert_true(slice_eq(m->code, SLICE("overflow")));
	}
	assert_true(h->received < h->due);
}

/* ---- all of them ---- */

#define BYTES(text) .bytes = (text), .n = sizeof(text) - 1
#define XS "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct hostile_kind kinds[] = {
	/* these hold /storm before others come and go with it */
	{"reads nothing", read_storms, NULL, has_all, BYTES("drop-oldest"), NULL},
	{"reads a byte a time", read_storms, read_bytes, has_all, BYTES("drop-oldest"), NULL},
	{"reads nothing, and wants all", read_storms, NULL, is_cut_off, BYTES("disconnect"), NULL},
	{"no length", send_invalid, NULL, is_closed, BYTES("\0\0\0\0"), "bad-frame"},
	{"any length", send_invalid, NULL, is_closed, BYTES("\xff\xff\xff\xff"), "too-large"},
	{"bad UTF-8", send_invalid, NULL, is_closed, BYTES("\0\0\0\x0b{\"op\":\"\xc0\xaf\"}"),
	 "bad-frame"},
	{"bad JSON", send_invalid, NULL, is_closed, BYTES("\0\0\0\x0b{\"op\":ping}}"), "bad-frame"},
	{"deep JSON", send_deep, NULL, is_closed, NULL, 0, "bad-frame"},
	{"half, and no more to come", send_half_and_shut, NULL, is_closed, BYTES("\0\0\1\0{\"op"),
	 "bad-frame"},
	{"no hello", send_first, NULL, is_closed, BYTES("{\"op\":\"ping\",\"id\":9}"),
	 "hello-required"},
	{"old hello", send_first, NULL, is_closed, BYTES("{\"op\":\"hello\",\"id\":9,\"version\":0}"),
	 "bad-version"},
	{"hello twice", say, NULL, is_closed, BYTES("{\"op\":\"hello\",\"id\":9,\"version\":1}"),
	 "hello-twice"},
	{"nobody to answer", say, NULL, is_closed, BYTES("{\"op\":\"publish\",\"data\":1}"),
	 "bad-request"},
	{"unknown op", say, NULL, is_refused, BYTES("{\"op\":\"explode\",\"id\":9}"), "unknown-op"},
	{"wrong type", say, NULL, is_refused, BYTES("{\"op\":\"subscribe\",\"id\":9,\"channel\":7}"),
	 "bad-request"},
	{"id in use", ask_twice, NULL, is_refused,
	 BYTES("{\"op\":\"call\",\"id\":9,\"channel\":\"/service/deaf\",\"data\":1,"
	       "\"timeout\":3600000}"), "id-in-use"},
	{"many channels", subscribe_many, NULL, has_many, NULL, 0, NULL},
	{"half a frame", send_half, NULL, send_the_rest, NULL, 0, NULL},
	{"nothing", send_nothing, NULL, leaves, NULL, 0, NULL},
	{"half-close", shut_after_requests, NULL, is_served,
	 BYTES("{\"op\":\"publish\",\"id\":9,\"channel\":\"/flood\",\"data\":1}"), NULL},
	{"shutdown", shut_in_the_middle, NULL, leaves, NULL, 0, NULL},
	{"come and vanish", come_and_vanish, come_and_vanish, leaves, NULL, 0, NULL},
	{"publishes", begin_flood, flood, still_there,
	 BYTES("{\"op\":\"publish\",\"channel\":\"/flood\",\"data\":\"%d" XS XS XS XS "\"}"), NULL},
	{"publishes, replies unread", begin_flood, flood, each_is_answered,
	 BYTES("{\"op\":\"publish\",\"id\":%d,\"channel\":\"/flood\",\"data\":\"" XS "\"}"),
	 "too-many"},
	{"calls", begin_flood, flood, calls_are_refused,
	 BYTES("{\"op\":\"call\",\"id\":%d,\"channel\":\"/service/deaf\",\"data\":1,"
	       "\"timeout\":3600000}"), NULL},
	{"pings, replies unread", begin_flood, flood, each_is_answered,
	 BYTES("{\"op\":\"ping\",\"id\":%d}"), NULL},
	{"status, replies unread", ask_for_much, NULL, each_is_answered,
	 BYTES("{\"op\":\"status\",\"id\":%d}"), NULL},
};

const size_t hostile_count = 2 * sizeof(kinds) / sizeof(*kinds);

void hostile_begin(struct hostile *h, struct world *w, size_t i, unsigned pass)
{
	*h = (struct hostile){.kind = &kinds[i / 2], .world = w, .pass = pass, .other = i % 2};
	h->kind->begin(h);
}

void hostile_go_on(struct hostile *h)
{
	if (h->kind->go_on)
		h->kind->go_on(h);
}

void hostile_storm(struct world *w)
{
	fake_command(w->fake, "burst /storm %d %s", STORM, XS XS XS XS XS XS XS XS XS XS XS XS XS);
}

void hostile_last_storm(struct world *w)
{
	fake_command(w->fake, "publish /storm \"" LAST "\"");
}

void hostile_end(struct hostile *h, unsigned storms)
{
	h->due = storms * STORM + 1;
	h->kind->end(h);
	wire_close(h->w);
}
