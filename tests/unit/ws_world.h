/*
 * A WebSocket and the server at its other end, controlled by the test: set the options,
 * call open_ws() or its single steps, then let the server send.
 */
#ifndef TESTS_WS_WORLD_H
#define TESTS_WS_WORLD_H

#include "base/fault.h"
#include "net/websocket.h"
#include "net/ws_deflate.h"
#include "tests/unit/wire.h"

enum { CONT = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10, FIN = 0x80 };

struct world {
	struct loop *loop;
	struct curl_loop *curl;
	struct wire *wire;
	struct wire_conn *c;
	struct http_options http;
	struct http_client *client;
	struct websocket_options options;
	struct url url;
	struct websocket *ws;
	struct fault why;
	/* what came */
	unsigned texts, closes, heard, pieces;
	bool hold;                       /* nothing is pulled */
	struct loop_hook pull;
	bool got_text, closed, free_on_text, free_on_closed;
	struct buf text, coming;         /* the last one, and the one that comes in */
	size_t total;
	struct websocket_end end;
	char reason[512];
	char *payload;                   /* of the last frame received */
};

/* for cmocka; *state is a struct world */
int ws_world_setup(void **state);
int ws_world_teardown(void **state);

/* --- dialling --- */

int try_dial(struct world *w);
void dial(struct world *w);
/* Connects; returns the upgrade request, received on w->c. */
const char *dialled(struct world *w);
/* sends the valid answer to this request, with further headers */
void say_upgrade(struct wire_conn *c, const char *request, const char *more);
void accept_dial(struct world *w, const char *more);
void open_ws(struct world *w);
/* Ends both ends, so that another may be dialled. */
void redial(struct world *w);

/* --- frames, from the server's side --- */

void say_frame(struct world *w, unsigned first, const char *payload, size_t n);
void say_text(struct world *w, const char *text);
void say_close(struct world *w, unsigned code, const char *reason);
/* Waits for one frame of the client, whole, masked; the payload until the next call. */
unsigned hear_frame(struct world *w, struct slice *ret);
void expect_text(struct world *w, const char *text);
void expect_close(struct world *w, unsigned code);
/* Pulls what there is; by itself at the end of each turn that brings something. */
void pull(void *w);
/* Appends the text of a whole compressed message. */
void unpack(struct ws_deflate *d, struct slice packed, struct buf *out);
void until_text(struct world *w, const char *text);
/* The WebSocket ended, its reason holds this; it is freed. */
void until_closed(struct world *w, const char *reason);
/* n letters, and a NUL after them */
void fill(char *text, size_t n);

/* --- time: stops at freeze(), and at() sets the ms passed since --- */

void freeze(struct world *w);
void at(struct world *w, uint64_t ms);

#endif
