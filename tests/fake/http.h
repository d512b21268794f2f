/* HTTP/1.1 on a connection: one request at a time, valid and invalid responses. */
#ifndef FAKE_HTTP_H
#define FAKE_HTTP_H

#include "protocol/slice.h"
#include "tests/fake/conn.h"
#include "tests/fake/send_options.h"

/* views into the request's own bytes, valid during the call of `serve` */
struct http_request {
	struct slice head;
	struct slice method;
	struct slice path;
	struct slice body;
};

/* Called with a complete request; answer now or later with http_respond. */
typedef void http_serve(struct conn *c, const struct http_request *r);

/* makes c an HTTP connection */
void http_attach(struct conn *c, http_serve *serve, void (*closed)(struct conn *c));
/* frees what http_attach made: before a connection becomes a WebSocket */
void http_detach(struct conn *c);

/* the value of a header, SLICE_NULL when there is none; name in any case */
struct slice http_header(const struct http_request *r, const char *name);
/* the value of a cookie, SLICE_NULL when there is none */
struct slice http_cookie(const struct http_request *r, const char *name);

/*
 * Sends the response to the current request. headers: complete lines, may be NULL.
 * send_options: may be NULL; its status and headers take precedence; the caller
 * implements its hold and delay.
 */
void http_respond(struct conn *c, int status, const char *headers, struct slice body,
		  const struct send_options *send_options);

#endif
