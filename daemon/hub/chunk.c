/*
 * The blob in which frames are encoded. A frame is always within one blob; a frame
 * larger than a chunk starts a blob of its own. A chunk without other references is
 * reused, so that nothing is allocated at low traffic.
 */
#include "hub/chunk.h"

#define CHUNK_BYTES (16u << 10)
/* an upper bound for names, numbers and braces of a frame without its large fields */
#define FRAME_EXTRA 512

/* Room for about `expected` bytes: after the last frame, or in a blob of their own. */
static int open_chunk(struct chunk *c, size_t expected, struct buf **ret)
{
	struct blob *fresh;
	int r;

	if (c->blob && c->blob->refs == 1)
		buf_clear(&c->blob->buf);
	if (!c->blob || (buf_len(&c->blob->buf) > 0 &&
			 buf_len(&c->blob->buf) + expected > CHUNK_BYTES)) {
		r = blob_new(PROTOCOL_PREFIX + PROTOCOL_FRAME_MAX + CHUNK_BYTES, &fresh);
		if (r)
			return r;
		blob_unref(c->blob);
		c->blob = fresh;
	}
	*ret = &c->blob->buf;
	return 0;
}

static void frame_since(const struct chunk *c, size_t offset, struct chunk_frame *ret)
{
	*ret = (struct chunk_frame){c->blob, offset, buf_len(&c->blob->buf) - offset};
}

int chunk_message(struct chunk *c, const struct message *m, struct chunk_frame *ret)
{
	size_t offset, expected = m->result.n + m->error.n + m->message.n + FRAME_EXTRA;
	struct buf *out;
	int r = open_chunk(c, expected, &out);

	if (r)
		return r;
	offset = buf_len(out);
	r = message_encode(m, out);
	if (r)
		return r;
	frame_since(c, offset, ret);
	return 0;
}

int chunk_event(struct chunk *c, struct slice server, uint64_t seq, const struct slice *pieces,
		size_t n_pieces, struct slice binary, struct chunk_frame *ret)
{
	size_t offset, expected = FRAME_EXTRA + binary.n;
	struct buf *out;
	int r;

	for (size_t i = 0; i < n_pieces; i++)
		expected += pieces[i].n;
	r = open_chunk(c, expected, &out);
	if (r)
		return r;
	offset = buf_len(out);
	r = message_encode_event(out, server, seq, pieces, n_pieces, binary);
	if (r)
		return r;
	frame_since(c, offset, ret);
	return 0;
}
