/*
 * The binary extension of CometD (bayeux.md 5.5): `ext.binary` says that `data` is
 * {"data":"<Z85>","last":…,"meta":…}. On the local wire the same is an object of
 * its own, with base64 in place of Z85, beside the message as the server wrote it:
 *
 *     "binary":{"data":"<base64>","last":true,"meta":…}
 *
 * Nothing of it is agreed upon in the handshake: a server without the extension
 * relays such messages like any other.
 */
#ifndef BAYEUX_BINARY_H
#define BAYEUX_BINARY_H

#include "bayeux/envelope.h"
#include "protocol/buf.h"

enum { BINARY_E_NONE = 1, BINARY_E_WISH = 2 };

/*
 * Appends what the message carries, as the local wire has it; {"error":"words for people"} when
 * it says that it is binary and is not. BINARY_E_NONE when it does not say so. 0, -ENOMEM,
 * -EMSGSIZE; on failure `out` is as long as before.
 */
int binary_to_wire(const struct envelope *e, struct buf *out);

/*
 * Appends to `data` and `ext` what a message must say to carry `wish`, an object of the local
 * wire, beside `own`, the ext that it has anyway (raw object or SLICE_NULL). `last` may be left
 * out and is true then, `meta` too. BINARY_E_WISH with words in *ret_why when it is none, or when
 * `own` says "binary" itself. 0, -ENOMEM, -EMSGSIZE; on failure both are as long as before.
 */
int binary_from_wire(struct slice wish, struct slice own, struct buf *data, struct buf *ext,
		     const char **ret_why);

#endif
