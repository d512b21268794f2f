/*
 * Reads frames, which wslay parses. A violation of the protocol is detected at once, and no more than one piece of a
 * text is held. It does not check that a text is UTF-8; the reader of the text
 * does: one bad event must not end the connection.
 */
#include "net/ws_reader.h"

#include "protocol/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#define CONTROL_MAX 125
#define BROKE "the server broke the WebSocket protocol: "

struct ws_reader {
	wslay_frame_context_ptr frames;
	struct ws_deflate *deflate;
	struct buf *in;                  /* during ws_reader_next() */

	/* the frame that is coming in */
	bool in_frame;
	bool final;
	uint8_t opcode;
	uint64_t left;                   /* of its payload */

	/* the text that is coming in */
	bool in_text;
	bool packed;
	bool complete;                   /* its last frame came */
	bool tail;                       /* and of a compressed one, the tail was added */
	struct slice chunk;              /* payload that is not in `piece` yet; in wslay's memory */
	bool full;                       /* zlib may have more output */

	size_t n_piece, n_control;
	char control[CONTROL_MAX];
	char piece[WS_PIECE_MAX];
};

/* callback of wslay; 0 means "not now" */
static ssize_t on_recv(uint8_t *to, size_t max, int flags, void *ctx)
{
	struct ws_reader *r = ctx;
	struct slice s = slice_take(buf_slice(r->in), max);

	(void)flags;
	if (s.n == 0)
		return -1;
	memcpy(to, s.p, s.n);
	buf_consume(r->in, s.n);
	return (ssize_t)s.n;
}

int ws_reader_new(struct ws_deflate *deflate, struct ws_reader **ret)
{
	const struct wslay_frame_callbacks callbacks = {.recv_callback = on_recv};
	struct ws_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	if (wslay_frame_context_init(&r->frames, &callbacks, r)) {
		free(r);
		return -ENOMEM;
	}
	r->deflate = deflate;
	*ret = r;
	return 0;
}

void ws_reader_free(struct ws_reader *r)
{
	if (!r)
		return;
	wslay_frame_context_free(r->frames);
	free(r);
}

static enum ws_read fault(struct ws_read_result *ret, unsigned code, const char *why)
{
	ret->code = code;
	ret->why = why;
	return WS_READ_FAULT;
}

static enum ws_read breach(struct ws_read_result *ret, const char *why)
{
	return fault(ret, WSLAY_CODE_PROTOCOL_ERROR, why);
}

/* --- control frames --- */

/* RFC 6455, 7.4, and what was registered since */
static bool is_close_code(unsigned code)
{
	return (code >= 1000 && code <= 1014 && (code < 1004 || code > 1006)) ||
	       (code >= 3000 && code <= 4999);
}

static enum ws_read read_close(const struct ws_reader *r, struct ws_read_result *ret)
{
	const unsigned char *p = (const unsigned char *)r->control;

	ret->code = WSLAY_CODE_NO_STATUS_RCVD;
	if (r->n_control == 0)
		return WS_READ_CLOSE;
	if (r->n_control == 1)
		return breach(ret, BROKE "a close frame of one byte");
	ret->code = (unsigned)p[0] << 8 | p[1];
	ret->bytes = slice_make(r->control + 2, r->n_control - 2);
	if (!is_close_code(ret->code))
		return breach(ret, BROKE "a close code that is none");
	if (!utf8_valid(ret->bytes))
		return fault(ret, WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA,
			     BROKE "a close frame whose text is not UTF-8");
	return WS_READ_CLOSE;
}

static enum ws_read end_control(const struct ws_reader *r, struct ws_read_result *ret)
{
	ret->bytes = slice_make(r->control, r->n_control);
	if (r->opcode == WSLAY_CONNECTION_CLOSE)
		return read_close(r, ret);
	return r->opcode == WSLAY_PING ? WS_READ_PING : WS_READ_PONG;
}

/* --- frames --- */

/* Checks the header of a frame. WS_READ_NOTHING when it is valid. */
static enum ws_read begin_frame(struct ws_reader *r, const struct wslay_frame_iocb *f,
				struct ws_read_result *ret)
{
	bool data = !wslay_is_ctrl_frame(f->opcode);
	unsigned allowed = f->opcode == WSLAY_TEXT_FRAME && r->deflate ? WSLAY_RSV1_BIT : 0;

	if (f->mask)
		return breach(ret, BROKE "it masks its frames");
	if (f->opcode > WSLAY_PONG || (data && f->opcode > WSLAY_BINARY_FRAME))
		return breach(ret, BROKE "an unknown kind of frame");
	if (f->rsv & ~allowed)
		return breach(ret, BROKE "a reserved bit that was not agreed on");
	/* Bayeux is text. Ignoring binary data would lose messages silently. */
	if (f->opcode == WSLAY_BINARY_FRAME)
		return fault(ret, WSLAY_CODE_UNSUPPORTED_DATA, "the server sent binary data");
	if (data && (f->opcode == WSLAY_CONTINUATION_FRAME) != r->in_text)
		return breach(ret, r->in_text ? BROKE "a text within a text"
					      : BROKE "a continuation frame without a text to continue");
	if (f->opcode == WSLAY_TEXT_FRAME) {
		r->in_text = true;
		r->packed = wslay_get_rsv1(f->rsv);
	}
	r->in_frame = true;
	r->final = f->fin;
	r->opcode = f->opcode;
	r->left = f->payload_length;
	r->n_control = 0;
	return WS_READ_NOTHING;
}

/* Receives some bytes of a frame. WS_READ_NOTHING when they are nothing for the caller; *ret_more: whether
   there were any. */
static enum ws_read receive(struct ws_reader *r, struct ws_read_result *ret, bool *ret_more)
{
	struct wslay_frame_iocb f = {0};
	ssize_t n = wslay_frame_recv(r->frames, &f);
	enum ws_read result = WS_READ_NOTHING;

	*ret_more = n >= 0;
	if (n == WSLAY_ERR_WANT_READ)
		return WS_READ_NOTHING;
	if (n < 0)
		return breach(ret, BROKE "a control frame that is too long or fragmented");
	if (!r->in_frame)
		result = begin_frame(r, &f, ret);
	if (result)
		return result;
	r->left -= f.data_length;
	r->in_frame = r->left > 0;
	if (!wslay_is_ctrl_frame(r->opcode)) {
		r->chunk = slice_make((const char *)f.data, f.data_length);
		r->complete = !r->in_frame && r->final;
		return WS_READ_NOTHING;
	}
	/* wslay accepts no longer one */
	memcpy(r->control + r->n_control, f.data, f.data_length);
	r->n_control += f.data_length;
	return r->in_frame ? WS_READ_NOTHING : end_control(r, ret);
}

/* --- texts --- */

/* Moves the available payload to the piece. 0, WS_DEFLATE_E_BROKEN, -ENOMEM. */
static int fill_piece(struct ws_reader *r)
{
	size_t room = WS_PIECE_MAX - r->n_piece, n = r->chunk.n < room ? r->chunk.n : room;
	int result = 0;

	if (r->packed) {
		result = ws_deflate_unpack(r->deflate, &r->chunk, r->piece + r->n_piece, room, &n);
		r->full = n == room;
	} else {
		memcpy(r->piece + r->n_piece, r->chunk.p, n);
		r->chunk = slice_drop(r->chunk, n);
	}
	r->n_piece += n;
	return result;
}

static enum ws_read hand_on(struct ws_reader *r, struct ws_read_result *ret)
{
	ret->bytes = slice_make(r->piece, r->n_piece);
	r->n_piece = 0;
	return WS_READ_PIECE;
}

static enum ws_read end_text(struct ws_reader *r)
{
	if (r->packed)
		ws_deflate_unpacked(r->deflate);
	r->in_text = r->packed = r->complete = r->tail = false;
	return WS_READ_END;
}

enum ws_read ws_reader_next(struct ws_reader *r, struct buf *in, struct ws_read_result *ret)
{
	bool more = true;

	r->in = in;
	*ret = (struct ws_read_result){.code = 0};
	while (more) {
		if (r->n_piece == WS_PIECE_MAX)
			return hand_on(r, ret);
		if (r->chunk.n || r->full) {
			int result = fill_piece(r);

			if (result > 0)
				return fault(ret, WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA,
					     "the server sent a text that cannot be inflated");
			if (result < 0)
				return fault(ret, WSLAY_CODE_INTERNAL_SERVER_ERROR,
					     "out of memory");
		} else if (r->complete && r->packed && !r->tail) {
			r->chunk = WS_DEFLATE_TAIL;
			r->tail = true;
		} else if (r->complete) {
			return r->n_piece ? hand_on(r, ret) : end_text(r);
		} else {
			enum ws_read result = receive(r, ret, &more);

			if (result)
				return result;
		}
	}
	return r->n_piece ? hand_on(r, ret) : WS_READ_NOTHING;
}
