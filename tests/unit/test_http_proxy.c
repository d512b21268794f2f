/*
 * Requests through a proxy: what is sent to it and what is not, with a password, over TLS,
 * and how its refusals are distinguished from the server's.
 */
#include "net/http_post.h"
#include "tests/unit/http_world.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EMPTY "Content-Length: 2\r\n\r\n[]"

/* the wire is the proxy from now on */
static void use_proxy(struct world *w, const char *scheme)
{
	static char proxy[64];

	snprintf(proxy, sizeof(proxy), "%s", wire_url(w->wire, scheme, ""));
	w->options.proxy = proxy;
}

static struct wire_conn *begin_at(struct world *w, const char *url)
{
	w->done = false;
	assert_int_equal(http_post_start(w->post, url, SLICE("[]")), 0);
	return wire_accept(w->wire);
}

static void test_proxy(void **state)
{
	struct world *w = *state;
	char proxy[64];
	struct wire_conn *c;

	snprintf(proxy, sizeof(proxy), "%s", wire_url(w->wire, "http", ""));
	w->options.proxy = proxy;
	/* the environment is ignored */
	assert_int_equal(setenv("no_proxy", "*", 1), 0);
	make(w);
	w->done = false;
	assert_int_equal(http_post_start(w->post, "http://nowhere.invalid/x", SLICE("[]")), 0);
	c = wire_accept(w->wire);
	assert_non_null(strstr(wire_request(c), "POST http://nowhere.invalid/x HTTP/1.1\r\n"));
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");
	unsetenv("no_proxy");
	unmake(w);
	/* the wire is the server itself now */
	w->options.no_proxy = "example.com, 127.0.0.0/8";
	make(w);
	start(w);
	c = wire_accept(w->wire);
	assert_non_null(strstr(wire_request(c), "POST /cometd HTTP/1.1\r\n"));
}

/* headers for the server are not sent to the proxy */
static void test_tunnel(void **state)
{
	static const char *const headers[] = {"X-Token: s3cret"};
	struct world *w = *state;
	struct wire_conn *c;
	const char *request;

	use_proxy(w, "http");
	w->options.headers = (struct strings){headers, 1};
	make(w);
	c = begin_at(w, "https://nowhere.invalid/x");
	request = wire_request(c);
	assert_ptr_equal(strstr(request, "CONNECT nowhere.invalid:443 HTTP/1.1\r\n"), request);
	assert_null(strstr(request, "s3cret"));
	wire_say(c, "HTTP/1.1 200 Go on\r\n\r\n");
	/* TLS begins: a handshake of version 3.x */
	wire_hear_bytes(c, wire_heard(c).n + 5);
}

/* --- refusals --- */

static const struct {
	const char *url, *answer;
	enum http_outcome outcome;
	unsigned status;                /* as reported to the session */
	const char *reason;
} refusals[] = {
	/* the answer to CONNECT, so it is a refusal of the proxy */
	{"https://nowhere.invalid/", "407 Who?\r\nProxy-Authenticate: Basic realm=\"x\"\r\n"
	 "Content-Length: 6\r\n\r\n<html>", HTTP_NOT_SENT, 0, "the proxy answered 407"},
	{"https://nowhere.invalid/", "502 Bad\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n"
	 "<html>", HTTP_NOT_SENT, 0, "the proxy answered 502"},
	{"https://nowhere.invalid/", "403 No\r\nConnection: close\r\n\r\n<html>", HTTP_NOT_SENT, 0,
	 "the proxy answered 403"},
	{"https://nowhere.invalid/", "302 Log in\r\nLocation: http://portal.invalid/\r\n"
	 "Content-Length: 0\r\n\r\n", HTTP_NOT_SENT, 0, "the proxy answered 302"},
	/* a request handed on: 407 is the proxy's by definition, others may be either's */
	{"http://nowhere.invalid/", "407 Who?\r\nProxy-Authenticate: Basic realm=\"x\"\r\n"
	 "Content-Length: 6\r\n\r\n<html>", HTTP_ANSWERED, 407, "the proxy answered 407"},
	{"http://nowhere.invalid/", "502 Bad\r\nContent-Length: 6\r\n\r\n<html>", HTTP_ANSWERED, 502,
	 "HTTP status 502 from the server or its proxy"},
	{"http://nowhere.invalid/", "401 Who?\r\nContent-Length: 0\r\n\r\n", HTTP_ANSWERED, 401, ""},
};

/* The body of a proxy's refusal may never end: it is not waited for. */
static void test_refusal_without_end(void **state)
{
	static const char *const bodies[] = {
		"\r\n<html>", "Content-Length: 9999\r\n\r\n<html>",
		"Transfer-Encoding: chunked\r\n\r\nffff\r\n<html>"};
	struct world *w = *state;

	use_proxy(w, "http");
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct wire_conn *c;

		make(w);
		c = begin_at(w, "https://nowhere.invalid/");
		wire_request(c);
		wire_say(c, "HTTP/1.1 407 Who?\r\n");
		wire_say(c, bodies[i]);
		assert_failed(w, HTTP_NOT_SENT, "the proxy answered 407");
		wire_close(c);
		unmake(w);
	}
}

static void test_refusals(void **state)
{
	struct world *w = *state;

	use_proxy(w, "http");
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct wire_conn *c;

		make(w);
		c = begin_at(w, refusals[i].url);
		wire_request(c);
		wire_say(c, "HTTP/1.1 ");
		wire_say(c, refusals[i].answer);
		/* the end of what has no length */
		wire_said(c);
		wire_close(c);
		assert_failed(w, refusals[i].outcome, refusals[i].reason);
		assert_int_equal(w->result.status, refusals[i].status);
		unmake(w);
	}
	assert_int_equal(w->dones, sizeof(refusals) / sizeof(refusals[0]));
}

/* without a proxy the reason does not mention one */
static void test_no_proxy_to_blame(void **state)
{
	struct world *w = *state;
	struct wire_conn *c = begin(w);

	wire_say(c, "HTTP/1.1 407 Who?\r\n" EMPTY);
	assert_answered(w, 407, "[]");
}

/* what is no HTTP, and a header without end */
static void test_garbage(void **state)
{
	struct world *w = *state;
	struct wire_conn *c;

	use_proxy(w, "http");
	make(w);
	c = begin_at(w, "https://nowhere.invalid/");
	wire_request(c);
	wire_say(c, "SSH-2.0-OpenSSH_9.2\r\n\r\n");
	wire_said(c);
	wire_close(c);
	assert_failed(w, HTTP_NOT_SENT, "");
	c = begin_at(w, "https://nowhere.invalid/");
	wire_request(c);
	wire_say(c, "HTTP/1.1 200 OK\r\n");
	while (!w->done && !wire_is_gone(c)) {
		wire_say(c, "X-Filler: 0123456789012345678901234567890123456789\r\n");
		assert_int_equal(loop_turn(w->loop, false), 0);
	}
	assert_failed(w, HTTP_NOT_SENT, "");
}

/* --- the password --- */

/* the base64 of "us er:p%41:ss@/", which libcurl must not decode */
#define LOGIN "us er:p%41:ss@/"
#define LOGIN_BASIC "\r\nProxy-Authorization: Basic dXMgZXI6cCU0MTpzc0Av\r\n"

static void test_login(void **state)
{
	static const char *const bad[] = {"", "\n", "nobody", ":hunter2", "\nuser:hunter2\n"};
	struct world *w = *state;
	char path[] = "/tmp/test-http-proxy-XXXXXX";
	struct wire_conn *c;

	close(mkstemp(path));
	use_proxy(w, "http");
	w->options.proxy_login_file = path;
	write_file(path, LOGIN "\r\n");
	make(w);
	c = begin_at(w, "http://nowhere.invalid/");
	assert_non_null(strstr(wire_request(c), LOGIN_BASIC));
	wire_say(c, OK_HEAD EMPTY);
	assert_answered(w, 200, "[]");
	/* the credential is masked where it is repeated */
	char text[] = "p%41:ss@/, dXMgZXI6cCU0MTpzc0Av";
	mask_text(http_client_mask(w->client), text, strlen(text));
	assert_string_equal(text, "*********, ********************");
	/* read again for each request; a password may be empty */
	write_file(path, "other:");
	c = begin_at(w, "http://nowhere.invalid/");
	assert_non_null(strstr(wire_request(c), "\r\nProxy-Authorization: Basic b3RoZXI6\r\n"));
	wire_say(c, OK_HEAD EMPTY);
	assert_answered(w, 200, "[]");
	write_file(path, LOGIN);
	c = begin_at(w, "https://nowhere.invalid/");
	assert_non_null(strstr(wire_request(c), LOGIN_BASIC));
	wire_say(c, "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n");
	assert_failed(w, HTTP_NOT_SENT, "proxy-credential-file is missing or wrong");
	/* the fault of the file is reported without its content */
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_file(path, bad[i]);
		assert_int_equal(http_post_start(w->post, "http://x.invalid/", SLICE("[]")), -EINVAL);
		assert_non_null(strstr(http_post_reason(w->post), "the first line is not \"user:password\""));
		assert_null(strstr(http_post_reason(w->post), "hunter2"));
	}
	unlink(path);
	assert_int_equal(http_post_start(w->post, "http://x.invalid/", SLICE("[]")), -ENOENT);
	assert_non_null(strstr(http_post_reason(w->post), path));
}

/* the server never gets it, not even on the same connection */
static void test_login_stays(void **state)
{
	struct world *w = *state;
	char path[] = "/tmp/test-http-proxy-XXXXXX";

	close(mkstemp(path));
	write_file(path, LOGIN);
	use_proxy(w, "http");
	w->options.proxy_login_file = path;
	w->options.no_proxy = "127.0.0.1";
	make(w);
	start(w);
	assert_null(strstr(wire_request(wire_accept(w->wire)), "Proxy-Authorization"));
	unlink(path);
}

/* --- a proxy over TLS --- */

static void test_https_proxy(void **state)
{
	struct world *w = *state;
	struct wire_conn *c;

	make_certificates();
	use_tls(w, "good");
	use_proxy(w, "https");
	/* tls-ca and tls-insecure do not apply to the proxy */
	w->options.ca_file = pem("good");
	w->options.insecure = true;
	make(w);
	c = begin_at(w, "http://nowhere.invalid/x");
	assert_failed(w, HTTP_NOT_SENT, "certificate");
	wire_gone(c);
	unmake(w);
	w->options.proxy_ca_file = pem("good");
	w->options.ca_file = pem("other");
	make(w);
	c = begin_at(w, "http://nowhere.invalid/x");
	assert_non_null(strstr(wire_request(c), "POST http://nowhere.invalid/x HTTP/1.1\r\n"));
	wire_say(c, OK_HEAD EMPTY);
	assert_answered(w, 200, "[]");
	c = begin_at(w, "https://nowhere.invalid/x");
	assert_non_null(strstr(wire_request(c), "CONNECT nowhere.invalid:443 HTTP/1.1\r\n"));
	wire_say(c, "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n");
	assert_failed(w, HTTP_NOT_SENT, "the proxy answered 407");
	shell("rm -r %s", pki);
}

/* --- what an administrator writes --- */

static void test_proxy_fault(void **state)
{
	static const struct { const char *text, *fault; } rows[] = {
		{"http://proxy:3128", NULL}, {"https://proxy:443", NULL}, {"http://proxy:80/", NULL},
		{"http://[::1]:3128", NULL}, {"http://10.0.0.1:1", NULL},
		{"proxy:3128", "begin with"}, {"socks5://proxy:1080", "begin with"},
		{"http://u:p@proxy:1", "proxy-credential-file"},
		{"https://u@proxy:1", "proxy-credential-file"},
		{"http://proxy:1/x", "end after the port"}, {"http://proxy:1?x", "end after"},
		{"http://proxy", "name the port"}, {"https://proxy/", "name the port"},
		{"http://[::1]", "name the port"}, {"http://:1", "is not a URL"}, {"http://x:y", "is not a URL"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *fault = http_proxy_fault(rows[i].text);

		if (!fault != !rows[i].fault || (fault && !strstr(fault, rows[i].fault)))
			fail_msg("%s: %s", rows[i].text, fault ? fault : "fine");
	}
}

static void test_no_proxy_valid(void **state)
{
	static const char *const good[] = {
		"*", "a", "a,b", " a , .example.com b", "10.0.0.0/8", "10.0.0.0/0", "fd00::/8", "::1",
		"127.0.0.1, ::1/128", "a-b_c.example.", "", ",",
	};
	static const struct { const char *text, *fault; } bad[] = {
		{"http://x", "\"http://x\" is a URL"}, {"a, *.example.com", ".example.com means"},
		{"a,*", "means all"}, {"a:80", "names a port"}, {"[::1]", "without them"},
		{"10.0.0.0/33", "is not a network"}, {"10.0.0/8", "is not a network"}, {"::/129", "is not a network"},
		{"10.0.0.0/", "is not a network"}, {"10.0.0.0/0008", "is not a network"}, {"a/8", "is not a network"},
		{"10.0.0.0/8x", "is not a network"}, {"a;b", "host"}, {"a\x01", "host"},
	};
	char large[300];
	struct fault why;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!http_no_proxy_valid(good[i], &why))
			fail_msg("%s: %s", good[i], why.text);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (http_no_proxy_valid(bad[i].text, &why) || !strstr(why.text, bad[i].fault))
			fail_msg("%s: %s", bad[i].text, why.text);
	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = 0;
	assert_false(http_no_proxy_valid(large, &why));
}

/* libcurl understands each accepted form: the request does not use the proxy */
static void test_no_proxy_works(void **state)
{
	static const struct { const char *list, *url; bool direct; } rows[] = {
		{"127.0.0.0/8", "http://127.0.0.1", true}, {"*", "http://127.0.0.1", true},
		{"x 127.0.0.1", "http://127.0.0.1", true}, {"10.0.0.0/8", "http://127.0.0.1", false},
		{"localhost", "http://localhost", true}, {".localhost", "http://x.localhost", true},
		{"localhost", "http://notlocalhost", false},
		{"x\t127.0.0.1", "http://127.0.0.1", true}, {" 127.0.0.1 ", "http://127.0.0.1", true},
		{"x, y \t,, 127.0.0.0/8  z", "http://127.0.0.1", true}, {"x y", "http://127.0.0.1", false},
		{"x .localhost y", "http://x.localhost", true},
	};
	struct world *w = *state;

	use_proxy(w, "http");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wire_conn *c;
		char url[100];

		w->options.no_proxy = rows[i].list;
		make(w);
		snprintf(url, sizeof(url), "%s:%u/", rows[i].url, wire_port(w->wire));
		c = begin_at(w, url);
		if (!strstr(wire_request(c), "POST / HTTP/1.1") == rows[i].direct)
			fail_msg("%s with no-proxy = %s", url, rows[i].list);
		unmake(w);
		wire_close(c);
	}
}

static void test_each_allocation(void **state)
{
	struct world *w = *state;
	char path[] = "/tmp/test-http-proxy-XXXXXX";

	close(mkstemp(path));
	write_file(path, LOGIN);
	use_proxy(w, "http");
	w->options.proxy_login_file = path;
	w->options.proxy_ca_file = "/nowhere";
	FAIL_EACH_ALLOCATION {
		struct http_client *client = NULL;
		struct http_post *post = NULL;
		int r = http_client_new(&w->options, &client);

		if (!r)
			r = http_post_new(w->curl, client, on_done, w, &post);
		if (!r)
			r = http_post_start(post, "http://127.0.0.1:1/", SLICE("[]"));
		if (r)
			assert_int_equal(r, -ENOMEM);
		http_post_free(post);
		http_client_free(client);
	}
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_##name, http_world_setup, http_world_teardown)
		T(proxy), T(tunnel), T(refusals), T(refusal_without_end), T(no_proxy_to_blame), T(garbage),
		T(login), T(login_stays), T(https_proxy), T(proxy_fault), T(no_proxy_valid), T(no_proxy_works),
		T(each_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
