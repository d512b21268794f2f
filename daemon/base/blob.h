/*
 * Refcounted bytes: what is encoded once and heard by many. A blob grows at
 * its end only, and only while its maker appends; who holds a reference may
 * read [offset, offset + length) of what was there when it took it, by offset
 * and never by pointer, for growing may move the bytes.
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
/* NULL is fine; returns NULL */
struct blob *blob_unref(struct blob *b);

static inline const char *blob_at(const struct blob *b, size_t offset)
{
	return b->buf.mem + b->buf.head + offset;
}

#endif
