/*
 * WebSocket frames. libwslay reads them and answers pings and closes; messages are
 * framed here, because a library refuses to send invalid frames.
 */
#include <stdio.h>
#include <stdlib.h>
#include <wslay/wslay.h>
#include "tests/fake/codec.h"
#include "tests/fake/ws.h"

/* beyond any ws_max_message: keeps wslay from collecting without end */
#define HARD_LIMIT (32 * 1024 * 1024)

struct ws {
	wslay_event_context_ptr ctx;
	const struct ws_handler *handler;
	uint64_t receiving;	/* bytes of the message that is coming in */
	bool sent_close;
};

static ssize_t recv_bytes(wslay_event_context_ptr ctx, uint8_t *p, size_t n, int flags, void *arg)
{
	struct conn *c = arg;
	int got = c->bev ? evbuffer_remove(conn_input(c), p, n) : -1;

	(void)flags;
	if (got > 0)
		return got;
	wslay_event_set_error(ctx, got < 0 ? WSLAY_ERR_CALLBACK_FAILURE : WSLAY_ERR_WOULDBLOCK);
	return -1;
}

static ssize_t send_bytes(wslay_event_context_ptr ctx, const uint8_t *p, size_t n, int flags,
			  void *arg)
{
	(void)ctx;
	(void)flags;
	conn_write(arg, p, n);
	return (ssize_t)n;
}

static void too_big(struct conn *c)
{
	struct server *s = c->server;
	struct ws *w = c->state;
	char reason[120];

	snprintf(reason, sizeof(reason),
		 "Resulting message size [%llu] is too large for configured max of [%zu]",
		 (unsigned long long)w->receiving, s->set.ws_max_message);
	ws_close(c, 1009, reason);
}

static void on_frame_start(wslay_event_context_ptr ctx,
			   const struct wslay_event_on_frame_recv_start_arg *frame, void *arg)
{
	struct conn *c = arg;
	struct ws *w = c->state;

	(void)ctx;
	if (wslay_is_ctrl_frame(frame->opcode))
		return;
	if (frame->opcode != WSLAY_CONTINUATION_FRAME)
		w->receiving = 0;
	w->receiving += frame->payload_length;
	if (w->receiving > c->server->set.ws_max_message && !w->sent_close)
		too_big(c);
}

static void on_message(wslay_event_context_ptr ctx,
		       const struct wslay_event_on_msg_recv_arg *msg, void *arg)
{
	struct conn *c = arg;
	struct ws *w = c->state;
	const char *kind = msg->opcode == WSLAY_PING		 ? "ping"
			 : msg->opcode == WSLAY_PONG		 ? "pong"
			 : msg->opcode == WSLAY_CONNECTION_CLOSE ? "ws-close"
								 : NULL;
	char code[8];

	(void)ctx;
	snprintf(code, sizeof(code), "%u", msg->status_code);
	if (kind)
		journal_add(&c->server->journal, &(struct note){
			.kind = kind, .transport = TRANSPORT_WS,
			.channel = msg->opcode == WSLAY_CONNECTION_CLOSE ? code : NULL,
		});
	else if (msg->opcode == WSLAY_TEXT_FRAME && !w->sent_close)
		w->handler->message(c, slice_make(msg->msg, msg->msg_length));
}

static void flush(struct conn *c)
{
	struct ws *w = c->state;

	if (wslay_event_send(w->ctx) != 0)
		conn_close(c, false);
}

static void ws_readable(struct conn *c)
{
	struct ws *w = c->state;

	/* a message may end the connection: the context must outlive the call */
	if (wslay_event_recv(w->ctx) != 0 && c->bev) {
		conn_close(c, false);
		return;
	}
	if (!c->bev)
		return;
	flush(c);
	if (c->bev && !wslay_event_want_read(w->ctx) && !wslay_event_want_write(w->ctx))
		conn_finish(c, false);
}

static void ws_closed(struct conn *c)
{
	struct ws *w = c->state;

	w->handler->closed(c);
}

static void ws_free(struct conn *c)
{
	struct ws *w = c->state;

	wslay_event_context_free(w->ctx);
	free(w);
}

void ws_attach(struct conn *c, const struct ws_handler *handler)
{
	static const struct conn_ops ops = {ws_readable, ws_closed, ws_free};
	static const struct wslay_event_callbacks callbacks = {
		.recv_callback = recv_bytes,
		.send_callback = send_bytes,
		.on_frame_recv_start_callback = on_frame_start,
		.on_msg_recv_callback = on_message,
	};
	struct ws *w = xcalloc(1, sizeof(*w));

	w->handler = handler;
	if (wslay_event_context_server_init(&w->ctx, &callbacks, c) != 0)
		abort();
	wslay_event_config_set_max_recv_msg_length(w->ctx, HARD_LIMIT);
	c->state = w;
	c->ops = &ops;
	c->transport = TRANSPORT_WS;
	conn_read_later(c);
}

/* one frame by hand; first = FIN, RSV and opcode */
static void send_frame(struct conn *c, unsigned first, struct slice payload, bool masked)
{
	static const unsigned char mask[4] = {0x11, 0x22, 0x33, 0x44};
	unsigned char head[14] = {(unsigned char)first};
	struct text frame = {NULL, 0, 0};
	size_t n = 2;

	if (payload.n < 126) {
		head[1] = (unsigned char)payload.n;
	} else {
		int bytes = payload.n < 65536 ? 2 : 8;

		head[1] = bytes == 2 ? 126 : 127;
		for (int i = bytes - 1; i >= 0; i--)
			head[n++] = (unsigned char)((uint64_t)payload.n >> 8 * i);
	}
	if (masked) {
		head[1] |= 0x80;
		memcpy(head + n, mask, 4);
		n += 4;
	}
	text_add(&frame, head, n);
	text_slice(&frame, payload);
	for (size_t i = 0; masked && i < payload.n; i++)
		frame.p[n + i] = (char)(frame.p[n + i] ^ mask[i % 4]);
	conn_write(c, frame.p, frame.n);
	text_fini(&frame);
}

static void send_fragments(struct conn *c, struct slice text, const struct send_options *m)
{
	unsigned opcode = m->binary ? WSLAY_BINARY_FRAME : WSLAY_TEXT_FRAME;
	unsigned rsv = m->rsv1 ? 0x40 : 0;

	do {
		struct slice part = slice_take(text, m->fragment ? m->fragment : text.n);

		text = slice_drop(text, part.n);
		send_frame(c, (text.n ? 0 : 0x80) | rsv | opcode, part, m->masked);
		if (m->ping)
			send_frame(c, 0x80 | WSLAY_PING, SLICE("ping"), false);
		opcode = WSLAY_CONTINUATION_FRAME;
		rsv = 0;
	} while (text.n);
}

void ws_send(struct conn *c, struct slice text, const struct send_options *send_options)
{
	static const struct send_options good;
	const struct send_options *m = send_options ? send_options : &good;
	struct text raw = {NULL, 0, 0};

	if (m->silent || !c->bev)
		return;
	if (m->close || m->reset) {
		conn_close(c, m->reset);
		return;
	}
	if (m->ws_close) {
		ws_close(c, m->ws_close, m->ws_reason ? m->ws_reason : "");
		return;
	}
	if (m->raw) {
		codec_hex(m->raw, &raw);
		conn_write(c, raw.p, raw.n);
		text_fini(&raw);
		return;
	}
	if (m->ping)
		send_frame(c, 0x80 | WSLAY_PING, SLICE("ping"), false);
	if (m->bad_utf8)
		text = SLICE("[{\"channel\":\"/bad\",\"data\":\"\xc3\x28\"}]");
	send_fragments(c, text, m);
}

void ws_ping(struct conn *c)
{
	send_frame(c, 0x80 | WSLAY_PING, SLICE("ping"), false);
}

void ws_close(struct conn *c, int code, const char *reason)
{
	struct ws *w = c->state;

	w->sent_close = true;
	wslay_event_queue_close(w->ctx, (uint16_t)code, (const uint8_t *)reason, strlen(reason));
	flush(c);
}
