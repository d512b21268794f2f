/*
 * Owns one stream, from its dialling on, and the framing by wslay. Guarantees that
 * it ends with closed() exactly once, that silence is noticed, and that neither
 * direction holds more than its ceiling. Must never know what the texts mean.
 *
 * wslay buffers nothing for us (no_buffering): it would take one allocation per
 * fragment, and a million fragments of one byte are a lot of memory. So the
 * ceiling of a message is kept here.
 */
#include "io/websocket.h"

#include "base/errors.h"
#include "io/ws_dial.h"
#include "io/ws_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <wslay/wslay.h>

/* what one read brings at most */
#define READ_SIZE (64u << 10)
/* bytes read in one turn; then the others have theirs */
#define TURN_MAX (512u << 10)
/* framed bytes on their way to the socket */
#define OUT_MAX (128u << 10)
/* answers to pings that wait: who pings and does not read must not fill our memory */
#define PONGS_MAX 64
#define TOO_LARGE "the server sent a text that is too large"

enum ws_state {
	WS_DIALLING,
	WS_OPEN,
	WS_CLOSING,              /* our close frame is on its way; nothing is read any more */
	WS_CLOSED,               /* over: closed() was called, or nobody wants it */
};

struct websocket {
	enum ws_state state;
	struct loop *loop;
	struct websocket_options o;
	struct websocket_events events;

	struct ws_dial *dial;            /* while dialling */
	struct stream *stream;           /* after it */
	struct loop_timer *silence;
	struct loop_timer *again;        /* more to read, but the turn was long */
	struct loop_hook flush;
	struct loop_corpse corpse;

	wslay_event_context_ptr frames;
	struct buf in;                   /* read, not yet parsed */
	struct ws_text text;             /* the one that comes in, and one that goes out */
	struct buf out;                  /* framed */
	size_t turn_bytes;               /* read in this turn */
	unsigned pongs;                  /* queued since all had left */
	bool stalled;                    /* reading stopped, though there may be more */
	bool data_frame;                 /* the frame that is coming in is no control frame */
	bool broken;                     /* reading failed; the reason is set */
	bool pinged;                     /* and nothing came since */
	uint64_t heard, pinged_at;       /* when the last byte came; when we asked */
	struct websocket_end end;
	char reason[CURL_ERROR_SIZE];
};

void websocket_options_default(struct websocket_options *o)
{
	*o = (struct websocket_options){
		.ping_interval = 25000,
		.pong_timeout = 10000,
		.message_max = 16u << 20,
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

/* The one way to closed(). What set_reason() said first is the reason. */
static void finish(struct websocket *w, const char *reason)
{
	if (w->state == WS_CLOSED)
		return;
	set_reason(w, reason);
	shut(w);
	w->end.reason = slice_of(w->reason);
	w->events.closed(w->events.ctx, &w->end);
}

/* --- bytes --- */

static void request_flush(struct websocket *w)
{
	loop_at_end(w->loop, &w->flush);
}

/* 0, -EAGAIN, or another negative errno after which all is over */
static int read_more(struct websocket *w)
{
	size_t before = buf_len(&w->in);
	int r = stream_read(w->stream, &w->in, READ_SIZE - before);

	if (r == -EPIPE)
		set_reason(w, stream_reason(w->stream));
	if (r)
		return r;
	w->turn_bytes += buf_len(&w->in) - before;
	w->heard = loop_now(w->loop);
	w->pinged = false;
	w->events.heard(w->events.ctx);
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

static ssize_t ws_recv(wslay_event_context_ptr frames, uint8_t *to, size_t max, int flags,
		       void *ctx)
{
	struct websocket *w = ctx;
	struct slice s;
	int r = 0;

	(void)flags;
	if (w->state != WS_OPEN) {
		wslay_event_set_error(frames, WSLAY_ERR_CALLBACK_FAILURE);
		return -1;
	}
	if (buf_len(&w->in) == 0)
		r = w->turn_bytes >= TURN_MAX || w->pongs > PONGS_MAX ? -EAGAIN : read_more(w);
	w->broken = r && r != -EAGAIN;
	if (r) {
		wslay_event_set_error(frames, w->broken ? WSLAY_ERR_CALLBACK_FAILURE
							: WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	s = slice_take(buf_slice(&w->in), max);
	memcpy(to, s.p, s.n);
	buf_consume(&w->in, s.n);
	return (ssize_t)s.n;
}

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

/* says why and lets no more in; the close frame leaves with the next flush */
static void refuse(struct websocket *w, unsigned code, const char *why)
{
	if (w->state != WS_OPEN)
		return;
	set_reason(w, why);
	w->end.unreadable = code != WSLAY_CODE_INTERNAL_SERVER_ERROR;
	wslay_event_queue_close(w->frames, (uint16_t)code, NULL, 0);
	wslay_event_shutdown_read(w->frames);
	w->state = WS_CLOSING;
}

static void ws_frame(wslay_event_context_ptr frames,
		     const struct wslay_event_on_frame_recv_start_arg *arg, void *ctx)
{
	struct websocket *w = ctx;

	(void)frames;
	w->data_frame = !wslay_is_ctrl_frame(arg->opcode);
	/* Bayeux is text. To ignore it would be to lose messages in silence. */
	if (arg->opcode == WSLAY_BINARY_FRAME)
		refuse(w, WSLAY_CODE_UNSUPPORTED_DATA, "the server sent binary data");
	else if (w->data_frame && !ws_text_has_room(&w->text, arg->payload_length))
		refuse(w, WSLAY_CODE_MESSAGE_TOO_BIG, TOO_LARGE);
}

static void ws_chunk(wslay_event_context_ptr frames,
		     const struct wslay_event_on_frame_recv_chunk_arg *arg, void *ctx)
{
	struct websocket *w = ctx;

	(void)frames;
	if (w->state != WS_OPEN || !w->data_frame)
		return;
	if (ws_text_add(&w->text, slice_make(arg->data, arg->data_length)))
		refuse(w, WSLAY_CODE_INTERNAL_SERVER_ERROR, "out of memory");
}

static void on_close_frame(struct websocket *w, const struct wslay_event_on_msg_recv_arg *arg)
{
	/* 2 bytes of code, then words */
	int n = arg->msg_length > 2 ? (int)arg->msg_length - 2 : 0;

	w->end.close_code = arg->status_code ? arg->status_code : WSLAY_CODE_NO_STATUS_RCVD;
	if (!w->reason[0])
		snprintf(w->reason, sizeof(w->reason), "the server closed the WebSocket (%u%s%.*s)",
			 w->end.close_code, n ? ": " : "", n, n ? (const char *)arg->msg + 2 : "");
	w->state = WS_CLOSING;
}

static void hand_over(struct websocket *w, bool packed)
{
	static const struct {
		unsigned code;
		const char *why;
	} faults[] = {
		[WS_DEFLATE_E_TOO_LARGE] = {WSLAY_CODE_MESSAGE_TOO_BIG, TOO_LARGE},
		[WS_DEFLATE_E_BROKEN] = {WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA,
					 "the server sent a text that cannot be inflated"},
	};
	struct slice text;
	int r = ws_text_whole(&w->text, packed, &text);

	if (r == 0)
		w->events.text(w->events.ctx, text);
	else if (r > 0)
		refuse(w, faults[r].code, faults[r].why);
	else
		refuse(w, WSLAY_CODE_INTERNAL_SERVER_ERROR, "out of memory");
	ws_text_next(&w->text);
}

static void ws_message(wslay_event_context_ptr frames,
		       const struct wslay_event_on_msg_recv_arg *arg, void *ctx)
{
	struct websocket *w = ctx;

	(void)frames;
	if (w->state != WS_OPEN)
		return;
	if (arg->opcode == WSLAY_CONNECTION_CLOSE)
		on_close_frame(w, arg);
	if (arg->opcode == WSLAY_PING)
		w->pongs++;
	if (arg->opcode == WSLAY_TEXT_FRAME)
		hand_over(w, wslay_get_rsv1(arg->rsv));
}

/* --- open: reading and writing --- */

/* what wslay closed by itself: it says with which code */
static void explain_close(struct websocket *w)
{
	if (w->state != WS_OPEN || wslay_event_get_read_enabled(w->frames))
		return;
	w->state = WS_CLOSING;
	w->end.unreadable = true;
	set_reason(w, "the server broke the WebSocket protocol");
}

static void read_frames(struct websocket *w)
{
	int r;

	loop_timer_stop(w->again);
	w->turn_bytes = 0;
	r = wslay_event_recv(w->frames);
	if (w->state == WS_CLOSED)
		return;
	if (w->broken || r == WSLAY_ERR_NOMEM) {
		finish(w, "out of memory");
		return;
	}
	explain_close(w);
	/* a server that does not let the close frame out is not waited for, pings or not */
	if (w->state == WS_CLOSING)
		loop_timer_at(w->silence, loop_now(w->loop) + w->o.pong_timeout);
	w->stalled = w->turn_bytes >= TURN_MAX || w->pongs > PONGS_MAX;
	request_flush(w);
}

/* Whether more may be read now: the reading stopped by itself, and what stopped it is over. */
static bool may_read(const struct websocket *w)
{
	return w->state == WS_OPEN && w->pongs <= PONGS_MAX;
}

static void settle_watch(struct websocket *w, bool blocked)
{
	unsigned events = (may_read(w) ? LOOP_READ : 0) | (blocked ? LOOP_WRITE : 0);

	if (stream_watch(w->stream, events))
		finish(w, "out of memory");
	/* libcurl or we may hold bytes that the descriptor does not tell of */
	else if (may_read(w) && w->stalled)
		loop_timer_at(w->again, loop_now(w->loop));
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

	if (r == 0)
		w->pongs = 0;
	if (r && r != -EAGAIN)
		finish(w, "out of memory");
	else if (r == 0 && w->state == WS_CLOSING)
		finish(w, "the WebSocket was closed");
	else
		settle_watch(w, r == -EAGAIN);
}

static void on_flush(void *ctx)
{
	struct websocket *w = ctx;

	if (w->state == WS_OPEN || w->state == WS_CLOSING)
		flush_frames(w);
}

static void on_again(void *ctx)
{
	struct websocket *w = ctx;

	if (w->state == WS_OPEN)
		read_frames(w);
}

/* --- the silence --- */

static void watch_silence(struct websocket *w)
{
	if (w->pinged)
		loop_timer_at(w->silence, w->pinged_at + w->o.pong_timeout);
	else if (w->o.ping_interval)
		loop_timer_at(w->silence, w->heard + w->o.ping_interval);
}

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
		finish(w, "the server did not let us say goodbye");
		return;
	}
	if (w->pinged && now >= w->pinged_at + w->o.pong_timeout) {
		snprintf(w->reason, sizeof(w->reason), "the server has been silent for %u s",
			 (unsigned)((now - w->heard) / 1000));
		finish(w, w->reason);
		return;
	}
	if (!w->pinged && w->o.ping_interval && now >= w->heard + w->o.ping_interval)
		ping(w);
	watch_silence(w);
}

/* --- what the stream and the dial call --- */

static void on_ready(void *ctx, unsigned events)
{
	struct websocket *w = ctx;

	if (w->state == WS_OPEN && (events & LOOP_READ))
		read_frames(w);
	else
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
	w->heard = loop_now(w->loop);
	if (ws_text_agree(&w->text, &d->deflate)) {
		finish(w, "out of memory");
		return;
	}
	if (d->deflate.agreed)
		wslay_event_config_set_allowed_rsv_bits(w->frames, WSLAY_RSV1_BIT);
	watch_silence(w);
	/* frames may have come right behind the answer */
	read_frames(w);
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
	finish(w, d->reason);
}

/* --- life --- */

static int make_frames(struct websocket *w)
{
	struct wslay_event_callbacks callbacks = {
		.recv_callback = ws_recv,
		.send_callback = ws_send,
		.genmask_callback = ws_mask,
		.on_frame_recv_start_callback = ws_frame,
		.on_frame_recv_chunk_callback = ws_chunk,
		.on_msg_recv_callback = ws_message,
	};

	if (wslay_event_context_client_init(&w->frames, &callbacks, w))
		return -ENOMEM;
	wslay_event_config_set_no_buffering(w->frames, 1);
	/* the ceiling is ours to watch, in ws_frame() */
	wslay_event_config_set_max_recv_msg_length(w->frames, INT64_MAX);
	return 0;
}

int websocket_new(struct loop *loop, struct curl_loop *curl, struct http_client *client,
		  const struct url *url, const struct websocket_options *o,
		  const struct websocket_events *events, char *why, struct websocket **ret)
{
	struct websocket *w = calloc(1, sizeof(*w));
	struct ws_offer offer = {.subprotocol = o->subprotocol, .deflate = o->compression};
	int r;

	snprintf(why, CURL_ERROR_SIZE, "out of memory");
	if (!w)
		return -ENOMEM;
	w->loop = loop;
	w->o = *o;
	w->events = *events;
	loop_hook_init(&w->flush, on_flush, w);
	buf_init(&w->in, READ_SIZE);
	ws_text_init(&w->text, o->message_max, o->queue_max);
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

/* What is queued while we dial goes as it is: nobody knows yet what the server understands. */
static int queue_packed(struct websocket *w, struct slice text)
{
	struct slice packed;
	int r;

	if (!ws_text_pack(&w->text, text, &packed))
		return queue_text(w, text, WSLAY_RSV_NONE);
	r = queue_text(w, packed, WSLAY_RSV1_BIT);
	ws_text_packed_done(&w->text, r == 0);
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
	ws_text_fini(&w->text);
	buf_fini(&w->out);
	free(w);
}

/* one try: nobody waits for it */
static void say_goodbye(struct websocket *w)
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
		say_goodbye(w);
	shut(w);
	/* this may be one of its own callbacks, with wslay on the stack */
	loop_reap(w->loop, &w->corpse, bury, w);
}
