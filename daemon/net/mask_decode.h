/*
 * Decodes a text unit by unit; a unit is a plain character or an escape. Bytes that
 * encodings use for each other are decoded to the same byte: "-" and "_" of base64url
 * to "+" and "/", and a blank, which forms encode as "+", to "+". Pure.
 */
#ifndef NET_MASK_DECODE_H
#define NET_MASK_DECODE_H

#include "protocol/slice.h"

enum { MASK_JSON = 1, MASK_PERCENT = 2 };

struct mask_unit {
	char bytes[4];
	unsigned n;             /* number of bytes, at least 1 */
	size_t length;          /* of the unit in the text */
};

static inline char mask_normalize(char c)
{
	return c == '-' || c == ' ' ? '+' : c == '_' ? '/' : c;
}

/* Decodes the unit at a "\\" or "%". */
struct mask_unit mask_decode_escape(struct slice text, unsigned decode);

/* Decodes the first unit of `text`, which is not empty; `decode`: the escapes to decode. */
static inline struct mask_unit mask_decode(struct slice text, unsigned decode)
{
	if (text.p[0] != '\\' && text.p[0] != '%')
		return (struct mask_unit){{mask_normalize(text.p[0])}, 1, 1};
	return mask_decode_escape(text, decode);
}

#endif
