/*
 * Plays conversations with the client engine.
 */
#include "tests/unit/engine_play.h"

#include "tests/unit/testing.h"

#include "libclient/request.h"
#include "protocol/protocol.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_result(struct cometd *c, const struct cometd_result *result, void *user)
{
	(void)c;
	(void)result;
	(void)user;
}

/* ---- events and results as lines of text -------------------------------- */

#define ARG(p, n) (int)((p) ? (n) : 1), (p) ? (p) : "-"

static void describe_event(const struct cometd_event *e, char *out, size_t size)
{
	switch (e->type) {
	case COMETD_EVENT_MESSAGE:
		snprintf(out, size, "message %s %llu %s %.*s%s", e->server,
			 (unsigned long long)e->seq,
			 e->channel, ARG(e->data, e->data_len), e->redelivered ? " again" : "");
		return;
	case COMETD_EVENT_STATE:
		snprintf(out, size, "state %s %s/%s gap=%d default=%d reason=%s retry=%lld",
			 e->server,
			 e->state_name, cometd_state_name(e->state), e->gap, e->is_default,
			 e->reason ? e->reason : "-", (long long)e->retry_in);
		return;
	case COMETD_EVENT_SUBSCRIPTION:
		snprintf(out, size, "subscription %s %s %s%s: %s", e->server ? e->server : "-",
			 e->channel, cometd_error_name(e->error),
			 e->pending ? " pending" : "", e->text ? e->text : "-");
		return;
	case COMETD_EVENT_LOST:
		snprintf(out, size, "lost %s %llu %llu-%llu %s", e->server,
			 (unsigned long long)e->count, (unsigned long long)e->first,
			 (unsigned long long)e->last, cometd_error_name(e->error));
		return;
	case COMETD_EVENT_UP:
		snprintf(out, size, "up gap=%d", e->gap);
		return;
	case COMETD_EVENT_DOWN:
		snprintf(out, size, "down %s: %s", cometd_error_name(e->error), e->text);
		return;
	}
	snprintf(out, size, "event %d", e->type);
}

static void describe(const struct engine_item *item, char *out, size_t size)
{
	const struct cometd_result *r = &item->result;

	if (!item->is_result) {
		describe_event(&item->event, out, size);
		return;
	}
	snprintf(out, size, "%s = %s%s%s%s%s%s%.*s data=%.*s message=%.*s",
		 item->fn ? (const char *)item->user : "nobody", cometd_error_name(r->error),
		 r->pending ? " pending" : "", r->gap ? " gap" : "", *r->text ? ": " : "", r->text,
		 r->binary ? " binary=" : "", (int)r->binary_len, r->binary ? r->binary : "",
		 ARG(r->data, r->data_len), ARG(r->message, r->message_len));
}

/* ---- playing ----------------------------------------------------------- */

void play_feed(struct play *p, const char *bytes, size_t n)
{
	char *room;
	size_t size;

	while (n > 0) {
		size_t want = n < p->chunk ? n : p->chunk;
		int r = engine_room(p->engine, want, &room, &size);

		if (r) {
			assert_true(p->failing);
			assert_int_equal(r, -ENOMEM);
			continue;
		}
		if (size > want)
			size = want;
		memcpy(room, bytes, size);
		engine_filled(p->engine, size);
		bytes += size;
		n -= size;
	}
}

/* The tables write JSON with ' for ", which is easier to read. */
static const char *json(const char *text)
{
	static char out[1024];
	size_t n = 0;

	for (; *text && n < sizeof(out) - 1; text++)
		out[n++] = *text == '\'' ? '"' : *text;
	out[n] = '\0';
	return out;
}

void play_say(struct play *p, const char *text)
{
	size_t n = strlen(json(text));
	unsigned char prefix[4] = {n >> 24, n >> 16, n >> 8, n};

	play_feed(p, (char *)prefix, 4);
	play_feed(p, json(text), n);
}

struct slice play_output(struct play *p)
{
	struct slice s;
	int r = engine_output(p->engine, p->now, &s);

	if (r) {
		assert_true(p->failing);
		assert_int_equal(engine_output(p->engine, p->now, &s), 0);
	}
	return s;
}

static void hear(struct play *p, const char *said)
{
	const char *text = json(said);
	struct slice s = play_output(p);
	const unsigned char *u = (const unsigned char *)s.p;

	if (s.n < 4)
		fail_msg("silence instead of %s", text);
	size_t n = (size_t)u[0] << 24 | (size_t)u[1] << 16 | (size_t)u[2] << 8 | u[3];
	assert_true(s.n >= n + 4);
	if (n != strlen(text) || memcmp(s.p + 4, text, n))
		fail_msg("heard %.*s instead of %s", (int)n, s.p + 4, text);
	engine_written(p->engine, n + 4);
}

static int next(struct play *p, struct engine_item *item)
{
	int r = engine_next(p->engine, p->now, item);

	if (r < 0) {
		assert_true(p->failing);
		assert_int_equal(r, -ENOMEM);
		r = engine_next(p->engine, p->now, item);
	}
	return r;
}

static void tell(struct play *p, const char *text)
{
	struct engine_item item;
	char told[1024];
	int r = next(p, &item);

	if (r)
		fail_msg("%s instead of %s", r == ENGINE_E_IDLE ? "idle" : "broken", text);
	describe(&item, told, sizeof(told));
	assert_string_equal(told, json(text));
}

static void tell_end(struct play *p, int expected)
{
	struct engine_item item;
	char told[1024] = "";
	int r = next(p, &item);

	if (r == 0)
		describe(&item, told, sizeof(told));
	if (r != expected)
		fail_msg("told %d %s", r, told);
}

static enum protocol_op op_of(const char *verb)
{
	static const struct { const char *verb; enum protocol_op op; } ops[] = {
		{"sub", PROTOCOL_OP_SUBSCRIBE}, {"listen", PROTOCOL_OP_SUBSCRIBE},
		{"last", PROTOCOL_OP_SUBSCRIBE}, {"since", PROTOCOL_OP_SUBSCRIBE}, {"from", PROTOCOL_OP_SUBSCRIBE},
		{"unsub", PROTOCOL_OP_UNSUBSCRIBE}, {"pub", PROTOCOL_OP_PUBLISH},
		{"call", PROTOCOL_OP_CALL}, {"callx", PROTOCOL_OP_CALL}, {"status", PROTOCOL_OP_STATUS},
		{"ping", PROTOCOL_OP_PING}, {"durable", PROTOCOL_OP_SUBSCRIBE}, {"ack", PROTOCOL_OP_ACK},
		{"ackx", PROTOCOL_OP_ACK},
	};

	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		if (!strcmp(ops[i].verb, verb))
			return ops[i].op;
	fail_msg("no verb %s", verb);
	return 0;
}

/* "last /a 5", "from /a 5000", "since /a EPOCH 5" */
static struct past past_of(const char *verb, const char *data)
{
	unsigned long n = 0;
	char epoch[16] = "";

	if (!strcmp(verb, "last") && sscanf(data, "%lu", &n) == 1)
		return (struct past){.kind = PAST_HISTORY, .history = n};
	if (!strcmp(verb, "from") && sscanf(data, "%lu", &n) == 1)
		return (struct past){.kind = PAST_TIME, .time = n};
	if (!strcmp(verb, "since") && sscanf(data, "%15s %lu", epoch, &n) == 2)
		return (struct past){.kind = PAST_SINCE, .since = position_of(slice_of(epoch), n)};
	return (struct past){.kind = PAST_NONE};
}

/* "durable /a NAME"; "ack EPOCH SEQ", with the name of the consumer that receives its messages */
static struct slice consumer_of(const struct play *p, const char *verb, const char *data)
{
	if (!strcmp(verb, "durable"))
		return slice_of(data);
	return op_of(verb) == PROTOCOL_OP_ACK ? engine_consumer(p->engine, NULL) : SLICE_NULL;
}

static int do_request(struct play *p, const char *text)
{
	char verb[16] = "", channel[64] = "", data[256] = "";
	struct request *r;
	int n = sscanf(text, "%15s %63s %255[^\n]", verb, channel, data);
	struct past past = past_of(verb, data);
	enum protocol_op op = op_of(verb);
	struct slice consumer = consumer_of(p, verb, data);
	bool has_data = n > 2 && past.kind == PAST_NONE && !consumer.p && op != PROTOCOL_OP_ACK;
	const struct request_parts parts = {.channel = slice_of(n > 1 && op != PROTOCOL_OP_ACK ? channel : NULL),
					    .durable = consumer,
					    .data = slice_of(has_data ? data : NULL),
					    .ext = slice_of(strcmp(verb, "callx") ? NULL : "{}")};
	if (op == PROTOCOL_OP_ACK && !consumer.p)
		return COMETD_E_NOT_SUBSCRIBED;
	int error = request_new(op, &parts, &r);

	if (error)
		return error;
	r->flags = !strcmp(verb, "listen") ? COMETD_LISTEN_ONLY | COMETD_DISCONNECT_IF_SLOW : 0;
	r->past = past;
	if (op == PROTOCOL_OP_ACK)
		r->past.since = position_of(slice_of(channel), strtoull(data, NULL, 10));
	r->deadline = p->now + 30000;
	r->fn = strcmp(verb, "ackx") ? on_result : NULL;
	r->user = (void *)text;
	return engine_request(p->engine, r);
}

static void request(struct play *p, const char *text, int expected)
{
	int error = do_request(p, text);

	if (error == COMETD_E_NOMEM && p->failing)
		error = do_request(p, text);
	assert_int_equal(error, expected);
}

static void play_step(struct play *p, const struct step *s)
{
	switch (s->what) {
	case CONNECTED:
		if (engine_connected(p->engine, p->now)) {
			assert_true(p->failing);
			assert_int_equal(engine_connected(p->engine, p->now), 0);
		}
		return;
	case LOST:
		engine_disconnected(p->engine, p->now, s->n ? (int)s->n : COMETD_E_DISCONNECTED);
		return;
	case SAY: play_say(p, s->text); return;
	case RAW: play_feed(p, s->text, s->n); return;
	case HEAR: hear(p, s->text); return;
	case HEAR_PART:
		assert_true(play_output(p).n > (size_t)s->n);
		engine_written(p->engine, s->n);
		return;
	case SILENT:
		assert_int_equal(play_output(p).n, 0);
		assert_false(engine_has_output(p->engine));
		return;
	case TELL: tell(p, s->text); return;
	case IDLE: tell_end(p, ENGINE_E_IDLE); return;
	case BROKEN: tell_end(p, ENGINE_E_BROKEN); return;
	case AT:
		p->now = s->n;
		engine_tick(p->engine, p->now);
		if (p->failing)
			engine_tick(p->engine, p->now);
		return;
	case DO: request(p, s->text, 0); return;
	case DO_FAILS: request(p, s->text, s->n); return;
	case CANCEL:
		assert_int_equal(engine_cancel(p->engine, on_result, (void *)s->text), 1);
		return;
	case FAIL_ALL: engine_fail_all(p->engine, s->n); return;
	case END: return;
	}
}

static int play(const struct step *steps, size_t chunk, bool failing)
{
	struct play p = {.now = 1000, .chunk = chunk, .failing = failing};
	int r = engine_new(1, &p.engine);

	if (r)
		return r;
	engine_set_name(p.engine, "test");
	for (p.step = steps; p.step->what != END; p.step++)
		play_step(&p, p.step);
	engine_free(p.engine);
	return 0;
}

void play_conversation(void **state)
{
	const struct step *steps = *state;

	assert_int_equal(play(steps, SIZE_MAX, false), 0);
	assert_int_equal(play(steps, 1, false), 0);
	FAIL_EACH_ALLOCATION {
		int r = play(steps, SIZE_MAX, true);

		if (r)
			assert_int_equal(r, -ENOMEM);
	}
}
