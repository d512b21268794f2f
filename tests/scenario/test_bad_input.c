/*
 * Messages that are wrong in every way, between good ones: each costs no more
 * than itself, over both transports, with and without acknowledgements and
 * replay. It is reported to its subscribers once, the status counts it, no connection is
 * given up for it, and the elements around it arrive.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUICK "backoff = 20ms 100ms\n"

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
static void expect_message(struct wire *a, int n)
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

/* a number of the only server in the status */
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
	/* times=all: a session that was given up may still be there */
	fake_command(w->fake, "rule type=event channel=/raw times=all reply %s", elements);
	fake_command(w->fake, "publish /raw 0");
	fake_command(w->fake, "unrule");
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
	{"{\"channel\":\"/m\",\"data\":[[[{\"b\":1}]}", OF_M},
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
		expect_message(a, n++);
		if (kinds[i].loss != NONE)
			loses(a, "unreadable", kinds[i].loss == OF_M ? "/m" : NULL), lost++;
		expect_message(a, n++);
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

/* An answer that ends within a string: what came before it counts, once, though it comes again. */
static void an_answer_cut_in_a_string(void **state)
{
	struct world *w = up(state, "");
	struct wire *a = world_peer(w, "a");

	wire_ok(a, "subscribe", ",\"channels\":[\"/r\",\"/m\",\"/raw\"]");
	fake_await(w->fake, "held", NULL, 1);
	for (int i = 0; i < 2; i++) {
		server_sends(w, i ? "{\"channel\":\"/r\",\"data\":2},{\"channel\":\"/m\",\"data\":\"x"
				  : "{\"channel\":\"/r\",\"data\":0},{\"channel\":\"/m\",\"da");
		expect_message(a, 2 * i);
		while (!wire_state(a, "demo", "connected")->gap)
			;
		/* it is held again when this is answered */
		wire_ok(a, "subscribe", ",\"channel\":\"/raw\"");
		server_sends(w, i ? "{\"channel\":\"/r\",\"data\":3}" : "{\"channel\":\"/r\",\"data\":1}");
		expect_message(a, 2 * i + 1);
	}
	wire_assert_none(a, PROTOCOL_OP_MESSAGE);
	wire_close(a);
	world_free(w);
}

/* ---- replay ---- */

static void receives_payload(struct wire *a, int n)
{
	const struct message *m = wire_expect(a, PROTOCOL_OP_MESSAGE);
	char part[32];

	snprintf(part, sizeof(part), "\"payload\":%d}", n);
	if (!memmem(m->message.p, m->message.n, part, strlen(part)))
		fail_msg("heard %.*s instead of %d", SLICE_ARG(m->message), n);
}

static void loses_event(struct world *w, struct wire *a, const char *data)
{
	fake_command(w->fake, "rule type=event times=1 reply {\"channel\":\"/event/E__e\",\"data\":%s}", data);
	fake_command(w->fake, "publish /event/E__e 0");
	loses(a, "unreadable", "/event/E__e");
}

/* The server retains what it could not send well, and is not asked for it again: neither when its id
   could be read nor when a good one came after it. */
static void replay_continues_after_it(void **state)
{
	struct world *w = world_new((const char *const[]){"--dialect", "salesforce", NULL});
	struct wire *a;

	(void)state;
	world_configure(w, NULL, QUICK, NULL);
	world_start(w);
	a = world_peer(w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/event/E__e\"");
	fake_await(w->fake, "held", NULL, 1);
	for (int i = 0; i < 2; i++) {
		fake_command(w->fake, "publish /event/E__e %d", 1 + i);
		receives_payload(a, 1 + i);
		if (i == 0)
			loses_event(w, a, "{\"event\":{\"replayId\":2},\"payload\":\"\\ud83d\"}");
		else
			loses_event(w, a, "{\"event\":{\"replayId\":?},\"payload\":NaN}");
		fake_command(w->fake, "publish /event/E__e %d", 10 + i);
		if (i)
			receives_payload(a, 10 + i);
		fake_command(w->fake, "mark");
		fake_command(w->fake, "expire");
		if (!i)
			receives_payload(a, 10 + i);
		fake_await(w->fake, "subscribe", NULL, 1);
		fake_command(w->fake, "publish /event/E__e %d", 20 + i);
		receives_payload(a, 20 + i);
	}
	wire_assert_none(a, PROTOCOL_OP_LOST);
	wire_assert_none(a, PROTOCOL_OP_MESSAGE);
	wire_close(a);
	world_free(w);
}

/* ---- what inflates ---- */

/* A request for an answer in HTTP of these bytes: GOOD, 16 MB of x on /m, GOOD, and the connect's reply. */
static char *bomb(void)
{
	static const char script[] =
		"{ printf '[{\"channel\":\"/r\",\"data\":1},{\"channel\":\"/m\",\"data\":\"'; "
		"head -c 16M /dev/zero | tr '\\0' x; printf '\"},{\"channel\":\"/r\",\"data\":2},"
		"{\"channel\":\"/meta/connect\",\"successful\":true}]'; } | gzip";
	char head[128], *hex = calloc(1, 1 << 20);
	unsigned char packed[1 << 18];
	FILE *f = popen(script, "re");
	size_t n;

	assert_non_null(f);
	assert_non_null(hex);
	n = fread(packed, 1, sizeof(packed), f);
	assert_int_equal(pclose(f), 0);
	int k = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
			 "Content-Length: %zu\r\n\r\n", n);
	for (int i = 0; i < k; i++)
		sprintf(hex + 2 * i, "%02x", (unsigned char)head[i]);
	for (size_t i = 0; i < n; i++)
		sprintf(hex + 2 * ((size_t)k + i), "%02x", packed[i]);
	return hex;
}

static void an_answer_that_inflates(void **state)
{
	struct setting s = {"long-polling", false};
	void *setting = &s;
	struct world *w = up(&setting, "max-message = 64K\n");
	struct wire *a = world_peer(w, "a");
	char *hex = bomb();
	unsigned before;

	(void)state;
	wire_ok(a, "subscribe", ",\"channels\":[\"/r\",\"/m\"]");
	fake_await(w->fake, "held", NULL, 1);
	before = world_daemon_peak(w);
	fake_command(w->fake, "rule type=connect times=1 raw %s", hex);
	fake_command(w->fake, "publish /m 0");
	wire_expect(a, PROTOCOL_OP_MESSAGE);
	fake_await(w->fake, "held", NULL, 2);
	fake_command(w->fake, "publish /m 0");
	expect_message(a, 1);
	loses(a, "too-large", "/m");
	expect_message(a, 2);
	assert_in_range(world_daemon_peak(w), 0, before + 8192);
	fake_await(w->fake, "held", NULL, 3);
	fake_command(w->fake, "publish /m 0");
	wire_expect(a, PROTOCOL_OP_MESSAGE);
	assert_nothing_happened(a, w, 1);
	free(hex);
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
		ON_ALL(an_answer_cut_in_a_string),
		cmocka_unit_test(replay_continues_after_it),
		cmocka_unit_test(an_answer_that_inflates),
	};

	return scenario_run("bad input", tests, NULL, NULL);
}
