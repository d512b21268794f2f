/*
 * The receiving half of the WebSocket protocol (RFC 6455): frames in, pieces of
 * texts and control frames out. A text is passed on as its fragments arrive,
 * inflated when it was compressed, so its size has no limit here.
 */
#ifndef NET_WS_READER_H
#define NET_WS_READER_H

#include "net/ws_deflate.h"
#include "protocol/buf.h"

/* the largest piece, in bytes */
#define WS_PIECE_MAX (64u << 10)

enum ws_read {
	WS_READ_NOTHING,         /* all input is used up */
	WS_READ_PIECE,           /* `bytes`: some of the text that is coming in */
	WS_READ_END,             /* the text is complete */
	WS_READ_PING,            /* `bytes`: its payload, also of the next three */
	WS_READ_PONG,
	WS_READ_CLOSE,           /* `code` (1005 for none), and `bytes`: the words after it */
	WS_READ_FAULT,           /* the connection must end with `code`, because of `why` */
};

struct ws_read_result {
	struct slice bytes;              /* a view until the next call */
	unsigned code;
	const char *why;
};

struct ws_reader;

/* `deflate`: compression as agreed, or NULL; must outlive the reader. 0 or -ENOMEM. */
int ws_reader_new(struct ws_deflate *deflate, struct ws_reader **ret);
/* NULL is allowed. */
void ws_reader_free(struct ws_reader *r);

/* Consumes bytes of `in` until there is a result. Must not be called after a fault. */
enum ws_read ws_reader_next(struct ws_reader *r, struct buf *in, struct ws_read_result *ret);

#endif
