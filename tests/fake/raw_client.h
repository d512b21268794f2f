/*
 * A minimal Bayeux client for the tests of the fake server itself: just enough HTTP
 * and WebSocket to send a text and to read exactly what comes back, invalid bytes
 * included. Anything unexpected fails the cmocka test, and so does a timeout.
 *
 * In texts sent and received, CID replaces the client's id, so that they can be
 * compared with the recorded transcripts.
 */
#ifndef TESTS_RAW_CLIENT_H
#define TESTS_RAW_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* one connection and its unread input */
struct raw {
	int fd;
	char *in;
	size_t n;
};

/* a client with its two connections: one for requests, one for the held connect */
struct client {
	uint16_t port;
	bool ws;
	char id[64];
	char cookie[128];
	char *headers;		/* sent in every request; may be NULL */
	const char *path;	/* of every request; NULL: /cometd */
	struct raw talk;
	struct raw wait;
	/* of the last response */
	int status;
	char *head;
	char *body;
};

/* ---- bytes ---- */

void raw_open(struct raw *r, uint16_t port);
void raw_close(struct raw *r);
void raw_send(struct raw *r, const void *p, size_t n);
/* reads until the connection ends; true when it ended with a reset */
bool raw_until_end(struct raw *r, char **ret, size_t *ret_n);
/* true when the connection is refused */
bool raw_refused(uint16_t port);

/* ---- long-polling ---- */

void client_init(struct client *c, uint16_t port);
void client_fini(struct client *c);
/* sends the text by POST on one of the client's connections */
void send_post(struct client *c, struct raw *r, const char *text);
/* reads the next response; returns its body, valid until the next; sets status and head */
const char *read_response(struct client *c, struct raw *r);
/* sends the text on the first connection and reads the response */
const char *ask(struct client *c, const char *text);
/* handshake, with these additional fields (or NULL), and first connect */
void client_handshake(struct client *c, const char *fields);
/* sends the connect to be held, with this id */
void send_connect(struct client *c, const char *id);

/* ---- WebSocket ---- */

struct frame {
	unsigned first;		/* FIN, RSV, opcode as on the wire */
	bool masked;
	char *text;		/* NUL-terminated */
	size_t n;
};

/* the same client on a WebSocket; session and id are kept when there are any */
void client_open_ws(struct client *c);
/* sends the upgrade request alone */
void send_upgrade(struct raw *r, uint16_t port, const char *headers);
void send_ws_frame(struct client *c, unsigned first, const char *text, size_t n);
void send_ws(struct client *c, const char *text);
/* the next frame, valid until the next */
const struct frame *read_ws_frame(struct client *c);
/* the text of the next frame, which must be a whole text message */
const char *read_ws(struct client *c);
/* the code of the close frame that must come next */
unsigned read_ws_close(struct client *c);

#endif
