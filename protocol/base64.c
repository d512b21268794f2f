/*
 * Base64, both ways. Each sequence of bytes has exactly one text, and only that
 * text is accepted: a lax decoder would accept what other programs reject.
 */
#include "protocol/base64.h"

#include <errno.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Writes four characters for one to three bytes. */
static void encode_group(const unsigned char *in, size_t n, char *to)
{
	uint32_t bits = (uint32_t)in[0] << 16 | (uint32_t)(n > 1 ? in[1] : 0) << 8 |
			(n > 2 ? in[2] : 0);

	to[0] = alphabet[bits >> 18];
	to[1] = alphabet[bits >> 12 & 63];
	to[2] = n > 1 ? alphabet[bits >> 6 & 63] : '=';
	to[3] = n > 2 ? alphabet[bits & 63] : '=';
}

int base64_encode(struct slice bytes, struct buf *out)
{
	const unsigned char *in = (const unsigned char *)bytes.p;
	size_t length = base64_length(bytes.n);
	char *to;
	int r = buf_room(out, length, &to);

	if (r)
		return r;
	for (size_t i = 0; i < bytes.n; i += 3, to += 4)
		encode_group(in + i, bytes.n - i < 3 ? bytes.n - i : 3, to);
	buf_grown(out, length);
	return 0;
}

/* 0 to 63, or -1 */
static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Reads `n` (2 to 4) characters into n - 1 bytes; false when they are not base64. */
static bool decode_group(const char *text, size_t n, char *to)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		int value = i < n ? value_of(text[i]) : 0;

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
	}
	for (size_t i = 0; i + 1 < n; i++)
		to[i] = (char)(bits >> (16 - 8 * i) & 0xff);
	/* the unused bits must be 0, or two texts would decode to the same bytes */
	return n == 4 || (bits & (n == 3 ? 0xffu : 0xffffu)) == 0;
}

int base64_decode(struct slice text, struct buf *out)
{
	size_t n = text.n, bytes;
	char *to;

	if (n % 4)
		return BASE64_E_TEXT;
	for (int i = 0; i < 2 && n && text.p[n - 1] == '='; i++)
		n--;
	bytes = n / 4 * 3 + (n % 4 ? n % 4 - 1 : 0);
	int r = buf_room(out, bytes, &to);
	if (r)
		return r;
	for (size_t i = 0; i < n; i += 4, to += 3)
		if (!decode_group(text.p + i, n - i < 4 ? n - i : 4, to))
			return BASE64_E_TEXT;
	buf_grown(out, bytes);
	return 0;
}
