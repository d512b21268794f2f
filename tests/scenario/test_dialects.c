/*
 * What single servers do otherwise than the rest, as the peers of a whole
 * bridge see it: Lyrion's channels with our client id in them, Salesforce's
 * filters. What the session makes of odd messages is in tests/unit/test_session*.c.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUICK "backoff = 50ms 200ms\n"

static void assert_message(struct wire *w, const char *text)
{
	const struct message *m = wire_expect(w, PROTOCOL_OP_MESSAGE);

	if (!slice_eq(m->message, slice_of(text)))
		fail_msg("expected %s, got %.*s", text, SLICE_ARG(m->message));
}

/* sends a request to Lyrion and receives the answer on our own channel */
static void request(struct wire *a, const char *what)
{
	char expected[128];

	wire_ok(a, "publish", ",\"channel\":\"/slim/request\",\"data\":{\"response\":"
			      "\"/{clientId}/slim/serverstatus\",\"request\":\"%s\"}", what);
	const struct message *m = wire_expect(a, PROTOCOL_OP_MESSAGE);
	snprintf(expected, sizeof(expected),
		 "{\"channel\":\"/{clientId}/slim/serverstatus\",\"id\":");
	if (!slice_starts(m->message, slice_of(expected)))
		fail_msg("heard %.*s", SLICE_ARG(m->message));
	snprintf(expected, sizeof(expected), "\"data\":\"%s\"}", what);
	assert_non_null(memmem(m->message.p, m->message.n, expected, strlen(expected)));
}

/* the same name for the peers, another one for the server, before and after the session is lost */
static void lyrion_channels_follow_the_session(void **state)
{
	char server[128];

	snprintf(server, sizeof(server), QUICK "transports = %s\nexpand-client-id = yes\n",
		 (const char *)*state);
	struct world *w = world_up(NULL, server);
	struct wire *a = world_peer(w, "a"), *b = world_peer(w, "b");

	wire_ok(a, "subscribe", ",\"channel\":\"/{clientId}/**\"");
	wire_ok(b, "subscribe", ",\"channel\":\"/{clientId}/slim/other\"");
	request(a, "one");
	char *before = strdup(fake_command(w->fake, "subscriptions"));
	fake_command(w->fake, "mark");
	fake_command(w->fake, "expire");
	fake_await(w->fake, "session", NULL, 1);
	wire_state(a, "demo", "connected");
	fake_await(w->fake, "subscribe", NULL, 2);
	request(a, "two");
	wire_assert_none(b, PROTOCOL_OP_MESSAGE);
	char *after = strdup(fake_command(w->fake, "subscriptions"));
	assert_null(strstr(before, "{clientId}"));
	assert_null(strstr(after, "{clientId}"));
	assert_string_not_equal(strchr(before, ':'), strchr(after, ':'));
	free(before);
	free(after);
	wire_close(a);
	wire_close(b);
	world_free(w);
}

/* The events of a filter reach it on either channel, and the bare channel's own subscriber too. */
static void salesforce_filters(void **state)
{
	static const char *const salesforce[] = {"--dialect", "salesforce", "--timeout", "60000",
						 NULL};
	struct world *w = world_up(salesforce, QUICK "replay = off\n");
	struct wire *a = world_peer(w, "a"), *b = world_peer(w, "b");

	(void)state;
	wire_ok(a, "subscribe", ",\"channel\":\"/topic/X?Status='Open'&Name='ä'\"");
	assert_int_equal(fake_count(w->fake, "subscribe", "/topic/X?Status='Open'&Name='ä'"), 1);
	fake_command(w->fake, "deliver 1 {\"channel\":\"/topic/X?Status='Open'&Name='ä'\",\"data\":1}");
	fake_command(w->fake, "deliver 1 {\"channel\":\"/topic/X\",\"data\":2}");
	assert_message(a, "{\"channel\":\"/topic/X?Status='Open'&Name='ä'\",\"data\":1}");
	assert_message(a, "{\"channel\":\"/topic/X\",\"data\":2}");
	wire_ok(b, "subscribe", ",\"channel\":\"/topic/X\"");
	fake_command(w->fake, "deliver 1 {\"channel\":\"/topic/X\",\"data\":3}");
	assert_message(b, "{\"channel\":\"/topic/X\",\"data\":3}");
	wire_assert_none(a, PROTOCOL_OP_MESSAGE);
	wire_close(a);
	wire_close(b);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(lyrion_channels_follow_the_session),
		cmocka_unit_test(salesforce_filters),
	};

	return scenario_run("dialects", tests, NULL, NULL);
}
