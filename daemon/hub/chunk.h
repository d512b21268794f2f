/*
 * Encodes frames, once for all their receivers, one after the other in a blob of about
 * 16 KiB. Frames that follow each other in time are adjacent in memory, so the outboxes
 * can merge them.
 */
#ifndef HUB_CHUNK_H
#define HUB_CHUNK_H

#include "base/blob.h"
#include "protocol/message.h"

/* Private to chunk.c. */
struct chunk {
	struct blob *blob;      /* the one being filled, or NULL */
};

/* A frame that was encoded. The blob is the chunk's: who keeps the frame takes a reference before
   the next one is encoded. */
struct chunk_frame {
	struct blob *blob;
	size_t offset, n;
};

static inline void chunk_init(struct chunk *c) { c->blob = NULL; }
static inline void chunk_fini(struct chunk *c) { c->blob = blob_unref(c->blob); }

/* Encode one frame; results and failures as message_encode and message_encode_event. */
int chunk_message(struct chunk *c, const struct message *m, struct chunk_frame *ret);
int chunk_event(struct chunk *c, struct slice server, uint64_t seq, const struct slice *pieces,
		size_t n_pieces, struct slice binary, struct chunk_frame *ret);

#endif
