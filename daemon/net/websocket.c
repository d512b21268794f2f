/*
 * One stream, from its dialling on, and the sending of frames by wslay; ws_reader receives. The end is reported
 * exactly once, and last; silence is detected; neither direction holds more than its ceiling.
 *
 * The socket is watched for reading only while no input waits to be pulled.
 */
#include "net/websocket.h"

#include "base/errors.h"
#include "base/fault.h"
#include "net/ws_dial.h"
#include "net/ws_reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <wslay/wslay.h>

/* what one read brings at most */
#define READ_SIZE (64u << 10)
/* framed bytes on their way to the socket */
#define OUT_MAX (128u << 10)
/* answers to pings that wait: who pings and does not read must not fill our memory */
#define PONGS_MAX 64
/* reads made by one websocket_next() that produce nothing for the caller, such as control frames */
#define READS_MAX 8

enum ws_state {
	WS_DIALLING,
	WS_OPEN,
	WS_CLOSING,              /* our close frame is on its way; nothing is read any more */
	WS_CLOSED,               /* over: its end was or will be reported, or the caller freed it */
};

struct websocket {
	enum ws_state state;
	struct loop *loop;
	struct websocket_options o;
	struct websocket_events events;

	struct ws_dial *dial;            /* while dialling */
	struct stream *stream;           /* after it */
	struct loop_timer *silence;
	struct loop_timer *again;        /* there is more to read, in another turn */
	struct loop_hook flush;
	struct loop_corpse corpse;

	wslay_event_context_ptr frames;  /* those that go out */
	struct ws_reader *reader;        /* once it is open */
	struct ws_deflate *deflate;      /* NULL: texts are not compressed */
	struct buf in;                   /* read, not yet parsed */
	struct buf packed;               /* an outgoing text, compressed */
	struct buf out;                  /* framed */
	unsigned pongs;                  /* queued since all had left */
	bool readable;                   /* there may be more in the socket, or in libcurl */
	bool refused;                    /* input is ignored from now on */
	bool end_reported;
	bool pinged;                     /* and nothing came since */
	uint64_t received_at, pinged_at; /* when the last byte arrived; when the last ping was sent */
	struct websocket_end end;
	char reason[CURL_ERROR_SIZE];
};

void websocket_options_default(struct websocket_options *o)
{
	*o = (struct websocket_options){
		.ping_interval = 25000,
		.pong_timeout = 10000,
		.queue_max = 16u << 20,
	};
}

/* --- the end --- */

/* nothing is called back after this; what is on the stack finds the state */
static void shut(struct websocket *w)
{
	w->state = WS_CLOSED;
	loop_hook_cancel(&w->flush);
	loop_timer_free(TAKE(w->silence));
	loop_timer_free(TAKE(w->again));
	/* at once, for the client may go right after us, and its jar with it */
	ws_dial_free(TAKE(w->dial));
	stream_free(TAKE(w->stream));
}

static void set_reason(struct websocket *w, const char *text)
{
	if (!w->reason[0])
		snprintf(w->reason, sizeof(w->reason), "%s", text);
}

/* The only way to the end. The first call of set_reason() determines the reason. */
static void finish(struct websocket *w, const char *reason)
{
	if (w->state == WS_CLOSED)
		return;
	set_reason(w, reason);
	shut(w);
	w->end.reason = slice_of(w->reason);
}

static void report_ready(struct websocket *w)
{
	w->events.ready(w->events.ctx);
}

/* outside websocket_next(), which finds the end by itself */
static void finish_and_report(struct websocket *w, const char *reason)
{
	finish(w, reason);
	report_ready(w);
}

/* --- bytes --- */

static void request_flush(struct websocket *w)
{
	loop_at_end(w->loop, &w->flush);
}

static void watch_silence(struct websocket *w)
{
	if (w->pinged)
		loop_timer_at(w->silence, w->pinged_at + w->o.pong_timeout);
	else if (w->o.ping_interval)
		loop_timer_at(w->silence, w->received_at + w->o.ping_interval);
}

/* Call it when all bytes that were read are parsed. 0, -EAGAIN, or another negative errno that ends the
   connection. */
static int read_more(struct websocket *w)
{
	int r = stream_read(w->stream, &w->in, READ_SIZE);

	if (r == -EPIPE)
		set_reason(w, stream_reason(w->stream));
	if (r)
		return r;
	w->received_at = loop_now(w->loop);
	/* the timer is set for the missing pong, which may be much later than the next ping */
	if (w->pinged) {
		w->pinged = false;
		watch_silence(w);
	}
	return 0;
}

static int write_out(struct websocket *w)
{
	int r = stream_write(w->stream, &w->out);

	if (r == -EPIPE)
		set_reason(w, stream_reason(w->stream));
	return r;
}

/* --- wslay's view of them --- */

/* Frames are collected, so that those of one turn leave together, header and all. */
static ssize_t ws_send(wslay_event_context_ptr frames, const uint8_t *data, size_t n, int flags,
		       void *ctx)
{
	struct websocket *w = ctx;
	size_t room = OUT_MAX - buf_len(&w->out);

	(void)flags;
	if (n > room)
		n = room;
	if (n == 0 || buf_put(&w->out, slice_make(data, n))) {
		wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	return (ssize_t)n;
}

static int ws_mask(wslay_event_context_ptr frames, uint8_t *to, size_t n, void *ctx)
{
	(void)ctx;
	if (getrandom(to, n, 0) == (ssize_t)n)
		return 0;
	wslay_event_set_error(frames, WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

/* --- what the server sends --- */

/* a server that does not read our close frame is not waited for, even if it sends pings */
static void begin_closing(struct websocket *w, unsigned code)
{
	w->state = WS_CLOSING;
	w->refused = true;
	wslay_event_queue_close(w->frames, (uint16_t)code, NULL, 0);
	loop_timer_at(w->silence, loop_now(w->loop) + w->o.pong_timeout);
	request_flush(w);
}

static void on_fault(struct websocket *w, const struct ws_read_result *fault)
{
	set_reason(w, fault->why);
	w->end.unreadable = fault->code != WSLAY_CODE_INTERNAL_SERVER_ERROR;
	begin_closing(w, fault->code);
}

static void on_close_frame(struct websocket *w, const struct ws_read_result *close)
{
	struct slice words = close->bytes;

	w->end.close_code = close->code;
	if (!w->reason[0])
		snprintf(w->reason, sizeof(w->reason), "the server closed the WebSocket (%u%s%.*s)",
			 close->code, words.n ? ": " : "", SLICE_ARG(words));
	/* send the same code back; 1005 means "no code" and must not be sent */
	begin_closing(w, close->code == WSLAY_CODE_NO_STATUS_RCVD ? 0 : close->code);
}

static void on_ping(struct websocket *w, struct slice payload)
{
	struct wslay_event_msg m = {.opcode = WSLAY_PONG, .msg = (const uint8_t *)payload.p,
				    .msg_length = payload.n};

	w->pongs++;
	/* without memory no pong is sent; the server then pings again, or closes */
	wslay_event_queue_msg(w->frames, &m);
	request_flush(w);
}

/* Parses what comes first in `in`. True, and *ret, when it is for the caller. */
static bool parse_input(struct websocket *w, struct websocket_input *ret)
{
	struct ws_read_result result;

	for (;;) {
		switch (ws_reader_next(w->reader, &w->in, &result)) {
		case WS_READ_NOTHING:
			return false;
		case WS_READ_PIECE:
			w->events.received(w->events.ctx);
			*ret = (struct websocket_input){.kind = WEBSOCKET_PIECE, .piece = result.bytes};
			return true;
		case WS_READ_END:
			*ret = (struct websocket_input){.kind = WEBSOCKET_TEXT_END};
			return true;
		case WS_READ_PING:
			if (w->state == WS_OPEN)
				on_ping(w, result.bytes);
			break;
		case WS_READ_PONG:
			break;
		case WS_READ_CLOSE:
			w->refused = true;
			if (w->state == WS_OPEN)
				on_close_frame(w, &result);
			return false;
		case WS_READ_FAULT:
			w->refused = true;
			if (w->state == WS_OPEN)
				on_fault(w, &result);
			return false;
		}
	}
}

static bool may_read(const struct websocket *w)
{
	return w->state == WS_OPEN && w->pongs <= PONGS_MAX;
}

/* Reads once. Whether something came, or the end. */
static bool refill(struct websocket *w)
{
	int r = read_more(w);

	if (r == -EAGAIN) {
		w->readable = false;
		/* the watch is settled there */
		request_flush(w);
		return false;
	}
	if (r)
		finish(w, "out of memory");
	return true;
}

int websocket_next(struct websocket *w, struct websocket_input *ret)
{
	/* what arrived before the end is reported before it */
	for (unsigned reads = 0; w->reader && !w->refused; reads++) {
		if (parse_input(w, ret))
			return 0;
		if (w->refused || !may_read(w) || !w->readable)
			break;
		if (reads == READS_MAX) {
			loop_timer_at(w->again, loop_now(w->loop));
			break;
		}
		if (!refill(w))
			break;
	}
	if (w->state != WS_CLOSED || w->end_reported)
		return WEBSOCKET_E_NONE;
	w->end_reported = true;
	*ret = (struct websocket_input){.kind = WEBSOCKET_CLOSED, .end = &w->end};
	return 0;
}

bool websocket_holds(const struct websocket *w)
{
	return w->reader && !w->refused && (w->readable || buf_len(&w->in) > 0);
}

/* --- open: writing --- */

static void settle_watch(struct websocket *w, bool blocked)
{
	unsigned events = (may_read(w) && !w->readable ? LOOP_READ : 0) |
			  (blocked ? LOOP_WRITE : 0);

	if (stream_watch(w->stream, events))
		finish_and_report(w, "out of memory");
}

/* 0 when all has left, -EAGAIN when the socket takes no more, or why it is over */
static int send_frames(struct websocket *w)
{
	int r = 0;

	while (!r) {
		if (wslay_event_send(w->frames))
			return -ENOMEM;
		if (buf_len(&w->out) == 0)
			return wslay_event_want_write(w->frames) ? -ENOMEM : 0;
		r = write_out(w);
	}
	return r;
}

static void flush_frames(struct websocket *w)
{
	int r = send_frames(w);
	bool flooded = w->pongs > PONGS_MAX;

	if (r == 0)
		w->pongs = 0;
	if (r && r != -EAGAIN) {
		finish_and_report(w, "out of memory");
	} else if (r == 0 && w->state == WS_CLOSING) {
		finish_and_report(w, "the WebSocket was closed");
	} else {
		settle_watch(w, r == -EAGAIN);
		/* reading is possible again */
		if (flooded && may_read(w))
			report_ready(w);
	}
}

static void on_flush(void *ctx)
{
	struct websocket *w = ctx;

	if (w->state == WS_OPEN || w->state == WS_CLOSING)
		flush_frames(w);
}

static void on_again(void *ctx)
{
	report_ready(ctx);
}

/* --- the silence --- */

static void ping(struct websocket *w)
{
	struct wslay_event_msg m = {.opcode = WSLAY_PING};

	w->pinged = true;
	w->pinged_at = loop_now(w->loop);
	/* one that finds no memory is as good as one without an answer */
	wslay_event_queue_msg(w->frames, &m);
	request_flush(w);
}

static void on_silence(void *ctx)
{
	struct websocket *w = ctx;
	uint64_t now = loop_now(w->loop);

	if (w->state == WS_CLOSING) {
		finish_and_report(w, "the server did not read the close frame");
		return;
	}
	/* the server is not silent while we do not read */
	if (w->readable) {
		w->received_at = now;
		w->pinged = false;
	}
	if (w->pinged && now >= w->pinged_at + w->o.pong_timeout) {
		snprintf(w->reason, sizeof(w->reason), "the server has been silent for %u s",
			 (unsigned)((now - w->received_at) / 1000));
		finish_and_report(w, w->reason);
		return;
	}
	if (!w->pinged && w->o.ping_interval && now >= w->received_at + w->o.ping_interval)
		ping(w);
	watch_silence(w);
}

/* --- what the stream and the dial call --- */

static void on_ready(void *ctx, unsigned events)
{
	struct websocket *w = ctx;

	if (w->state == WS_OPEN && (events & LOOP_READ)) {
		w->readable = true;
		report_ready(w);
	}
	request_flush(w);
}

static void open_up(struct websocket *w, struct ws_dialled *d)
{
	struct stream_events events = {.ready = on_ready, .ctx = w};

	w->stream = d->stream;
	stream_take_over(w->stream, &events);
	w->in = d->rest;
	w->end.opened = true;
	w->state = WS_OPEN;
	w->received_at = loop_now(w->loop);
	if ((d->deflate.agreed && ws_deflate_new(&d->deflate, &w->deflate)) ||
	    ws_reader_new(w->deflate, &w->reader)) {
		finish_and_report(w, "out of memory");
		return;
	}
	if (w->deflate)
		wslay_event_config_set_allowed_rsv_bits(w->frames, WSLAY_RSV1_BIT);
	watch_silence(w);
	/* frames may have arrived directly after the HTTP answer, and queued texts may be sent */
	w->readable = true;
	report_ready(w);
	request_flush(w);
}

static void on_dialled(void *ctx, struct ws_dialled *d)
{
	struct websocket *w = ctx;

	if (d->stream) {
		ws_dial_free(TAKE(w->dial));
		open_up(w, d);
		return;
	}
	w->end.unsupported = d->unsupported;
	w->end.http_status = d->http_status;
	w->end.retry_after = d->retry_after;
	finish_and_report(w, d->reason);
}

/* --- life --- */

static int make_frames(struct websocket *w)
{
	struct wslay_event_callbacks callbacks = {
		.send_callback = ws_send,
		.genmask_callback = ws_mask,
	};

	if (wslay_event_context_client_init(&w->frames, &callbacks, w))
		return -ENOMEM;
	return 0;
}

int websocket_new(struct loop *loop, struct curl_loop *curl, struct http_client *client,
		  const struct url *url, const struct websocket_options *o,
		  const struct websocket_events *events, struct fault *why, struct websocket **ret)
{
	struct websocket *w = calloc(1, sizeof(*w));
	struct ws_offer offer = {.subprotocol = o->subprotocol, .deflate = o->compression};
	int r;

	fault_set(why, "out of memory");
	if (!w)
		return -ENOMEM;
	w->loop = loop;
	w->o = *o;
	w->events = *events;
	loop_hook_init(&w->flush, on_flush, w);
	buf_init(&w->in, READ_SIZE);
	buf_init_secret(&w->packed, o->queue_max);
	buf_init(&w->out, OUT_MAX);
	r = loop_timer_new(loop, on_silence, w, &w->silence);
	if (!r)
		r = loop_timer_new(loop, on_again, w, &w->again);
	if (!r)
		r = make_frames(w);
	if (!r)
		r = ws_dial_new(loop, curl, client, url, &offer, on_dialled, w, why, &w->dial);
	if (r) {
		websocket_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

static int queue_text(struct websocket *w, struct slice text, uint8_t rsv)
{
	struct wslay_event_msg m = {.opcode = WSLAY_TEXT_FRAME, .msg = (const uint8_t *)text.p,
				    .msg_length = text.n};

	return wslay_event_queue_msg_ex(w->frames, &m, rsv);
}

/* What is queued while dialling is sent uncompressed: what the server supports is not known yet. So is
   what cannot be compressed for lack of memory. */
static int queue_packed(struct websocket *w, struct slice text)
{
	int r;

	if (!w->deflate || ws_deflate_pack(w->deflate, text, &w->packed))
		return queue_text(w, text, WSLAY_RSV_NONE);
	r = queue_text(w, buf_slice(&w->packed), WSLAY_RSV1_BIT);
	buf_clear(&w->packed);
	/* a text that is not sent must not be referred to by a later one */
	if (r)
		ws_deflate_unsent(w->deflate);
	return r;
}

int websocket_send(struct websocket *w, struct slice text)
{
	int r;

	if (w->state >= WS_CLOSING)
		return -EPIPE;
	if (text.n > w->o.queue_max ||
	    wslay_event_get_queued_msg_length(w->frames) > w->o.queue_max - text.n)
		return -EMSGSIZE;
	r = queue_packed(w, text);
	if (r)
		return r == WSLAY_ERR_NOMEM ? -ENOMEM : -EPIPE;
	if (w->state == WS_OPEN)
		request_flush(w);
	return 0;
}

static void bury(void *ctx)
{
	struct websocket *w = ctx;

	wslay_event_context_free(w->frames);
	buf_fini(&w->in);
	ws_reader_free(w->reader);
	ws_deflate_free(w->deflate);
	buf_fini(&w->packed);
	buf_fini(&w->out);
	free(w);
}

/* one attempt; its success is not awaited */
static void send_close_frame(struct websocket *w)
{
	if (!wslay_event_queue_close(w->frames, WSLAY_CODE_NORMAL_CLOSURE, NULL, 0) &&
	    !wslay_event_send(w->frames))
		write_out(w);
}

void websocket_free(struct websocket *w)
{
	if (!w)
		return;
	if (w->state == WS_OPEN)
		send_close_frame(w);
	shut(w);
	/* this may be one of its own callbacks, and the caller may still hold views of the last input */
	loop_reap(w->loop, &w->corpse, bury, w);
}
