/*
 * Connections: accepting, reading, writing, and every way of closing one. http.c and
 * ws.c handle their content and set `ops`.
 */
#ifndef FAKE_CONN_H
#define FAKE_CONN_H

#include <event2/buffer.h>
#include "tests/fake/server.h"

struct conn;

struct conn_ops {
	/* bytes are waiting in conn_input */
	void (*readable)(struct conn *c);
	/* the connection is over: nothing can be sent any more */
	void (*closed)(struct conn *c);
	/* frees `state`, after the turn: a callback of its own may be running */
	void (*free_state)(struct conn *c);
};

struct conn {
	struct list link;
	struct server *server;
	struct bufferevent *bev;
	unsigned number;
	enum transport transport;
	const struct conn_ops *ops;
	void *state;
	bool busy;		/* a request is being answered, or held */
	bool closing;		/* ends when all is written */
	bool reset;		/* … with RST */
};

/*
 * Binds 127.0.0.1; port 0 takes the kernel's choice, which server->port then
 * names. 0 or negative errno. server->on_accept must give each new connection
 * its ops.
 */
int conn_listen(struct server *s, uint16_t port);
/* from now on connecting is refused */
void conn_stop_listening(struct server *s);
/* certificate and key of PEM files; false and a line on stderr when it cannot */
bool conn_use_tls(struct server *s, const char *cert, const char *key);

struct evbuffer *conn_input(struct conn *c);
void conn_write(struct conn *c, const void *p, size_t n);
/* looks at the input again after this turn */
void conn_read_later(struct conn *c);
/* when all is written: FIN, or RST */
void conn_finish(struct conn *c, bool reset);
/* now: FIN, or RST */
void conn_close(struct conn *c, bool reset);

/* neither reads nor writes nor accepts: to the client the server is silent */
void conn_freeze(struct server *s, bool frozen);
/* from now on each connection sends `n` bytes at once and as many every `ms`; 0: all it can */
void conn_drip(struct server *s, size_t n, long ms);
/* closes everything and frees what is left; the end of the server */
void conn_end(struct server *s);

#endif
