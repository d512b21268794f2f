/*
 * The bytes that a text means, one unit of it after the other: a character as it is,
 * or an escape. What some encodings write for each other is one byte here: "-" and
 * "_" of base64url are "+" and "/", and so is a blank, for which forms write "+". Pure.
 */
#ifndef NET_MASK_DECODE_H
#define NET_MASK_DECODE_H

#include "protocol/slice.h"

enum { MASK_JSON = 1, MASK_PERCENT = 2 };

struct mask_unit {
	char bytes[4];
	unsigned n;             /* of them, at least 1 */
	size_t length;          /* of the unit in the text */
};

static inline char mask_same(char c)
{
	return c == '-' || c == ' ' ? '+' : c == '_' ? '/' : c;
}

/* The unit at a "\\" or "%". */
struct mask_unit mask_decode_escape(struct slice text, unsigned decode);

/* The first unit of `text`, which is not empty; `decode`: which escapes are read. */
static inline struct mask_unit mask_decode(struct slice text, unsigned decode)
{
	if (text.p[0] != '\\' && text.p[0] != '%')
		return (struct mask_unit){{mask_same(text.p[0])}, 1, 1};
	return mask_decode_escape(text, decode);
}

#endif
