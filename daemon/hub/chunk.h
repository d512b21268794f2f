/*
 * Where frames are encoded, once for all their receivers, one after the other in a blob of about
 * 16 KiB. Frames that follow each other in time are adjacent in memory, so the outboxes
 * can merge them.
 */
#ifndef HUB_CHUNK_H
#define HUB_CHUNK_H

#include "base/blob.h"

struct chunk {
	struct blob *blob;      /* the one being filled, or NULL */
	size_t mark;            /* where the frame that is being encoded begins */
};

/* A frame that was encoded. The blob is the chunk's: who keeps the frame takes a reference before
   the next one is encoded. */
struct chunk_frame {
	struct blob *blob;
	size_t offset, n;
};

static inline void chunk_init(struct chunk *c) { *c = (struct chunk){0}; }
static inline void chunk_fini(struct chunk *c) { c->blob = blob_unref(c->blob); }

/* Where to append one frame, of about `expected` bytes. 0 or -ENOMEM. */
int chunk_begin(struct chunk *c, size_t expected, struct buf **ret);
/* After it was appended with the result `r`, which is returned: the frame, or nothing is left of it. */
int chunk_end(struct chunk *c, int r, struct chunk_frame *ret);

#endif
