/*
 * Owns one connection that libcurl made with CURLOPT_CONNECT_ONLY, and the watch on
 * it. Freeing the stream closes the connection.
 *
 * The transfer stays in the CURLM after the connect, because curl_easy_send() and
 * curl_easy_recv() find the connection only there. The first bytes must be written
 * in the callback that reports the connect: the first use marks the connection as
 * busy, and another transfer could close an idle one as too old
 * (prune_dead_connections in libcurl's lib/url.c).
 */
#include "net/stream.h"

#include "base/errors.h"
#include "base/fault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct stream {
	struct loop *loop;
	struct curl_transfer transfer;
	struct loop_watch *watch;        /* once connected */
	struct stream_events events;
	struct fault error;              /* written by libcurl */
	struct fault reason;
};

static int over(struct stream *s, const char *reason)
{
	if (!fault_is_set(&s->reason))
		fault_set(&s->reason, "%s", reason);
	return -EPIPE;
}

int stream_read(struct stream *s, struct buf *in, size_t max)
{
	CURLcode code;
	size_t n = 0;
	char *to;
	int r = buf_room(in, max, &to);

	if (r)
		return r;
	code = curl_easy_recv(s->transfer.easy, to, max, &n);
	if (code == CURLE_AGAIN)
		return -EAGAIN;
	if (code)
		return over(s, fault_is_set(&s->error) ? s->error.text : curl_easy_strerror(code));
	if (n == 0)
		return over(s, "the server closed the connection");
	buf_grown(in, n);
	return 0;
}

int stream_write(struct stream *s, struct buf *out)
{
	while (buf_len(out) > 0) {
		struct slice bytes = buf_slice(out);
		size_t n = 0;
		CURLcode code = curl_easy_send(s->transfer.easy, bytes.p, bytes.n, &n);

		if (code == CURLE_AGAIN)
			return -EAGAIN;
		if (code)
			return over(s, fault_is_set(&s->error) ? s->error.text : curl_easy_strerror(code));
		buf_consume(out, n);
	}
	return 0;
}

const char *stream_reason(const struct stream *s)
{
	return s->reason.text;
}

int stream_watch(struct stream *s, unsigned events)
{
	return s->watch ? loop_watch_set(s->watch, events) : 0;
}

void stream_take_over(struct stream *s, const struct stream_events *events)
{
	s->events = *events;
}

CURL *stream_easy(struct stream *s)
{
	return s->transfer.easy;
}

static void on_ready(void *ctx, unsigned events)
{
	struct stream *s = ctx;

	s->events.ready(s->events.ctx, events);
}

static void on_connected(void *ctx, CURLcode code)
{
	struct stream *s = ctx;
	curl_socket_t fd = CURL_SOCKET_BAD;

	if (code) {
		http_client_describe_failure(s->transfer.easy, code, &s->error);
		over(s, s->error.text);
	} else if (curl_easy_getinfo(s->transfer.easy, CURLINFO_ACTIVESOCKET, &fd) ||
		   loop_watch_new(s->loop, fd, 0, on_ready, s, &s->watch)) {
		over(s, "out of memory");
	}
	/* libcurl may have written the error of an address before the one that succeeded */
	fault_clear(&s->error);
	s->events.connected(s->events.ctx, fault_is_set(&s->reason) ? s->reason.text : NULL);
}

/* Headers received before the stream is connected come from a proxy. */
static size_t on_header(char *data, size_t size, size_t n, void *ctx)
{
	return http_client_is_proxy_refusal(ctx, data) ? 0 : size * n;
}

static bool set_options(struct stream *s, CURL *easy, const char *url)
{
	return !curl_easy_setopt(easy, CURLOPT_URL, url) &&
	       !curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L) &&
	       /* otherwise TLS would negotiate HTTP/2 */
	       !curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
	       /* otherwise an HTTP proxy would interpret the bytes as requests to itself */
	       !curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L) &&
	       !curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) &&
	       !curl_easy_setopt(easy, CURLOPT_HEADERDATA, easy) &&
	       !curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, s->error.text);
}

int stream_new(struct loop *loop, struct curl_loop *curl, struct http_client *client,
	       const char *url, const struct stream_events *events, struct fault *why, struct stream **ret)
{
	struct stream *s = calloc(1, sizeof(*s));
	CURL *easy;
	int r;

	if (!s)
		return -ENOMEM;
	if (http_client_easy(client, &easy)) {
		free(s);
		return -ENOMEM;
	}
	s->loop = loop;
	s->events = *events;
	curl_transfer_init(&s->transfer, easy, on_connected, s);
	r = http_client_proxy_login(client, easy, why);
	if (!r && (!set_options(s, easy, url) || curl_loop_add(curl, &s->transfer)))
		r = -ENOMEM;
	if (r) {
		stream_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	loop_watch_free(s->watch);
	curl_loop_remove(&s->transfer);
	curl_easy_cleanup(s->transfer.easy);
	free(s);
}
