/*
 * permessage-deflate (RFC 7692): the offer, the terms that the server chose, and
 * texts in and out of their compressed form. Bytes in, bytes out.
 */
#ifndef NET_WS_DEFLATE_H
#define NET_WS_DEFLATE_H

#include "protocol/buf.h"
#include "protocol/slice.h"

#include <stdbool.h>

#define WS_DEFLATE_OFFER "permessage-deflate; client_max_window_bits"

/* what both sides agreed on */
struct ws_deflate_terms {
	bool agreed;
	bool forget_in, forget_out;      /* each text is compressed by itself: no context takeover */
	int bits_in, bits_out;           /* of the window, 8 to 15 */
};

/*
 * Reads the value of a Sec-WebSocket-Extensions that answers WS_DEFLATE_OFFER. False when it has
 * anything that the offer does not allow, or anything twice that may be there once.
 */
bool ws_deflate_parse(struct slice value, struct ws_deflate_terms *ret);

struct ws_deflate;
/* 0 or -ENOMEM. */
int ws_deflate_new(const struct ws_deflate_terms *terms, struct ws_deflate **ret);
/* NULL is fine. */
void ws_deflate_free(struct ws_deflate *d);

enum {
	WS_DEFLATE_E_PLAIN = 1,
	WS_DEFLATE_E_BROKEN = 2,
};
/*
 * Appends the compressed form of `text` to `out`. 0; WS_DEFLATE_E_PLAIN when it goes out as it is
 * (it is short, or the server's window too small for zlib); -ENOMEM, -EMSGSIZE beyond out's
 * ceiling. What was packed must be sent, or ws_deflate_unsent() called.
 */
int ws_deflate_pack(struct ws_deflate *d, struct slice text, struct buf *out);
/* What was packed last does not leave: nothing later may refer to it. */
void ws_deflate_unsent(struct ws_deflate *d);

/* The end of each compressed message, which is not transmitted (RFC 7692, 7.2.2). */
#define WS_DEFLATE_TAIL SLICE("\x00\x00\xff\xff")
/*
 * Inflates a piece of a compressed message as inflater_step() does: at most `room` bytes. 0,
 * WS_DEFLATE_E_BROKEN, -ENOMEM. After an error the connection must end.
 */
int ws_deflate_unpack(struct ws_deflate *d, struct slice *packed, char *to, size_t room,
		      size_t *ret_n);
/* The whole message was inflated, its tail included. */
void ws_deflate_unpacked(struct ws_deflate *d);

#endif
