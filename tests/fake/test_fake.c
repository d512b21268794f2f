/*
 * The fake server answers like CometD Java: each test sends recorded requests and
 * compares the answers byte by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "tests/fake/setup.h"
#include "tests/fake/lines.h"

static void test_lp_conversation(void **state)
{
	struct fake *f = fake_of("cometd", "60000");
	struct client c;

	(void)state;
	client_init(&c, fake_port(f));
	assert_string_equal(ask(&c, "[" HANDSHAKE "]"),
		"[{\"minimumVersion\":\"1.0\",\"clientId\":\"CID\","
		"\"supportedConnectionTypes\":[\"websocket\",\"long-polling\"]," ADVICE("60000") ","
		"\"channel\":\"/meta/handshake\",\"id\":\"1\",\"version\":\"1.0\","
		"\"successful\":true}]");
	assert_int_equal(c.status, 200);
	assert_non_null(strstr(c.head, "Set-Cookie: BAYEUX_BROWSER="));
	assert_non_null(strstr(c.head, "; Path=/; HttpOnly\r\n"));
	assert_non_null(strstr(c.head, "Content-Type: application/json;charset=utf-8\r\n"));
	assert_string_equal(ask(&c, "[" CONNECT("2", ",\"advice\":{\"timeout\":0}") "]"),
		"[{" ADVICE("60000") ",\"channel\":\"/meta/connect\",\"id\":\"2\","
		"\"successful\":true}]");
	assert_null(strstr(c.head, "Set-Cookie"));
	assert_string_equal(ask(&c, "[" SUBSCRIBE("/a/b", "3") "]"),
		"[{\"channel\":\"/meta/subscribe\",\"id\":\"3\",\"subscription\":\"/a/b\","
		"\"successful\":true}]");
	assert_string_equal(ask(&c, "[{\"channel\":\"/a/b\",\"clientId\":\"CID\",\"id\":\"9\","
				"\"ext\":{\"q\":1},\"data\":{\"k\":1}}]"),
		"[{\"ext\":{\"q\":1},\"data\":{\"k\":1},\"channel\":\"/a/b\"},"
		"{\"channel\":\"/a/b\",\"id\":\"9\",\"successful\":true}]");
	client_fini(&c);
	fake_stop(f);
}

static void test_lp_hold_time_passes(void **state)
{
	struct fake *f = fake_of("cometd", "50");
	struct client c;

	(void)state;
	connect_client(&c, f, false, NULL);
	send_connect(&c, "12");
	assert_string_equal(read_response(&c, &c.wait),
		"[{\"channel\":\"/meta/connect\",\"id\":\"12\",\"successful\":true}]");
	assert_int_equal(fake_count(f, "held", NULL), 1);
	client_fini(&c);
	fake_stop(f);
}

static void test_lp_held_connect(void **state)
{
	struct fake *f = fake_of("cometd", "60000");
	struct client c;

	(void)state;
	connect_client(&c, f, false, NULL);
	ask(&c, "[" SUBSCRIBE("/pp", "3") "," SUBSCRIBE("/pp/**", "4") ","
		SUBSCRIBE("/*", "5") "]");
	/* an event: before the reply, once, however many patterns match */
	send_connect(&c, "10");
	fake_await(f, "held", NULL, 1);
	fake_command(f, "publish /pp {\"from\":\"d\"}");
	assert_string_equal(read_response(&c, &c.wait),
		"[{\"data\":{\"from\":\"d\"},\"channel\":\"/pp\"},"
		"{\"channel\":\"/meta/connect\",\"id\":\"10\",\"successful\":true}]");
	/* an own publish comes back on its own response; the connect stays */
	send_connect(&c, "11");
	fake_await(f, "held", NULL, 2);
	assert_string_equal(ask(&c, "[" PUBLISH("/pp", "13", "null") "]"),
		"[{\"data\":null,\"channel\":\"/pp\"},"
		"{\"channel\":\"/pp\",\"id\":\"13\",\"successful\":true}]");
	/* a disconnect ends the held connect */
	assert_string_equal(ask(&c, "[" DISCONNECT("14") "]"),
		"[{\"channel\":\"/meta/disconnect\",\"id\":\"14\",\"successful\":true}]");
	assert_string_equal(read_response(&c, &c.wait),
		"[{\"advice\":{\"reconnect\":\"none\"},\"channel\":\"/meta/connect\",\"id\":\"11\","
		"\"successful\":true}]");
	assert_int_equal(fake_number(f, "sessions"), 0);
	client_fini(&c);
	fake_stop(f);
}

static void test_lp_unknown_session(void **state)
{
	struct fake *f = fake_of("cometd", "60000");
	struct client c;

	(void)state;
	connect_client(&c, f, false, NULL);
	fake_command(f, "expire");
	assert_string_equal(ask(&c, "[" CONNECT("17", "") "]"),
		"[{\"advice\":{\"interval\":0,\"reconnect\":\"handshake\"},"
		"\"channel\":\"/meta/connect\",\"id\":\"17\",\"error\":\"402::session_unknown\","
		"\"successful\":false}]");
	assert_string_equal(ask(&c, "[" PUBLISH("/a/b", "15", "1") "]"),
		"[{\"channel\":\"/a/b\",\"id\":\"15\",\"error\":\"402::session_unknown\","
		"\"successful\":false}]");
	/* without its cookie the session is unknown, too */
	client_handshake(&c, NULL);
	strcpy(c.cookie, "BAYEUX_BROWSER=another");
	assert_non_null(strstr(ask(&c, "[" PUBLISH("/a/b", "16", "1") "]"),
			       "402::session_unknown"));
	c.cookie[0] = '\0';
	assert_non_null(strstr(ask(&c, "[" PUBLISH("/a/b", "16", "1") "]"),
			       "402::session_unknown"));
	client_fini(&c);
	fake_stop(f);
}

static void test_lp_session_expires(void **state)
{
	struct fake *f = fake_of("cometd", "50");
	struct client c;

	(void)state;
	connect_client(&c, f, false, NULL);
	fake_command(f, "set max-interval 20");
	/* a held connect keeps the session longer than its max-interval */
	fake_command(f, "freeze");
	send_post(&c, &c.talk, "[" CONNECT("3", ",\"advice\":{\"timeout\":0}") "]");
	send_post(&c, &c.talk, "[" CONNECT("4", "") "]");
	fake_command(f, "thaw");
	read_response(&c, &c.talk);
	assert_non_null(strstr(read_response(&c, &c.talk), "\"id\":\"4\",\"successful\":true"));
	/* and then it ends */
	fake_await(f, "expired", NULL, 1);
	send_connect(&c, "4");
	assert_non_null(strstr(read_response(&c, &c.wait), "402::session_unknown"));
	client_fini(&c);
	fake_stop(f);
}

static void test_lp_two_connects(void **state)
{
	struct fake *f = fake_of("cometd", "60000");
	struct client c;
	struct raw older;

	(void)state;
	connect_client(&c, f, false, NULL);
	send_connect(&c, "3");
	fake_await(f, "held", NULL, 1);
	older = c.wait;
	c.wait.fd = -1;
	c.wait = (struct raw){.fd = -1};
	send_connect(&c, "4");
	/* the older one fails at the moment the newer arrives */
	assert_string_equal(read_response(&c, &older), "");
	assert_int_equal(c.status, 500);
	fake_await(f, "held", NULL, 2);
	assert_int_equal(fake_number(f, "max-concurrent-connects"), 2);
	raw_close(&older);
	client_fini(&c);
	fake_stop(f);
}

static void test_lp_same_cookie_twice(void **state)
{
	struct fake *f = fake_of("cometd", "60000");
	struct client a, b;

	(void)state;
	connect_client(&a, f, false, NULL);
	send_connect(&a, "3");
	fake_await(f, "held", NULL, 1);
	client_init(&b, fake_port(f));
	strcpy(b.cookie, a.cookie);
	client_handshake(&b, NULL);
	assert_null(strstr(b.head, "Set-Cookie"));
	send_connect(&b, "43");
	assert_string_equal(read_response(&b, &b.wait),
		"[{\"advice\":{\"multiple-clients\":true,\"interval\":2000,"
		"\"reconnect\":\"retry\"},\"channel\":\"/meta/connect\",\"id\":\"43\","
		"\"successful\":true}]");
	/* alone again, it is held */
	fake_command(f, "deliver 1 {\"channel\":\"/x\",\"data\":1}");
	read_response(&a, &a.wait);
	send_connect(&b, "44");
	fake_await(f, "held", NULL, 2);
	client_fini(&a);
	client_fini(&b);
	fake_stop(f);
}

static void test_lp_batches(void **state)
{
	struct fake *f = fake_of("cometd", "60000");
	struct client c;

	(void)state;
	connect_client(&c, f, false, NULL);
	/* a handshake with other messages, an empty text, no object, no JSON: 500 */
	assert_string_equal(ask(&c, "[" HANDSHAKE "," SUBSCRIBE("/a", "2") "]"), "");
	assert_int_equal(c.status, 500);
	ask(&c, "[]");
	assert_int_equal(c.status, 500);
	ask(&c, "[1,2]");
	assert_int_equal(c.status, 500);
	ask(&c, "[{\"channel\":");
	assert_int_equal(c.status, 500);
	/* one invalid name fails the whole request, although messages before it took effect */
	ask(&c, "[" SUBSCRIBE("/good", "2") "," SUBSCRIBE("/a//b", "3") "]");
	assert_int_equal(c.status, 500);
	assert_string_equal(fake_command(f, "subscriptions"), "1:/good");
	/* a bare object is valid; a connect with other messages is not held */
	assert_string_equal(ask(&c, SUBSCRIBE("/one", "4")),
		"[{\"channel\":\"/meta/subscribe\",\"id\":\"4\",\"subscription\":\"/one\","
		"\"successful\":true}]");
	assert_string_equal(ask(&c, "[" SUBSCRIBE("/two", "5") "," CONNECT("6", "") "]"),
		"[{\"channel\":\"/meta/subscribe\",\"id\":\"5\",\"subscription\":\"/two\","
		"\"successful\":true},"
		"{\"channel\":\"/meta/connect\",\"id\":\"6\",\"successful\":true}]");
	client_fini(&c);
	fake_stop(f);
}

static void test_lp_refused_messages(void **state)
{
	static const char *const cases[][2] = {
		{SUBSCRIBE("/meta/x", "1"), "403:denied_by_security_policy:subscribe_denied"},
		{SUBSCRIBE("no", "1"), "403::subscription_invalid"},
		{"{\"channel\":\"/meta/subscribe\",\"clientId\":\"CID\",\"id\":\"1\"}",
		 "403::subscription_missing"},
		{PUBLISH("/meta/foo", "1", "1"),
		 "403:denied_by_security_policy:channel_create_denied"},
		{PUBLISH("/a:b", "1", "1"), "405::channel_invalid"},
		{PUBLISH("/a", "1-2", "1"), "405::message_id_invalid"},
		{"{\"id\":\"1\",\"data\":1}", "400::channel_missing"},
		{"{\"channel\":\"/meta/unsubscribe\",\"clientId\":\"CID\",\"id\":\"1\","
		 "\"subscription\":\"/never\"}", "400::channel_missing"},
	};
	struct fake *f = fake_of("cometd", "60000");
	struct client c;

	(void)state;
	connect_client(&c, f, false, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *answer = ask(&c, cases[i][0]);

		assert_non_null(strstr(answer, cases[i][1]));
		assert_non_null(strstr(answer, "\"successful\":false"));
		assert_int_equal(c.status, 200);
	}
	client_fini(&c);
	fake_stop(f);
}

static void test_lp_services(void **state)
{
	struct fake *f = fake_of("cometd", "60000");
	struct client c;

	(void)state;
	connect_client(&c, f, false, NULL);
	assert_string_equal(ask(&c, "[" PUBLISH("/service/echo", "e1", "\"x\"") "]"),
		"[{\"data\":\"x\",\"channel\":\"/service/echo\",\"id\":\"e1\"},"
		"{\"channel\":\"/service/echo\",\"id\":\"e1\",\"successful\":true}]");
	assert_string_equal(ask(&c, "[" PUBLISH("/service/echo-noid", "e2", "1") "]"),
		"[{\"data\":1,\"channel\":\"/service/echo-noid\"},"
		"{\"channel\":\"/service/echo-noid\",\"id\":\"e2\",\"successful\":true}]");
	send_connect(&c, "2");
	fake_await(f, "held", NULL, 1);
	assert_string_equal(ask(&c, "[" PUBLISH("/service/kick", "k", "1") "]"),
		"[{\"channel\":\"/meta/disconnect\",\"successful\":true},"
		"{\"channel\":\"/service/kick\",\"id\":\"k\",\"successful\":true}]");
	assert_string_equal(read_response(&c, &c.wait),
		"[{\"advice\":{\"reconnect\":\"none\"},\"channel\":\"/meta/connect\",\"id\":\"2\","
		"\"successful\":true}]");
	client_fini(&c);
	fake_stop(f);
}

/* the batches of the ack extension, with a response that gets lost */
static void test_ack(void **state)
{
	struct fake *f = fake_of("cometd", "60000");
	struct client c;

	(void)state;
	client_init(&c, fake_port(f));
	assert_non_null(strstr(ask(&c, "[{\"channel\":\"/meta/handshake\",\"version\":\"1.0\","
			       "\"supportedConnectionTypes\":[\"long-polling\"],\"id\":\"1\","
			       "\"ext\":{\"ack\":true}}]"), "[{\"ext\":{\"ack\":true},"));
	assert_string_equal(ask(&c, "[" CONNECT("2", ",\"ext\":{\"ack\":0},"
						"\"advice\":{\"timeout\":0}") "]"),
		"[{\"ext\":{\"ack\":1}," ADVICE("60000") ",\"channel\":\"/meta/connect\","
		"\"id\":\"2\",\"successful\":true}]");
	assert_string_equal(ask(&c, "[" SUBSCRIBE("/r", "3") "]"),
		"[{\"ext\":{},\"channel\":\"/meta/subscribe\",\"id\":\"3\","
		"\"subscription\":\"/r\",\"successful\":true}]");
	/* own events wait for the connect as well */
	assert_string_equal(ask(&c, "[" PUBLISH("/r", "4", "\"m1\"") "]"),
		"[{\"ext\":{},\"channel\":\"/r\",\"id\":\"4\",\"successful\":true}]");
	assert_string_equal(ask(&c, "[" CONNECT("5", ",\"ext\":{\"ack\":1}") "]"),
		"[{\"data\":\"m1\",\"channel\":\"/r\"},{\"ext\":{\"ack\":2}," ADVICE("60000") ","
		"\"channel\":\"/meta/connect\",\"id\":\"5\",\"successful\":true}]");
	/* that response was lost: it comes again, with the next number */
	assert_string_equal(ask(&c, "[" CONNECT("6", ",\"ext\":{\"ack\":1}") "]"),
		"[{\"data\":\"m1\",\"channel\":\"/r\"},{\"ext\":{\"ack\":3}," ADVICE("60000") ","
		"\"channel\":\"/meta/connect\",\"id\":\"6\",\"successful\":true}]");
	/* acknowledged: held, and what comes now is batch 4 */
	send_post(&c, &c.talk, "[" CONNECT("7", ",\"ext\":{\"ack\":3}") "]");
	fake_await(f, "held", NULL, 1);
	fake_command(f, "publish /r \"m2\"");
	assert_string_equal(read_response(&c, &c.talk),
		"[{\"data\":\"m2\",\"channel\":\"/r\"},{\"ext\":{\"ack\":4},"
		"\"channel\":\"/meta/connect\",\"id\":\"7\",\"successful\":true}]");
	client_fini(&c);
	fake_stop(f);
}

static void test_handshake_delivery(void **state)
{
	struct fake *f = fake_of("cometd", "60000");
	struct client c;

	(void)state;
	client_init(&c, fake_port(f));
	fake_command(f, "welcome /hello \"hi\"");
	fake_command(f, "welcome /hello \"hi2\"");
	assert_string_equal(ask(&c, "[{\"channel\":\"/meta/handshake\",\"version\":\"1.0\","
				"\"supportedConnectionTypes\":[\"long-polling\"],\"id\":\"1\","
				"\"ext\":{\"ack\":true}}]"),
		"[{\"ext\":{\"ack\":{\"batch\":1,\"enabled\":true}},\"minimumVersion\":\"1.0\","
		"\"clientId\":\"CID\",\"supportedConnectionTypes\":"
		"[\"websocket\",\"long-polling\"]," ADVICE("60000") ",\"x-messages\":2,"
		"\"channel\":\"/meta/handshake\",\"id\":\"1\",\"version\":\"1.0\","
		"\"successful\":true},"
		"{\"data\":\"hi\",\"channel\":\"/hello\"},"
		"{\"data\":\"hi2\",\"channel\":\"/hello\"}]");
	/* acknowledging the handshake's batch is enough */
	assert_string_equal(ask(&c, "[" CONNECT("2", ",\"ext\":{\"ack\":1}") "]"),
		"[{\"ext\":{\"ack\":2},\"channel\":\"/meta/connect\",\"id\":\"2\","
		"\"successful\":true}]");
	client_fini(&c);
	fake_stop(f);
}

/* an event written to a broken connection is lost, once; the session continues */
static void test_lp_broken_connection_loses(void **state)
{
	struct fake *f = fake_of("cometd", "60000");
	struct client c;

	(void)state;
	connect_client(&c, f, false, NULL);
	ask(&c, "[" SUBSCRIBE("/a", "3") "]");
	send_connect(&c, "4");
	fake_await(f, "held", NULL, 1);
	raw_close(&c.wait);
	fake_await(f, "close", NULL, 1);
	fake_command(f, "publish /a 1");
	fake_command(f, "publish /a 2");
	assert_int_equal(fake_count(f, "lost", "/a"), 1);
	send_connect(&c, "5");
	assert_string_equal(read_response(&c, &c.wait),
		"[{\"data\":2,\"channel\":\"/a\"},"
		"{\"channel\":\"/meta/connect\",\"id\":\"5\",\"successful\":true}]");
	client_fini(&c);
	fake_stop(f);
}

static void test_ws_conversation(void **state)
{
	struct fake *f = fake_of("cometd", "60000");
	struct client c;

	(void)state;
	connect_client(&c, f, true, NULL);
	ask(&c, "[" SUBSCRIBE("/a/b", "3") "]");
	/* the event, then the reply, a frame each */
	send_ws(&c, "[" PUBLISH("/a/b", "6", "1") "]");
	assert_string_equal(read_ws(&c), "[{\"data\":1,\"channel\":\"/a/b\"}]");
	assert_string_equal(read_ws(&c),
		"[{\"channel\":\"/a/b\",\"id\":\"6\",\"successful\":true}]");
	/* two publishes: two event frames, one frame with both replies */
	send_ws(&c, "[" PUBLISH("/a/b", "7", "1") "," PUBLISH("/a/b", "8", "2") "]");
	assert_string_equal(read_ws(&c), "[{\"data\":1,\"channel\":\"/a/b\"}]");
	assert_string_equal(read_ws(&c), "[{\"data\":2,\"channel\":\"/a/b\"}]");
	assert_string_equal(read_ws(&c),
		"[{\"channel\":\"/a/b\",\"id\":\"7\",\"successful\":true},"
		"{\"channel\":\"/a/b\",\"id\":\"8\",\"successful\":true}]");
	/* the held connect is a heartbeat: events do not end it */
	send_connect(&c, "9");
	fake_await(f, "held", NULL, 1);
	fake_command(f, "publish /a/b 3");
	assert_string_equal(read_ws(&c), "[{\"data\":3,\"channel\":\"/a/b\"}]");
	/* a newer connect silences the older one */
	send_connect(&c, "10");
	/* disconnect: connect reply first, and the socket stays */
	send_ws(&c, "[" DISCONNECT("11") "]");
	assert_string_equal(read_ws(&c),
		"[{\"advice\":{\"reconnect\":\"none\"},\"channel\":\"/meta/connect\","
		"\"id\":\"10\",\"successful\":true}]");
	assert_string_equal(read_ws(&c),
		"[{\"channel\":\"/meta/disconnect\",\"id\":\"11\",\"successful\":true}]");
	client_handshake(&c, NULL);
	client_fini(&c);
	fake_stop(f);
}

static void test_ws_heartbeat(void **state)
{
	struct fake *f = fake_of("cometd", "50");
	struct client c;

	(void)state;
	connect_client(&c, f, true, NULL);
	send_connect(&c, "9");
	assert_string_equal(read_ws(&c),
		"[{\"channel\":\"/meta/connect\",\"id\":\"9\",\"successful\":true}]");
	assert_int_equal(fake_count(f, "held", NULL), 1);
	client_fini(&c);
	fake_stop(f);
}

static void test_ws_resumes(void **state)
{
	struct fake *f = fake_of("cometd", "60000");
	struct client c;

	(void)state;
	connect_client(&c, f, true, "\"ext\":{\"ack\":true}");
	ask(&c, "[" SUBSCRIBE("/a", "3") "]");
	raw_close(&c.talk);
	fake_await(f, "close", NULL, 1);
	fake_command(f, "publish /a 1");
	client_open_ws(&c);
	send_ws(&c, "[" CONNECT("4", ",\"ext\":{\"ack\":1},\"advice\":{\"timeout\":0}") "]");
	assert_string_equal(read_ws(&c), "[{\"data\":1,\"channel\":\"/a\"}]");
	assert_string_equal(read_ws(&c),
		"[{\"ext\":{\"ack\":2}," ADVICE("60000") ",\"channel\":\"/meta/connect\","
		"\"id\":\"4\",\"successful\":true}]");
	assert_int_equal(fake_count(f, "session", NULL), 1);
	client_fini(&c);
	fake_stop(f);
}

static void test_ws_closes(void **state)
{
	static char big[70077];
	struct fake *f = fake_of("cometd", "60000");
	struct client c;

	(void)state;
	connect_client(&c, f, true, NULL);
	send_ws(&c, "[{\"channel\":");
	assert_int_equal(read_ws_close(&c), 1011);
	client_open_ws(&c);
	send_ws(&c, "[]");
	assert_int_equal(read_ws_close(&c), 1011);
	client_open_ws(&c);
	memset(big, ' ', sizeof(big));
	send_ws_frame(&c, 0x81, big, sizeof(big));
	assert_int_equal(read_ws_close(&c), 1009);
	assert_string_equal(c.body + 2, "Resulting message size [70077] is too large for "
					"configured max of [65536]");
	fake_command(f, "set ws-max-message 100000");
	client_open_ws(&c);
	send_ws_frame(&c, 0x81, big, sizeof(big));
	assert_int_equal(read_ws_close(&c), 1011);
	/* kicked: its own frame, then the connect reply */
	client_open_ws(&c);
	client_handshake(&c, NULL);
	send_connect(&c, "3");
	fake_await(f, "held", NULL, 1);
	fake_command(f, "kick 2");
	assert_string_equal(read_ws(&c),
		"[{\"channel\":\"/meta/disconnect\",\"successful\":true}]");
	assert_string_equal(read_ws(&c),
		"[{\"advice\":{\"reconnect\":\"none\"},\"channel\":\"/meta/connect\",\"id\":\"3\","
		"\"successful\":true}]");
	client_fini(&c);
	fake_stop(f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lp_conversation),
		cmocka_unit_test(test_lp_hold_time_passes),
		cmocka_unit_test(test_lp_held_connect),
		cmocka_unit_test(test_lp_unknown_session),
		cmocka_unit_test(test_lp_session_expires),
		cmocka_unit_test(test_lp_two_connects),
		cmocka_unit_test(test_lp_same_cookie_twice),
		cmocka_unit_test(test_lp_batches),
		cmocka_unit_test(test_lp_refused_messages),
		cmocka_unit_test(test_lp_services),
		cmocka_unit_test(test_ack),
		cmocka_unit_test(test_handshake_delivery),
		cmocka_unit_test(test_lp_broken_connection_loses),
		cmocka_unit_test(test_ws_conversation),
		cmocka_unit_test(test_ws_heartbeat),
		cmocka_unit_test(test_ws_resumes),
		cmocka_unit_test(test_ws_closes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
