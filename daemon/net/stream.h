/*
 * A connection of plain bytes to a server, made by libcurl: name, proxy, TLS and
 * its checks are those of the client. What is said on it is the user's business.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "net/curl_loop.h"
#include "net/http_client.h"
#include "protocol/buf.h"

/* Called by the loop, never from within a function below. Each may free the stream. */
struct stream_events {
	/* Once: it is connected (NULL), or why not. The first bytes must be written right here. */
	void (*connected)(void *ctx, const char *failure);
	/* the events that stream_watch() asked for */
	void (*ready)(void *ctx, unsigned events);
	void *ctx;
};

struct stream;

/* Starts to connect to `url` (http or https; the path does not matter). 0, -ENOMEM, or what is
   wrong with the file of the proxy's credential, told in `why` (of CURL_ERROR_SIZE bytes). */
int stream_new(struct loop *loop, struct curl_loop *curl, struct http_client *client,
	       const char *url, const struct stream_events *events, char *why, struct stream **ret);
/* NULL is fine. Closes the connection; no event follows. */
void stream_free(struct stream *s);
/* From now on the events go there; for whoever takes over a connected stream. */
void stream_take_over(struct stream *s, const struct stream_events *events);
/* for the client's jar */
CURL *stream_easy(struct stream *s);

/*
 * Appends what is there, at most `max` bytes and no more than the buf's ceiling allows. 0,
 * -EAGAIN when there is nothing, -ENOMEM, -EPIPE when it is over. TLS may hold bytes that the
 * descriptor does not tell of: read until -EAGAIN, or come back by yourself.
 */
int stream_read(struct stream *s, struct buf *in, size_t max);
/* Consumes what the connection takes. 0 when it took all, -EAGAIN, -EPIPE when it is over. */
int stream_write(struct stream *s, struct buf *out);
/* why it is over, for people; empty while it is not */
const char *stream_reason(const struct stream *s);
/* Which of LOOP_READ and LOOP_WRITE to tell; no effect before connected().
   0 or a negative errno. */
int stream_watch(struct stream *s, unsigned events);

#endif
