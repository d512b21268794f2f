/* WebSocket on a connection that was HTTP: frames good and bad. */
#ifndef FAKE_WS_H
#define FAKE_WS_H

#include "protocol/slice.h"
#include "tests/fake/conn.h"
#include "tests/fake/manner.h"

struct ws_handler {
	/* one whole text message; binary ones are ignored, like CometD Java does */
	void (*message)(struct conn *c, struct slice text);
	void (*gone)(struct conn *c);
};

/*
 * Makes c a WebSocket, behind the 101. What the client sent already is read
 * after this turn.
 */
void ws_attach(struct conn *c, const struct ws_handler *handler);

/* One text message, in the given manner (NULL = good). */
void ws_send(struct conn *c, struct slice text, const struct manner *manner);
void ws_ping(struct conn *c);
/* sends a close frame; the connection ends when the client has answered it */
void ws_close(struct conn *c, int code, const char *reason);

#endif
