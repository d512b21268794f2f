/*
 * Wraps a zlib inflate stream. No step produces more bytes than the given room,
 * whatever the input.
 */
#include "net/inflate.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>

/* added to the window bits, makes zlib read gzip */
#define GZIP_BITS 16

int inflater_init(struct inflater *i, enum inflate_format format)
{
	*i = (struct inflater){.whole = true};
	/* the window may be larger than the sender's, and zlib does not support one of 8 bits */
	if (inflateInit2(&i->z, format == INFLATE_RAW ? -MAX_WBITS : MAX_WBITS + GZIP_BITS) != Z_OK)
		return -ENOMEM;
	i->made = true;
	return 0;
}

void inflater_fini(struct inflater *i)
{
	if (i->made)
		inflateEnd(&i->z);
	i->made = false;
}

void inflater_reset(struct inflater *i)
{
	inflateReset(&i->z);
	i->whole = true;
}

int inflater_step(struct inflater *i, struct slice *in, char *to, size_t room, size_t *ret_n)
{
	size_t n = in->n < UINT_MAX ? in->n : UINT_MAX;
	int z = Z_OK;

	i->z.next_in = (z_const Bytef *)(uintptr_t)in->p;
	i->z.avail_in = (uInt)n;
	i->z.next_out = (Bytef *)to;
	i->z.avail_out = (uInt)(room < UINT_MAX ? room : UINT_MAX);
	while (i->z.avail_out > 0) {
		if (i->z.avail_in > 0)
			i->whole = false;
		z = inflate(&i->z, Z_SYNC_FLUSH);
		if (z != Z_STREAM_END)
			break;
		inflater_reset(i);
		if (i->z.avail_in == 0)
			break;
	}
	*in = slice_drop(*in, n - i->z.avail_in);
	*ret_n = (size_t)((char *)i->z.next_out - to);
	if (z == Z_MEM_ERROR)
		return -ENOMEM;
	return z == Z_OK || z == Z_BUF_ERROR || z == Z_STREAM_END ? 0 : INFLATE_E_BROKEN;
}
