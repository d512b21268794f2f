/* Reference-counted bytes, freed with the last reference. */
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
