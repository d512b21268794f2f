/*
 * The binary extension of CometD (bayeux.md 5.5): `ext.binary` says that `data` is
 * {"data":"<Z85>","last":…,"meta":…}. On the local wire the same is an object of
 * its own, with base64 in place of Z85, beside the message as the server wrote it:
 *
 *     "binary":{"data":"<base64>","last":true,"meta":…}
 *
 * It is not negotiated in the handshake: a server without the extension relays such
 * messages like any other.
 */
#ifndef BAYEUX_BINARY_H
#define BAYEUX_BINARY_H

#include "bayeux/envelope.h"
#include "protocol/buf.h"

enum { BINARY_E_NONE = 1, BINARY_E_OBJECT = 2 };

/*
 * Appends the object of the local wire for the message's binary data; {"error":"description"} if
 * the data is malformed. BINARY_E_NONE if the message is not binary. 0, -ENOMEM,
 * -EMSGSIZE; on failure `out` is as long as before.
 */
int binary_to_wire(const struct envelope *e, struct buf *out);

/*
 * Appends to `data` and `ext` the values for a message that carries `object`, an object of the local
 * wire; `own` is the ext that the message has already (raw object or SLICE_NULL). `last` (default
 * true) and `meta` are optional. BINARY_E_OBJECT with a description in *ret_why if it is invalid, or
 * if `own` has a member "binary". 0, -ENOMEM, -EMSGSIZE; on failure both are as long as before.
 */
int binary_from_wire(struct slice object, struct slice own, struct buf *data, struct buf *ext,
		     const char **ret_why);

#endif
