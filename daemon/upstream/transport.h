/*
 * The interface of both transports. Long-polling maps the two lanes to two HTTP connections; WebSocket
 * maps both to one socket, opened with the first batch.
 *
 * A transport reads no JSON: the caller names the lane. The caller pulls what
 * arrived, in pieces and in order; what is not pulled is not read from the
 * network.
 */
#ifndef UPSTREAM_TRANSPORT_H
#define UPSTREAM_TRANSPORT_H

#include "base/fault.h"
#include "bayeux/session.h"
#include "net/curl_loop.h"
#include "net/http_client.h"
#include "net/websocket.h"
#include "upstream/endpoints.h"

#include <stdbool.h>

struct transport;

/* Called from the loop and from within libcurl: they must not call functions of the transport. */
struct transport_events {
	/* There may be something for transport_next(). */
	void (*ready)(void *ctx);
	/* Bytes arrived for the HTTP exchange of `batch`, or (0) bytes of a text on the WebSocket. */
	void (*received)(void *ctx, uint64_t batch);
	void *ctx;
};

enum transport_input_kind {
	TRANSPORT_PIECE,         /* of the HTTP response of `batch`, or (0) of a WebSocket message */
	TRANSPORT_TEXT_END,      /* the WebSocket message is complete */
	TRANSPORT_END,           /* the HTTP response of `batch` is */
	TRANSPORT_FAILED,        /* the exchange of `batch` failed; no more input of it follows */
	/* the WebSocket is gone, or could not be opened; and every batch on it. The next send opens
	   a new one */
	TRANSPORT_CLOSED,
};
struct transport_input {
	enum transport_input_kind kind;
	uint64_t batch;
	struct slice piece;
	const struct session_failure *failure;
};
enum { TRANSPORT_E_NONE = 1 };

/* What both kinds are made of; all must outlive the transport. */
struct transport_parts {
	struct loop *loop;
	struct curl_loop *curl;
	struct http_client *client;
	const struct endpoints *endpoints;
	struct websocket_options websocket;
};

struct transport_type {
	/* Sends one batch (copied). 0, or a negative errno with words in *why: then nothing of it was
	   sent and no callback comes for it. What was sent before is not touched: a WebSocket goes on. */
	int (*send)(struct transport *t, const struct session_batch *batch, struct slice text,
		    struct fault *why);
	/* The next input; its views are valid until the next call of next or abort. 0, or
	   TRANSPORT_E_NONE: nothing now. */
	int (*next)(struct transport *t, struct transport_input *ret);
	/* Input is not pulled at the moment: while data waits to be pulled, received() is called, so that the
	   pause does not count as silence. */
	void (*hold)(struct transport *t);
	/* Ends the exchange of `batch` (on WebSocket: the connection), or of all of them for 0; whether
	   there was one. What came of it and was not pulled is gone, too. */
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
				 struct slice text, struct fault *why)
{
	return t->type->send(t, batch, text, why);
}

static inline int transport_next(struct transport *t, struct transport_input *ret)
{
	return t->type->next(t, ret);
}

static inline void transport_hold(struct transport *t)
{
	t->type->hold(t);
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
