/*
 * Owns refcounted bytes. Guarantees that they live until the last reference
 * goes, and not longer. Must never know queues or frames.
 */
#include "base/blob.h"

#include <errno.h>
#include <stdlib.h>

int blob_new(size_t max, struct blob **ret)
{
	struct blob *b = malloc(sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->refs = 1;
	buf_init(&b->buf, max);
	*ret = b;
	return 0;
}

struct blob *blob_ref(struct blob *b)
{
	b->refs++;
	return b;
}

struct blob *blob_unref(struct blob *b)
{
	if (b && --b->refs == 0) {
		buf_fini(&b->buf);
		free(b);
	}
	return NULL;
}
