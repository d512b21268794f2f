/*
 * A model of a Bayeux server: pending batches and subscriptions. Its answers are
 * well-formed as in the Bayeux specification.
 */
#include "tests/fuzz/bayeux_server.h"

#include "protocol/json_read.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

void server_sent(struct server *s, uint64_t id, struct slice text)
{
	struct server_exchange *x = &s->exchanges[s->n_exchanges++];

	FUZZ_CHECK(s->n_exchanges <= SERVER_EXCHANGES_MAX);
	*x = (struct server_exchange){id, malloc(text.n + 1), text.n};
	FUZZ_CHECK(x->text);
	memcpy(x->text, text.p, text.n);
}

void server_forget(struct server *s, uint64_t id)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n_exchanges; i++)
		if (id == 0 || s->exchanges[i].id == id)
			free(s->exchanges[i].text);
		else
			s->exchanges[kept++] = s->exchanges[i];
	s->n_exchanges = kept;
}

const struct server_exchange *server_connect(const struct server *s)
{
	static const char connect[] = "/meta/connect";

	for (size_t i = 0; i < s->n_exchanges; i++)
		if (memmem(s->exchanges[i].text, s->exchanges[i].n, connect, strlen(connect)))
			return &s->exchanges[i];
	return s->n_exchanges ? &s->exchanges[0] : NULL;
}

static size_t find(const struct server *s, struct slice channel)
{
	size_t i = 0;

	while (i < s->n_subscriptions && !slice_eq(slice_of(s->subscriptions[i]), channel))
		i++;
	return i;
}

bool server_has(const struct server *s, struct slice channel)
{
	return find(s, channel) < s->n_subscriptions;
}

static void subscribe(struct server *s, struct slice channel, bool on)
{
	size_t i = find(s, channel);

	if (on && i == s->n_subscriptions) {
		FUZZ_CHECK(i < SERVER_SUBSCRIPTIONS_MAX && channel.n < SERVER_CHANNEL_MAX);
		memcpy(s->subscriptions[i], channel.p, channel.n);
		s->subscriptions[i][channel.n] = '\0';
		s->n_subscriptions++;
	} else if (!on && i < s->n_subscriptions) {
		memmove(s->subscriptions[i], s->subscriptions[--s->n_subscriptions],
			SERVER_CHANNEL_MAX);
	}
}

enum { CHANNEL, ID, SUBSCRIPTION, FIELDS };

struct answering {
	struct server *server;
	enum server_answer how;
	struct buf *out;
};

static struct slice text_of(const struct json_value *v)
{
	return v->kind == JSON_STRING ? slice_make(v->raw.p + 1, v->raw.n - 2) : SLICE_NULL;
}

static void put_success(struct answering *a, struct slice channel)
{
	struct buf *out = a->out;

	FUZZ_CHECK(buf_put_str(out, ",\"successful\":true") == 0);
	if (slice_eq(channel, SLICE("/meta/handshake"))) {
		a->server->n_subscriptions = 0;
		a->server->knows = true;
		FUZZ_CHECK(buf_printf(out, ",\"version\":\"1.0\",\"clientId\":\"client%u\","
				      "\"supportedConnectionTypes\":[\"long-polling\"],"
				      "\"advice\":{\"reconnect\":\"retry\",\"interval\":0,"
				      "\"timeout\":30000}", ++a->server->sessions) == 0);
	}
}

static void put_failure(struct answering *a, enum server_answer how)
{
	static const char *const errors[] = {
		[SERVER_REFUSED] = ",\"error\":\"403::no\"",
		[SERVER_BUSY] = ",\"error\":\"503::busy\",\"advice\":{\"reconnect\":\"retry\","
				"\"interval\":100}",
		[SERVER_UNKNOWN] = ",\"error\":\"402::unknown\",\"advice\":{\"reconnect\":"
				   "\"handshake\",\"interval\":0}",
	};

	FUZZ_CHECK(buf_printf(a->out, ",\"successful\":false%s", errors[how]) == 0);
}

static int answer_one(void *ctx, const struct json_element *e, const struct json_field *f)
{
	struct answering *a = ctx;
	struct slice channel = text_of(&f[CHANNEL].value), on = text_of(&f[SUBSCRIPTION].value);
	bool leaves = slice_eq(channel, SLICE("/meta/unsubscribe"));
	bool known = a->server->knows || slice_eq(channel, SLICE("/meta/handshake"));
	enum server_answer how = known ? a->how : SERVER_UNKNOWN;
	bool good = how == SERVER_OK || how == SERVER_ANSWERS ||
		    (leaves && how != SERVER_UNKNOWN);

	FUZZ_CHECK(e->value.kind == JSON_OBJECT && channel.n > 0 && f[ID].value.raw.n > 0);
	FUZZ_CHECK(buf_printf(a->out, "%s{\"channel\":\"%.*s\",\"id\":%.*s",
			      buf_len(a->out) > 1 ? "," : "", SLICE_ARG(channel),
			      SLICE_ARG(f[ID].value.raw)) == 0);
	if (on.n)
		FUZZ_CHECK(buf_printf(a->out, ",\"subscription\":\"%.*s\"", SLICE_ARG(on)) == 0);
	if (good)
		put_success(a, channel);
	else
		put_failure(a, how);
	FUZZ_CHECK(buf_putc(a->out, '}') == 0);
	/* one that is refused is not there, also if an earlier answer to it got lost */
	if (on.n)
		subscribe(a->server, on, good && !leaves);
	if (how == SERVER_ANSWERS && !slice_starts(channel, SLICE("/meta/")))
		FUZZ_CHECK(buf_printf(a->out, ",{\"channel\":\"%.*s\",\"id\":%.*s,\"data\":{}}",
				      SLICE_ARG(channel), SLICE_ARG(f[ID].value.raw)) == 0);
	return 0;
}

void server_answer(struct server *s, const struct server_exchange *x, enum server_answer how,
		   struct buf *out)
{
	struct json_field fields[FIELDS] = {
		[CHANNEL] = {.name = "channel"},
		[ID] = {.name = "id"},
		[SUBSCRIPTION] = {.name = "subscription"},
	};
	struct answering a = {s, how, out};

	if (how == SERVER_UNKNOWN) {
		s->knows = false;
		s->n_subscriptions = 0;
	}
	FUZZ_CHECK(buf_putc(out, '[') == 0);
	FUZZ_CHECK(json_read_objects(slice_make(x->text, x->n), fields, FIELDS, answer_one, &a) ==
		   0);
}
