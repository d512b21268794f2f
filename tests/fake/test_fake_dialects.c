/*
 * The fake server answers like Faye and like Salesforce: recorded messages, compared
 * byte by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "tests/fake/setup.h"
#include "tests/fake/lines.h"

static void test_faye(void **state)
{
	struct fake *f = fake_of("faye", "60000");
	struct client c;

	(void)state;
	client_init(&c, fake_port(f));
	assert_string_equal(ask(&c, "[" HANDSHAKE "]"),
		"[{\"id\":\"1\",\"channel\":\"/meta/handshake\",\"successful\":true,"
		"\"version\":\"1.0\",\"supportedConnectionTypes\":[\"long-polling\","
		"\"cross-origin-long-polling\",\"callback-polling\",\"websocket\","
		"\"eventsource\",\"in-process\"],\"clientId\":\"CID\",\"advice\":"
		"{\"reconnect\":\"retry\",\"interval\":0,\"timeout\":60000}}]");
	assert_null(strstr(c.head, "Set-Cookie"));
	ask(&c, "[" SUBSCRIBE("/a/b", "3") "]");
	/* events only on the connect response, after the reply, with the publisher's id */
	assert_string_equal(ask(&c, "[{\"channel\":\"/a/b\",\"clientId\":\"CID\",\"id\":\"9\","
				"\"data\":{\"k\":1},\"ext\":{\"q\":1}}]"),
		"[{\"id\":\"9\",\"clientId\":\"CID\",\"channel\":\"/a/b\",\"successful\":true}]");
	assert_string_equal(ask(&c, "[" CONNECT("12", "") "]"),
		"[{\"id\":\"12\",\"clientId\":\"CID\",\"channel\":\"/meta/connect\","
		"\"successful\":true,\"advice\":{\"reconnect\":\"retry\",\"interval\":0,"
		"\"timeout\":60000}},"
		"{\"channel\":\"/a/b\",\"data\":{\"k\":1},\"id\":\"9\",\"ext\":{\"q\":1}}]");
	assert_string_equal(ask(&c, "[]"), "[]");
	assert_string_equal(ask(&c, "{"), "Bad request");
	assert_int_equal(c.status, 400);
	assert_non_null(strstr(ask(&c, SUBSCRIBE("/service/x", "4")),
			       "403:/service/x:Forbidden channel"));
	assert_non_null(strstr(ask(&c, PUBLISH("/pp/*", "4", "1")), "405:/pp/*:Invalid channel"));
	strcpy(c.id, "zzz");
	assert_string_equal(ask(&c, "[" CONNECT("17", "") "]"),
		"[{\"id\":\"17\",\"channel\":\"/meta/connect\",\"successful\":false,"
		"\"error\":\"401:CID:Unknown client\",\"advice\":{\"reconnect\":\"handshake\"}}]");
	client_fini(&c);
	fake_stop(f);
}

/* how Faye finds fault with a handshake */
static void test_faye_handshakes(void **state)
{
	static const char *const cases[][2] = {
		{"\"supportedConnectionTypes\":[\"long-polling\"]",
		 "402:version:Missing required parameter"},
		{"\"version\":\"1.0\"", "402:supportedConnectionTypes:Missing required parameter"},
		{"\"version\":\"1.0\",\"supportedConnectionTypes\":[\"smoke\",\"mirrors\"]",
		 "301::Connection types not supported"},
		/* what Faye's own client offers */
		{"\"version\":\"1.0\",\"supportedConnectionTypes\":"
		 "[\"in-process\",\"websocket\",\"long-polling\"]", "\"successful\":true"},
	};
	struct fake *f = fake_of("faye", "60000");
	struct client c;
	char text[256];

	(void)state;
	client_init(&c, fake_port(f));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "[{\"channel\":\"/meta/handshake\",%s}]",
			 cases[i][0]);
		assert_non_null(strstr(ask(&c, text), cases[i][1]));
	}
	client_fini(&c);
	fake_stop(f);
}

static void test_faye_ws(void **state)
{
	struct fake *f = fake_of("faye", "60000");
	struct client c;

	(void)state;
	connect_client(&c, f, true, NULL);
	ask(&c, "[" SUBSCRIBE("/a/b", "3") "]");
	send_ws(&c, "[" PUBLISH("/a/b", "6", "{\"k\":1}") "]");
	assert_string_equal(read_ws(&c),
		"[{\"channel\":\"/a/b\",\"data\":{\"k\":1},\"id\":\"6\"}]");
	assert_string_equal(read_ws(&c), "[{\"id\":\"6\",\"clientId\":\"CID\",\"channel\":\"/a/b\","
					 "\"successful\":true}]");
	/* a disconnect drops the held connect and closes */
	send_connect(&c, "7");
	send_ws(&c, "[" DISCONNECT("8") "]");
	assert_non_null(strstr(read_ws(&c), "\"id\":\"8\""));
	assert_int_equal(read_ws_close(&c), 1000);
	/* so does the expiry of a session, without a message */
	client_open_ws(&c);
	client_handshake(&c, NULL);
	fake_command(f, "expire");
	assert_int_equal(read_ws_close(&c), 1000);
	client_fini(&c);
	fake_stop(f);
}

static void test_salesforce(void **state)
{
	struct fake *f = fake_of("salesforce", "110000");
	struct client c;
	struct raw r;

	(void)state;
	client_init(&c, fake_port(f));
	fake_command(f, "publish /u/x 1");
	fake_command(f, "publish /u/x 2");
	assert_string_equal(ask(&c, "[" HANDSHAKE "]"),
		"[{\"ext\":{\"replay\":true,\"payload.format\":true},\"minimumVersion\":\"1.0\","
		"\"clientId\":\"CID\",\"supportedConnectionTypes\":[\"long-polling\"],"
		"\"channel\":\"/meta/handshake\",\"id\":\"1\",\"version\":\"1.0\","
		"\"successful\":true}]");
	assert_string_equal(ask(&c, "[" CONNECT("1", "") "]"),
		"[{\"clientId\":\"CID\"," ADVICE("110000") ",\"channel\":\"/meta/connect\","
		"\"id\":\"1\",\"successful\":true}]");
	/* replay after id 1: the second event */
	assert_string_equal(ask(&c, "[{\"channel\":\"/meta/subscribe\",\"clientId\":\"CID\","
				"\"id\":\"2\",\"subscription\":\"/u/x\","
				"\"ext\":{\"replay\":{\"/u/x\":1}}}]"),
		"[{\"clientId\":\"CID\",\"data\":{\"event\":{\"createdDate\":"
		"\"2026-11-21T03:54:36.000Z\",\"replayId\":2},\"payload\":2},"
		"\"channel\":\"/u/x\"},{\"clientId\":\"CID\",\"channel\":\"/meta/subscribe\","
		"\"id\":\"2\",\"subscription\":\"/u/x\",\"successful\":true}]");
	fake_command(f, "expire");
	assert_string_equal(ask(&c, "[" CONNECT("304", "") "]"),
		"[{\"advice\":{\"interval\":0,\"reconnect\":\"handshake\"},"
		"\"channel\":\"/meta/connect\",\"id\":\"304\",\"error\":\"403::Unknown client\","
		"\"successful\":false}]");
	send_upgrade(&r, fake_port(f), NULL);
	read_response(&c, &r);
	assert_int_equal(c.status, 405);
	raw_close(&r);
	client_fini(&c);
	fake_stop(f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_faye),
		cmocka_unit_test(test_faye_handshakes),
		cmocka_unit_test(test_faye_ws),
		cmocka_unit_test(test_salesforce),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
