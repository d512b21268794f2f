/*
 * A connection to the daemon and the frames received on it. Independent of the client
 * library, so that the same fault in both cannot go unnoticed.
 */
#include "tests/scenario/wire.h"

#include "tests/unit/testing.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int64_t wire_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct wire *wire_open(const char *path)
{
	struct wire *w = calloc(1, sizeof(*w));
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	assert_non_null(w);
	assert_true(strlen(path) < sizeof(sa.sun_path));
	memcpy(sa.sun_path, path, strlen(path) + 1);
	w->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(w->fd >= 0);
	if (connect(w->fd, (struct sockaddr *)&sa, sizeof(sa)))
		fail_msg("connect %s: %s", path, strerror(errno));
	frame_reader_init(&w->reader, PROTOCOL_FRAME_MAX);
	w->last = &w->first;
	w->next_id = 1;
	return w;
}

struct wire *wire_hello(const char *path, const char *name)
{
	struct wire *w = wire_open(path);

	wire_ok(w, "hello", ",\"version\":1,\"name\":\"%s\"", name);
	return w;
}

struct wire *wire_hello_reason(const char *path, const char *name, const char *server,
			       const char *text)
{
	struct wire *w = wire_open(path);
	const struct message *m = wire_ask(w, "hello", ",\"version\":1,\"name\":\"%s\"", name);

	assert_true(m->ok);
	if (!memmem(m->result.p, m->result.n, text, strlen(text)))
		wire_await_reason(w, server, text);
	return w;
}

static void frame_free(struct wire_frame *f)
{
	if (!f)
		return;
	message_fini(&f->m);
	free(f);
}

void wire_close(struct wire *w)
{
	close(w->fd);
	frame_reader_fini(&w->reader);
	frame_free(w->taken);
	while (w->first) {
		struct wire_frame *f = w->first;
		w->first = f->next;
		frame_free(f);
	}
	free(w);
}

void wire_send_bytes(struct wire *w, const void *p, size_t n)
{
	const char *at = p;

	while (n) {
		ssize_t k = send(w->fd, at, n, MSG_NOSIGNAL);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return;   /* the daemon closed; frames that it sent before are read by the test */
		at += k;
		n -= (size_t)k;
	}
}

static void send_text(struct wire *w, const char *text)
{
	size_t n = strlen(text);
	unsigned char prefix[4] = {n >> 24, n >> 16, n >> 8, n};

	wire_send_bytes(w, prefix, sizeof(prefix));
	wire_send_bytes(w, text, n);
}

void wire_send(struct wire *w, const char *format, ...)
{
	char *text;
	va_list ap;

	va_start(ap, format);
	assert_true(vasprintf(&text, format, ap) >= 0);
	va_end(ap);
	send_text(w, text);
	free(text);
}

static uint64_t request(struct wire *w, const char *op, const char *rest_format, va_list ap)
{
	uint64_t id = w->next_id++;
	char *rest;

	assert_true(vasprintf(&rest, rest_format, ap) >= 0);
	wire_send(w, "{\"op\":\"%s\",\"id\":%llu%s}", op, (unsigned long long)id, rest);
	free(rest);
	return id;
}

uint64_t wire_request(struct wire *w, const char *op, const char *rest_format, ...)
{
	va_list ap;

	va_start(ap, rest_format);
	uint64_t id = request(w, op, rest_format, ap);
	va_end(ap);
	return id;
}

static void keep(struct wire *w, struct slice body)
{
	struct wire_frame *f = calloc(1, sizeof(*f) + body.n);
	char why[200] = "";

	assert_non_null(f);
	f->n = body.n;
	memcpy(f->text, body.p, body.n);
	int r = message_decode(slice_make(f->text, f->n), PROTOCOL_FROM_DAEMON, &f->m, why,
			       sizeof(why));
	if (r)
		fail_msg("the daemon sent a bad frame (%s): %.*s", why, (int)body.n, body.p);
	*w->last = f;
	w->last = &f->next;
}

/* Reads once; false at the end of the stream or when the deadline passed. */
static bool read_more(struct wire *w, int64_t deadline)
{
	struct pollfd p = {.fd = w->fd, .events = POLLIN};
	int64_t left = deadline - wire_now();
	struct slice body;
	char *room;
	size_t n;
	ssize_t k;

	if (w->eof || left <= 0 || poll(&p, 1, (int)left) <= 0)
		return false;
	assert_int_equal(frame_room(&w->reader, 65536, &room, &n), 0);
	do
		k = read(w->fd, room, n);
	while (k < 0 && errno == EINTR);
	if (k <= 0) {
		w->eof = true;
		return false;
	}
	frame_filled(&w->reader, (size_t)k);
	while (frame_next(&w->reader, &body) == 0)
		keep(w, body);
	return true;
}

static const struct message *take(struct wire *w, bool (*fits)(const struct message *, const void *),
				  const void *arg)
{
	struct wire_frame **at = &w->first;
	int64_t deadline = wire_now() + SCENARIO_DEADLINE_MS;

	for (;;) {
		for (; *at; at = &(*at)->next)
			if (fits(&(*at)->m, arg)) {
				struct wire_frame *f = *at;
				*at = f->next;
				if (w->last == &f->next)
					w->last = at;
				frame_free(w->taken);
				w->taken = f;
				return &f->m;
			}
		if (!read_more(w, deadline) && !*at)
			return NULL;
	}
}

static void fail_waiting(struct wire *w, const char *what)
{
	print_error("waited for %s; %s; queued:\n", what, w->eof ? "the daemon closed" : "in vain");
	for (struct wire_frame *f = w->first; f; f = f->next)
		print_error("  %.*s\n", (int)(f->n > 300 ? 300 : f->n), f->text);
	fail_msg("no %s", what);
}

static bool is_any(const struct message *m, const void *arg)
{
	(void)m;
	(void)arg;
	return true;
}

const struct message *wire_next_or_eof(struct wire *w)
{
	const struct message *m = take(w, is_any, NULL);

	if (!m && !w->eof)
		fail_waiting(w, "frame or end of stream");
	return m;
}

const struct message *wire_next(struct wire *w)
{
	const struct message *m = wire_next_or_eof(w);

	if (!m)
		fail_waiting(w, "frame");
	return m;
}

static bool is_op(const struct message *m, const void *arg)
{
	return m->op == *(const enum protocol_op *)arg;
}

const struct message *wire_expect(struct wire *w, enum protocol_op op)
{
	const struct message *m = take(w, is_op, &op);

	if (!m)
		fail_waiting(w, protocol_op_name(op));
	return m;
}

static bool is_reply(const struct message *m, const void *arg)
{
	return m->op == PROTOCOL_OP_REPLY && m->id == *(const uint64_t *)arg;
}

const struct message *wire_reply(struct wire *w, uint64_t id)
{
	const struct message *m = take(w, is_reply, &id);

	if (!m)
		fail_waiting(w, "reply");
	return m;
}

static void insist(const struct message *m, const char *what)
{
	if (!m->ok)
		fail_msg("%s: %.*s", what, SLICE_ARG(m->error));
}

void wire_reply_ok(struct wire *w, uint64_t id)
{
	insist(wire_reply(w, id), "reply");
}

static bool is_state(const struct message *m, const void *arg)
{
	return m->op == PROTOCOL_OP_STATE && slice_eq(m->server, slice_of(arg));
}

const struct message *wire_state(struct wire *w, const char *server, const char *state)
{
	const struct message *m;

	do {
		m = take(w, is_state, server);
		if (!m)
			fail_waiting(w, state);
	} while (!slice_eq(m->state, slice_of(state)));
	return m;
}

void wire_await_reason(struct wire *w, const char *server, const char *text)
{
	const struct message *m;

	do
		m = wire_state(w, server, "unconnected");
	while (!memmem(m->reason.p, m->reason.n, text, strlen(text)));
}

static const struct message *ask(struct wire *w, const char *op, const char *format, va_list ap)
{
	return wire_reply(w, request(w, op, format, ap));
}

const struct message *wire_ask(struct wire *w, const char *op, const char *rest_format, ...)
{
	va_list ap;

	va_start(ap, rest_format);
	const struct message *m = ask(w, op, rest_format, ap);
	va_end(ap);
	return m;
}

void wire_ok(struct wire *w, const char *op, const char *rest_format, ...)
{
	va_list ap;

	va_start(ap, rest_format);
	const struct message *m = ask(w, op, rest_format, ap);
	va_end(ap);
	insist(m, op);
}

void wire_assert_error(const struct message *m, const char *code)
{
	struct message_error e;
	struct buf scratch;

	assert_false(m->ok);
	buf_init(&scratch, 1 << 20);
	assert_int_equal(message_get_error(m->error, &scratch, &e), 0);
	if (!slice_eq(e.code_text, slice_of(code)))
		fail_msg("expected %s, got %.*s", code, SLICE_ARG(m->error));
	buf_fini(&scratch);
}

void wire_expect_eof(struct wire *w)
{
	int64_t deadline = wire_now() + SCENARIO_DEADLINE_MS;

	while (read_more(w, deadline))
		;
	if (!w->eof)
		fail_waiting(w, "end of stream");
}

void wire_assert_none(struct wire *w, enum protocol_op op)
{
	wire_ok(w, "ping", "%s", "");
	for (struct wire_frame *f = w->first; f; f = f->next)
		if (f->m.op == op)
			fail_msg("unexpected %.*s", (int)f->n, f->text);
}
