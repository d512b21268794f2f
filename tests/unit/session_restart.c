/*
 * Restores sessions (see session_restart.h). The server here answers every request well, except that it may not know
 * the session. Uses only the public interface of the session.
 */
#include "tests/unit/session_restart.h"

#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* the clock of the other process began at another time */
#define NOW 5000u

void restart_wants(struct restart_wants *w, struct slice channel)
{
	restart_unwants(w, channel);
	if (w->n < sizeof(w->channels) / sizeof(w->channels[0]))
		snprintf(w->channels[w->n++], sizeof(w->channels[0]), "%.*s", SLICE_ARG(channel));
}

void restart_unwants(struct restart_wants *w, struct slice channel)
{
	for (size_t i = 0; i < w->n; i++)
		if (slice_eq(slice_of(w->channels[i]), channel)) {
			w->n--;
			memmove(w->channels[i], w->channels[i + 1], (w->n - i) * sizeof(w->channels[0]));
			return;
		}
}

/* a session beside that of the conversation, with its server */
struct other {
	struct session *s;
	const struct session_options *o;
	const char *where;
	uint64_t now;
	char client[64];                /* that the server knows, "" for none */
	bool forgetful;                 /* the server does not know the saved session */
	unsigned connects, handshakes, connected;
	bool gap;                       /* was reported */
	struct buf subscribed;          /* channels, each with a line end */
	uint64_t first_id;
};

#define CHECK(t, expression, ...)                                                                  \
	do {                                                                                       \
		if (!(expression)) {                                                               \
			print_error(__VA_ARGS__);                                                  \
			fail_msg("after \"%s\", restored: %s", (t)->where, #expression);           \
		}                                                                                  \
	} while (0)

static void take_events(struct other *t)
{
	struct session_event e;
	struct session_info info;
	int r;
	while ((r = session_next(t->s, t->now, &e)) == 0) {
		session_info(t->s, &info);
		if (e.kind == SESSION_EVENT_UNAUTHORIZED)
			session_authorized(t->s, t->now);
		if (e.kind == SESSION_EVENT_STATE && info.state == SESSION_CONNECTED) {
			t->connected++;
			t->gap |= info.gap;
		}
	}
	CHECK(t, r == SESSION_E_NONE, "%d\n", r);
}

static bool contains(struct slice text, const char *part)
{
	return text.n && memmem(text.p, text.n, part, strlen(part));
}

/* the text of the string member `name` of the message that begins at `at` */
static struct slice member(struct slice at, const char *name)
{
	char key[64];
	snprintf(key, sizeof(key), "\"%s\":\"", name);
	const char *p = memmem(at.p, at.n, key, strlen(key));
	if (!p)
		return SLICE_NULL;
	p += strlen(key);
	return slice_make(p, (size_t)((const char *)memchr(p, '"', (size_t)(at.p + at.n - p)) - p));
}

static void answer_handshake(struct other *t, struct buf *out)
{
	t->handshakes++;
	snprintf(t->client, sizeof(t->client), "another");
	buf_printf(out, ",\"clientId\":\"another\",\"supportedConnectionTypes\":[\"long-polling\","
			"\"websocket\"],\"successful\":true,\"ext\":{\"ack\":true,\"replay\":true}}");
}

static void answer_connect(struct other *t, struct slice message, struct buf *out)
{
	bool known = slice_eq(member(message, "clientId"), slice_of(t->client));
	if (t->connects++ == 0 && t->handshakes == 0) {
		CHECK(t, contains(message, "\"timeout\":0"), "%.*s\n", SLICE_ARG(message));
		CHECK(t, known, "%.*s\n", SLICE_ARG(message));
	}
	if (known && t->forgetful && t->handshakes == 0)
		t->client[0] = '\0', known = false;
	buf_printf(out, known ? ",\"successful\":true}"
			      : ",\"successful\":false,\"error\":\"402::unknown\","
				"\"advice\":{\"reconnect\":\"handshake\"}}");
}

static void answer(struct other *t, struct slice message, struct buf *out)
{
	struct slice channel = member(message, "channel"), id = member(message, "id");
	struct slice subscription = member(message, "subscription");
	buf_printf(out, "%s{\"channel\":\"%.*s\",\"id\":\"%.*s\"", buf_len(out) > 1 ? "," : "", SLICE_ARG(channel),
		   SLICE_ARG(id));
	if (slice_eq(channel, SLICE("/meta/handshake"))) {
		answer_handshake(t, out);
	} else if (slice_eq(channel, SLICE("/meta/connect"))) {
		answer_connect(t, message, out);
	} else {
		if (slice_eq(channel, SLICE("/meta/subscribe")))
			buf_printf(&t->subscribed, "%.*s\n", SLICE_ARG(subscription));
		if (subscription.p)
			buf_printf(out, ",\"subscription\":\"%.*s\"", SLICE_ARG(subscription));
		buf_printf(out, ",\"successful\":true}");
	}
}

/* The first connect after which a server would hold: nothing more is to be done. */
static bool is_held(const struct other *t, struct slice text)
{
	return contains(text, "/meta/connect") && t->connected && !contains(text, "\"timeout\":0");
}

static void exchange(struct other *t, const struct session_batch *b, struct slice text)
{
	struct buf out;
	buf_init(&out, 1 << 20);
	buf_putc(&out, '[');
	for (struct slice rest = text; rest.n;) {
		const char *begin = memmem(rest.p, rest.n, "{\"channel\":", 11);
		if (!begin)
			break;
		rest = slice_drop(rest, (size_t)(begin - rest.p));
		const char *next = memmem(rest.p + 1, rest.n - 1, "{\"channel\":", 11);
		struct slice message = slice_take(rest, next ? (size_t)(next - rest.p) : rest.n);
		answer(t, message, &out);
		rest = slice_drop(rest, message.n);
	}
	buf_putc(&out, ']');
	uint64_t batch = b->transport == SESSION_LONG_POLLING ? b->id : 0;
	assert_int_equal(session_feed(t->s, t->now, batch, buf_slice(&out)), 0);
	take_events(t);
	if (batch)
		session_batch_end(t->s, t->now, batch);
	else
		session_text_end(t->s, t->now);
	take_events(t);
	buf_fini(&out);
}

/* Runs until the session is connected and has nothing more to send. */
static void run(struct other *t)
{
	struct session_batch b;
	struct buf out;
	buf_init(&out, 1 << 20);
	for (unsigned turns = 0; turns < 200; turns++) {
		take_events(t);
		buf_clear(&out);
		if (session_take_batch(t->s, t->now, &out, &b) == 0) {
			take_events(t);
			if (!is_held(t, buf_slice(&out)))
				exchange(t, &b, buf_slice(&out));
			continue;
		}
		uint64_t at = session_deadline(t->s);
		if (t->connected && at > t->now + 2000)
			break;
		t->now = at > t->now ? at : t->now;
		session_tick(t->s, t->now);
	}
	buf_fini(&out);
}

/* Whether the channel was subscribed by the restored session. */
static bool was_asked(const struct other *t, const char *channel)
{
	char line[160];
	snprintf(line, sizeof(line), "%s\n", channel);
	return contains(buf_slice(&t->subscribed), line);
}

/* Whether the server confirmed the channel, by what was saved. */
static bool is_confirmed(struct slice saved, const char *channel)
{
	char quoted[160];
	const char *from = memmem(saved.p, saved.n, "\"subscribed\":[", 14);
	struct slice list = slice_drop(saved, (size_t)(from - saved.p));
	list = slice_take(list, (size_t)((const char *)memchr(list.p, ']', list.n) - list.p));
	snprintf(quoted, sizeof(quoted), "\"%s\"", channel);
	return contains(list, quoted);
}

static void check_channels(const struct session *s, struct other *t, const struct restart_wants *wants,
			   struct slice saved, bool repeats)
{
	for (size_t i = 0; i < wants->n; i++) {
		const char *name = wants->channels[i];
		enum session_channel_status was = session_channel(s, slice_of(name));
		enum session_channel_status is = session_channel(t->s, slice_of(name));
		if (was == SESSION_CHANNEL_REFUSED || was == SESSION_CHANNEL_NONE || strstr(name, "{clientId}"))
			continue;
		CHECK(t, is == SESSION_CHANNEL_ACTIVE, "%s\n", name);
		if (is_confirmed(saved, name) && !repeats)
			CHECK(t, !was_asked(t, name), "%s\n", name);
	}
}

static void begin(struct other *t, struct slice saved, uint64_t unix_ms, const struct restart_wants *wants)
{
	assert_int_equal(session_new(t->o, (struct wake){0}, &t->s), 0);
	buf_init(&t->subscribed, 1 << 20);
	t->now = NOW;
	session_wall_clock(t->s, t->now, unix_ms);
	CHECK(t, session_restore(t->s, t->now, saved, true) == 0, "%.*s\n", SLICE_ARG(saved));
	for (size_t i = 0; i < wants->n; i++)
		assert_int_equal(session_want(t->s, slice_of(wants->channels[i]), 1), 0);
	session_start(t->s, t->now);
	run(t);
	CHECK(t, t->connected, "%.*s\n", SLICE_ARG(saved));
}

static void end(struct other *t)
{
	session_free(t->s);
	buf_fini(&t->subscribed);
}

void restart_try(struct session *s, const struct session_options *o, uint64_t now, uint64_t unix_ms,
		 const struct restart_wants *wants, const char *where)
{
	struct session_options quiet = *o;
	struct session_info was, is;
	struct buf saved;
	uint64_t until = 0;
	quiet.hooks = (struct session_hooks){0};
	buf_init(&saved, 1 << 20);
	int r = session_save(s, now, &saved, &until);
	session_info(s, &was);
	bool alive = r == 0 && until >= unix_ms, ack = contains(buf_slice(&saved), "\"ack\":") &&
		     !contains(buf_slice(&saved), "\"ack\":null");
	for (int forgetful = 0; r == 0 && forgetful < 2; forgetful++) {
		struct other t = {.where = where, .forgetful = forgetful, .o = &quiet};
		snprintf(t.client, sizeof(t.client), "%.*s", SLICE_ARG(was.client_id));
		begin(&t, buf_slice(&saved), unix_ms, wants);
		session_info(t.s, &is);
		CHECK(&t, t.handshakes == (forgetful || !alive), "%u\n", t.handshakes);
		CHECK(&t, is.generation == was.generation + t.handshakes, "%u\n", (unsigned)is.generation);
		CHECK(&t, t.gap == (t.handshakes || !ack || (was.gap && was.state != SESSION_CONNECTED)), "%d\n", t.gap);
		if (!t.handshakes)
			check_channels(s, &t, wants, buf_slice(&saved), o->replay != SESSION_REPLAY_OFF && !ack);
		end(&t);
	}
	buf_fini(&saved);
}
