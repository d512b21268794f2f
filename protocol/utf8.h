/*
 * Is this text fit for a JSON parser and for everybody behind it? yajl lets
 * broken UTF-8 and lone surrogates through, so this is asked first.
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
 * \uDC00-\uDFFF, and none stands alone.
 */
bool utf8_surrogates_paired(struct slice json);
/*
 * UTF-8 that was cut somewhere: how many bytes are left without the character
 * that lost its end; s.n, or up to 3 less. Whoever shortens a text for people
 * cuts here, for half a character is no UTF-8 and would spoil all around it.
 */
size_t utf8_whole(struct slice s);

/*
 * The code point that the escape \uXXXX at the start of `s` means, two
 * surrogates taken together; *ret_n is how many bytes it takes there, 6 or 12.
 * -1, and *ret_n untouched, when it is no such escape or a lone surrogate.
 */
int32_t utf8_escape(struct slice s, size_t *ret_n);
/* Writes a code point (no surrogate) as UTF-8; returns its length, 1 to 4. */
size_t utf8_encode(int32_t code, char *ret);

#endif
