/*
 * Answers that are pulled in pieces: of any size, inflated a piece at a time, and
 * not read faster than they are pulled.
 */
#include "net/http_post.h"
#include "tests/unit/http_world.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* what was pulled of one answer */
static struct {
	struct buf text;                 /* the first bytes of it */
	size_t total;
	unsigned pieces;
	unsigned ready;
	bool hold;                       /* nothing is pulled */
	bool done;
	struct http_result result;
} got;

static void on_ready(void *ctx)
{
	(void)ctx;
	got.ready++;
}

static void begin_stream(struct world *w)
{
	buf_fini(&got.text);
	memset(&got, 0, sizeof(got));
	buf_init(&got.text, 1000);
	make(w);
	http_post_stream(w->post, on_ready);
}

/* from now on another answer */
static struct wire_conn *ask(struct world *w)
{
	struct wire_conn *c;

	start(w);
	c = wire_accept(w->wire);
	wire_request(c);
	buf_clear(&got.text);
	got.done = false;
	got.total = got.pieces = 0;
	return c;
}

static void pull(struct world *w)
{
	struct http_result result;
	struct slice piece;
	int r = HTTP_E_NONE;

	while (!got.hold && !got.done && (r = http_post_next(w->post, &piece, &result)) == 0) {
		assert_in_range(piece.n, 1, HTTP_PIECE_MAX);
		got.total += piece.n;
		got.pieces++;
		buf_put(&got.text, slice_take(piece, got.text.max - buf_len(&got.text)));
	}
	if (r == HTTP_E_DONE) {
		got.done = true;
		got.result = result;
	}
}

static void turn(struct world *w)
{
	assert_int_equal(loop_turn(w->loop, true), 0);
	pull(w);
}

static void until_end(struct world *w)
{
	while (!got.done)
		turn(w);
}

static void assert_text(struct world *w, const char *text)
{
	until_end(w);
	assert_int_equal(got.result.outcome, HTTP_ANSWERED);
	assert_int_equal(got.result.status, 200);
	assert_true(slice_eq(buf_slice(&got.text), slice_of(text)));
}

static void assert_broken(struct world *w, const char *reason)
{
	until_end(w);
	assert_int_equal(got.result.outcome, HTTP_BROKEN);
	if (!memmem(got.result.reason.p, got.result.reason.n, reason, strlen(reason)))
		fail_msg("%.*s", SLICE_ARG(got.result.reason));
}

/* --- plain --- */

static void test_pieces(void **state)
{
	struct world *w = *state;
	struct wire_conn *c;

	begin_stream(w);
	c = ask(w);
	wire_say(c, OK_HEAD "Content-Length: 10\r\n\r\n01234");
	while (got.total < 5)
		turn(w);
	assert_false(got.done);
	wire_say(c, "56789");
	assert_text(w, "0123456789");
	/* nothing at all, and the same connection */
	start(w);
	wire_request(c);
	got.done = false;
	buf_clear(&got.text);
	wire_say(c, OK_HEAD "Content-Length: 0\r\n\r\n");
	assert_text(w, "");
	/* cut */
	start(w);
	wire_request(c);
	got.done = false;
	wire_say(c, OK_HEAD "Content-Length: 10\r\n\r\n0123");
	wire_said(c);
	wire_close(c);
	assert_broken(w, "");
	assert_int_equal(got.total, 14);
	assert_int_equal(w->dones, 0);
}

/* max-message limits a message, not the body: bayeux/elements.c separates messages */
static void test_beyond_body_max(void **state)
{
	static char text[1u << 20];
	struct world *w = *state;
	struct wire_conn *c;

	w->options.body_max = 1000;
	memset(text, 'x', sizeof(text));
	begin_stream(w);
	c = ask(w);
	wire_say(c, OK_HEAD "Content-Length: 20971520\r\n\r\n");
	for (int i = 0; i < 20; i++)
		wire_say_bytes(c, text, sizeof(text));
	until_end(w);
	assert_int_equal(got.result.outcome, HTTP_ANSWERED);
	assert_int_equal(got.total, 20u << 20);
}

/* What is not pulled is not read, and what is held of it has a ceiling. */
static void test_not_pulled(void **state)
{
	static char text[1u << 20];
	struct world *w = *state;
	struct wire_conn *c;
	size_t sent = 0, bytes = mallinfo2().uordblks;

	memset(text, 'x', sizeof(text));
	begin_stream(w);
	c = ask(w);
	got.hold = true;
	wire_say(c, OK_HEAD "\r\n");
	while (sent < (64u << 20) && wire_has_said(c)) {
		wire_say_bytes(c, text, sizeof(text));
		sent += sizeof(text);
		wire_settle(w->loop);
	}
	assert_in_range(sent, 1, 32u << 20);
	assert_true(http_post_holds(w->post));
	assert_in_range(mallinfo2().uordblks, 0, bytes + (4u << 20));
	got.hold = false;
	pull(w);
	while (got.total < sent)
		turn(w);
	assert_false(got.done);
	/* again, and it ends while nothing is pulled: what is held comes before the end */
	got.hold = true;
	wire_say_bytes(c, text, 300000);
	wire_said(c);
	wire_close(c);
	wire_settle(w->loop);
	got.hold = false;
	pull(w);
	until_end(w);
	assert_int_equal(got.result.outcome, HTTP_ANSWERED);
	assert_int_equal(got.total, sent + 300000);
}

static void test_abort(void **state)
{
	static char text[1u << 20];
	struct world *w = *state;
	struct wire_conn *c;

	memset(text, 'x', sizeof(text));
	begin_stream(w);
	for (int i = 0; i < 3; i++) {
		struct http_result result;
		struct slice piece;

		c = ask(w);
		wire_say(c, OK_HEAD "\r\n");
		wire_say_bytes(c, text, sizeof(text));
		got.hold = true;
		wire_settle(w->loop);
		if (i > 0) {
			/* with a piece in hand, whose bytes stay */
			while (http_post_next(w->post, &piece, &result) != 0)
				assert_int_equal(loop_turn(w->loop, true), 0);
			http_post_abort(w->post);
			assert_memory_equal(piece.p, text, piece.n);
		} else {
			http_post_abort(w->post);
		}
		wire_gone(c);
		wire_close(c);
		got.hold = false;
	}
	c = ask(w);
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_text(w, "[]");
}

/* --- compressed --- */

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

#define GZIP_HEAD OK_HEAD "Content-Encoding: gzip\r\nConnection: close\r\n"

static void test_gzip(void **state)
{
	struct world *w = *state;
	struct wire_conn *c;
	char head[200], *packed;
	size_t n;

	begin_stream(w);
	start(w);
	c = wire_accept(w->wire);
	assert_non_null(strstr(wire_request(c), "\r\nAccept-Encoding: gzip\r\n"));
	packed = gzip("printf '[{\"channel\":\"/a\"}]'", &n);
	/* each byte by itself, and then two members, one after the other */
	wire_say(c, GZIP_HEAD "\r\n");
	for (size_t i = 0; i < n; i++) {
		wire_say_bytes(c, packed + i, 1);
		assert_int_equal(loop_turn(w->loop, false), 0);
		pull(w);
	}
	wire_said(c);
	wire_close(c);
	assert_text(w, "[{\"channel\":\"/a\"}]");
	c = ask(w);
	snprintf(head, sizeof(head), GZIP_HEAD "Content-Length: %zu\r\n\r\n", 2 * n);
	wire_say(c, head);
	wire_say_bytes(c, packed, n);
	wire_say_bytes(c, packed, n);
	assert_text(w, "[{\"channel\":\"/a\"}][{\"channel\":\"/a\"}]");
	wire_close(c);
	/* cut, and broken */
	c = ask(w);
	wire_say(c, GZIP_HEAD "\r\n");
	wire_say_bytes(c, packed, n - 5);
	wire_said(c);
	wire_close(c);
	assert_broken(w, "the compressed answer ended too early");
	packed[12] = (char)~packed[12];
	packed[13] = (char)~packed[13];
	c = ask(w);
	wire_say(c, GZIP_HEAD "\r\n");
	wire_say_bytes(c, packed, n);
	assert_broken(w, "cannot be inflated");
	assert_true(got.result.unreadable);
	wire_gone(c);
	wire_close(c);
	free(packed);
	/* not asked for */
	c = ask(w);
	wire_say(c, OK_HEAD "Content-Encoding: br\r\nContent-Length: 2\r\n\r\n[]");
	assert_broken(w, "Content-Encoding");
}

/* 64 KiB that are 64 MiB: all of it comes, and never more than a piece of it is there */
static void test_bomb(void **state)
{
	struct world *w = *state;
	struct wire_conn *c;
	size_t n, bytes;
	char *packed = gzip("head -c 64M /dev/zero", &n);

	begin_stream(w);
	c = ask(w);
	bytes = mallinfo2().uordblks;
	wire_say(c, GZIP_HEAD "\r\n");
	wire_say_bytes(c, packed, n);
	wire_said(c);
	wire_close(c);
	while (!got.done) {
		turn(w);
		assert_in_range(mallinfo2().uordblks, 0, bytes + (1u << 20));
	}
	assert_int_equal(got.result.outcome, HTTP_ANSWERED);
	assert_int_equal(got.total, 64u << 20);
	free(packed);
}

/* --- what is around it --- */

/* an error is reported by its status; its body is not passed on */
static void test_errors(void **state)
{
	struct world *w = *state;
	struct wire_conn *c;

	begin_stream(w);
	c = ask(w);
	wire_say(c, "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 6\r\n\r\n<html>");
	until_end(w);
	assert_int_equal(got.result.outcome, HTTP_ANSWERED);
	assert_int_equal(got.result.status, 503);
	assert_int_equal(got.result.retry_after, 7000);
	assert_int_equal(got.total, 0);
}

/* one-byte chunks are tolerated; a chunk header without end is not */
static void test_chunks(void **state)
{
	static char piece[65536];
	struct world *w = *state;
	struct wire_conn *c;

	begin_stream(w);
	c = ask(w);
	wire_say(c, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 100000; i++)
		wire_say(c, "1\r\nx\r\n");
	wire_say(c, "0\r\n\r\n");
	until_end(w);
	assert_int_equal(got.result.outcome, HTTP_ANSWERED);
	assert_int_equal(got.total, 100000);
	wire_close(c);
	memset(piece, 'x', sizeof(piece));
	c = ask(w);
	wire_say(c, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n2;");
	while (!got.done) {
		if (!wire_is_gone(c))
			wire_say_bytes(c, piece, sizeof(piece));
		assert_int_equal(loop_turn(w->loop, false), 0);
		pull(w);
	}
	assert_broken(w, "too large");
}

static void test_each_allocation(void **state)
{
	struct world *w = *state;
	size_t n;
	char *packed = gzip("printf '[{\"channel\":\"/a\"}]'", &n);
	bool more = true;

	begin_stream(w);
	for (unsigned i = 0; more; i++) {
		struct wire_conn *c = ask(w);

		wire_say(c, GZIP_HEAD "\r\n");
		wire_say_bytes(c, packed, n);
		assert_true(wire_has_said(c));
		wire_close(c);
		testing_fail_allocation(i);
		while (!got.done) {
			assert_int_equal(loop_turn(w->loop, false), 0);
			pull(w);
		}
		more = testing_allocation_failed();
	}
	assert_int_equal(got.result.outcome, HTTP_ANSWERED);
	free(packed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_##name, http_world_setup, http_world_teardown)
		T(pieces), T(beyond_body_max), T(not_pulled), T(abort), T(gzip), T(bomb), T(errors),
		T(chunks), T(each_allocation),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	buf_fini(&got.text);
	return r;
}
