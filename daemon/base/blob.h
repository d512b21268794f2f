/*
 * Reference-counted bytes: a frame is encoded once and shared by all its receivers.
 * A blob grows only at its end, and only while its maker appends. Holders of a
 * reference address bytes by offset, never by pointer, because growing may move them.
 */
#ifndef BASE_BLOB_H
#define BASE_BLOB_H

#include "protocol/buf.h"

#include <stddef.h>

struct blob {
	size_t refs;
	struct buf buf;
};

/* An empty blob with one reference that never holds more than `max` bytes. 0 or -ENOMEM. */
int blob_new(size_t max, struct blob **ret);
struct blob *blob_ref(struct blob *b);
/* Accepts NULL; returns NULL. */
struct blob *blob_unref(struct blob *b);

static inline const char *blob_at(const struct blob *b, size_t offset)
{
	return b->buf.mem + b->buf.head + offset;
}

#endif
