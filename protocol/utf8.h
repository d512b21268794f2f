/*
 * Checks of UTF-8 and of surrogate escapes. Run before yajl, which accepts broken
 * UTF-8 and lone surrogates that other JSON parsers reject.
 */
#ifndef PROTOCOL_UTF8_H
#define PROTOCOL_UTF8_H

#include "protocol/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Strict UTF-8 of RFC 3629: no overlong form, no surrogate, nothing past U+10FFFF. */
bool utf8_valid(struct slice s);
/*
 * Whether each \uD800-\uDBFF escape in this JSON text is followed by its
 * \uDC00-\uDFFF, and there is no lone one.
 */
bool utf8_surrogates_paired(struct slice json);
/*
 * For UTF-8 that was cut at any byte: its length without an incomplete last
 * character; s.n, or up to 3 less. Use it wherever text for people is shortened,
 * because half a character makes the whole line invalid UTF-8.
 */
size_t utf8_whole(struct slice s);

/*
 * The code point of the escape \uXXXX at the start of `s`, or of a surrogate pair;
 * *ret_n is its length, 6 or 12 bytes. -1, and *ret_n unchanged, if it is not such
 * an escape, or a lone surrogate.
 */
int32_t utf8_escape(struct slice s, size_t *ret_n);
/* Writes a code point (not a surrogate) as UTF-8; returns its length, 1 to 4. */
size_t utf8_encode(int32_t code, char *ret);

#endif
