/*
 * How batches travel, behind one face: upstream does not care which one it
 * uses. Long-polling maps the two lanes to two HTTP connections; WebSocket
 * maps both to one socket, opened with the first batch.
 *
 * A transport reads no JSON: it is told the lane. Its callbacks come from the
 * loop, never from within send or abort; each may call send and abort, text() only
 * abort, none free.
 */
#ifndef IO_TRANSPORT_H
#define IO_TRANSPORT_H

#include "bayeux/session.h"
#include "io/curl_loop.h"
#include "io/endpoints.h"
#include "io/http_client.h"
#include "io/websocket.h"

#include <stdbool.h>

struct transport;

struct transport_events {
	/* A text from the server: the HTTP response of `batch`, or (0) one WebSocket message. */
	void (*text)(void *ctx, uint64_t batch, struct slice text);
	/* Bytes came for the HTTP exchange of `batch`, or (0) on the WebSocket: it is alive. Comes
	   also from within libcurl: nothing of the transport may be called. */
	void (*heard)(void *ctx, uint64_t batch);
	/* The HTTP response of `batch` was told completely. */
	void (*end)(void *ctx, uint64_t batch);
	/* The exchange of `batch` failed; nothing more comes of it. */
	void (*failed)(void *ctx, uint64_t batch, const struct session_failure *f);
	/* The WebSocket is gone, or could not be opened; and every batch on it. The next send opens
	   a new one. */
	void (*closed)(void *ctx, const struct session_failure *f);
	void *ctx;
};

/* What both kinds are made of; all must outlive the transport. */
struct transport_parts {
	struct loop *loop;
	struct curl_loop *curl;
	struct http_client *client;
	const struct endpoints *endpoints;
	struct websocket_options websocket;
};

struct transport_type {
	/* Sends one batch (copied). 0, or a negative errno with words in `why` (CURL_ERROR_SIZE
	   bytes): then nothing of it was sent and no callback comes for it. What was sent before
	   is not touched: a WebSocket goes on. */
	int (*send)(struct transport *t, const struct session_batch *batch, struct slice text,
		    char *why);
	/* Ends the exchange of `batch` (on WebSocket: the connection), or of all of them for 0; whether
	   there was one. No callback follows for what was ended. */
	bool (*abort)(struct transport *t, uint64_t batch);
	void (*free)(struct transport *t);
};

struct transport {
	const struct transport_type *type;
};

/* 0 or -ENOMEM */
int transport_longpoll_new(const struct transport_parts *parts, const struct transport_events *events,
			   struct transport **ret);
int transport_websocket_new(const struct transport_parts *parts,
			    const struct transport_events *events, struct transport **ret);

static inline int transport_send(struct transport *t, const struct session_batch *batch,
				 struct slice text, char *why)
{
	return t->type->send(t, batch, text, why);
}

static inline bool transport_abort(struct transport *t, uint64_t batch)
{
	return t->type->abort(t, batch);
}

/* NULL is fine */
static inline void transport_free(struct transport *t)
{
	if (t)
		t->type->free(t);
}

#endif
