/*
 * Z85 as CometD's binary extension writes it (bayeux.md 5.5): ZeroMQ's alphabet,
 * four bytes as five characters, but of any length: one to three bytes at the
 * end become one character more than they are.
 */
#ifndef BAYEUX_Z85_H
#define BAYEUX_Z85_H

#include "protocol/buf.h"
#include "protocol/slice.h"

enum { Z85_E_TEXT = 1 };

/* Append the text of `bytes`, which JSON need not escape. 0, -ENOMEM, -EMSGSIZE; on failure `out`
   is as long as before. */
int z85_encode(struct slice bytes, struct buf *out);
/*
 * Appends the bytes that `text` means. Z85_E_TEXT: another character, a length that no bytes have,
 * or five characters beyond 32 bits. 0, -ENOMEM, -EMSGSIZE; on failure `out` is as long as before.
 */
int z85_decode(struct slice text, struct buf *out);

#endif
