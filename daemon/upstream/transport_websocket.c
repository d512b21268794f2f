/*
 * Owns the one WebSocket that carries both lanes, and its opening: the first
 * batch opens it, and what is sent meanwhile follows in order. Each socket
 * that ends by itself gives one TRANSPORT_CLOSED, with how much of it the server may have
 * received.
 */
#include "upstream/transport.h"

#include "base/errors.h"
#include "base/fault.h"
#include "base/list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define CLOSE_TOO_LARGE 1009

struct socket_pipe {
	struct transport transport;
	struct transport_parts parts;
	struct transport_events events;
	struct websocket *websocket;    /* NULL while none is open or opening */
	struct session_failure failure; /* of the one that ended last */
	char reason[CURL_ERROR_SIZE];
};

static void on_ready(void *ctx)
{
	struct socket_pipe *p = ctx;

	p->events.ready(p->events.ctx);
}

static void on_received(void *ctx)
{
	struct socket_pipe *p = ctx;

	p->events.received(p->events.ctx, 0);
}

static void take_end(struct socket_pipe *p, const struct websocket_end *end)
{
	p->failure = (struct session_failure){
		.kind = !end->opened ? SESSION_NOT_SENT
			: end->close_code == CLOSE_TOO_LARGE ? SESSION_TOO_LARGE : SESSION_BROKEN,
		.unsupported = end->unsupported,
		.unreadable = end->unreadable,
		.http_status = end->http_status,
		.close_code = end->close_code,
		.retry_after = end->retry_after,
	};
	snprintf(p->reason, sizeof(p->reason), "%.*s", SLICE_ARG(end->reason));
	p->failure.reason = slice_of(p->reason);
	websocket_free(TAKE(p->websocket));
}

static int pipe_next(struct transport *t, struct transport_input *ret)
{
	static const enum transport_input_kind kinds[] = {
		[WEBSOCKET_PIECE] = TRANSPORT_PIECE,
		[WEBSOCKET_TEXT_END] = TRANSPORT_TEXT_END,
		[WEBSOCKET_CLOSED] = TRANSPORT_CLOSED,
	};
	struct socket_pipe *p = LIST_OF(t, struct socket_pipe, transport);
	struct websocket_input in;

	if (!p->websocket || websocket_next(p->websocket, &in))
		return TRANSPORT_E_NONE;
	*ret = (struct transport_input){.kind = kinds[in.kind], .piece = in.piece};
	if (in.kind == WEBSOCKET_CLOSED) {
		take_end(p, in.end);
		ret->failure = &p->failure;
	}
	return 0;
}

static void pipe_hold(struct transport *t)
{
	struct socket_pipe *p = LIST_OF(t, struct socket_pipe, transport);

	if (p->websocket && websocket_holds(p->websocket))
		on_received(p);
}

static int pipe_send(struct transport *t, const struct session_batch *batch, struct slice text,
		     struct fault *why)
{
	struct socket_pipe *p = LIST_OF(t, struct socket_pipe, transport);
	const struct websocket_events events = {on_ready, on_received, p};

	(void)batch;
	fault_clear(why);
	if (!p->websocket) {
		int r = websocket_new(p->parts.loop, p->parts.curl, p->parts.client,
				      endpoints_websocket(p->parts.endpoints),
				      &p->parts.websocket, &events, why, &p->websocket);
		if (r)
			return r;
	}
	int r = websocket_send(p->websocket, text);
	/* its end is known but not pulled yet, and takes this batch along */
	return r == -EPIPE ? 0 : r;
}

static bool pipe_abort(struct transport *t, uint64_t batch)
{
	struct socket_pipe *p = LIST_OF(t, struct socket_pipe, transport);
	bool found = p->websocket != NULL;

	(void)batch;
	websocket_free(TAKE(p->websocket));
	return found;
}

static void pipe_free(struct transport *t)
{
	struct socket_pipe *p = LIST_OF(t, struct socket_pipe, transport);

	websocket_free(p->websocket);
	free(p);
}

static const struct transport_type pipe_type = {pipe_send, pipe_next, pipe_hold, pipe_abort,
						pipe_free};

int transport_websocket_new(const struct transport_parts *parts,
			    const struct transport_events *events, struct transport **ret)
{
	struct socket_pipe *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->transport.type = &pipe_type;
	p->parts = *parts;
	p->events = *events;
	*ret = &p->transport;
	return 0;
}
