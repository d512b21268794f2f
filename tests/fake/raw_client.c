/*
 * Sends bytes to the fake server and reads its bytes. Shares no code with the
 * server, so that the same mistake on both sides cannot go unnoticed.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "tests/fake/raw_client.h"

#define TIMEOUT_MS 60000

/* ---- bytes ---- */

static int dial(uint16_t port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	close(fd);
	return -1;
}

void raw_open(struct raw *r, uint16_t port)
{
	memset(r, 0, sizeof(*r));
	r->fd = dial(port);
	assert_true(r->fd >= 0);
}

void raw_close(struct raw *r)
{
	if (r->fd >= 0)
		close(r->fd);
	free(r->in);
	*r = (struct raw){.fd = -1};
}

bool raw_refused(uint16_t port)
{
	int fd = dial(port);

	if (fd >= 0)
		close(fd);
	return fd < 0;
}

void raw_send(struct raw *r, const void *p, size_t n)
{
	while (n) {
		ssize_t sent = send(r->fd, p, n, MSG_NOSIGNAL);

		assert_true(sent > 0);
		p = (const char *)p + sent;
		n -= (size_t)sent;
	}
}

/* reads more bytes; 0 at the end, -1 on reset; a timeout fails the test */
static ssize_t fill(struct raw *r)
{
	struct pollfd p = {.fd = r->fd, .events = POLLIN};
	ssize_t got;

	if (poll(&p, 1, TIMEOUT_MS) != 1)
		fail_msg("nothing came");
	r->in = realloc(r->in, r->n + 65536 + 1);
	assert_non_null(r->in);
	got = recv(r->fd, r->in + r->n, 65536, 0);
	if (got > 0)
		r->n += (size_t)got;
	r->in[r->n] = '\0';
	return got;
}

static void drop(struct raw *r, size_t n)
{
	memmove(r->in, r->in + n, r->n - n + 1);
	r->n -= n;
}

bool raw_until_end(struct raw *r, char **ret, size_t *ret_n)
{
	ssize_t got;

	while ((got = fill(r)) > 0)
		;
	*ret = r->in;
	*ret_n = r->n;
	return got < 0;
}

/* s with every `from` replaced; to be freed */
static char *replaced(const char *s, const char *from, const char *to)
{
	size_t n = strlen(s), from_n = strlen(from), to_n = strlen(to), used = 0;
	char *out = malloc(n * (to_n > from_n ? to_n : 1) + 1);

	assert_non_null(out);
	while (*s) {
		if (from_n && strncmp(s, from, from_n) == 0) {
			memcpy(out + used, to, to_n);
			used += to_n;
			s += from_n;
		} else {
			out[used++] = *s++;
		}
	}
	out[used] = '\0';
	return out;
}

/* replaces the client's id by CID, once it is known */
static char *normalize(struct client *c, const char *text)
{
	const char *id = strstr(text, "\"clientId\":\"");

	if (!c->id[0] && id)
		sscanf(id, "\"clientId\":\"%63[^\"]", c->id);
	return replaced(text, c->id, "CID");
}

/* ---- long-polling ---- */

void client_init(struct client *c, uint16_t port)
{
	memset(c, 0, sizeof(*c));
	c->port = port;
	raw_open(&c->talk, port);
	c->wait.fd = -1;
}

void client_fini(struct client *c)
{
	raw_close(&c->talk);
	raw_close(&c->wait);
	free(c->head);
	free(c->body);
}

void send_post(struct client *c, struct raw *r, const char *text)
{
	char *body = replaced(text, "CID", c->id), *request;
	int n = asprintf(&request,
			 "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s%s%s%s"
			 "Content-Type: application/json;charset=UTF-8\r\n"
			 "Content-Length: %zu\r\n\r\n%s",
			 c->path ? c->path : "/cometd",
			 c->cookie[0] ? "Cookie: " : "", c->cookie, c->cookie[0] ? "\r\n" : "",
			 c->headers ? c->headers : "", strlen(body), body);

	assert_true(n > 0);
	raw_send(r, request, (size_t)n);
	free(request);
	free(body);
}

static size_t chunked_length(const char *p, const char *end)
{
	const char *start = p;

	for (;;) {
		const char *line = memmem(p, (size_t)(end - p), "\r\n", 2);
		size_t n;

		if (!line)
			return 0;
		n = strtoul(p, NULL, 16);
		if (line + 2 + n + 2 > end)
			return 0;
		p = line + 2 + n + 2;
		if (n == 0)
			return (size_t)(p - start);
	}
}

/* the length of the body on the wire; SIZE_MAX when it is not complete */
static size_t body_length(const struct raw *r, size_t head)
{
	const char *length = strcasestr(r->in, "Content-Length:");
	size_t n;

	if (strcasestr(r->in, "Transfer-Encoding: chunked")) {
		n = chunked_length(r->in + head, r->in + r->n);
		return n ? n : SIZE_MAX;
	}
	n = length && length < r->in + head ? strtoul(length + 15, NULL, 10) : 0;
	return r->n - head < n ? SIZE_MAX : n;
}

const char *read_response(struct client *c, struct raw *r)
{
	char *end, *cookie, *raw_body;
	size_t head, n;

	while (!r->n || !(end = strstr(r->in, "\r\n\r\n")))
		if (fill(r) <= 0)
			fail_msg("the connection ended before the response");
	head = (size_t)(end - r->in) + 4;
	while ((n = body_length(r, head)) == SIZE_MAX)
		if (fill(r) <= 0)
			fail_msg("the connection ended in the response");
	free(c->head);
	free(c->body);
	c->head = strndup(r->in, head);
	raw_body = strndup(r->in + head, n);
	assert_non_null(c->head);
	assert_non_null(raw_body);
	assert_int_equal(sscanf(c->head, "HTTP/1.1 %d ", &c->status), 1);
	cookie = strstr(c->head, "Set-Cookie: BAYEUX_BROWSER=");
	if (cookie)
		sscanf(cookie, "Set-Cookie: %127[^;]", c->cookie);
	c->body = normalize(c, raw_body);
	free(raw_body);
	drop(r, head + n);
	return c->body;
}

const char *ask(struct client *c, const char *text)
{
	if (c->ws) {
		send_ws(c, text);
		return read_ws(c);
	}
	send_post(c, &c->talk, text);
	return read_response(c, &c->talk);
}

void client_handshake(struct client *c, const char *fields)
{
	char *text;

	assert_true(asprintf(&text, "[{\"channel\":\"/meta/handshake\",\"version\":\"1.0\","
			     "\"supportedConnectionTypes\":[\"websocket\",\"long-polling\"],"
			     "\"id\":\"1\"%s%s}]", fields ? "," : "", fields ? fields : "") > 0);
	c->id[0] = '\0';
	assert_non_null(strstr(ask(c, text), "\"successful\":true"));
	free(text);
	assert_non_null(strstr(ask(c, "[{\"channel\":\"/meta/connect\",\"clientId\":\"CID\","
				   "\"connectionType\":\"long-polling\",\"id\":\"2\","
				   "\"advice\":{\"timeout\":0}}]"), "\"successful\":true"));
}

void send_connect(struct client *c, const char *id)
{
	char *text;

	assert_true(asprintf(&text, "[{\"channel\":\"/meta/connect\",\"clientId\":\"CID\","
			     "\"connectionType\":\"%s\",\"id\":\"%s\"}]",
			     c->ws ? "websocket" : "long-polling", id) > 0);
	if (c->ws) {
		send_ws(c, text);
	} else {
		if (c->wait.fd < 0)
			raw_open(&c->wait, c->port);
		send_post(c, &c->wait, text);
	}
	free(text);
}

/* ---- WebSocket ---- */

void send_upgrade(struct raw *r, uint16_t port, const char *headers)
{
	char *request;
	int n;

	raw_open(r, port);
	n = asprintf(&request,
		     "GET /cometd HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
		     "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n%s"
		     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		     headers ? headers : "");
	assert_true(n > 0);
	raw_send(r, request, (size_t)n);
	free(request);
}

void client_open_ws(struct client *c)
{
	raw_close(&c->talk);
	c->ws = true;
	send_upgrade(&c->talk, c->port, NULL);
	read_response(c, &c->talk);
	assert_int_equal(c->status, 101);
	/* the answer of RFC 6455, 1.3 to its sample key */
	assert_non_null(strstr(c->head, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
}

void send_ws_frame(struct client *c, unsigned first, const char *text, size_t n)
{
	unsigned char head[14] = {(unsigned char)first};
	size_t used = 2;
	char *masked = malloc(n + 1);

	assert_non_null(masked);
	head[1] = (unsigned char)(0x80 | (n < 126 ? n : n < 65536 ? 126 : 127));
	for (int i = n < 126 ? 0 : n < 65536 ? 2 : 8; i > 0; i--)
		head[used++] = (unsigned char)((uint64_t)n >> 8 * (i - 1));
	memcpy(head + used, "mask", 4);
	for (size_t i = 0; i < n; i++)
		masked[i] = (char)(text[i] ^ "mask"[i % 4]);
	raw_send(&c->talk, head, used + 4);
	raw_send(&c->talk, masked, n);
	free(masked);
}

void send_ws(struct client *c, const char *text)
{
	char *said = replaced(text, "CID", c->id);

	send_ws_frame(c, 0x81, said, strlen(said));
	free(said);
}

static void need(struct raw *r, size_t n)
{
	while (r->n < n)
		if (fill(r) <= 0)
			fail_msg("the connection ended before the frame");
}

const struct frame *read_ws_frame(struct client *c)
{
	static struct frame f;
	struct raw *r = &c->talk;
	const unsigned char *p;
	size_t head = 2;
	uint64_t n;

	need(r, 2);
	p = (const unsigned char *)r->in;
	n = p[1] & 0x7f;
	if (n >= 126) {
		int bytes = n == 126 ? 2 : 8;

		need(r, head + (size_t)bytes);
		p = (const unsigned char *)r->in;
		for (n = 0; bytes; bytes--)
			n = n << 8 | p[head++];
	}
	f.first = p[0];
	f.masked = p[1] & 0x80;
	head += f.masked ? 4 : 0;
	need(r, head + n);
	free(c->body);
	c->body = malloc(n + 1);
	assert_non_null(c->body);
	memcpy(c->body, r->in + head, n);
	c->body[n] = '\0';
	f.text = c->body;
	f.n = n;
	drop(r, head + n);
	return &f;
}

const char *read_ws(struct client *c)
{
	const struct frame *f = read_ws_frame(c);
	char *text;

	assert_int_equal(f->first, 0x81);
	assert_false(f->masked);
	text = normalize(c, f->text);
	free(c->body);
	return c->body = text;
}

unsigned read_ws_close(struct client *c)
{
	const struct frame *f = read_ws_frame(c);

	assert_int_equal(f->first, 0x88);
	assert_true(f->n >= 2);
	return (unsigned)(unsigned char)f->text[0] << 8 | (unsigned char)f->text[1];
}
