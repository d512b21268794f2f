/*
 * A local peer, written independently of the client library, with blocking reads
 * under a deadline. Frames that a call does not wait for are kept in order, so that
 * a test can expect them later.
 */
#ifndef TESTS_SCENARIO_WIRE_H
#define TESTS_SCENARIO_WIRE_H

#include "protocol/frame.h"
#include "protocol/message.h"

#include <stddef.h>

/* deadline of every wait of a scenario; a timeout fails the test */
#define SCENARIO_DEADLINE_MS 60000

/* monotonic clock, in ms */
int64_t wire_now(void);

struct wire_frame {
	struct wire_frame *next;
	struct message m;
	size_t n;
	char text[];
};

struct wire {
	int fd;
	struct frame_reader reader;
	struct wire_frame *first, **last;   /* received, not returned yet */
	struct wire_frame *taken;           /* returned last */
	uint64_t next_id;
	bool eof;
};

/* Connects to the daemon's socket; no hello yet. */
struct wire *wire_open(const char *path);
/* Connects, sends hello and reads the reply. */
struct wire *wire_hello(const char *path, const char *name);
/* The same, and waits until `server` is unconnected for a reason with this text. */
struct wire *wire_hello_reason(const char *path, const char *name, const char *server,
			       const char *text);
void wire_close(struct wire *w);

void wire_send_bytes(struct wire *w, const void *p, size_t n);
/* One frame around this JSON text. */
void wire_send(struct wire *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Sends {"op":…,"id":N,…rest} with a fresh id and returns the id; `rest` begins with a comma. */
uint64_t wire_request(struct wire *w, const char *op, const char *rest_format, ...)
	__attribute__((format(printf, 3, 4)));

/* The next frame of any kind, in the order received. */
const struct message *wire_next(struct wire *w);
/* The same; NULL when the daemon has closed the connection. */
const struct message *wire_next_or_eof(struct wire *w);
/* The next frame with this op (others stay queued); valid until the next call that returns a frame. */
const struct message *wire_expect(struct wire *w, enum protocol_op op);
/* The reply to request `id`. */
const struct message *wire_reply(struct wire *w, uint64_t id);
/* The same, and fails the test with the error unless it is ok. */
void wire_reply_ok(struct wire *w, uint64_t id);
/* The next `state` event of `server` with this state; earlier ones are dropped. */
const struct message *wire_state(struct wire *w, const char *server, const char *state);
/* Waits until `server` is unconnected for a reason with this text. */
void wire_await_reason(struct wire *w, const char *server, const char *text);
/* Sends a request and waits for its reply. */
const struct message *wire_ask(struct wire *w, const char *op, const char *rest_format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same, and fails the test unless the reply is ok. */
void wire_ok(struct wire *w, const char *op, const char *rest_format, ...)
	__attribute__((format(printf, 3, 4)));
/* Asserts that `m` is a reply with this error code. */
void wire_assert_error(const struct message *m, const char *code);
/* The daemon closes the connection; frames before the end stay queued. */
void wire_expect_eof(struct wire *w);
/* After a round trip (ping), no frame with this op is queued: a barrier, not a sleep. */
void wire_assert_none(struct wire *w, enum protocol_op op);

#endif
