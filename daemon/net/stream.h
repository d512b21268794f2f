/*
 * A byte stream to a server. libcurl resolves the name and makes the connection, with
 * the proxy, TLS and certificate checks of the client.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "base/fault.h"
#include "net/curl_loop.h"
#include "net/http_client.h"
#include "protocol/buf.h"

/* Called by the loop, never from within the functions below. Each may free the stream. */
struct stream_events {
	/* Called once: `failure` is NULL if the stream is connected. The first bytes must be written from
	   within this callback. */
	void (*connected)(void *ctx, const char *failure);
	/* one of the events requested with stream_watch() */
	void (*ready)(void *ctx, unsigned events);
	void *ctx;
};

struct stream;

/* Starts to connect to `url` (http or https; the path does not matter). 0, -ENOMEM, or the errno of an
   unreadable or invalid proxy credential file, with the reason in *why. */
int stream_new(struct loop *loop, struct curl_loop *curl, struct http_client *client,
	       const char *url, const struct stream_events *events, struct fault *why, struct stream **ret);
/* NULL is fine. Closes the connection; no event follows. */
void stream_free(struct stream *s);
/* Replaces the callbacks: the caller takes over a connected stream. */
void stream_take_over(struct stream *s, const struct stream_events *events);
/* the easy handle, for the functions of net/cookies.h */
CURL *stream_easy(struct stream *s);

/*
 * Appends the available bytes, at most `max` and no more than the maximum of `in` allows. 0, -EAGAIN
 * if there are none, -ENOMEM, -EPIPE if the connection has ended. TLS may hold decrypted bytes while the
 * descriptor is not readable: read until -EAGAIN, or read again later without waiting for ready().
 */
int stream_read(struct stream *s, struct buf *in, size_t max);
/* Sends and consumes as much as possible. 0 if all was sent, -EAGAIN, -EPIPE if the connection has ended. */
int stream_write(struct stream *s, struct buf *out);
/* why the connection has ended, for people; empty before */
const char *stream_reason(const struct stream *s);
/* Selects for which of LOOP_READ and LOOP_WRITE ready() is called; no effect before connected(). 0 or a
   negative errno. */
int stream_watch(struct stream *s, unsigned events);

#endif
