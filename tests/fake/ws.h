/* WebSocket on a connection that was HTTP: frames good and bad. */
#ifndef FAKE_WS_H
#define FAKE_WS_H

#include "protocol/slice.h"
#include "tests/fake/conn.h"
#include "tests/fake/send_options.h"

struct ws_handler {
	/* one whole text message; binary ones are ignored, like CometD Java does */
	void (*message)(struct conn *c, struct slice text);
	void (*closed)(struct conn *c);
};

/*
 * Makes c a WebSocket, after the 101. Bytes that the client has sent already are
 * read after this turn.
 */
void ws_attach(struct conn *c, const struct ws_handler *handler);

/* Sends one text message with these options (NULL = normally). */
void ws_send(struct conn *c, struct slice text, const struct send_options *send_options);
void ws_ping(struct conn *c);
/* sends a close frame; the connection ends when the client has answered it */
void ws_close(struct conn *c, int code, const char *reason);

#endif
