/*
 * The blob in which frames are encoded. A frame is always within one blob; a frame
 * larger than a chunk starts a blob of its own. A chunk without other references is
 * reused, so that nothing is allocated at low traffic.
 */
#include "hub/chunk.h"

#include "protocol/protocol.h"

#define CHUNK_BYTES (16u << 10)

int chunk_begin(struct chunk *c, size_t expected, struct buf **ret)
{
	struct blob *fresh;
	char *room;
	int r;

	if (c->blob && c->blob->refs == 1)
		buf_clear(&c->blob->buf);
	if (!c->blob || (buf_len(&c->blob->buf) > 0 &&
			 buf_len(&c->blob->buf) + expected > CHUNK_BYTES)) {
		r = blob_new(PROTOCOL_PREFIX + PROTOCOL_FRAME_MAX + CHUNK_BYTES, &fresh);
		if (r)
			return r;
		/* the last one was filled, so this one is filled, too, and need not grow step by step; without
		   memory it does */
		if (c->blob && expected <= CHUNK_BYTES)
			(void)buf_room(&fresh->buf, CHUNK_BYTES, &room);
		blob_unref(c->blob);
		c->blob = fresh;
	}
	c->mark = buf_len(&c->blob->buf);
	*ret = &c->blob->buf;
	return 0;
}

int chunk_end(struct chunk *c, int r, struct chunk_frame *ret)
{
	if (r)
		buf_truncate(&c->blob->buf, c->mark);
	else
		*ret = (struct chunk_frame){c->blob, c->mark, buf_len(&c->blob->buf) - c->mark};
	return r;
}
