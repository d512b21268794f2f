/*
 * Bytes of the application <-> the `binary` object of the local wire.
 */
#ifndef LIBCLIENT_BINARY_H
#define LIBCLIENT_BINARY_H

#include "protocol/buf.h"
#include "protocol/slice.h"

#include <stdbool.h>
#include <stddef.h>

/* What one carries; all 0 or NULL when it carries none. */
struct binary {
	const char *bytes;
	size_t n;
	bool more;
	struct slice meta;          /* raw JSON or SLICE_NULL */
};

/*
 * Appends the object for these bytes; `meta` must be one JSON value or SLICE_NULL.
 * 0, or COMETD_E_TOO_LARGE, COMETD_E_NOMEM.
 */
int binary_write(const struct binary *binary, struct buf *out);
/*
 * Reads such an object; the bytes go to the end of `out`, which must have room for as many as
 * the object is long, so that nothing in it moves. Anything else counts as none, for example an
 * error of the daemon. 0 or -ENOMEM.
 */
int binary_read(struct slice object, struct buf *out, struct binary *ret);

#endif
