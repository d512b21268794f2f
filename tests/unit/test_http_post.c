/*
 * io/curl_loop, http_client and http_post against a server that says exactly
 * what a test wants: every way in which an answer can be right, wrong, cut,
 * endless or missing, and that nothing is ever sent twice.
 */
#include "io/http_post.h"
#include "base/log.h"
#include "tests/unit/testing.h"
#include "tests/unit/http_world.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- the request --- */

static void test_request(void **state)
{
	struct world *w = *state;
	static const char *const headers[] = {"X-Token: s3cret", "X-Other: 1"};
	struct wire_conn *c;
	const char *request;

	w->options.headers = headers;
	w->options.n_headers = 2;
	make(w);
	start(w);
	assert_int_equal(http_post_start(w->post, "http://127.0.0.1/", SLICE("x")), -EBUSY);
	c = wire_accept(w->wire);
	request = wire_request(c);
	assert_ptr_equal(strstr(request, "POST /cometd HTTP/1.1\r\n"), request);
	assert_non_null(strstr(request, "\r\nContent-Type: application/json;charset=UTF-8\r\n"));
	assert_non_null(strstr(request, "\r\nUser-Agent: cometd-bridge/"));
	assert_non_null(strstr(request, "\r\nX-Token: s3cret\r\n"));
	assert_non_null(strstr(request, "\r\nX-Other: 1\r\n"));
	assert_non_null(strstr(request, "\r\nAccept-Encoding: "));
	assert_non_null(strstr(request, "gzip"));
	assert_null(strstr(request, "Expect"));
	assert_non_null(strstr(request, "\r\n\r\n[{\"id\":\"1\"}]"));
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");
}

/* a body beyond the size for which curl would ask "Expect: 100-continue" */
static void test_large_request(void **state)
{
	struct world *w = *state;
	size_t n = 3u << 20;
	char *body = malloc(n);
	struct wire_conn *c;
	const char *request;

	memset(body, 'x', n);
	make(w);
	assert_int_equal(http_post_start(w->post, wire_url(w->wire, "http", "/"),
					 slice_make(body, n)), 0);
	memset(body, 'y', n); /* it was copied */
	c = wire_accept(w->wire);
	request = wire_request(c);
	assert_null(strstr(request, "Expect"));
	assert_int_equal(strspn(strstr(request, "\r\n\r\n") + 4, "x"), n);
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");
	free(body);
}

static void test_header_file(void **state)
{
	struct world *w = *state;
	char path[] = "/tmp/test-http-post-XXXXXX", fifo[64];
	const char *files[] = {path};
	struct wire_conn *c;

	close(mkstemp(path));
	w->options.header_files = files;
	w->options.n_header_files = 1;
	write_file(path, "Authorization: Bearer one\r\n\n  \n");
	make(w);
	start(w);
	c = wire_accept(w->wire);
	assert_non_null(strstr(wire_request(c), "\r\nAuthorization: Bearer one\r\n"));
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");

	/* read anew for each request */
	write_file(path, "Authorization: Bearer two");
	start(w);
	assert_non_null(strstr(wire_request(c), "\r\nAuthorization: Bearer two\r\n"));
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");

	/* what is no header is never sent, and the secret in it never told */
	write_file(path, "X: 1\nBearer three\n");
	assert_int_equal(http_post_start(w->post, wire_url(w->wire, "http", "/"), SLICE("[]")), -EINVAL);
	assert_non_null(strstr(http_post_reason(w->post), ":2: no header"));
	assert_null(strstr(http_post_reason(w->post), "three"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(http_post_start(w->post, wire_url(w->wire, "http", "/"), SLICE("[]")), -ENOENT);
	assert_non_null(strstr(http_post_reason(w->post), path));
	/* a fifo without a writer does not stop the daemon */
	snprintf(fifo, sizeof(fifo), "%s", path);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(http_post_start(w->post, wire_url(w->wire, "http", "/"), SLICE("[]")), -EINVAL);
	unlink(fifo);
	assert_int_equal(wire_count(w->wire), 1);
}

static const char *the_credential(void *ctx)
{
	return ctx;
}

static unsigned lines_logged;

static void count_line(void *ctx, const struct log_line *line)
{
	(void)ctx;
	assert_null(strstr(line->text, "one"));
	lines_logged++;
}

/* The header of the credential is sent once, and the credential is what it says. */
static void test_header_file_and_credential(void **state)
{
	struct world *w = *state;
	char path[] = "/tmp/test-http-post-XXXXXX", credential[] = "Authorization: Bearer two";
	const char *files[] = {path}, *request;
	struct wire_conn *c;

	close(mkstemp(path));
	w->options.header_files = files;
	w->options.n_header_files = 1;
	write_file(path, "authorization:Bearer one\nX-Author: me\n");
	make(w);
	http_client_set_credential(w->client, (struct http_credential){the_credential, credential});
	log_set_sink(count_line, NULL);
	for (int i = 0; i < 2; i++) {
		start(w);
		if (i == 0)
			c = wire_accept(w->wire);
		request = wire_request(c);
		assert_null(strstr(request, "one"));
		assert_non_null(strstr(request, "\r\nX-Author: me\r\n"));
		assert_non_null(strstr(request, "\r\nAuthorization: Bearer two\r\n"));
		wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
		assert_answered(w, 200, "[]");
	}
	log_set_sink(NULL, NULL);
	assert_int_equal(lines_logged, 1);
	unlink(path);
}

static void test_header_valid(void **state)
{
	(void)state;
	assert_true(http_header_valid("Authorization: Bearer x"));
	assert_true(http_header_valid("X-1:y\tz"));
	assert_false(http_header_valid(""));
	assert_false(http_header_valid(": x"));
	assert_false(http_header_valid("X"));
	assert_false(http_header_valid("X:"));
	assert_false(http_header_valid("X: \t"));
	assert_false(http_header_valid("X Y: z"));
	assert_false(http_header_valid("X: a\r\nY: b"));
	assert_false(http_header_valid("X: \x01"));
	assert_false(http_header_valid("content-length: 3"));
	assert_false(http_header_valid("sec-websocket-key: 3"));
}

/* --- answers --- */

static void test_status(void **state)
{
	static const unsigned statuses[] = {200, 201, 204, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405,
					    407, 408, 409, 410, 413, 414, 426, 429, 500, 502, 503, 504};
	struct world *w = *state;
	char answer[256];

	make(w);
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		unsigned s = statuses[i];
		struct wire_conn *c;

		start(w);
		c = wire_accept(w->wire);
		wire_request(c);
		/* a redirect leads to ourselves: were it followed, a second request would come */
		snprintf(answer, sizeof(answer),
			 "HTTP/1.1 %u Whatever\r\nLocation: /elsewhere\r\nConnection: close\r\n%s\r\n%s",
			 s, s == 204 ? "" : "Content-Length: 4\r\n", s == 204 ? "" : "text");
		wire_say(c, answer);
		until_done(w);
		assert_int_equal(w->result.outcome, HTTP_ANSWERED);
		assert_int_equal(w->result.status, s);
		assert_string_equal(w->body, s == 204 ? "" : "text");
		/* the reader of a log wants to know where it would have led */
		if (s / 100 == 3)
			assert_non_null(strstr(w->reason, "/elsewhere: redirects are not followed"));
		else
			assert_string_equal(w->reason, "");
		assert_int_equal(w->result.retry_after, 0);
		wire_gone(c);
		wire_close(c);
		assert_int_equal(wire_count(w->wire), i + 1);
	}
}

static void test_retry_after(void **state)
{
	static const struct { const char *value; uint64_t ms; } rows[] = {
		{"7", 7000}, {"0", 0}, {"-3", 0}, {"soon", 0}, {"99999999999999999999", 86400000},
		{"1000000", 86400000},
	};
	struct world *w = *state;
	struct wire_conn *c = begin(w);
	char answer[256];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(answer, sizeof(answer), "HTTP/1.1 503 Busy\r\nRetry-After: %s\r\n"
			 "Content-Length: 0\r\n\r\n", rows[i].value);
		wire_say(c, answer);
		assert_answered(w, 503, "");
		/* curl reads a number that is too large as none or as the largest */
		if (w->result.retry_after != 0 || rows[i].ms < 86400000)
			assert_int_equal(w->result.retry_after, rows[i].ms);
		start(w);
		wire_request(c);
	}
}

static void test_empty_and_html(void **state)
{
	struct world *w = *state;
	struct wire_conn *c = begin(w);

	wire_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	assert_answered(w, 200, "");
	start(w);
	wire_request(c);
	wire_say(c, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>");
	assert_answered(w, 200, "<html>");
	assert_int_equal(wire_count(w->wire), 1);
}

static void test_chunks_of_one_byte(void **state)
{
	struct world *w = *state;
	struct wire_conn *c = begin(w);
	const char *text = "[{\"channel\":\"/meta/connect\"}]";
	char chunk[16];

	for (const char *p = OK_HEAD "Transfer-Encoding: chunked\r\n\r\n"; *p; p++) {
		wire_say_bytes(c, p, 1);
		wire_settle(w->loop);
	}
	for (const char *p = text; *p; p++) {
		snprintf(chunk, sizeof(chunk), "1\r\n%c\r\n", *p);
		for (const char *q = chunk; *q; q++)
			wire_say_bytes(c, q, 1);
		assert_int_equal(loop_turn(w->loop, false), 0);
		assert_false(w->done);
	}
	wire_say(c, "0\r\n\r\n");
	assert_answered(w, 200, text);
}

static void test_truncated(void **state)
{
	struct world *w = *state;
	struct wire_conn *c = begin(w);

	wire_say(c, OK_HEAD "Content-Length: 100\r\n\r\n[{\"channel\"");
	wire_said(c);
	wire_close(c);
	assert_failed(w, HTTP_BROKEN, "");
	assert_int_equal(w->result.status, 200);

	start(w);
	c = wire_accept(w->wire);
	wire_request(c);
	wire_say(c, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\n[{\"ch\r\n");
	wire_said(c);
	wire_close(c);
	assert_failed(w, HTTP_BROKEN, "");

	/* no length: the end of the connection is the end of the body */
	start(w);
	c = wire_accept(w->wire);
	wire_request(c);
	wire_say(c, OK_HEAD "\r\n[{\"ch");
	wire_said(c);
	wire_close(c);
	assert_answered(w, 200, "[{\"ch");
}

static void test_reset_in_body(void **state)
{
	struct world *w = *state;
	struct wire_conn *c = begin(w);

	wire_say(c, OK_HEAD "Content-Length: 100\r\n\r\n[{\"channel\"");
	wire_settle(w->loop);
	wire_reset(c);
	assert_failed(w, HTTP_BROKEN, "");
	assert_int_equal(w->result.status, 200);
}

static void test_closed_without_answer(void **state)
{
	struct world *w = *state;
	struct wire_conn *c = begin(w);

	wire_close(c);
	assert_failed(w, HTTP_BROKEN, "");
	assert_int_equal(w->result.status, 0);
	start(w);
	c = wire_accept(w->wire);
	wire_request(c);
	wire_reset(c);
	assert_failed(w, HTTP_BROKEN, "");
	/* no second try by curl */
	wire_settle(w->loop);
	assert_int_equal(wire_count(w->wire), 2);
}

static void test_not_http(void **state)
{
	struct world *w = *state;
	struct wire_conn *c = begin(w);

	wire_say(c, "SSH-2.0-OpenSSH_9.2\r\n");
	assert_failed(w, HTTP_BROKEN, "");
}

/* --- ceilings --- */

static void test_endless_body(void **state)
{
	struct world *w = *state;
	struct wire_conn *c;
	char chunk[1024];

	w->options.body_max = 10000;
	memset(chunk, ' ', sizeof(chunk));
	c = begin(w);
	wire_say(c, OK_HEAD "\r\n");
	while (!w->done && !wire_is_gone(c)) {
		wire_say_bytes(c, chunk, sizeof(chunk));
		assert_int_equal(loop_turn(w->loop, false), 0);
	}
	assert_failed(w, HTTP_BROKEN, "the answer is too large");
	wire_gone(c);
}

/* exactly at the ceiling, and one byte beyond */
static void test_body_max(void **state)
{
	struct world *w = *state;
	struct wire_conn *c;

	w->options.body_max = 10;
	c = begin(w);
	wire_say(c, OK_HEAD "Content-Length: 10\r\n\r\n0123456789");
	assert_answered(w, 200, "0123456789");
	start(w);
	wire_request(c);
	wire_say(c, OK_HEAD "Content-Length: 11\r\n\r\n01234567890");
	assert_failed(w, HTTP_BROKEN, "the answer is too large");
}

/* what gzip makes of the output of a shell command; the caller frees it */
static char *gzip(const char *command, size_t *ret_n)
{
	char *packed = malloc(1 << 20), line[256];
	FILE *f;

	snprintf(line, sizeof(line), "%s | gzip -9", command);
	f = popen(line, "r");
	assert_non_null(f);
	*ret_n = fread(packed, 1, 1 << 20, f);
	assert_int_equal(pclose(f), 0);
	return packed;
}

static void say_gzip(struct wire_conn *c, const char *command)
{
	size_t n;
	char *packed = gzip(command, &n), head[128];

	snprintf(head, sizeof(head), OK_HEAD "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", n);
	wire_say(c, head);
	wire_say_bytes(c, packed, n);
	free(packed);
}

static void test_gzip(void **state)
{
	struct world *w = *state;
	struct wire_conn *c;

	w->options.body_max = 1u << 20;
	c = begin(w);
	say_gzip(c, "printf '[{\"channel\":\"/a\"}]'");
	assert_answered(w, 200, "[{\"channel\":\"/a\"}]");
	/* a bomb: 64 KiB that become 64 MiB */
	start(w);
	wire_request(c);
	say_gzip(c, "head -c 64M /dev/zero");
	assert_failed(w, HTTP_BROKEN, "the answer is too large");
}

static void test_endless_header(void **state)
{
	struct world *w = *state;
	struct wire_conn *c = begin(w);
	unsigned lines = 0;

	wire_say(c, "HTTP/1.1 200 OK\r\n");
	for (; !w->done && !wire_is_gone(c); lines++) {
		wire_say(c, "X-Filler: 0123456789012345678901234567890123456789\r\n");
		assert_int_equal(loop_turn(w->loop, false), 0);
	}
	assert_failed(w, HTTP_BROKEN, "header of the answer is too large");
	assert_in_range(lines, 1000, 5000);

	/* the same by one line that never ends */
	start(w);
	c = wire_accept(w->wire);
	wire_request(c);
	wire_say(c, "HTTP/1.1 200 OK\r\nX: ");
	while (!w->done && !wire_is_gone(c)) {
		wire_say(c, "01234567890123456789012345678901234567890123456789012345678901234567");
		assert_int_equal(loop_turn(w->loop, false), 0);
	}
	assert_failed(w, HTTP_BROKEN, "");
}

/* interim answers without end count as header, too */
static void test_endless_interim(void **state)
{
	struct world *w = *state;
	struct wire_conn *c = begin(w);

	while (!w->done && !wire_is_gone(c)) {
		wire_say(c, "HTTP/1.1 102 Processing\r\nX-Filler: 01234567890123456789\r\n\r\n");
		assert_int_equal(loop_turn(w->loop, false), 0);
	}
	assert_failed(w, HTTP_BROKEN, "header of the answer is too large");
}

/* --- connections --- */

static void test_refused(void **state)
{
	struct world *w = *state;

	make(w);
	start(w);
	wire_free(w->wire); /* nobody listens there now */
	w->wire = NULL;
	assert_failed(w, HTTP_NOT_SENT, "Connection refused");
	w->wire = wire_new(w->loop);
	w->done = false;
	assert_int_equal(http_post_start(w->post, "http://host.invalid/", SLICE("[]")), 0);
	assert_failed(w, HTTP_NOT_SENT, "resolve");
	w->done = false;
	assert_int_equal(http_post_start(w->post, "ftp://127.0.0.1/", SLICE("[]")), 0);
	assert_failed(w, HTTP_NOT_SENT, "");
}

/*
 * A name server that does not answer: libcurl asks it in a thread, and whoever
 * aborts must not wait for that thread. This getaddrinfo() stands before libc's.
 */
static pthread_mutex_t resolver = PTHREAD_MUTEX_INITIALIZER;
static volatile bool resolving;

__attribute__((visibility("default")))
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
		struct addrinfo **ret)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
		dlsym(RTLD_NEXT, "getaddrinfo");

	if (name && strcmp(name, "hang.test") == 0) {
		resolving = true;
		pthread_mutex_lock(&resolver);
		resolving = false;
		pthread_mutex_unlock(&resolver);
		return EAI_AGAIN;
	}
	return real(name, service, hints, ret);
}

static void test_abort_resolving(void **state)
{
	struct world *w = *state;

	make(w);
	pthread_mutex_lock(&resolver);
	assert_int_equal(http_post_start(w->post, "http://hang.test/", SLICE("[]")), 0);
	while (!resolving)
		assert_int_equal(loop_turn(w->loop, false), 0);
	/* would never return, for this thread holds what the other waits for */
	http_post_abort(w->post);
	assert_true(resolving);
	pthread_mutex_unlock(&resolver);
	while (resolving)
		assert_int_equal(loop_turn(w->loop, false), 0);
	wire_settle(w->loop);
	assert_int_equal(w->dones, 0);
}

static void test_abort(void **state)
{
	struct world *w = *state;
	struct wire_conn *c = begin(w);

	/* silence: only an abort ends it */
	wire_settle(w->loop);
	assert_false(w->done);
	http_post_abort(w->post);
	wire_gone(c);
	http_post_abort(w->post);
	/* in the middle of an answer */
	start(w);
	c = wire_accept(w->wire);
	wire_request(c);
	wire_say(c, OK_HEAD "Content-Length: 100\r\n\r\n[{\"channel\"");
	wire_settle(w->loop);
	http_post_abort(w->post);
	wire_gone(c);
	/* at once */
	start(w);
	http_post_abort(w->post);
	wire_settle(w->loop);
	assert_int_equal(w->dones, 0);
	/* and it is as good as new, with nothing left of the cut answer */
	start(w);
	c = wire_accept(w->wire);
	wire_request(c);
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");
}

static void test_keep_alive(void **state)
{
	struct world *w = *state;
	struct wire_conn *c = begin(w);

	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");
	start(w);
	wire_request(c);
	wire_say(c, OK_HEAD "Content-Length: 3\r\n\r\n[ ]");
	assert_answered(w, 200, "[ ]");
	assert_int_equal(wire_count(w->wire), 1);
	/* the server closes between two requests: curl sees it and takes a fresh connection */
	wire_close(c);
	wire_settle(w->loop);
	start(w);
	c = wire_accept(w->wire);
	wire_request(c);
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");
	assert_int_equal(wire_count(w->wire), 2);
}

/*
 * The trap: the server reads the request from a connection used before, perhaps
 * acts on it, and dies without a byte. curl alone would send it again.
 */
static void test_never_sent_twice(void **state)
{
	struct world *w = *state;

	for (int reset = 0; reset < 2; reset++) {
		struct wire_conn *c = begin(w);

		wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
		assert_answered(w, 200, "[]");
		start(w);
		assert_non_null(strstr(wire_request(c), "[{\"id\":\"1\"}]"));
		if (reset)
			wire_reset(c);
		else
			wire_close(c);
		assert_failed(w, HTTP_BROKEN, "closed before an answer");
		wire_settle(w->loop);
		/* a connection may have been opened, but nothing was said on it */
		while (wire_count(w->wire) > (unsigned)reset * 2 + 1) {
			c = wire_accept(w->wire);
			wire_gone(c);
			assert_int_equal(wire_heard(c).n, 0);
			break;
		}
		unmake(w);
	}
}

/* two lanes of one client: a held answer on one does not delay the other */
static void test_two_lanes(void **state)
{
	struct world *w = *state;
	struct world other = {0};
	struct wire_conn *held = begin(w), *c;

	assert_int_equal(http_post_new(w->curl, w->client, on_done, &other, &other.post), 0);
	assert_int_equal(http_post_start(other.post, wire_url(w->wire, "http", "/"), SLICE("[]")), 0);
	c = wire_accept(w->wire);
	wire_request(c);
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	wire_until(w->loop, &other.done);
	assert_false(w->done);
	wire_say(held, OK_HEAD "Content-Length: 3\r\n\r\n[1]");
	assert_answered(w, 200, "[1]");
	http_post_free(other.post);
}

static void free_in_done(void *ctx, const struct http_result *r)
{
	struct world *w = ctx;

	on_done(ctx, r);
	http_post_free(w->post);
	w->post = NULL;
}

static void test_free_in_done(void **state)
{
	struct world *w = *state;
	struct wire_conn *c;

	assert_int_equal(http_client_new(&w->options, &w->client), 0);
	assert_int_equal(http_post_new(w->curl, w->client, free_in_done, w, &w->post), 0);
	start(w);
	c = wire_accept(w->wire);
	wire_request(c);
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");
	wire_settle(w->loop);
}

/* --- cookies --- */

static void test_cookies(void **state)
{
	struct world *w = *state;
	struct world other = {0};
	struct wire_conn *c = begin(w);

	wire_say(c, OK_HEAD "Set-Cookie: BAYEUX_BROWSER=one; Path=/; HttpOnly\r\n"
			    "Set-Cookie: elsewhere=x; Path=/other\r\n"
			    "Set-Cookie: gone=x; Max-Age=0\r\n"
			    "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");
	start(w);
	assert_non_null(strstr(wire_request(c), "\r\nCookie: BAYEUX_BROWSER=one\r\n"));
	wire_say(c, OK_HEAD "Set-Cookie: BAYEUX_BROWSER=two; Path=/\r\nContent-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");
	start(w);
	assert_non_null(strstr(wire_request(c), "\r\nCookie: BAYEUX_BROWSER=two\r\n"));
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");

	/* another lane of the client has them, another client of the same host has not */
	assert_int_equal(http_post_new(w->curl, w->client, on_done, &other, &other.post), 0);
	assert_int_equal(http_post_start(other.post, wire_url(w->wire, "http", "/"), SLICE("[]")), 0);
	assert_non_null(strstr(wire_request(c), "BAYEUX_BROWSER=two"));
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	wire_until(w->loop, &other.done);
	http_post_free(other.post);

	assert_int_equal(http_client_new(&w->options, &other.client), 0);
	assert_int_equal(http_post_new(w->curl, other.client, on_done, &other, &other.post), 0);
	other.done = false;
	assert_int_equal(http_post_start(other.post, wire_url(w->wire, "http", "/"), SLICE("[]")), 0);
	assert_null(strstr(wire_request(c), "Cookie"));
	wire_say(c, OK_HEAD "Set-Cookie: BAYEUX_BROWSER=other; Path=/\r\nContent-Length: 2\r\n\r\n[]");
	wire_until(w->loop, &other.done);
	http_post_free(other.post);
	http_client_free(other.client);
	start(w);
	assert_non_null(strstr(wire_request(c), "\r\nCookie: BAYEUX_BROWSER=two\r\n"));
}

/* --- TLS --- */

static void start_tls(struct world *w)
{
	make(w);
	w->done = false;
	assert_int_equal(http_post_start(w->post, wire_url(w->wire, "https", "/"), SLICE("[]")), 0);
}

static void test_tls(void **state)
{
	struct world *w = *state;
	struct wire_conn *c;

	make_certificates();
	use_tls(w, "good");
	/* nobody vouches for it */
	start_tls(w);
	assert_failed(w, HTTP_NOT_SENT, "certificate");
	unmake(w);
	/* its authority is named */
	w->options.ca_file = pem("good");
	start_tls(w);
	wire_accept(w->wire);
	c = wire_accept(w->wire);
	wire_request(c);
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");
	unmake(w);
	/* the right authority, the wrong host */
	use_tls(w, "other");
	w->options.ca_file = pem("other");
	start_tls(w);
	assert_failed(w, HTTP_NOT_SENT, "");
	unmake(w);
	/* insecure by wish */
	w->options.insecure = true;
	start_tls(w);
	wire_accept(w->wire);
	c = wire_accept(w->wire);
	wire_request(c);
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");
	unmake(w);
	/* a file of authorities that is not there */
	w->options.insecure = false;
	w->options.ca_file = pem("missing");
	start_tls(w);
	assert_failed(w, HTTP_NOT_SENT, "");
	/* a plain server where TLS is expected */
	unmake(w);
	w->options.ca_file = pem("good");
	wire_free(w->wire);
	w->wire = wire_new(w->loop);
	start_tls(w);
	c = wire_accept(w->wire);
	wire_hear_bytes(c, 1);
	wire_say(c, "HTTP/1.1 400 Bad Request\r\n\r\n");
	assert_failed(w, HTTP_NOT_SENT, "");
	shell("rm -r %s", pki);
}

/* starts a request that must get through */
static void assert_served(struct world *w)
{
	unsigned before = wire_count(w->wire);
	struct wire_conn *c;

	start_tls(w);
	c = wire_accept(w->wire);
	wire_request(c);
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");
	assert_int_equal(wire_count(w->wire), before + 1);
	unmake(w);
	wire_close(c);
}

static void assert_not_served(struct world *w, const char *reason)
{
	struct wire_conn *c;

	start_tls(w);
	until_done(w);
	assert_int_not_equal(w->result.outcome, HTTP_ANSWERED);
	if (!strstr(w->reason, reason))
		fail_msg("\"%s\" does not say \"%s\"", w->reason, reason);
	unmake(w);
	c = wire_accept(w->wire);
	wire_gone(c);
	assert_int_equal(wire_heard(c).n, 0);
	wire_close(c);
}

static void test_client_certificate(void **state)
{
	struct world *w = *state;
	char both[256];

	make_certificates();
	use_tls(w, "good");
	w->options.ca_file = pem("good");
	wire_demand_certificate(w->wire, pem("other"));
	assert_not_served(w, "certificate");
	/* one the server does not know */
	w->options.cert_file = pem("good");
	w->options.key_file = pem("good-key");
	assert_not_served(w, "");
	w->options.cert_file = pem("other");
	w->options.key_file = pem("other-key");
	w->options.ca_file = pem("good");
	assert_served(w);
	/* certificate and key in one file */
	shell("cat %s/other.pem %s/other-key.pem > %s/both.pem", pki, pki, pki);
	snprintf(both, sizeof(both), "%s", pem("both"));
	w->options.cert_file = both;
	w->options.key_file = NULL;
	assert_served(w);
	/* a key with a password is an error; nobody is asked for it */
	shell("openssl ec -in %s/other-key.pem -aes256 -passout pass:hunter2 -out %s/locked.pem "
	      "2>/dev/null", pki, pki);
	w->options.key_file = pem("locked");
	assert_not_served(w, "");
	w->options.key_file = pem("missing");
	assert_not_served(w, "");
	shell("rm -r %s", pki);
}

/* the pin of a certificate's key, as the manual of curl makes it */
static void pin_of(const char *name, char to[64])
{
	char command[1024];
	FILE *f;

	snprintf(command, sizeof(command), "openssl x509 -in %s -pubkey -noout | openssl pkey -pubin "
		 "-outform der | openssl dgst -sha256 -binary | openssl enc -base64", pem(name));
	f = popen(command, "r");
	assert_non_null(f);
	strcpy(to, "sha256//");
	assert_non_null(fgets(to + 8, 50, f));
	assert_int_equal(pclose(f), 0);
	to[strcspn(to, "\n")] = 0;
}

static void test_pin(void **state)
{
	struct world *w = *state;
	char good[64], other[64], two[160];

	make_certificates();
	pin_of("good", good);
	pin_of("other", other);
	assert_true(http_pin_valid(good));
	use_tls(w, "good");
	w->options.ca_file = pem("good");
	w->options.pin = good;
	assert_served(w);
	w->options.pin = other;
	assert_not_served(w, "public key");
	/* not even where any certificate will do: the pin is what is left */
	w->options.insecure = true;
	assert_not_served(w, "public key");
	snprintf(two, sizeof(two), "%s;%s", other, good);
	assert_true(http_pin_valid(two));
	w->options.pin = two;
	assert_served(w);
	shell("rm -r %s", pki);
}

static void test_pin_valid(void **state)
{
#define PIN "sha256//YhKJKSzoTt2b5FP18fvpHo7fJYqQCjAa3HWY3tvRMwE="
	static const char *const bad[] = {
		"", ";", "sha256//", "/etc/key.pem", PIN ";", ";" PIN, PIN ";;" PIN, PIN "=", PIN " ",
		"sha1//YhKJKSzoTt2b5FP18fvpHo7fJYqQCjAa3HWY3tvRMwE=",
		"sha256//YhKJKSzoTt2b5FP18fvpHo7fJYqQCjAa3HWY3tvRMw==",
		"sha256//YhKJKSzoTt2b5FP18fvpHo7fJYqQCjAa3HWY3tvR wE=",
	};

	(void)state;
	assert_true(http_pin_valid(PIN));
	assert_true(http_pin_valid(PIN ";" PIN ";" PIN));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (http_pin_valid(bad[i]))
			fail_msg("\"%s\" is taken for a pin", bad[i]);
}

static void test_tls_min(void **state)
{
	struct world *w = *state;

	make_certificates();
	use_tls(w, "good");
	w->options.ca_file = pem("good");
	w->options.tls_min = HTTP_TLS_1_3;
	assert_served(w);
	wire_be_old(w->wire);
	assert_not_served(w, "");
	w->options.tls_min = HTTP_TLS_1_2;
	assert_served(w);
	shell("rm -r %s", pki);
}

/* --- nothing is lost on the way --- */

static unsigned count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void fail_to_connect(struct world *w, const char *url, unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		w->done = false;
		assert_int_equal(http_post_start(w->post, url, SLICE("[]")), 0);
		while (!w->done)
			assert_int_equal(loop_turn(w->loop, true), 0);
		assert_int_equal(w->result.outcome, HTTP_NOT_SENT);
	}
}

static void test_many_refusals(void **state)
{
	struct world *w = *state;
	char url[64];
	unsigned fds;
	size_t bytes;

	make(w);
	snprintf(url, sizeof(url), "%s", wire_url(w->wire, "http", "/"));
	wire_free(w->wire);
	w->wire = NULL;
	fail_to_connect(w, url, 100);
	fds = count_fds();
	bytes = mallinfo2().uordblks;
	fail_to_connect(w, url, 10000);
	assert_int_equal(count_fds(), fds);
	/* zero under a sanitizer, which counts elsewhere and finds leaks by itself */
	assert_in_range(mallinfo2().uordblks, 0, bytes + 65536);
}

static void test_each_allocation(void **state)
{
	struct world *w = *state;
	static const char *const headers[] = {"X: y"};

	w->options.headers = headers;
	w->options.n_headers = 1;
	w->options.proxy = "";
	w->options.no_proxy = "x";
	w->options.ca_file = "/nowhere";
	w->options.cert_file = "/nowhere";
	w->options.key_file = "/nowhere";
	w->options.pin = "sha256//YhKJKSzoTt2b5FP18fvpHo7fJYqQCjAa3HWY3tvRMwE=";
	FAIL_EACH_ALLOCATION {
		struct http_client *client = NULL;
		struct http_post *post = NULL;
		struct curl_loop *curl = NULL;
		int r = curl_loop_new(w->loop, &curl);

		if (!r)
			r = http_client_new(&w->options, &client);
		if (!r)
			r = http_post_new(curl, client, on_done, w, &post);
		if (!r)
			r = http_post_start(post, "http://127.0.0.1:1/", SLICE("[]"));
		if (r)
			assert_int_equal(r, -ENOMEM);
		http_post_free(post);
		http_client_free(client);
		curl_loop_free(curl);
	}
}

/* turns with allocation `n` failing; whether there was one */
static bool turn_failing(struct world *w, unsigned n)
{
	testing_fail_allocation(n);
	for (int i = 0; i < 20 && !w->done; i++)
		assert_int_equal(loop_turn(w->loop, false), 0);
	return testing_allocation_failed();
}

/*
 * An allocation fails while a request runs: it ends by failing, or goes on, and
 * the next one is well. The server makes no allocation meanwhile.
 */
static void test_allocations_meanwhile(void **state)
{
	struct world *w = *state;
	unsigned accepted = 0;
	bool more = true;

	make(w);
	for (unsigned n = 0; more; n++) {
		wire_pause(w->wire, true);
		start(w);
		more = turn_failing(w, n);
		wire_pause(w->wire, false);
		wire_settle(w->loop);
		for (; w->done && wire_count(w->wire) > accepted; accepted++)
			wire_close(wire_accept(w->wire));
		if (!w->done) {
			struct wire_conn *c = wire_accept(w->wire);

			accepted++;
			wire_request(c);
			wire_say(c, OK_HEAD "Connection: close\r\nContent-Length: 2\r\n\r\n[]");
			more |= turn_failing(w, n);
			until_done(w);
			wire_gone(c);
			wire_close(c);
		}
		assert_true(w->result.outcome != HTTP_ANSWERED || strcmp(w->body, "[]") == 0);
		assert_true(w->result.outcome == HTTP_ANSWERED || w->reason[0]);
	}
	assert_int_equal(w->result.outcome, HTTP_ANSWERED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_##name, http_world_setup, http_world_teardown)
		T(request), T(large_request), T(header_file), T(header_file_and_credential),
		T(header_valid), T(status), T(retry_after),
		T(empty_and_html), T(chunks_of_one_byte), T(truncated), T(reset_in_body),
		T(closed_without_answer), T(not_http), T(endless_body), T(body_max), T(gzip),
		T(endless_header), T(endless_interim), T(refused), T(abort), T(abort_resolving), T(keep_alive),
		T(never_sent_twice), T(two_lanes), T(free_in_done), T(cookies), T(tls),
		T(client_certificate), T(pin), T(pin_valid), T(tls_min),
		T(many_refusals), T(each_allocation), T(allocations_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
