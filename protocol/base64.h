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

/* the length of the text of `n` bytes */
static inline size_t base64_length(size_t n) { return (n + 2) / 3 * 4; }

/* Appends the text of `bytes`. 0, -ENOMEM, -EMSGSIZE; on failure `out` is as long as before. */
int base64_encode(struct slice bytes, struct buf *out);
/*
 * Decodes `text` and appends the bytes. BASE64_E_TEXT if base64_encode() would not write this text: it
 * has another character, missing or misplaced padding, or unused bits that are not 0. 0, -ENOMEM,
 * -EMSGSIZE; on failure `out` is as long as before.
 */
int base64_decode(struct slice text, struct buf *out);

#endif
