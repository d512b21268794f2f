/*
 * Inflates step by step, for gzip over HTTP and for permessage-deflate. A few bytes
 * may expand to very many, so the caller limits the output of each step.
 */
#ifndef NET_INFLATE_H
#define NET_INFLATE_H

#include "protocol/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <zlib.h>

struct inflater {
	z_stream z;
	bool made;
	bool whole;                      /* at the end of a stream: nothing is missing */
};

enum inflate_format { INFLATE_RAW, INFLATE_GZIP };

/* 0 or -ENOMEM */
int inflater_init(struct inflater *i, enum inflate_format format);
/* Accepts a zeroed struct. */
void inflater_fini(struct inflater *i);
/* Clears the window: the next input does not refer to previous data. */
void inflater_reset(struct inflater *i);

enum { INFLATE_E_BROKEN = 1 };
/*
 * Writes at most `room` bytes to `to` and removes the consumed input from *in, which may hold several
 * streams, one after the other. 0: with *ret_n < room all of *in is used up; with *ret_n == room there may be
 * more output, even when *in is empty. INFLATE_E_BROKEN, -ENOMEM.
 */
int inflater_step(struct inflater *i, struct slice *in, char *to, size_t room, size_t *ret_n);

#endif
