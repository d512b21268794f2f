/*
 * Decodes JSON escapes and percent-encoding. A unit never extends beyond the text, and
 * never decodes to more bytes than its length.
 */
#include "net/mask_decode.h"

#include <stdint.h>

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The value of n hexadecimal digits; -1 if there are fewer. */
static int32_t number(struct slice text, size_t at, size_t n)
{
	int32_t value = 0;

	if (text.n < at + n)
		return -1;
	for (size_t i = at; i < at + n; i++) {
		if (hex(text.p[i]) < 0)
			return -1;
		value = value * 16 + hex(text.p[i]);
	}
	return value;
}

static unsigned put_utf8(uint32_t c, char to[4])
{
	if (c < 0x80) {
		to[0] = mask_normalize((char)c);
		return 1;
	}
	unsigned n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (unsigned i = n - 1; i > 0; i--, c >>= 6)
		to[i] = (char)(0x80 | (c & 0x3f));
	to[0] = (char)((0xf00 >> n & 0xff) | c);
	return n;
}

/* Decodes "\uXXXX", or two of them that are a surrogate pair. */
static struct mask_unit code_point(struct slice text, int32_t c)
{
	struct mask_unit u = {.length = 6};
	int32_t low = text.n >= 12 && text.p[6] == '\\' && text.p[7] == 'u' ? number(text, 8, 4) : -1;

	if (c >= 0xd800 && c < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		u.length = 12;
	}
	u.n = put_utf8((uint32_t)c, u.bytes);
	return u;
}

static struct mask_unit plain(char c, size_t length)
{
	return (struct mask_unit){{mask_normalize(c)}, 1, length};
}

static struct mask_unit escape(struct slice text)
{
	static const char letters[] = "bfnrt\"\\/", meanings[] = "\b\f\n\r\t\"\\/";
	const char *letter = text.n > 1 && text.p[1] ? strchr(letters, text.p[1]) : NULL;
	int32_t c;

	if (letter)
		return plain(meanings[letter - letters], 2);
	c = text.n > 1 && text.p[1] == 'u' ? number(text, 2, 4) : -1;
	return c < 0 ? plain('\\', 1) : code_point(text, c);
}

struct mask_unit mask_decode_escape(struct slice text, unsigned decode)
{
	struct mask_unit u = (decode & MASK_JSON) && text.p[0] == '\\' ? escape(text)
								       : plain(text.p[0], 1);

	if ((decode & MASK_PERCENT) && u.n == 1 && u.bytes[0] == '%') {
		int32_t c = number(text, u.length, 2);

		if (c >= 0)
			return plain((char)c, u.length + 2);
	}
	return u;
}
