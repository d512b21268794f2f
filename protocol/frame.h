/*
 * Splits a byte stream into frames, and prefixes frames with their length. Feed
 * bytes as they arrive, then read complete frames; a length claimed by the other
 * side reserves no memory before the bytes arrive.
 */
#ifndef PROTOCOL_FRAME_H
#define PROTOCOL_FRAME_H

#include "protocol/buf.h"

enum frame_result {
	FRAME_E_AGAIN = 1,       /* not complete yet */
	FRAME_E_EMPTY,           /* length 0: the stream is broken */
	FRAME_E_TOO_LARGE,       /* length above the limit: the stream is broken */
};

/* Private to frame.c. */
struct frame_reader {
	struct buf in;
	size_t limit;    /* of one frame's body */
	size_t taken;    /* prefix and body of the frame returned last */
};

/* Accepts frames with bodies of up to `limit` bytes. */
void frame_reader_init(struct frame_reader *r, size_t limit);
void frame_reader_fini(struct frame_reader *r);
/*
 * A new limit for the frames that are not read yet (hello is small, later frames
 * are not). The frame returned last stays valid.
 */
void frame_reader_limit(struct frame_reader *r, size_t limit);

/*
 * Returns the place for the next bytes: at least 1, at most `want` (> 0), and not
 * more than one frame of the limit needs. Then call frame_filled() with the number
 * of bytes received. Invalidates the view that frame_next returned.
 * 0, -ENOMEM, or -EMSGSIZE when complete frames have not been read yet: loop
 * over frame_next first.
 */
int frame_room(struct frame_reader *r, size_t want, char **ret, size_t *ret_n);
void frame_filled(struct frame_reader *r, size_t n);

/*
 * The body of the next complete frame; *ret is valid until the next call with r.
 * 0, or an enum frame_result (the last two again at each call).
 * Loop until FRAME_E_AGAIN: one read may bring many frames.
 */
int frame_next(struct frame_reader *r, struct slice *ret);
/* Makes frame_next() return the last frame again, because it was not handled. */
void frame_put_back(struct frame_reader *r);
/* Number of bytes after the frame returned last. If it is not 0 when the stream ends, the stream
   ended within a frame. */
size_t frame_pending(const struct frame_reader *r);
/* Frees the memory when no bytes are buffered: an idle connection costs none. */
void frame_reader_trim(struct frame_reader *r);

/*
 * Writing: frame_begin reserves the prefix at the end of `out` and returns the
 * mark that frame_end needs, once the body is appended, to fill it in.
 * frame_begin: 0, -ENOMEM, -EMSGSIZE. frame_end: 0, or -EMSGSIZE when the body
 * is empty or longer than `limit`, and then the frame is cut off again.
 */
int frame_begin(struct buf *out, size_t *ret_mark);
int frame_end(struct buf *out, size_t mark, size_t limit);
/* The same for a frame whose last `rest` bytes are not in `out`, but sent after it. */
int frame_end_early(struct buf *out, size_t mark, size_t rest, size_t limit);

#endif
