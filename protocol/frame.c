/*
 * The length prefix of frames, both ways. A length is checked before a byte of
 * the body is stored and reserves no memory; after an invalid length the stream
 * stays broken.
 */
#include "protocol/frame.h"
#include "protocol/protocol.h"

#include <errno.h>

/* bytes after the frame returned last */
static struct slice waiting(const struct frame_reader *r)
{
	return slice_drop(buf_slice(&r->in), r->taken);
}

static void drop_taken(struct frame_reader *r)
{
	buf_consume(&r->in, r->taken);
	r->taken = 0;
}

void frame_reader_init(struct frame_reader *r, size_t limit)
{
	buf_init(&r->in, PROTOCOL_PREFIX + limit);
	r->limit = limit;
	r->taken = 0;
}

void frame_reader_fini(struct frame_reader *r)
{
	buf_fini(&r->in);
	r->taken = 0;
}

void frame_reader_limit(struct frame_reader *r, size_t limit)
{
	r->limit = limit;
	r->in.max = PROTOCOL_PREFIX + limit;
}

int frame_room(struct frame_reader *r, size_t want, char **ret, size_t *ret_n)
{
	size_t len, n;
	int result;

	drop_taken(r);
	len = buf_len(&r->in);
	if (len >= r->in.max)
		return -EMSGSIZE;
	n = r->in.max - len < want ? r->in.max - len : want;
	result = buf_room(&r->in, n, ret);
	if (result == 0)
		*ret_n = n;
	return result;
}

void frame_filled(struct frame_reader *r, size_t n)
{
	buf_grown(&r->in, n);
}

int frame_next(struct frame_reader *r, struct slice *ret)
{
	const unsigned char *p;
	struct slice in;
	size_t n;

	drop_taken(r);
	in = waiting(r);
	if (in.n < PROTOCOL_PREFIX)
		return FRAME_E_AGAIN;
	p = (const unsigned char *)in.p;
	n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
	if (n == 0)
		return FRAME_E_EMPTY;
	if (n > r->limit)
		return FRAME_E_TOO_LARGE;
	if (in.n - PROTOCOL_PREFIX < n)
		return FRAME_E_AGAIN;
	r->taken = PROTOCOL_PREFIX + n;
	*ret = slice_make(in.p + PROTOCOL_PREFIX, n);
	return 0;
}

void frame_put_back(struct frame_reader *r)
{
	r->taken = 0;
}

size_t frame_pending(const struct frame_reader *r)
{
	return waiting(r).n;
}

void frame_reader_trim(struct frame_reader *r)
{
	if (waiting(r).n == 0) {
		r->taken = 0;
		buf_fini(&r->in);
	}
}

int frame_begin(struct buf *out, size_t *ret_mark)
{
	size_t mark = buf_len(out);
	int r = buf_put(out, slice_make("\0\0\0\0", PROTOCOL_PREFIX));

	if (r == 0)
		*ret_mark = mark;
	return r;
}

int frame_end(struct buf *out, size_t mark, size_t limit)
{
	return frame_end_early(out, mark, 0, limit);
}

int frame_end_early(struct buf *out, size_t mark, size_t rest, size_t limit)
{
	size_t n = buf_len(out) - mark - PROTOCOL_PREFIX;
	unsigned char *p;

	if (n + rest == 0 || rest > limit || n > limit - rest || n + rest > UINT32_MAX) {
		buf_truncate(out, mark);
		return -EMSGSIZE;
	}
	n += rest;
	p = (unsigned char *)out->mem + out->head + mark;
	p[0] = (unsigned char)(n >> 24);
	p[1] = (unsigned char)(n >> 16);
	p[2] = (unsigned char)(n >> 8);
	p[3] = (unsigned char)n;
	return 0;
}
