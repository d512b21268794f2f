/*
 * Answers to one request, from a server controlled by the test: valid, truncated, invalid
 * or missing ones, and the limits of those that do not end.
 */
#include "base/clock.h"
#include "net/http_post.h"
#include "tests/unit/http_world.h"
#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
		/* the reason contains the target of the redirect */
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
		{"7", 7000}, {"0", 0}, {"-3", 0}, {"soon", 0}, {"99999999999999999999", 21600000},
		{"1000000", 21600000}, {"21601", 21600000}, {"21599", 21599000},
	};
	struct world *w = *state;
	struct wire_conn *c = begin(w);
	char answer[256];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(answer, sizeof(answer), "HTTP/1.1 503 Busy\r\nRetry-After: %s\r\n"
			 "Content-Length: 0\r\n\r\n", rows[i].value);
		wire_say(c, answer);
		assert_answered(w, 503, "");
		/* libcurl reads an invalid number as none or as the largest */
		if (w->result.retry_after != 0 || strlen(rows[i].value) < 19)
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

/* --- deadlines --- */

static void on_deadline(void *ctx)
{
	struct world *w = ctx;

	assert_true(w->done);
}

/*
 * The process was stopped until long after the deadline, and the complete answer arrived
 * meanwhile: it counts, although it takes several reads. Descriptors are handled before
 * deadlines, and libcurl reads until there is no more.
 */
static void test_came_in_time(void **state)
{
	static const size_t sizes[] = {0, 1, 50000};
	struct world *w = *state;
	struct loop_timer *deadline;
	char *body = malloc(50001);

	assert_non_null(body);
	make(w);
	assert_int_equal(loop_timer_new(w->loop, on_deadline, w, &deadline), 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct wire_conn *c;

		start(w);
		c = wire_accept(w->wire);
		wire_request(c);
		memset(body, 'x', sizes[i]);
		body[sizes[i]] = 0;
		wire_say(c, OK_HEAD "Connection: close\r\n\r\n");
		wire_say(c, body);
		/* without a turn: it lies in the kernel */
		assert_true(wire_has_said(c));
		wire_close(c);
		loop_timer_at(deadline, loop_now(w->loop) + 1000);
		clock_fake(1700000000000, loop_now(w->loop) + 60000);
		assert_int_equal(loop_turn(w->loop, false), 0);
		assert_answered(w, 200, body);
	}
	loop_timer_free(deadline);
	clock_fake(UINT64_MAX, UINT64_MAX);
	free(body);
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

/* refused by its header: not a byte of the body has come */
static void test_length_above_limit(void **state)
{
	static const char *const lengths[] = {"10001", "18446744073709551615", "99999999999999999999"};
	struct world *w = *state;

	w->options.body_max = 10000;
	make(w);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct wire_conn *c;
		char head[128];

		start(w);
		c = wire_accept(w->wire);
		wire_request(c);
		snprintf(head, sizeof(head), OK_HEAD "content-length: %s\r\n\r\n", lengths[i]);
		wire_say(c, head);
		assert_failed(w, HTTP_BROKEN, "the answer is too large");
		wire_gone(c);
		wire_close(c);
	}
}

/* an error whose body starts like this and never ends, or has the stated length */
static void assert_error(struct world *w, unsigned status, const char *head, const char *begin)
{
	static char more[4096];
	struct wire_conn *c;
	char line[64];
	size_t sent = 0;

	memset(more, ' ', sizeof(more));
	start(w);
	c = wire_accept(w->wire);
	wire_request(c);
	snprintf(line, sizeof(line), "HTTP/1.1 %u Whatever\r\nRetry-After: 7\r\n", status);
	wire_say(c, line);
	wire_say(c, head);
	wire_say(c, begin);
	while (*begin && !w->done && !wire_is_gone(c)) {
		wire_say_bytes(c, more, sizeof(more));
		sent += sizeof(more);
		assert_int_equal(loop_turn(w->loop, false), 0);
		assert_in_range(sent, 0, 8u << 20);
	}
	until_done(w);
	assert_int_equal(w->result.outcome, HTTP_ANSWERED);
	assert_int_equal(w->result.status, status);
	assert_int_equal(w->result.retry_after, 7000);
	assert_string_equal(w->reason, "");
	assert_in_range(w->result.body.n, 0, HTTP_ERROR_MAX);
	assert_int_equal(strncmp(w->body, begin, strlen(begin)), 0);
	wire_gone(c);
	wire_close(c);
}

/* The status is sufficient: it is reported as any error, and the body is not read to its end. */
static void test_large_errors(void **state)
{
	static const unsigned statuses[] = {401, 403, 407, 413, 500, 503};
	struct world *w = *state;

	make(w);
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		assert_error(w, statuses[i], "\r\n", "<html>");
		assert_error(w, statuses[i], "Content-Length: 1000000000000\r\n\r\n", "");
		/* larger than an error's, and not than an answer's */
		assert_error(w, statuses[i], "Content-Length: 65537\r\n\r\n", "");
	}
}

static void test_packed_error(void **state)
{
	struct world *w = *state;
	struct wire_conn *c = begin(w);
	size_t n;
	char *packed = gzip("head -c 64M /dev/zero", &n);

	wire_say(c, "HTTP/1.1 500 Oops\r\nContent-Encoding: gzip\r\n\r\n");
	wire_say_bytes(c, packed, n);
	until_done(w);
	assert_int_equal(w->result.outcome, HTTP_ANSWERED);
	assert_int_equal(w->result.status, 500);
	assert_int_equal(w->result.body.n, HTTP_ERROR_MAX);
	wire_gone(c);
	free(packed);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_##name, http_world_setup, http_world_teardown)
		T(status), T(retry_after), T(empty_and_html), T(chunks_of_one_byte), T(truncated),
		T(reset_in_body), T(closed_without_answer), T(not_http), T(came_in_time), T(endless_body), T(body_max),
		T(gzip), T(length_above_limit), T(large_errors), T(packed_error),
		T(endless_header), T(endless_interim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
