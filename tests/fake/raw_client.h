/*
 * A Bayeux client made of bytes, for the tests of the fake server itself: it
 * knows just enough HTTP and WebSocket to say a text and to see exactly what
 * came back, wrong bytes included. Fails the cmocka test on any surprise; waits
 * no longer than 10 seconds.
 *
 * In what is said and heard CID stands for the client's id, so that texts can
 * be compared with the recorded transcripts.
 */
#ifndef TESTS_RAW_CLIENT_H
#define TESTS_RAW_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* one connection and what came on it and is not yet looked at */
struct raw {
	int fd;
	char *in;
	size_t n;
};

/* a client with its two connections: one to talk, one for the held connect */
struct client {
	uint16_t port;
	bool ws;
	char id[64];
	char cookie[128];
	char *headers;		/* said in every request; may be NULL */
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
/* everything until the connection ends; true when it ended with a reset */
bool raw_until_end(struct raw *r, char **ret, size_t *ret_n);
/* true when the connection refuses */
bool raw_refused(uint16_t port);

/* ---- long-polling ---- */

void client_init(struct client *c, uint16_t port);
void client_fini(struct client *c);
/* a POST of the text on one of the client's connections; the answer is read by hear */
void say(struct client *c, struct raw *r, const char *text);
/* the next response: its body, valid until the next; sets status and head */
const char *hear(struct client *c, struct raw *r);
/* say and hear on the talking connection */
const char *ask(struct client *c, const char *text);
/* handshake and first connect, and what else `fields` puts into the handshake (or NULL) */
void client_handshake(struct client *c, const char *fields);
/* the held connect, with this id */
void say_connect(struct client *c, const char *id);

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
void say_upgrade(struct raw *r, uint16_t port, const char *headers);
void say_frame(struct client *c, unsigned first, const char *text, size_t n);
void say_ws(struct client *c, const char *text);
/* the next frame, valid until the next */
const struct frame *hear_frame(struct client *c);
/* the text of the next frame, which must be a whole text message */
const char *hear_ws(struct client *c);
/* the code of the close frame that must come next */
unsigned hear_close(struct client *c);

#endif
