/*
 * Rules do what README.md describes: what the fake server answers, and every wrong
 * way of sending it.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "tests/fake/setup.h"

#define PUBLISH "[{\"channel\":\"/a\",\"clientId\":\"CID\",\"id\":\"7\",\"data\":1}]"
#define PUBLISHED "{\"channel\":\"/a\",\"id\":\"7\",\"successful\":true}"
#define SUBSCRIBE(channel) \
	"[{\"channel\":\"/meta/subscribe\",\"clientId\":\"CID\",\"id\":\"3\"," \
	"\"subscription\":\"" channel "\"}]"

/* ---- rules: what is sent ---- */

static void test_answers(void **state)
{
	static const struct {
		const char *rule;
		int status;
		const char *head;
		const char *body;
	} cases[] = {
		{"status 503 header \"Retry-After: 1\" header \"X-More: yes\"", 503,
		 "Retry-After: 1\r\nX-More: yes\r\n", ""},
		{"status 404 html", 404, "Content-Type: text/html\r\n",
		 "<html><body><h1>Welcome</h1></body></html>"},
		{"status 401 body {\"message\": \"no\"}", 401, "application/json",
		 "{\"message\": \"no\"}"},
		{"body [{\"trunc", 200, "application/json", "[{\"trunc"},
		{"body []", 200, "application/json", "[]"},
		{"redirect 307 http://127.0.0.1:1/x", 307,
		 "Location: http://127.0.0.1:1/x\r\n", ""},
		{"refuse", 200, "application/json",
		 "[{\"channel\":\"/a\",\"id\":\"7\","
		 "\"error\":\"403:denied_by_security_policy:publish_denied\","
		 "\"successful\":false}]"},
		{"refuse \"400::no, never\" advice {\"reconnect\": \"none\"}", 200, "",
		 "[{\"channel\":\"/a\",\"id\":\"7\",\"error\":\"400::no, never\","
		 "\"successful\":false,\"advice\":{\"reconnect\": \"none\"}}]"},
		{"drop", 200, "", "[]"},
		{"twice", 200, "", "[" PUBLISHED "," PUBLISHED "]"},
		{"omit id field successful 1 field x {\"a\": [2]}", 200, "",
		 "[{\"channel\":\"/a\",\"successful\":1,\"x\":{\"a\": [2]}}]"},
		{"reply {\"c\":$channel,\"i\":\"x${id}\",\"s\":$subscription,"
		 "\"k\":$clientId},$reply",
		 200, "",
		 "[{\"c\":\"/a\",\"i\":\"x7\",\"s\":null,\"k\":\"CID\"}," PUBLISHED "]"},
		{"chunk 30", 200, "Transfer-Encoding: chunked\r\n",
		 "1e\r\n[{\"channel\":\"/a\",\"id\":\"7\",\"suc\r\n"
		 "f\r\ncessful\":true}]\r\n0\r\n\r\n"},
		{"delay 1", 200, "", "[" PUBLISHED "]"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake_command(fake, "rule type=publish %s", cases[i].rule);
		assert_string_equal(ask(&client, PUBLISH), cases[i].body);
		assert_int_equal(client.status, cases[i].status);
		assert_non_null(strstr(client.head, cases[i].head));
		/* used up */
		assert_string_equal(ask(&client, PUBLISH), "[" PUBLISHED "]");
	}
}

static void test_matching(void **state)
{
	(void)state;
	/* not this transport, type, channel, session */
	fake_command(fake, "rule transport=ws drop");
	fake_command(fake, "rule type=subscribe drop");
	fake_command(fake, "rule channel=/b/** drop");
	fake_command(fake, "rule client=2 drop");
	assert_string_equal(ask(&client, PUBLISH), "[" PUBLISHED "]");
	fake_command(fake, "unrule");
	/* a subscribe is matched by its subscription */
	fake_command(fake, "rule type=subscribe channel=/deny/* refuse");
	ask(&client, SUBSCRIBE("/a"));
	assert_string_equal(ask(&client, SUBSCRIBE("/deny/x")),
		"[{\"channel\":\"/meta/subscribe\",\"id\":\"3\",\"subscription\":\"/deny/x\","
		"\"error\":\"403:denied_by_security_policy:subscribe_denied\","
		"\"successful\":false}]");
	ask(&client, "[{\"channel\":\"/meta/unsubscribe\",\"clientId\":\"CID\",\"id\":\"4\","
		     "\"subscription\":\"/a\"}]");
	assert_string_equal(fake_command(fake, "subscriptions"), "");
	/* the second and the third of three */
	fake_command(fake, "rule transport=lp type=publish channel=/* client=1 "
			   "skip=1 times=2 drop");
	assert_string_equal(ask(&client, PUBLISH), "[" PUBLISHED "]");
	assert_string_equal(ask(&client, PUBLISH), "[]");
	assert_string_equal(ask(&client, PUBLISH), "[]");
	assert_string_equal(ask(&client, PUBLISH), "[" PUBLISHED "]");
	/* without end, until it is taken away; its use is counted under its id */
	unsigned long id = fake_number(fake, "rule times=all drop");

	for (int i = 0; i < 5; i++)
		assert_string_equal(ask(&client, PUBLISH), "[]");
	assert_int_equal(fake_number(fake, "count rule %lu", id), 5);
	fake_command(fake, "unrule %lu", id);
	assert_string_equal(ask(&client, PUBLISH), "[" PUBLISHED "]");
}

static void test_effect(void **state)
{
	(void)state;
	ask(&client, SUBSCRIBE("/a"));
	/* refused messages have no effect, unanswered ones do, unless `effect` is given */
	fake_command(fake, "rule type=publish refuse");
	assert_null(strstr(ask(&client, PUBLISH), "\"data\":1"));
	fake_command(fake, "rule type=publish drop");
	assert_string_equal(ask(&client, PUBLISH), "[{\"data\":1,\"channel\":\"/a\"}]");
	fake_command(fake, "rule type=publish drop effect=no");
	assert_string_equal(ask(&client, PUBLISH), "[]");
	fake_command(fake, "rule type=publish reply $reply effect=no");
	fake_command(fake, "unrule");
	fake_command(fake, "rule effect=yes type=publish status 500");
	ask(&client, PUBLISH);
	assert_int_equal(client.status, 500);
	assert_int_equal(fake_count(fake, "event", "/a"), 2);
}

static void test_bad_rules(void **state)
{
	static const char *const bad[] = {
		"", "type=publish", "nonsense", "type=publish nonsense", "colour=red drop",
		"delay soon", "status", "field x", "raw 4", "raw xy", "redirect 302", "header",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_memory_equal(fake_try(fake, "rule %s", bad[i]), "error ", 6);
	assert_string_equal(fake_try(fake, "unrule 77"), "error no such rule");
	assert_string_equal(fake_try(fake, "fly"), "error unknown command");
	assert_string_equal(fake_try(fake, " "), "error unknown command");
}

/* ---- rules: how it is sent ---- */

/* the bytes that come for one publish until the connection ends */
static bool bytes_of(const char *rule, char **ret, size_t *ret_n)
{
	raw_close(&client.talk);
	raw_open(&client.talk, fake_port(fake));
	fake_command(fake, "rule type=publish %s", rule);
	send_post(&client, &client.talk, PUBLISH);
	return raw_until_end(&client.talk, ret, ret_n);
}

static void test_broken_responses(void **state)
{
	static const char whole[] = "HTTP/1.1 200 OK\r\n"
		"Content-Type: application/json;charset=utf-8\r\n"
		"Content-Length: 45\r\n\r\n[" PUBLISHED "]";
	const size_t head = sizeof(whole) - 1 - 45;
	const struct {
		const char *rule;
		size_t bytes;
		bool reset;
	} cases[] = {
		{"close", 0, false}, {"reset", 0, true}, {"cut-head 20", 20, false},
		{"cut-head 0", 0, false}, {"cut 0", head, false}, {"cut 5", head + 5, false},
	};
	char *bytes;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(bytes_of(cases[i].rule, &bytes, &n), cases[i].reset);
		assert_int_equal(n, cases[i].bytes);
		assert_memory_equal(bytes, whole, n);
	}
	/* a reset may overtake the bytes in front of it, so only the end is sure */
	assert_true(bytes_of("cut 5 reset", &bytes, &n));
}

static void test_silence_and_raw(void **state)
{
	struct raw other;

	(void)state;
	fake_command(fake, "rule type=publish silent");
	send_post(&client, &client.talk, PUBLISH);
	fake_await(fake, "publish", "/a", 1);
	raw_open(&other, fake_port(fake));
	send_post(&client, &other, PUBLISH);
	read_response(&client, &other);
	assert_true(has_no_input(&client.talk));
	fake_command(fake, "rule type=publish delay 60000");
	send_post(&client, &other, PUBLISH);
	fake_await(fake, "publish", "/a", 3);
	assert_true(has_no_input(&other));
	raw_close(&other);
	raw_open(&other, fake_port(fake));
	fake_command(fake, "rule type=publish raw 485454502f312e3120323034204e6f0d0a0d0a");
	send_post(&client, &other, PUBLISH);
	read_response(&client, &other);
	assert_int_equal(client.status, 204);
	raw_close(&other);
}

static void test_hold_and_release(void **state)
{
	struct raw other;

	(void)state;
	ask(&client, SUBSCRIBE("/a"));
	fake_command(fake, "rule type=publish hold");
	send_post(&client, &client.talk, PUBLISH);
	fake_await(fake, "parked", NULL, 1);
	raw_open(&other, fake_port(fake));
	send_post(&client, &other, SUBSCRIBE("/b"));
	read_response(&client, &other);
	assert_true(has_no_input(&client.talk));
	assert_int_equal(fake_number(fake, "release"), 1);
	assert_string_equal(read_response(&client, &client.talk),
			    "[{\"data\":1,\"channel\":\"/a\"}," PUBLISHED "]");
	assert_int_equal(fake_number(fake, "release"), 0);
	/* parked, and the client disconnects */
	fake_command(fake, "rule type=publish hold");
	send_post(&client, &other, PUBLISH);
	fake_await(fake, "parked", NULL, 2);
	raw_close(&other);
	fake_await(fake, "close", NULL, 1);
	assert_int_equal(fake_number(fake, "release"), 1);
}

static void test_held_connect_rules(void **state)
{
	(void)state;
	/* a rule for a connect that is held works on its answer */
	fake_command(fake, "rule type=connect field id 99 advice {\"interval\":7}");
	send_connect(&client, "4");
	fake_await(fake, "held", NULL, 1);
	ask(&client, SUBSCRIBE("/a"));
	fake_command(fake, "publish /a 1");
	assert_string_equal(read_response(&client, &client.wait),
		"[{\"data\":1,\"channel\":\"/a\"},{\"channel\":\"/meta/connect\",\"id\":99,"
		"\"successful\":true,\"advice\":{\"interval\":7}}]");
	/* the answer is cut: the event is lost */
	fake_command(fake, "rule type=connect cut 3");
	send_connect(&client, "5");
	fake_await(fake, "held", NULL, 2);
	fake_command(fake, "publish /a 2");
	fake_await(fake, "close", NULL, 1);
	raw_close(&client.wait);
	fake_command(fake, "publish /a 3");
	send_connect(&client, "6");
	assert_string_equal(read_response(&client, &client.wait),
		"[{\"data\":3,\"channel\":\"/a\"},"
		"{\"channel\":\"/meta/connect\",\"id\":\"6\",\"successful\":true}]");
}

/* ---- rules: WebSocket ---- */

static void test_ws_frames(void **state)
{
	static const struct {
		const char *rule;
		unsigned first;
		bool masked;
		const char *text;
	} cases[] = {
		{"binary", 0x82, false, "[" PUBLISHED "]"},
		{"rsv1", 0xc1, false, "[" PUBLISHED "]"},
		{"masked", 0x81, true, NULL},
		{"bad-utf8", 0x81, false, "[{\"channel\":\"/bad\",\"data\":\"\xc3\x28\"}]"},
		{"body <html>", 0x81, false, "<html>"},
		{"raw 8a0161", 0x8a, false, "a"},
		{"ws-close 1012 reason \"try later\"", 0x88, false, "\x03\xf4try later"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct frame *f;

		fake_command(fake, "rule type=publish %s", cases[i].rule);
		send_ws(&client, PUBLISH);
		f = read_ws_frame(&client);
		assert_int_equal(f->first, cases[i].first);
		assert_int_equal(f->masked, cases[i].masked);
		if (cases[i].text)
			assert_string_equal(f->text, cases[i].text);
	}
}

static void test_ws_fragments(void **state)
{
	static const struct {
		unsigned first;
		const char *text;
	} frames[] = {
		{0x89, "ping"}, {0x01, "[{\"channel\":\"/a\",\"id"}, {0x89, "ping"},
		{0x00, "\":\"7\",\"successful\":t"}, {0x89, "ping"}, {0x80, "rue}]"},
		{0x89, "ping"},
	};

	(void)state;
	fake_command(fake, "rule type=publish fragment 20 ping");
	send_ws(&client, PUBLISH);
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		const struct frame *f = read_ws_frame(&client);

		assert_int_equal(f->first, frames[i].first);
		assert_string_equal(f->text, frames[i].text);
	}
	/* RSV1 is for the first fragment */
	fake_command(fake, "rule type=publish fragment 40 rsv1");
	send_ws(&client, PUBLISH);
	assert_int_equal(read_ws_frame(&client)->first, 0x41);
	assert_int_equal(read_ws_frame(&client)->first, 0x80);
	send_ws_frame(&client, 0x8a, "ping", 4);
	fake_await(fake, "pong", NULL, 1);
	/* and the server answers pings */
	send_ws_frame(&client, 0x89, "hello", 5);
	assert_string_equal(read_ws_frame(&client)->text, "hello");
}

static void test_ws_silence(void **state)
{
	char *bytes;
	size_t n;

	(void)state;
	fake_command(fake, "rule type=publish drop");
	fake_command(fake, "rule type=publish silent");
	send_ws(&client, PUBLISH);
	send_ws(&client, PUBLISH);
	assert_non_null(strstr(ask(&client, SUBSCRIBE("/a")), "/meta/subscribe"));
	/* events: one frame each, sent as the rule demands */
	fake_command(fake, "rule type=event channel=/a fragment 8");
	fake_command(fake, "publish /a 1");
	assert_string_equal(read_ws_frame(&client)->text, "[{\"data\"");
	assert_int_equal(read_ws_frame(&client)->first, 0x00);
	assert_int_equal(read_ws_frame(&client)->first, 0x00);
	assert_int_equal(read_ws_frame(&client)->first, 0x80);
	fake_command(fake, "rule type=event close");
	fake_command(fake, "publish /a 1");
	assert_false(raw_until_end(&client.talk, &bytes, &n));
	assert_int_equal(n, 0);
	/* the socket is known to be closed: the event is lost, as with CometD */
	fake_await(fake, "close", NULL, 1);
	fake_command(fake, "publish /a 2");
	assert_int_equal(fake_count(fake, "lost", "/a"), 1);
}

/* the head of the answer to an upgrade */
static const char *upgrade(const char *rule)
{
	fake_command(fake, "rule type=upgrade %s", rule);
	raw_close(&client.talk);
	send_upgrade(&client.talk, fake_port(fake), NULL);
	read_response(&client, &client.talk);
	return client.head;
}

static void test_upgrades(void **state)
{
	char *bytes;
	size_t n;

	(void)state;
	assert_non_null(strstr(upgrade("status 403 header \"X-Why: no\""),
			       "403 Forbidden\r\nX-Why: no"));
	assert_non_null(strstr(upgrade("header \"Sec-WebSocket-Protocol: odd\""),
			       "101 Switching Protocols\r\nSec-WebSocket-Protocol: odd\r\n"));
	assert_null(strstr(upgrade("wrong-key"), "s3pPLMBiTxaQ9kYGzzhZRbK"));
	assert_non_null(strstr(upgrade("delay 1"), "s3pPLMBiTxaQ9kYGzzhZRbK"));
	assert_int_equal(fake_count(fake, "upgrade", NULL), 3);
	assert_int_equal(fake_count(fake, "refused", NULL), 1);
	fake_command(fake, "rule type=upgrade close");
	raw_close(&client.talk);
	send_upgrade(&client.talk, fake_port(fake), NULL);
	assert_false(raw_until_end(&client.talk, &bytes, &n));
	assert_int_equal(n, 0);
}

#define LP(test) cmocka_unit_test_setup_teardown(test, setup_client, teardown_client)
#define WS(test) cmocka_unit_test_setup_teardown(test, setup_ws_client, teardown_client)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		LP(test_answers),
		LP(test_matching),
		LP(test_effect),
		LP(test_bad_rules),
		LP(test_broken_responses),
		LP(test_silence_and_raw),
		LP(test_hold_and_release),
		LP(test_held_connect_rules),
		WS(test_ws_frames),
		WS(test_ws_fragments),
		WS(test_ws_silence),
		LP(test_upgrades),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
