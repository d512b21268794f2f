/*
 * HTTP/1.1: parses requests and writes responses, invalid ones included. Serves one
 * request at a time, in order, with limits for head and body.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include "tests/fake/codec.h"
#include "tests/fake/http.h"

#define MAX_HEAD (64 * 1024)
#define MAX_BODY (64 * 1024 * 1024)

struct http {
	http_serve *serve;
	void (*closed)(struct conn *c);
	size_t head;		/* length of the current head, 0 = not complete yet */
	bool continued;		/* 100 Continue was sent for it */
	bool keep_alive;
};

/* removes the next line from `rest` and returns it without its CRLF */
static struct slice next_line(struct slice *rest)
{
	const char *end = memchr(rest->p, '\n', rest->n);
	struct slice line = slice_take(*rest, end ? (size_t)(end - rest->p) : rest->n);

	*rest = slice_drop(*rest, line.n + 1);
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

static struct slice trim(struct slice s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = slice_drop(s, 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

struct slice http_header(const struct http_request *r, const char *name)
{
	struct slice rest = r->head;
	size_t n = strlen(name);

	next_line(&rest);
	while (rest.n) {
		struct slice line = next_line(&rest);

		if (line.n > n && line.p[n] == ':' && strncasecmp(line.p, name, n) == 0)
			return trim(slice_drop(line, n + 1));
	}
	return SLICE_NULL;
}

struct slice http_cookie(const struct http_request *r, const char *name)
{
	struct slice rest = http_header(r, "Cookie");
	size_t n = strlen(name);

	while (rest.n) {
		const char *semicolon = memchr(rest.p, ';', rest.n);
		struct slice one = slice_take(rest, semicolon ? (size_t)(semicolon - rest.p)
							      : rest.n);

		rest = slice_drop(rest, one.n + 1);
		one = trim(one);
		if (one.n > n && one.p[n] == '=' && strncmp(one.p, name, n) == 0)
			return slice_drop(one, n + 1);
	}
	return SLICE_NULL;
}

static bool header_is(const struct http_request *r, const char *name, const char *value)
{
	struct slice s = http_header(r, name);

	return s.n == strlen(value) && strncasecmp(s.p, value, s.n) == 0;
}

/*
 * The body of a chunked request. 1 when it is complete, with its length on the wire
 * in *ret_used; 0 when more must come. Parses from the start each time, which is
 * fast enough for a test server.
 */
static int dechunk(struct slice in, struct text *ret, size_t *ret_used)
{
	struct slice rest = in;

	for (;;) {
		struct slice line;
		size_t n;

		if (!memchr(rest.p, '\n', rest.n))
			return 0;
		line = next_line(&rest);
		n = strtoul(line.p, NULL, 16);
		if (n > MAX_BODY || rest.n < n + 2)
			return 0;
		text_slice(ret, slice_take(rest, n));
		rest = slice_drop(rest, n + 2);
		if (n == 0) {
			*ret_used = in.n - rest.n;
			return 1;
		}
	}
}

/* the length of the head; 0 when it is not complete yet */
static size_t head_length(struct evbuffer *in)
{
	struct evbuffer_ptr at = evbuffer_search(in, "\r\n\r\n", 4, NULL);

	return at.pos < 0 ? 0 : (size_t)at.pos + 4;
}

static bool parse_head(struct conn *c, struct http_request *r)
{
	struct slice rest = r->head, line = next_line(&rest);
	const char *first = memchr(line.p, ' ', line.n), *second;
	struct http *h = c->state;

	if (!first)
		return false;
	r->method = slice_make(line.p, (size_t)(first - line.p));
	second = memchr(first + 1, ' ', line.n - r->method.n - 1);
	if (!second)
		return false;
	r->path = slice_make(first + 1, (size_t)(second - first - 1));
	h->keep_alive = !header_is(r, "Connection", "close") &&
			!slice_starts(slice_make(second + 1, 8), SLICE("HTTP/1.0"));
	return true;
}

/* curl sends Expect: 100-continue before more than 1 MB */
static void answer_expect(struct conn *c, const struct http_request *r)
{
	struct http *h = c->state;

	if (!h->continued && header_is(r, "Expect", "100-continue"))
		conn_write(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	h->continued = true;
}

/*
 * The body after the head: 1 when it is complete, with its length on the wire in
 * *ret_used; 0 when more must come; -1 when it is too large.
 */
static int find_body(const struct http_request *r, struct slice behind, struct text *ret,
		     size_t *ret_used)
{
	struct slice length = http_header(r, "Content-Length");
	size_t n = length.p ? strtoul(length.p, NULL, 10) : 0;

	if (header_is(r, "Transfer-Encoding", "chunked"))
		return dechunk(behind, ret, ret_used);
	if (n > MAX_BODY)
		return -1;
	if (behind.n < n)
		return 0;
	text_add(ret, behind.p, n);
	*ret_used = n;
	return 1;
}

static void refuse(struct conn *c, int status)
{
	http_respond(c, status, NULL, SLICE_NULL, NULL);
	conn_finish(c, false);
}

/* serves the request at the start of the input; false when it is not complete yet */
static bool serve_one(struct conn *c)
{
	struct evbuffer *in = conn_input(c);
	struct http *h = c->state;
	struct http_request r = {SLICE_NULL, SLICE_NULL, SLICE_NULL, SLICE_NULL};
	struct text head = {NULL, 0, 0}, body = {NULL, 0, 0};
	struct slice all;
	size_t used = 0;
	int whole = 0;

	if (!h->head && !(h->head = head_length(in))) {
		if (evbuffer_get_length(in) > MAX_HEAD)
			conn_close(c, false);
		return false;
	}
	all = slice_make(evbuffer_pullup(in, -1), evbuffer_get_length(in));
	text_add(&head, all.p, h->head);
	r.head = text_view(&head);
	if (!parse_head(c, &r))
		refuse(c, 400);
	else if ((whole = find_body(&r, slice_drop(all, h->head), &body, &used)) < 0)
		refuse(c, 413);
	else if (whole == 0)
		answer_expect(c, &r);
	if (whole > 0) {
		evbuffer_drain(in, h->head + used);
		h->head = 0;
		h->continued = false;
		c->busy = true;
		r.body = text_view(&body);
		h->serve(c, &r);
	}
	text_fini(&head);
	text_fini(&body);
	return whole > 0;
}

static void http_closed(struct conn *c)
{
	struct http *h = c->state;

	h->closed(c);
}

static void http_readable(struct conn *c)
{
	const struct conn_ops *mine = c->ops;

	while (c->bev && !c->busy && !c->closing && c->ops == mine &&
	       evbuffer_get_length(conn_input(c)) && serve_one(c))
		;
}

void http_attach(struct conn *c, http_serve *serve, void (*closed)(struct conn *c))
{
	static const struct conn_ops ops = {http_readable, http_closed, http_detach};
	struct http *h = xcalloc(1, sizeof(*h));

	h->serve = serve;
	h->closed = closed;
	c->state = h;
	c->ops = &ops;
	c->transport = TRANSPORT_LP;
}

void http_detach(struct conn *c)
{
	free(c->state);
	c->state = NULL;
}

static const char *reason_of(int status)
{
	switch (status) {
	case 101: return "Switching Protocols";
	case 200: return "OK";
	case 204: return "No Content";
	case 302: return "Found";
	case 400: return "Bad Request";
	case 401: return "Unauthorized";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 408: return "Request Timeout";
	case 413: return "Payload Too Large";
	case 429: return "Too Many Requests";
	case 500: return "Server Error";
	case 502: return "Bad Gateway";
	case 503: return "Service Unavailable";
	case 504: return "Gateway Timeout";
	default: return "Status";
	}
}

static void write_chunked(struct slice body, size_t size, struct text *out)
{
	while (body.n) {
		struct slice part = slice_take(body, size);

		text_printf(out, "%zx\r\n", part.n);
		text_slice(out, part);
		text_puts(out, "\r\n");
		body = slice_drop(body, part.n);
	}
	text_puts(out, "0\r\n\r\n");
}

static void render(int status, const char *headers, struct slice body, const struct send_options *m,
		   bool keep_alive, struct text *out)
{
	struct text packed = {NULL, 0, 0};
	size_t head;

	if (m->gzip) {
		codec_gzip(body, &packed);
		body = text_view(&packed);
	}
	text_printf(out, "HTTP/1.1 %d %s\r\n", status, reason_of(status));
	text_puts(out, m->headers ? m->headers : "");
	text_puts(out, headers ? headers : "");
	if (m->gzip)
		text_puts(out, "Content-Encoding: gzip\r\n");
	if (!keep_alive)
		text_puts(out, "Connection: close\r\n");
	if (m->chunk)
		text_puts(out, "Transfer-Encoding: chunked\r\n");
	else if (status >= 200 && status != 204)
		text_printf(out, "Content-Length: %zu\r\n", body.n);
	text_puts(out, "\r\n");
	head = out->n;
	if (m->chunk)
		write_chunked(body, m->chunk, out);
	else
		text_slice(out, body);
	if (m->cut_body && out->n > head + m->cut_at)
		out->n = head + m->cut_at;
	if (m->cut_head && out->n > m->cut_at)
		out->n = m->cut_at;
	text_fini(&packed);
}

void http_respond(struct conn *c, int status, const char *headers, struct slice body,
		  const struct send_options *send_options)
{
	static const struct send_options good;
	const struct send_options *m = send_options ? send_options : &good;
	struct http *h = c->state;
	struct text out = {NULL, 0, 0};

	if (m->silent)
		return;
	if (m->close || (m->reset && !m->cut_body && !m->cut_head)) {
		conn_close(c, m->reset);
		return;
	}
	if (m->raw)
		codec_hex(m->raw, &out);
	else
		render(m->status ? m->status : status, headers, body, m, h->keep_alive, &out);
	conn_write(c, out.p, out.n);
	text_fini(&out);
	c->busy = false;
	if (m->cut_body || m->cut_head || !h->keep_alive)
		conn_finish(c, m->reset);
	else
		conn_read_later(c);
}
