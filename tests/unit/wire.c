/*
 * The server's end of the sockets (see wire.h). Waiting runs the loop and has a
 * deadline, after which the test fails.
 */
#include "tests/unit/wire.h"

#include "tests/unit/testing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* turns, of 0.2 ms at least: a test that is stopped for a while has lost none of them */
#define PATIENCE 50000
#define HEARD_MAX (64u << 20)

struct wire {
	struct loop *loop;
	struct loop_watch *watch;
	SSL_CTX *tls;
	int fd;
	unsigned port, count;
	struct list fresh, used;         /* wire_conn::link */
};

struct wire_conn {
	struct wire *w;
	struct list link;
	struct loop_watch *watch;
	SSL *ssl;
	int fd;
	bool gone, deaf;
	struct buf in, out, request;
};

/* --- waiting --- */

/* One turn that ends soon even when nothing comes: the clock of the loop may be a fake. */
static void turn(struct loop *loop)
{
	struct timespec brief = {0, 200000};

	assert_int_equal(loop_turn(loop, false), 0);
	nanosleep(&brief, NULL);
}

#define UNTIL(loop, condition)                                                              \
	do {                                                                                \
		for (unsigned left_ = PATIENCE; !(condition); left_--) {                    \
			if (!left_)                                                         \
				fail_msg("waited in vain for " #condition);                 \
			turn(loop);                                                         \
		}                                                                           \
	} while (0)

void wire_until(struct loop *loop, const bool *flag)
{
	UNTIL(loop, *flag);
}

void wire_settle(struct loop *loop)
{
	for (int i = 0; i < 20; i++)
		turn(loop);
}

/* --- one connection --- */

static ssize_t take(struct wire_conn *c, char *to, size_t n)
{
	int r;

	if (!c->ssl)
		return recv(c->fd, to, n, MSG_DONTWAIT);
	r = SSL_read(c->ssl, to, (int)n);
	if (r > 0)
		return r;
	r = SSL_get_error(c->ssl, r);
	errno = r == SSL_ERROR_WANT_READ || r == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
	return r == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static ssize_t give(struct wire_conn *c, const char *from, size_t n)
{
	int r;

	if (!c->ssl)
		return send(c->fd, from, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	r = SSL_write(c->ssl, from, (int)(n > INT32_MAX ? INT32_MAX : n));
	if (r > 0)
		return r;
	r = SSL_get_error(c->ssl, r);
	errno = r == SSL_ERROR_WANT_READ || r == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
	return -1;
}

static void settle_watch(struct wire_conn *c)
{
	unsigned events = (c->deaf || c->gone ? 0 : LOOP_READ) |
			  (buf_len(&c->out) && !c->gone ? LOOP_WRITE : 0);

	assert_int_equal(loop_watch_set(c->watch, events), 0);
}

static void hear(struct wire_conn *c)
{
	char *to;
	ssize_t n;

	while (!c->gone && !c->deaf) {
		assert_int_equal(buf_room(&c->in, 65536, &to), 0);
		n = take(c, to, 65536);
		if (n > 0)
			buf_grown(&c->in, (size_t)n);
		else if (n < 0 && errno == EAGAIN)
			return;
		else
			c->gone = true;
	}
}

static void say(struct wire_conn *c)
{
	while (buf_len(&c->out) && !c->gone) {
		struct slice s = buf_slice(&c->out);
		ssize_t n = give(c, s.p, s.n);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			c->gone = true;
		else
			buf_consume(&c->out, (size_t)n);
	}
}

static void on_conn(void *ctx, unsigned events)
{
	struct wire_conn *c = ctx;

	(void)events;
	hear(c);
	say(c);
	settle_watch(c);
}

static void on_accept(void *ctx, unsigned events)
{
	struct wire *w = ctx;
	struct wire_conn *c = calloc(1, sizeof(*c));

	(void)events;
	assert_non_null(c);
	c->w = w;
	c->fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(c->fd >= 0);
	buf_init(&c->in, HEARD_MAX);
	buf_init(&c->out, HEARD_MAX);
	buf_init(&c->request, HEARD_MAX);
	if (w->tls) {
		c->ssl = SSL_new(w->tls);
		assert_non_null(c->ssl);
		SSL_set_fd(c->ssl, c->fd);
		SSL_set_accept_state(c->ssl);
	}
	list_init(&c->link);
	list_append(&w->fresh, &c->link);
	w->count++;
	assert_int_equal(loop_watch_new(w->loop, c->fd, LOOP_READ, on_conn, c, &c->watch), 0);
}

static void conn_free(struct wire_conn *c)
{
	list_remove(&c->link);
	loop_watch_free(c->watch);
	SSL_free(c->ssl);
	if (c->fd >= 0)
		close(c->fd);
	buf_fini(&c->in);
	buf_fini(&c->out);
	buf_fini(&c->request);
	free(c);
}

/* --- listening --- */

struct wire *wire_new(struct loop *loop)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(sa);
	struct wire *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->loop = loop;
	list_init(&w->fresh);
	list_init(&w->used);
	w->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(w->fd >= 0);
	assert_int_equal(bind(w->fd, (struct sockaddr *)&sa, n), 0);
	assert_int_equal(listen(w->fd, 128), 0);
	assert_int_equal(getsockname(w->fd, (struct sockaddr *)&sa, &n), 0);
	w->port = ntohs(sa.sin_port);
	assert_int_equal(loop_watch_new(loop, w->fd, LOOP_READ, on_accept, w, &w->watch), 0);
	return w;
}

struct wire *wire_new_tls(struct loop *loop, const char *certificate, const char *key)
{
	struct wire *w = wire_new(loop);

	w->tls = SSL_CTX_new(TLS_server_method());
	assert_non_null(w->tls);
	assert_int_equal(SSL_CTX_use_certificate_file(w->tls, certificate, SSL_FILETYPE_PEM), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(w->tls, key, SSL_FILETYPE_PEM), 1);
	SSL_CTX_set_mode(w->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return w;
}

void wire_demand_certificate(struct wire *w, const char *authority)
{
	assert_int_equal(SSL_CTX_load_verify_locations(w->tls, authority, NULL), 1);
	/* the sessions of before showed no certificate: none of them is resumed */
	assert_int_equal(SSL_CTX_set_session_id_context(w->tls, (const unsigned char *)"cert", 4), 1);
	SSL_CTX_set_verify(w->tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
}

void wire_be_old(struct wire *w)
{
	assert_int_equal(SSL_CTX_set_max_proto_version(w->tls, TLS1_2_VERSION), 1);
}

void wire_free(struct wire *w)
{
	if (!w)
		return;
	list_splice(&w->used, &w->fresh);
	LIST_EACH_SAFE(c, &w->used, struct wire_conn, link)
		conn_free(c);
	loop_watch_free(w->watch);
	close(w->fd);
	SSL_CTX_free(w->tls);
	free(w);
}

unsigned wire_refusing_port(int *ret_fd)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, n), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
	*ret_fd = fd;
	return ntohs(sa.sin_port);
}

unsigned wire_port(const struct wire *w)
{
	return w->port;
}

unsigned wire_count(const struct wire *w)
{
	return w->count;
}

void wire_pause(struct wire *w, bool pause)
{
	assert_int_equal(loop_watch_set(w->watch, pause ? 0 : LOOP_READ), 0);
}

const char *wire_url(const struct wire *w, const char *scheme, const char *path)
{
	static char url[256];

	snprintf(url, sizeof(url), "%s://127.0.0.1:%u%s", scheme, w->port, path);
	return url;
}

struct wire_conn *wire_accept(struct wire *w)
{
	struct wire_conn *c;

	UNTIL(w->loop, !list_empty(&w->fresh));
	c = LIST_FIRST(&w->fresh, struct wire_conn, link);
	list_remove(&c->link);
	list_append(&w->used, &c->link);
	return c;
}

/* --- a conversation --- */

void wire_hear_bytes(struct wire_conn *c, size_t n)
{
	UNTIL(c->w->loop, buf_len(&c->in) >= n);
}

static const char *find(const struct wire_conn *c, const char *text)
{
	struct slice s = buf_slice(&c->in);

	return s.p ? memmem(s.p, s.n, text, strlen(text)) : NULL;
}

void wire_hear(struct wire_conn *c, const char *text)
{
	UNTIL(c->w->loop, find(c, text));
}

const char *wire_request(struct wire_conn *c)
{
	size_t head, body = 0;
	const char *length;

	wire_hear(c, "\r\n\r\n");
	head = (size_t)(find(c, "\r\n\r\n") + 4 - buf_slice(&c->in).p);
	length = find(c, "Content-Length: ");
	if (length && length < buf_slice(&c->in).p + head)
		body = strtoul(length + 16, NULL, 10);
	wire_hear_bytes(c, head + body);
	buf_clear(&c->request);
	buf_put(&c->request, slice_take(buf_slice(&c->in), head + body));
	assert_int_equal(buf_putc(&c->request, 0), 0);
	buf_consume(&c->in, head + body);
	return buf_slice(&c->request).p;
}

struct slice wire_heard(const struct wire_conn *c)
{
	return buf_slice(&c->in);
}

void wire_forget(struct wire_conn *c, size_t n)
{
	buf_consume(&c->in, n);
}

void wire_say_bytes(struct wire_conn *c, const void *p, size_t n)
{
	assert_int_equal(buf_put(&c->out, slice_make(p, n)), 0);
	say(c);
	settle_watch(c);
}

void wire_say(struct wire_conn *c, const char *text)
{
	wire_say_bytes(c, text, strlen(text));
}

void wire_said(struct wire_conn *c)
{
	UNTIL(c->w->loop, c->gone || !buf_len(&c->out));
}

bool wire_has_said(const struct wire_conn *c)
{
	return !buf_len(&c->out);
}

void wire_deaf(struct wire_conn *c)
{
	c->deaf = true;
	settle_watch(c);
}

void wire_listen(struct wire_conn *c)
{
	c->deaf = false;
	settle_watch(c);
}

void wire_gone(struct wire_conn *c)
{
	UNTIL(c->w->loop, c->gone);
}

bool wire_is_gone(const struct wire_conn *c)
{
	return c->gone;
}

void wire_close(struct wire_conn *c)
{
	if (c->ssl)
		SSL_shutdown(c->ssl);
	conn_free(c);
}

void wire_reset(struct wire_conn *c)
{
	struct linger now = {1, 0};

	assert_int_equal(setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	conn_free(c);
}
