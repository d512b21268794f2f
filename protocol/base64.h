/*
 * Base64 (RFC 4648) as used on the local wire: with padding, without line
 * breaks. Not OpenSSL's: the client library does without libcrypto, and
 * OpenSSL's decoder accepts malformed text.
 */
#ifndef PROTOCOL_BASE64_H
#define PROTOCOL_BASE64_H

#include "protocol/buf.h"
#include "protocol/slice.h"

#include <stddef.h>

enum { BASE64_E_TEXT = 1 };

/* how long the text of `n` bytes is */
static inline size_t base64_length(size_t n) { return (n + 2) / 3 * 4; }

/* Append the text of `bytes`. 0, -ENOMEM, -EMSGSIZE; on failure `out` is as long as before. */
int base64_encode(struct slice bytes, struct buf *out);
/*
 * Appends the bytes that `text` means. BASE64_E_TEXT when it is not what base64_encode writes:
 * another character, padding that is missing or in the wrong place, bits left over that are not 0.
 * 0, -ENOMEM, -EMSGSIZE; on failure `out` is as long as before.
 */
int base64_decode(struct slice text, struct buf *out);

#endif
