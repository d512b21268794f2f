/* io/ws_upgrade: the request's text, and every answer that is or is not an upgrade. */
#include "net/ws_upgrade.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* the example of RFC 6455, section 1.3 */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define SWITCH "HTTP/1.1 101 Switching Protocols\r\n"
#define GOOD SWITCH "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " ACCEPT "\r\n"

static void test_keys(void **state)
{
	char accept[WS_ACCEPT_SIZE], one[WS_KEY_SIZE], other[WS_KEY_SIZE];

	(void)state;
	assert_int_equal(ws_accept(KEY, accept), 0);
	assert_string_equal(accept, ACCEPT);
	assert_int_equal(ws_key(one), 0);
	assert_int_equal(ws_key(other), 0);
	assert_int_equal(strlen(one), WS_KEY_SIZE - 1);
	assert_string_not_equal(one, other);
}

static void test_request(void **state)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Authorization: Bearer x");
	static const struct ws_offer nothing = {0}, offer = {.subprotocol = "bayeux", .deflate = true};
	struct ws_request r = {.key = KEY, .offer = &offer, .user_agent = "me",
			       .cookies = SLICE("a=b; c=d"), .headers = headers};
	struct url u;
	struct buf out;

	(void)state;
	assert_int_equal(url_parse("ws://h:81/cometd?x=1", &u), 0);
	r.url = &u;
	buf_init(&out, 4096);
	assert_int_equal(ws_request_put(&out, &r), 0);
	assert_int_equal(buf_putc(&out, 0), 0);
	assert_string_equal(buf_slice(&out).p,
		"GET /cometd?x=1 HTTP/1.1\r\nHost: h:81\r\nUpgrade: websocket\r\n"
		"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n"
		"Sec-WebSocket-Protocol: bayeux\r\nSec-WebSocket-Extensions: " WS_DEFLATE_OFFER "\r\n"
		"User-Agent: me\r\nCookie: a=b; c=d\r\n"
		"Authorization: Bearer x\r\n\r\n");
	/* as little as possible: no header without a value */
	r = (struct ws_request){.url = &u, .key = KEY, .offer = &nothing};
	buf_clear(&out);
	assert_int_equal(ws_request_put(&out, &r), 0);
	assert_null(memmem(buf_slice(&out).p, buf_len(&out), "Cookie", 6));
	assert_null(memmem(buf_slice(&out).p, buf_len(&out), "Protocol", 8));
	assert_null(memmem(buf_slice(&out).p, buf_len(&out), "Extensions", 10));
	buf_fini(&out);
	buf_init(&out, 64);
	assert_int_equal(ws_request_put(&out, &r), -EMSGSIZE);
	buf_fini(&out);
	url_fini(&u);
	curl_slist_free_all(headers);
}

static const struct {
	const char *text, *subprotocol;
	unsigned status;
	const char *fault;               /* a word of it */
	uint64_t retry_after;
} answers[] = {
	{GOOD "\r\n", NULL, 101, NULL, 0},
	{"HTTP/1.1 101\r\nupgrade:WebSocket\r\nconnection: keep-alive, upgrade \r\n"
	 "sec-websocket-accept:" ACCEPT "\r\n\r\n", NULL, 101, NULL, 0},
	{"HTTP/1.0 101 x\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: " ACCEPT "\n\n",
	 NULL, 101, NULL, 0},
	{GOOD "Sec-WebSocket-Protocol: bayeux\r\n\r\n", "bayeux", 101, NULL, 0},
	{"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" GOOD "\r\n",
	 NULL, 101, NULL, 0},
	{GOOD "no colon here\r\n\r\n", NULL, 101, NULL, 0},
	/* an interim answer proves nothing about the last one */
	{"HTTP/1.1 100 Continue\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n" SWITCH
	 "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n", NULL, 101, "Accept", 0},
	{GOOD "\r\n", "bayeux", 101, NULL, 0},
	{GOOD "Sec-WebSocket-Protocol: other\r\n\r\n", NULL, 101, "subprotocol", 0},
	{GOOD "Sec-WebSocket-Protocol: other\r\n\r\n", "bayeux", 101, "subprotocol", 0},
	{GOOD "Sec-WebSocket-Protocol: bayeux, other\r\n\r\n", "bayeux", 101, "subprotocol", 0},
	{GOOD "Sec-WebSocket-Protocol:\r\n\r\n", "bayeux", 101, "subprotocol", 0},
	{GOOD "Sec-WebSocket-Protocol: other\r\nSec-WebSocket-Protocol: bayeux\r\n\r\n", "bayeux",
	 101, "subprotocol", 0},
	{GOOD "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", NULL, 101, "extension", 0},
	{SWITCH "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
	 NULL, 101, "Accept", 0},
	{SWITCH "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n", NULL, 101, "Accept", 0},
	{SWITCH "Upgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
	 NULL, 101, "not a WebSocket", 0},
	{SWITCH "Upgrade: websocket\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n", NULL, 101, "not a WebSocket", 0},
	{"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", NULL, 404, NULL, 0},
	{"HTTP/1.1 503 Busy\r\nRetry-After: 120\r\n\r\n", NULL, 503, NULL, 120000},
	{"HTTP/1.1 503 Busy\r\nno colon, but Retry-After\r\nRetry-After: 9\r\n\r\n", NULL, 503,
	 NULL, 9000},
	{"HTTP/1.1 503 Busy\r\nRetry-After: 99999999999999999999999\r\n\r\n", NULL, 503, NULL, 21600000},
	{"HTTP/1.1 503 Busy\r\nRetry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n\r\n", NULL, 503, NULL, 0},
	{"HTTP/1.1 503 Busy\r\nRetry-After:\r\n\r\n", NULL, 503, NULL, 0},
};

static void test_answers(void **state)
{
	char text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		size_t n = strlen(answers[i].text);
		const struct ws_offer offer = {.subprotocol = answers[i].subprotocol};
		struct ws_answer a;

		/* byte by byte, with frames directly after it */
		snprintf(text, sizeof(text), "%s\x81\x01x\n\n", answers[i].text);
		for (size_t k = 0; k < n; k++)
			if (ws_answer_parse(slice_make(text, k), ACCEPT, &offer, &a) != WS_E_MORE)
				fail_msg("row %zu, %zu bytes", i, k);
		assert_int_equal(ws_answer_parse(slice_make(text, n + 5), ACCEPT, &offer, &a), 0);
		assert_int_equal(a.length, n);
		assert_int_equal(a.status, answers[i].status);
		assert_int_equal(a.retry_after, answers[i].retry_after);
		if (!answers[i].fault != !a.fault || (a.fault && !strstr(a.fault, answers[i].fault)))
			fail_msg("row %zu says %s", i, a.fault ? a.fault : "nothing");
	}
}

static void test_deflate(void **state)
{
	const struct ws_offer offer = {.deflate = true};
	struct ws_answer a;

	(void)state;
	assert_int_equal(ws_answer_parse(slice_of(GOOD "\r\n"), ACCEPT, &offer, &a), 0);
	assert_null(a.fault);
	assert_false(a.deflate.agreed);
	assert_int_equal(ws_answer_parse(slice_of(GOOD "Sec-WebSocket-Extensions: permessage-deflate; "
						  "server_no_context_takeover\r\n\r\n"), ACCEPT,
					 &offer, &a), 0);
	assert_null(a.fault);
	assert_true(a.deflate.agreed && a.deflate.forget_in && !a.deflate.forget_out);
	/* another one, and the same twice */
	assert_int_equal(ws_answer_parse(slice_of(GOOD "Sec-WebSocket-Extensions: x-other\r\n\r\n"),
					 ACCEPT, &offer, &a), 0);
	assert_non_null(strstr(a.fault, "extension"));
	assert_int_equal(ws_answer_parse(slice_of(GOOD "Sec-WebSocket-Extensions: permessage-deflate\r\n"
						  "Sec-WebSocket-Extensions: permessage-deflate\r\n"
						  "\r\n"), ACCEPT, &offer, &a), 0);
	assert_non_null(strstr(a.fault, "extension"));
}

static void test_garbage(void **state)
{
	static const char *const rows[] = {
		"SSH-2.0-OpenSSH\r\n", "X", "HTTP/2 200\r\n", "HTTP/1.1 2x0 OK\r\n", "HTTP/1.1 2000 OK\r\n",
		"HTTP/1.1  200\r\n", "HTTP/1.1 099 x\r\n", "\r\n", "HTTPS",
		"HTTP/2.1 200 OK\r\n", "XTTP/1.1 200 OK\r\n", "HTTP/1.1:200 OK\r\n",
	};
	const struct ws_offer offer = {0};
	struct ws_answer a;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (ws_answer_parse(slice_of(rows[i]), ACCEPT, &offer, &a) != WS_E_GARBAGE)
			fail_msg("%s", rows[i]);
}

static void test_cookies(void **state)
{
	struct slice at = SLICE(GOOD "Set-Cookie: a=b; Path=/\r\nX: Set-Cookie\r\nset-cookie:c=d\r\n\r\n"), value;

	(void)state;
	assert_true(ws_answer_next_cookie(&at, &value));
	assert_true(slice_eq(value, SLICE("a=b; Path=/")));
	assert_true(ws_answer_next_cookie(&at, &value));
	assert_true(slice_eq(value, SLICE("c=d")));
	assert_false(ws_answer_next_cookie(&at, &value));
	assert_false(ws_answer_next_cookie(&at, &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),   cmocka_unit_test(test_request), cmocka_unit_test(test_answers),
		cmocka_unit_test(test_deflate), cmocka_unit_test(test_garbage), cmocka_unit_test(test_cookies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
