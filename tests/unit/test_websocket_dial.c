/*
 * The dialling of io/websocket: upgrades good and bad, what the request carries,
 * the jar it shares with HTTP, proxies, and TLS.
 */
#include "net/cookies.h"
#include "net/http_post.h"
#include "net/websocket.h"
#include "net/ws_upgrade.h"
#include "tests/unit/testing.h"
#include "tests/unit/ws_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- the upgrade --- */

static void test_upgrade(void **state)
{
	struct world *w = *state;
	static const char *const headers[] = {"Authorization: Bearer x"};
	const char *request;

	w->http.headers = (struct strings){headers, 1};
	request = dialled(w);
	assert_ptr_equal(strstr(request, "GET /cometd?x=1 HTTP/1.1\r\n"), request);
	assert_non_null(strstr(request, "\r\nHost: 127.0.0.1:"));
	assert_non_null(strstr(request, "\r\nUser-Agent: cometd-bridge/"));
	assert_non_null(strstr(request, "\r\nAuthorization: Bearer x\r\n"));
	assert_null(strstr(request, "Sec-WebSocket-Extensions"));
	assert_null(strstr(request, "Sec-WebSocket-Protocol"));
	/* what is sent before it is open waits, in order */
	assert_int_equal(websocket_send(w->ws, SLICE("one")), 0);
	assert_int_equal(websocket_send(w->ws, SLICE("two")), 0);
	wire_settle(w->loop);
	assert_int_equal(wire_heard(w->c).n, 0);
	say_upgrade(w->c, request, "");
	expect_text(w, "one");
	expect_text(w, "two");
	say_text(w, "[]");
	until_text(w, "[]");
}

/* the answer and the first frames in one piece, and all of it byte by byte */
static void test_upgrade_in_pieces(void **state)
{
	struct world *w = *state;
	char key[WS_KEY_SIZE], accept[WS_ACCEPT_SIZE], text[512];
	int n;

	for (int piecemeal = 0; piecemeal < 2; piecemeal++) {
		snprintf(key, sizeof(key), "%.24s", strstr(dialled(w), "Sec-WebSocket-Key: ") + 19);
		assert_int_equal(ws_accept(key, accept), 0);
		n = snprintf(text, sizeof(text), "HTTP/1.1 101 x\r\nUpgrade: websocket\r\n"
			     "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n\x81\x02[]", accept);
		for (int i = 0; piecemeal && i < n; i++) {
			assert_int_equal(w->texts, 1);
			wire_say_bytes(w->c, text + i, 1);
			assert_int_equal(loop_turn(w->loop, false), 0);
			assert_int_equal(loop_turn(w->loop, false), 0);
		}
		if (!piecemeal)
			wire_say(w->c, text);
		until_text(w, "[]");
		redial(w);
	}
	assert_int_equal(w->texts, 2);
}

static void test_subprotocol(void **state)
{
	struct world *w = *state;
	const char *request;

	w->options.subprotocol = "bayeux";
	request = dialled(w);
	assert_non_null(strstr(request, "\r\nSec-WebSocket-Protocol: bayeux\r\n"));
	say_upgrade(w->c, request, "Sec-WebSocket-Protocol: bayeux\r\n");
	say_text(w, "[]");
	until_text(w, "[]");
	redial(w);
	/* a server without subprotocols names none, and is accepted */
	accept_dial(w, "");
	say_text(w, "[]");
	until_text(w, "[]");
	redial(w);
	accept_dial(w, "Sec-WebSocket-Protocol: chat\r\n");
	until_closed(w, "subprotocol");
	assert_true(w->end.unsupported);
	assert_int_equal(w->end.http_status, 101);
}

static const struct {
	unsigned status;
	bool unsupported;
} refusals[] = {
	{200, true}, {301, true}, {400, true}, {401, false}, {403, false}, {404, true}, {405, true},
	{407, false}, {408, false}, {410, true}, {426, true}, {429, false}, {500, false}, {502, false},
	{503, false}, {504, false},
};

static void test_refused(void **state)
{
	struct world *w = *state;
	char answer[128];

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		dialled(w);
		snprintf(answer, sizeof(answer), "HTTP/1.1 %u X\r\nRetry-After: 3\r\n"
			 "Location: /elsewhere\r\nContent-Length: 6\r\n\r\n<html>", refusals[i].status);
		wire_say(w->c, answer);
		snprintf(answer, sizeof(answer), "HTTP %u", refusals[i].status);
		until_closed(w, answer);
		assert_int_equal(w->end.http_status, refusals[i].status);
		assert_int_equal(w->end.unsupported, refusals[i].unsupported);
		assert_int_equal(w->end.retry_after, 3000);
		assert_int_equal(w->end.close_code, 0);
		assert_false(w->end.opened);
		wire_gone(w->c);
		wire_close(w->c);
	}
	assert_int_equal(wire_count(w->wire), sizeof(refusals) / sizeof(refusals[0]));
}

static void test_redirected(void **state)
{
	static const char *const rows[][2] = {
		{"https://login.example/x?token=s3cret", "leads to https://login.example/x: upgrades are"},
		{"ws://other.example/", "leads to ?: upgrades are"}, {"/here", "leads to ?: upgrades are"},
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		dialled(w);
		wire_say(w->c, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: ");
		wire_say(w->c, rows[i][0]);
		wire_say(w->c, "\r\n\r\n");
		until_closed(w, rows[i][1]);
		assert_int_equal(w->end.http_status, 302);
		assert_null(strstr(w->reason, "s3cret"));
	}
	assert_int_equal(wire_count(w->wire), 3);
}

static void test_bad_answers(void **state)
{
	struct world *w = *state;
	char filler[] = "X-Filler: 01234567890123456789012345678901234567890123456789\r\n";

	dialled(w);
	wire_say(w->c, "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		       "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
	until_closed(w, "Sec-WebSocket-Accept");
	assert_true(w->end.unsupported);
	assert_false(w->end.opened);

	accept_dial(w, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
	until_closed(w, "extension");

	dialled(w);
	wire_say(w->c, "SSH-2.0-OpenSSH_9.2\r\n");
	until_closed(w, "not HTTP");
	assert_true(w->end.unsupported);

	dialled(w);
	wire_say(w->c, "HTTP/1.1 101 x\r\n");
	while (!w->closed && !wire_is_gone(w->c)) {
		wire_say(w->c, filler);
		assert_int_equal(loop_turn(w->loop, false), 0);
	}
	until_closed(w, "too large");

	/* gone without a word, and in the middle of one: perhaps a restart, so not "unsupported" */
	dialled(w);
	wire_close(w->c);
	until_closed(w, "closed the connection");
	assert_false(w->end.unsupported);
	dialled(w);
	wire_say(w->c, "HTTP/1.1 101 x\r\nUpgr");
	wire_settle(w->loop);
	wire_reset(w->c);
	until_closed(w, "");
	assert_false(w->end.unsupported);
	assert_true(w->reason[0]);
}

static void test_connection_refused(void **state)
{
	struct world *w = *state;

	dial(w);
	wire_free(w->wire);
	w->wire = NULL;
	until_closed(w, "Connection refused");
	assert_false(w->end.unsupported);
	assert_false(w->end.opened);
	w->wire = wire_new(w->loop);
}

static void test_slow_upgrade(void **state)
{
	struct world *w = *state;

	freeze(w);
	dialled(w);
	wire_say(w->c, "HTTP/1.1 101 Switching Protocols\r\nUpgr");
	wire_settle(w->loop);
	at(w, w->http.connect_timeout - 1);
	assert_false(w->closed);
	at(w, w->http.connect_timeout);
	until_closed(w, "did not answer the upgrade in time");
	assert_false(w->end.unsupported);
	wire_gone(w->c);
}

static void test_header_file(void **state)
{
	struct world *w = *state;
	static const char nowhere[] = "/nowhere/at/all";

	w->http.header_file = nowhere;
	assert_int_equal(http_client_new(&w->http, &w->client), 0);
	assert_int_equal(url_parse(wire_url(w->wire, "ws", "/"), &w->url), 0);
	assert_int_equal(try_dial(w), -ENOENT);
	assert_non_null(strstr(w->why.text, "/nowhere/at/all"));
	wire_settle(w->loop);
	assert_int_equal(wire_count(w->wire), 0);
}

/* --- cookies: one jar for both transports --- */

static void on_post(void *ctx, const struct http_result *r)
{
	assert_int_equal(r->outcome, HTTP_ANSWERED);
	*(bool *)ctx = true;
}

static const char *post(struct world *w, struct http_post *p, bool *done, struct wire_conn **c)
{
	*done = false;
	assert_int_equal(http_post_start(p, wire_url(w->wire, "http", "/cometd/x"), SLICE("[]")), 0);
	if (!*c)
		*c = wire_accept(w->wire);
	return wire_request(*c);
}

static void test_cookies(void **state)
{
	struct world *w = *state;
	struct wire_conn *c = NULL;
	struct http_post *p;
	const char *request;
	bool done;

	assert_int_equal(http_client_new(&w->http, &w->client), 0);
	assert_int_equal(http_post_new(w->curl, w->client, on_post, &done, &p), 0);
	post(w, p, &done, &c);
	wire_say(c, "HTTP/1.1 200 OK\r\nSet-Cookie: BAYEUX_BROWSER=one; Path=/; HttpOnly\r\n"
		    "Set-Cookie: elsewhere=x; Path=/y\r\nSet-Cookie: tls=x; Secure; Path=/\r\n"
		    "Content-Length: 2\r\n\r\n[]");
	wire_until(w->loop, &done);

	request = dialled(w);
	assert_non_null(strstr(request, "\r\nCookie: BAYEUX_BROWSER=one\r\n"));
	say_upgrade(w->c, request, "Set-Cookie: BAYEUX_BROWSER=two; Path=/; HttpOnly\r\nSet-Cookie: lb=1\r\n");
	say_text(w, "[]");
	until_text(w, "[]");

	/* the new one in the place of the old, and the other for the same directory */
	request = post(w, p, &done, &c);
	assert_null(strstr(request, "BAYEUX_BROWSER=one"));
	assert_non_null(strstr(request, "BAYEUX_BROWSER=two"));
	assert_non_null(strstr(request, "lb=1"));
	wire_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]");
	wire_until(w->loop, &done);
	http_post_free(p);
}

/* as many as libcurl takes from one answer, and the rest is left */
static void test_cookie_flood(void **state)
{
	struct world *w = *state;
	struct curl_slist *lines = NULL;
	char *flood = calloc(1, 60000);
	size_t n = 0;
	CURL *easy;

	assert_non_null(flood);
	for (int i = 0; n < 59000; i++)
		n += (size_t)sprintf(flood + n, "Set-Cookie: c%d=x\r\n", i);
	accept_dial(w, flood);
	free(flood);
	say_text(w, "[]");
	until_text(w, "[]");
	assert_int_equal(http_client_easy(w->client, &easy), 0);
	assert_int_equal(curl_easy_getinfo(easy, CURLINFO_COOKIELIST, &lines), 0);
	n = 0;
	for (struct curl_slist *l = lines; l; l = l->next)
		n++;
	assert_int_equal(n, COOKIES_TAKEN_MAX);
	curl_slist_free_all(lines);
	curl_easy_cleanup(easy);
}

/* --- proxies --- */

static void write_login(char *path, const char *text)
{
	int fd = mkstemp(path);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void test_proxy(void **state)
{
	struct world *w = *state;
	static const char *const headers[] = {"X-Token: s3cret"};
	char proxy[64], login[] = "/tmp/test-websocket-XXXXXX";
	const char *request;

	snprintf(proxy, sizeof(proxy), "%s", wire_url(w->wire, "http", ""));
	write_login(login, "user:p@ss");
	w->http.proxy = proxy;
	w->http.proxy_login_file = login;
	w->http.headers = (struct strings){headers, 1};
	assert_int_equal(url_parse("ws://nowhere.invalid/cometd", &w->url), 0);
	request = dialled(w);
	assert_ptr_equal(strstr(request, "CONNECT nowhere.invalid:80 HTTP/1.1\r\n"), request);
	assert_non_null(strstr(request, "\r\nProxy-Authorization: Basic dXNlcjpwQHNz\r\n"));
	/* not for the proxy */
	assert_null(strstr(request, "s3cret"));
	wire_say(w->c, "HTTP/1.1 200 OK\r\n\r\n");
	request = wire_request(w->c);
	assert_non_null(strstr(request, "GET /cometd HTTP/1.1\r\nHost: nowhere.invalid\r\n"));
	assert_null(strstr(request, "Proxy-Authorization"));
	say_upgrade(w->c, request, "");
	say_text(w, "[]");
	until_text(w, "[]");
	websocket_free(w->ws);
	w->ws = NULL;
	/* a proxy that requires a password does not show what the server supports */
	dialled(w);
	/* …, and its body is not read to the end */
	wire_say(w->c, "HTTP/1.1 407 Who are you?\r\nContent-Length: 99999999\r\n\r\n<html>");
	until_closed(w, "the proxy answered 407: proxy-credential-file is missing or wrong");
	assert_false(w->end.unsupported);
	assert_false(w->end.opened);
	/* the file is read for each opening */
	unlink(login);
	websocket_free(w->ws);
	w->ws = NULL;
	assert_int_equal(try_dial(w), -ENOENT);
	assert_non_null(strstr(w->why.text, login));
}

/* --- TLS --- */

/* a new websocket of a new client, for its options changed */
static void dial_anew(struct world *w)
{
	websocket_free(w->ws);
	w->ws = NULL;
	http_client_free(w->client);
	w->client = NULL;
	dial(w);
}

static void test_tls(void **state)
{
	struct world *w = *state;
	char dir[] = "/tmp/test-websocket-XXXXXX", cert[64], key[64], command[512];
	char *text = malloc((1 << 20) + 1);
	struct slice s;

	assert_non_null(mkdtemp(dir));
	snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	snprintf(key, sizeof(key), "%s/key.pem", dir);
	snprintf(command, sizeof(command),
		 "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=x "
		 "-addext subjectAltName=IP:127.0.0.1 -keyout %s -out %s 2>/dev/null", key, cert);
	assert_int_equal(system(command), 0);
	wire_free(w->wire);
	w->wire = wire_new_tls(w->loop, cert, key);
	assert_int_equal(url_parse(wire_url(w->wire, "wss", "/cometd"), &w->url), 0);
	/* no trusted authority signed it */
	dial(w);
	until_closed(w, "certificate");
	assert_false(w->end.unsupported);
	http_client_free(w->client);
	w->client = NULL;
	wire_accept(w->wire);
	/* a trusted one did */
	w->http.ca_file = cert;
	open_ws(w);
	fill(text, 1 << 20);
	for (int i = 0; i < 3; i++) {
		say_text(w, text);
		until_text(w, text);
		assert_int_equal(websocket_send(w->ws, slice_of(text)), 0);
		assert_int_equal(hear_frame(w, &s), FIN | TEXT);
		assert_int_equal(s.n, 1 << 20);
		assert_memory_equal(s.p, text, s.n);
	}
	/* many small ones in one record: they are buffered by OpenSSL, so the descriptor is not readable */
	for (int i = 0; i < 1000; i++)
		say_text(w, "[]");
	while (w->texts < 1003)
		assert_int_equal(loop_turn(w->loop, true), 0);
	say_close(w, 1001, "");
	until_closed(w, "1001");
	/* the TLS options of the client apply here, too */
	wire_demand_certificate(w->wire, cert);
	dial_anew(w);
	until_closed(w, "certificate");
	assert_false(w->end.unsupported);
	wire_accept(w->wire);
	w->http.cert_file = cert;
	w->http.key_file = key;
	dial_anew(w);
	w->c = wire_accept(w->wire);
	wire_request(w->c);
	w->http.pin = "sha256//YhKJKSzoTt2b5FP18fvpHo7fJYqQCjAa3HWY3tvRMwE=";
	dial_anew(w);
	until_closed(w, "public key");
	free(text);
	unlink(cert);
	unlink(key);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_##name, ws_world_setup, ws_world_teardown)
		T(upgrade), T(upgrade_in_pieces), T(subprotocol), T(refused), T(redirected),
		T(bad_answers), T(connection_refused), T(slow_upgrade), T(header_file), T(cookies),
		T(cookie_flood), T(tls), T(proxy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
