/*
 * Inflating piece by piece, for gzip over HTTP and for permessage-deflate: what
 * a few bytes become is made only as far as somebody has room for it.
 */
#ifndef IO_INFLATE_H
#define IO_INFLATE_H

#include "protocol/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <zlib.h>

struct inflater {
	z_stream z;
	bool made;
	bool whole;                      /* between two streams: nothing is missing */
};

enum inflate_format { INFLATE_RAW, INFLATE_GZIP };

/* 0 or -ENOMEM */
int inflater_init(struct inflater *i, enum inflate_format format);
/* Fine for one that was never made, all zero. */
void inflater_fini(struct inflater *i);
/* From now on nothing refers to what came before. */
void inflater_reset(struct inflater *i);

enum { INFLATE_E_BROKEN = 1 };
/*
 * Writes at most `room` bytes to `to` and drops what they were made of from *in, which may hold
 * several streams, one after the other. 0: with *ret_n < room all of *in is used up; with
 * *ret_n == room there may be more, also of an empty *in. INFLATE_E_BROKEN, -ENOMEM.
 */
int inflater_step(struct inflater *i, struct slice *in, char *to, size_t room, size_t *ret_n);

#endif
