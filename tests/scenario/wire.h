/*
 * A local peer written by hand: what a stranger builds from PROTOCOL.md, with
 * blocking reads under a deadline. Frames it does not wait for are kept, in
 * order, so that a test may expect them later.
 */
#ifndef TESTS_SCENARIO_WIRE_H
#define TESTS_SCENARIO_WIRE_H

#include "protocol/frame.h"
#include "protocol/message.h"

#include <stddef.h>

/* every wait of a scenario ends here at the latest, by failing the test */
#define SCENARIO_DEADLINE_MS 60000

/* ms of a clock that only goes forward */
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
	struct wire_frame *first, **last;   /* came, not taken yet */
	struct wire_frame *taken;           /* given out last */
	uint64_t next_id;
	bool eof;
};

/* Connects to the daemon's socket; no hello yet. */
struct wire *wire_open(const char *path);
/* … and says hello and takes the reply. */
struct wire *wire_hello(const char *path, const char *name);
/* … and is told that `server` is unconnected for a reason with this text, by the reply or later. */
struct wire *wire_hello_reason(const char *path, const char *name, const char *server,
			       const char *text);
void wire_close(struct wire *w);

void wire_send_bytes(struct wire *w, const void *p, size_t n);
/* One frame around this JSON text. */
void wire_send(struct wire *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Sends {"op":…,"id":N,…rest} with a fresh id and returns the id; `rest` begins with a comma. */
uint64_t wire_request(struct wire *w, const char *op, const char *rest_format, ...)
	__attribute__((format(printf, 3, 4)));

/* The next frame, whatever it is, in the order in which they came. */
const struct message *wire_next(struct wire *w);
/* The same; NULL when the daemon has closed the connection. */
const struct message *wire_next_or_eof(struct wire *w);
/* The next frame with this op (others stay queued); lives until the next wire_* call that takes. */
const struct message *wire_expect(struct wire *w, enum protocol_op op);
/* The reply to request `id`. */
const struct message *wire_reply(struct wire *w, uint64_t id);
/* The same, and insists on ok: a failure names the error. */
void wire_reply_ok(struct wire *w, uint64_t id);
/* The next `state` event of `server` with this state; those before it are passed by. */
const struct message *wire_state(struct wire *w, const char *server, const char *state);
/* Until `server` is unconnected for a reason with this text. */
void wire_await_reason(struct wire *w, const char *server, const char *text);
/* A request and its reply in one. */
const struct message *wire_ask(struct wire *w, const char *op, const char *rest_format, ...)
	__attribute__((format(printf, 3, 4)));
/* Asks and insists on ok. */
void wire_ok(struct wire *w, const char *op, const char *rest_format, ...)
	__attribute__((format(printf, 3, 4)));
/* Asserts that `m` is a reply with this error code. */
void wire_assert_error(const struct message *m, const char *code);
/* The daemon closes the connection; frames before the end stay queued. */
void wire_expect_eof(struct wire *w);
/* After a round trip (ping), no frame with this op is queued: a barrier, not a sleep. */
void wire_assert_none(struct wire *w, enum protocol_op op);

#endif
