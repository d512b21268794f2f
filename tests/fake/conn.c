/*
 * The listening socket and the connections. The struct of a connection is freed
 * after the turn in which it ends. The only user of bufferevents.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#ifdef HAVE_EVENT_OPENSSL
#include <event2/bufferevent_ssl.h>
#include <openssl/ssl.h>
#endif
#include "tests/fake/conn.h"

static void note(const struct conn *c, const char *kind, const char *text)
{
	journal_add(&c->server->journal, &(struct note){
		.kind = kind, .transport = c->transport, .text = text,
	});
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	(void)bev;
	if (!c->closing)
		c->ops->readable(c);
	else
		evbuffer_drain(conn_input(c), evbuffer_get_length(conn_input(c)));
}

static void on_written(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	if (c->closing && evbuffer_get_length(bufferevent_get_output(bev)) == 0)
		conn_close(c, c->reset);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		conn_close(arg, false);
}

static struct bufferevent *new_bufferevent(struct server *s, evutil_socket_t fd)
{
#ifdef HAVE_EVENT_OPENSSL
	if (s->tls) {
		SSL *ssl = SSL_new(s->tls);
		struct bufferevent *bev;

		if (!ssl)
			return NULL;
		bev = bufferevent_openssl_socket_new(s->base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
						     BEV_OPT_CLOSE_ON_FREE);
		if (bev)
			bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
		return bev;
	}
#endif
	return bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *addr, int len,
		      void *arg)
{
	struct server *s = arg;
	struct conn *c;
	struct bufferevent *bev = new_bufferevent(s, fd);

	(void)l;
	(void)addr;
	(void)len;
	if (!bev) {
		evutil_closesocket(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	c = xcalloc(1, sizeof(*c));
	c->server = s;
	c->bev = bev;
	c->number = ++s->last_conn;
	list_append(&s->conns, &c->link);
	s->on_accept(c);
	note(c, "accept", NULL);
	bufferevent_setcb(bev, on_read, on_written, on_event, c);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
	if (s->drip)
		bufferevent_set_rate_limit(bev, s->drip);
}

static void reap(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	(void)fd;
	(void)what;
	LIST_EACH_SAFE(c, &s->closed_conns, struct conn, link) {
		list_remove(&c->link);
		c->ops->free_state(c);
		free(c);
	}
}

int conn_listen(struct server *s, uint16_t port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);

	if (!s->reaper && !(s->reaper = event_new(s->base, -1, 0, reap, s)))
		return -ENOMEM;
	if (s->listener)
		return 0;
	s->listener = evconnlistener_new_bind(s->base, on_accept, s,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, 512,
		(struct sockaddr *)&addr, sizeof(addr));
	if (!s->listener)
		return -errno;
	if (getsockname(evconnlistener_get_fd(s->listener), (struct sockaddr *)&addr, &len) < 0)
		return -errno;
	s->port = ntohs(addr.sin_port);
	return 0;
}

void conn_stop_listening(struct server *s)
{
	if (s->listener)
		evconnlistener_free(s->listener);
	s->listener = NULL;
}

bool conn_use_tls(struct server *s, const char *cert, const char *key)
{
#ifdef HAVE_EVENT_OPENSSL
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx && SSL_CTX_use_certificate_chain_file(ctx, cert) == 1 &&
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) == 1) {
		s->tls = ctx;
		return true;
	}
	fprintf(stderr, "fake-bayeux: cannot use certificate %s with key %s\n", cert, key);
	SSL_CTX_free(ctx);
#else
	(void)s;
	(void)cert;
	(void)key;
	fputs("fake-bayeux: built without libevent_openssl, no --tls\n", stderr);
#endif
	return false;
}

struct evbuffer *conn_input(struct conn *c)
{
	return bufferevent_get_input(c->bev);
}

void conn_write(struct conn *c, const void *p, size_t n)
{
	if (c->bev && !c->closing)
		bufferevent_write(c->bev, p, n);
}

void conn_read_later(struct conn *c)
{
	if (c->bev && evbuffer_get_length(conn_input(c)))
		bufferevent_trigger(c->bev, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
}

void conn_finish(struct conn *c, bool reset)
{
	if (!c->bev)
		return;
	c->closing = true;
	c->reset = reset;
	if (evbuffer_get_length(bufferevent_get_output(c->bev)) == 0)
		conn_close(c, reset);
}

void conn_close(struct conn *c, bool reset)
{
	struct server *s = c->server;

	if (!c->bev)
		return;
	if (reset)
		setsockopt(bufferevent_getfd(c->bev), SOL_SOCKET, SO_LINGER,
			   &(struct linger){.l_onoff = 1}, sizeof(struct linger));
	bufferevent_free(c->bev);
	c->bev = NULL;
	note(c, "close", NULL);
	c->ops->closed(c);
	list_remove(&c->link);
	list_append(&s->closed_conns, &c->link);
	event_active(s->reaper, EV_TIMEOUT, 0);
}

void conn_freeze(struct server *s, bool frozen)
{
	s->frozen = frozen;
	LIST_EACH(c, &s->conns, struct conn, link) {
		if (frozen)
			bufferevent_disable(c->bev, EV_READ | EV_WRITE);
		else
			bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	}
	if (!s->listener)
		return;
	if (frozen)
		evconnlistener_disable(s->listener);
	else
		evconnlistener_enable(s->listener);
}

void conn_drip(struct server *s, size_t n, long ms)
{
	struct timeval tick = msec(ms);
	struct ev_token_bucket_cfg *old = s->drip;

	s->drip = ms ? ev_token_bucket_cfg_new(EV_RATE_LIMIT_MAX, EV_RATE_LIMIT_MAX, n, n, &tick) : NULL;
	if (ms && !s->drip)
		abort();
	LIST_EACH(c, &s->conns, struct conn, link)
		bufferevent_set_rate_limit(c->bev, s->drip);
	if (old)
		ev_token_bucket_cfg_free(old);
}

void conn_end(struct server *s)
{
	struct conn *c;

	conn_stop_listening(s);
	while ((c = LIST_FIRST(&s->conns, struct conn, link)))
		conn_close(c, false);
	reap(-1, 0, s);
	if (s->drip)
		ev_token_bucket_cfg_free(s->drip);
	if (s->reaper)
		event_free(s->reaper);
#ifdef HAVE_EVENT_OPENSSL
	SSL_CTX_free(s->tls);
#endif
}
