/*
 * Messages that are wrong in every way, between good ones: each costs no more
 * than itself, over both transports, with and without acknowledgements and
 * replay. Its subscribers are told once, the status counts it, no connection is
 * given up for it, and what stands around it arrives.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUICK "backoff-min = 50ms\nbackoff-max = 200ms\n"

struct setting {
	const char *transport;
	bool ack;
};

static struct world *up(void **state, const char *more)
{
	const struct setting *s = *state;
	struct world *w = world_new(NULL);
	char server[512];

	snprintf(server, sizeof(server), QUICK "transports = %s\n%s", s->transport, more);
	world_configure(w, NULL, server, NULL);
	fake_command(w->fake, "set ack %s", s->ack ? "on" : "off");
	world_start(w);
	return w;
}

/* The next message: data `n` on /r. */
static void hears(struct wire *a, int n)
{
	const struct message *m = wire_expect(a, PROTOCOL_OP_MESSAGE);
	char expected[64];

	snprintf(expected, sizeof(expected), "{\"channel\":\"/r\",\"data\":%d}", n);
	if (!slice_eq(m->message, slice_of(expected)))
		fail_msg("heard %.*s instead of %s", SLICE_ARG(m->message), expected);
}

static void loses(struct wire *a, const char *code, const char *channel)
{
	const struct message *m = wire_expect(a, PROTOCOL_OP_LOST);

	assert_int_equal(m->count, 1);
	assert_true(slice_eq(m->code, slice_of(code)));
	assert_int_equal(message_has(m, PROTOCOL_FIELD_CHANNEL), channel != NULL);
	if (channel)
		assert_true(slice_eq(m->channel, slice_of(channel)));
}

/* what the status says of the only server */
static unsigned long status_number(struct wire *a, const char *name)
{
	const struct message *m = wire_ask(a, "status", "%s", "");
	char key[64];

	assert_true(m->ok);
	int n = snprintf(key, sizeof(key), "\"%s\":", name);
	const char *at = memmem(m->result.p, m->result.n, key, (size_t)n);
	assert_non_null(at);
	return strtoul(at + n, NULL, 10);
}

/* One text of the server with these elements. */
static void server_sends(struct world *w, const char *elements)
{
	fake_command(w->fake, "rule type=event channel=/raw times=1 reply %s", elements);
	fake_command(w->fake, "publish /raw 0");
}

#define DEEP "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"

/* What is lost with the element: nothing, an event of /m, an event of an unknown channel. */
enum loss { NONE, OF_M, UNKNOWN };

static const struct {
	const char *element;
	enum loss loss;
} kinds[] = {
	/* no JSON */
	{"{\"channel\":\"/m\",\"data\":\"half \\ud83d\"}", OF_M},
	{"{\"channel\":\"/m\",\"data\":\"\\udc00 half\"}", OF_M},
	{"{\"channel\":\"/m\",\"data\":\"\xff\"}", OF_M},
	{"{\"channel\":\"/m\",\"data\":\"\xc3\"}", OF_M},
	{"{\"channel\":\"/m\",\"data\":\"\xed\xa0\x80\"}", OF_M},
	{"{\"channel\":\"/m\",\"\xff\":1,\"data\":1}", OF_M},
	{"{\"channel\":\"/m\",\"data\":NaN}", OF_M},
	{"{\"data\":-Infinity,\"channel\":\"/m\"}", OF_M},
	{"{\"channel\":\"/m\",\"data\":\"\x01\"}", OF_M},
	{"{\"channel\":\"/m\",\"data\":\"a\tb\"}", OF_M},
	{"{\"channel\":\"/m\",\"data\":" DEEP "}", OF_M},
	{"{\"channel\":\"/m\",\"data\":tru}", OF_M},
	{"{\"channel\":\"/m\",\"data\":01}", OF_M},
	{"{\"channel\":\"/m\",\"data\":1,}", OF_M},
	{"{\"channel\":\"/m\",\"data\":\"\\x41\"}", OF_M},
	{"{\"channel\":\"/m\" \"data\":1}", UNKNOWN},
	{"{\"channel\":\"/m\",\"data\":he said \"hi\"}", OF_M},
	{"{channel:\"/m\",data:1}", UNKNOWN},
	{"{\"data\":undefined}", UNKNOWN},
	{"{\"channel\":\"/m\xff\",\"data\":1}", UNKNOWN},
	/* brackets that do not match */
	{"{\"channel\":\"/m\",\"data\":[1}", OF_M},
	{"{\"channel\":\"/m\",\"data\":[[{\"a\":[1}]]}", OF_M},
	{"{\"channel\":\"/m\",\"data\":{\"a\":1}", OF_M},
	{"{\"channel\":\"/m\",\"data\":{\"a\":{\"b\":[{\"c\":1", OF_M},
	{"{\"channel\":\"/m\",\"data\":[1]", OF_M},
	{"{\"channel\":\"/m\",\"data\":1]", OF_M},
	{"{\"channel\":\"/m\",\"data\":{\"a\":1]}", OF_M},
	{"{\"channel\":\"/m\",\"data\":1", OF_M},
	/* JSON, and no message */
	{"7", NONE}, {"-1.5e300", NONE}, {"null", NONE}, {"true", NONE}, {"\"text\"", NONE},
	{"\"},{\"", NONE}, {"[]", NONE}, {"[{\"channel\":\"/m\",\"data\":1}]", NONE}, {"{}", NONE},
	{"{\"data\":1}", NONE}, {"{\"channel\":null,\"data\":1}", NONE},
	{"{\"channel\":7,\"data\":1}", NONE}, {"{\"channel\":[\"/m\"],\"data\":1}", NONE},
	{"{\"channel\":{\"a\":\"/m\"},\"data\":1}", NONE},
	{"{\"channel\":\"/m\",\"channel\":\"/r\",\"data\":1}", NONE},
	{"{\"channel\":\"/m\"}", NONE}, {"{\"channel\":\"\",\"data\":1}", NONE},
	{"{\"channel\":\"m\",\"data\":1}", NONE},
	/* replies that answer nothing */
	{"{\"channel\":\"/meta/connect\",\"id\":[1],\"successful\":true}", NONE},
	{"{\"channel\":\"/meta/connect\",\"id\":\"no\",\"successful\":false,\"advice\":7}", NONE},
	{"{\"channel\":\"/meta/connect\",\"id\":\"no\",\"advice\":{\"reconnect\":7,\"interval\":\"x\"}}",
	 NONE},
	{"{\"channel\":\"/meta/handshake\",\"id\":{},\"clientId\":7,\"successful\":true}", NONE},
	{"{\"channel\":\"/meta/subscribe\",\"id\":null,\"subscription\":[],\"successful\":\"no\"}", NONE},
	{"{\"channel\":\"/meta/unheard-of\",\"data\":1}", NONE}, {"{\"channel\":\"/meta\"}", NONE},
	{"{\"channel\":\"/m\",\"id\":\"99999999999999999999\",\"successful\":true}", NONE},
	{"{\"channel\":\"/m\",\"id\":1e999,\"successful\":false,\"error\":[1]}", NONE},
	/* nothing, too much or too little between two elements */
	{"", NONE}, {",,", NONE}, {"7 8", NONE}, {"{} {}", NONE}, {":", NONE}, {"}", NONE},
	{"{}}", NONE}, {"] ,", NONE}, {"\"a\":1", NONE}, {"<html>", NONE}, {"\x02", NONE},
};

static void assert_nothing_happened(struct wire *a, struct world *w, unsigned long lost)
{
	wire_assert_none(a, PROTOCOL_OP_LOST);
	wire_assert_none(a, PROTOCOL_OP_STATE);
	wire_assert_none(a, PROTOCOL_OP_MESSAGE);
	assert_int_equal(status_number(a, "left_out"), lost);
	assert_int_equal(fake_count(w->fake, "session", NULL), 1);
}

static void each_kind_costs_only_itself(void **state)
{
	struct world *w = up(state, "");
	struct wire *a = world_peer(w, "a");
	unsigned long lost = 0;
	int n = 0;
	char text[1024];

	wire_ok(a, "subscribe", ",\"channels\":[\"/r\",\"/m\",\"/raw\"]");
	fake_await(w->fake, "held", NULL, 1);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		snprintf(text, sizeof(text), "{\"channel\":\"/r\",\"data\":%d},%s,"
			 "{\"channel\":\"/r\",\"data\":%d}", n, kinds[i].element, n + 1);
		server_sends(w, text);
		hears(a, n++);
		if (kinds[i].loss != NONE)
			loses(a, "unreadable", kinds[i].loss == OF_M ? "/m" : NULL), lost++;
		hears(a, n++);
		assert_nothing_happened(a, w, lost);
	}
	wire_close(a);
	world_free(w);
}

/* The same fields with values of the wrong type: the message is one, and passed on as it came. */
static void odd_fields_are_passed_on(void **state)
{
	static const char *const odd[] = {
		"\"id\":7", "\"id\":{\"a\":[1]}", "\"id\":null", "\"ext\":7", "\"ext\":[1]",
		"\"advice\":\"none\"", "\"advice\":{\"reconnect\":\"none\"}", "\"successful\":\"no\"",
		"\"successful\":7", "\"successful\":null", "\"error\":{}", "\"subscription\":7",
		"\"timestamp\":[]", "\"data\":null",
	};
	struct world *w = up(state, "");
	struct wire *a = world_peer(w, "a");
	char text[256];

	wire_ok(a, "subscribe", ",\"channels\":[\"/m\",\"/raw\"]");
	fake_await(w->fake, "held", NULL, 1);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		bool data = !strncmp(odd[i], "\"data\"", 6);

		snprintf(text, sizeof(text), "{\"channel\":\"/m\",%s%s}", odd[i],
			 data ? "" : ",\"data\":{\"n\":1}");
		server_sends(w, text);
		const struct message *m = wire_expect(a, PROTOCOL_OP_MESSAGE);
		if (!slice_eq(m->message, slice_of(text)))
			fail_msg("heard %.*s instead of %s", SLICE_ARG(m->message), text);
	}
	assert_nothing_happened(a, w, 0);
	wire_close(a);
	world_free(w);
}

#define ON(test, transport, ack)                                                                   \
	{transport ", ack " #ack ": " #test, test, NULL, NULL, &(struct setting){transport, ack}}
#define ON_ALL(test)                                                                               \
	ON(test, "websocket", true), ON(test, "websocket", false), ON(test, "long-polling", true), \
	ON(test, "long-polling", false)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_ALL(each_kind_costs_only_itself),
		ON_ALL(odd_fields_are_passed_on),
	};

	return scenario_run("bad input", tests, NULL, NULL);
}
