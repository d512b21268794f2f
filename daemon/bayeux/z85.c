/*
 * Z85 in exactly the form that CometD's clients and servers use.
 */
#include "bayeux/z85.h"

#include <string.h>

static const char alphabet[] =
	"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
_Static_assert(sizeof(alphabet) == 85 + 1, "eighty-five characters");

#define LAST_DIGIT 84u

/* Writes n + 1 characters for one to four bytes. */
static void encode_group(const char *in, size_t n, char *to)
{
	uint32_t bits = 0;
	char digits[5];
	for (size_t i = 0; i < 4; i++)
		bits = bits << 8 | (i < n ? (unsigned char)in[i] : 0u);
	for (size_t i = 5; i > 0; i--, bits /= 85)
		digits[i - 1] = alphabet[bits % 85];
	memcpy(to, digits, n + 1);
}

int z85_encode(struct slice bytes, struct buf *out)
{
	size_t rest = bytes.n % 4, length = bytes.n / 4 * 5 + (rest ? rest + 1 : 0);
	char *to;
	int r = buf_room(out, length, &to);
	if (r)
		return r;
	for (size_t i = 0; i < bytes.n; i += 4, to += 5)
		encode_group(bytes.p + i, bytes.n - i < 4 ? bytes.n - i : 4, to);
	buf_grown(out, length);
	return 0;
}

/* 0 to 84, or -1 */
static int digit_of(char c)
{
	const char *at = c ? memchr(alphabet, c, sizeof(alphabet) - 1) : NULL;
	return at ? (int)(at - alphabet) : -1;
}

/* Reads `n` (2 to 5) characters into n - 1 bytes; false when they are no text of bytes. */
static bool decode_group(const char *text, size_t n, char *to)
{
	uint64_t bits = 0;
	for (size_t i = 0; i < 5; i++) {
		int digit = i < n ? digit_of(text[i]) : (int)LAST_DIGIT;
		if (digit < 0)
			return false;
		bits = bits * 85 + (uint64_t)digit;
	}
	if (bits > UINT32_MAX)
		return false;
	for (size_t i = 0; i + 1 < n; i++)
		to[i] = (char)(bits >> (24 - 8 * i) & 0xff);
	return true;
}

int z85_decode(struct slice text, struct buf *out)
{
	size_t rest = text.n % 5, bytes = text.n / 5 * 4 + (rest ? rest - 1 : 0);
	char *to;
	if (rest == 1)
		return Z85_E_TEXT;
	int r = buf_room(out, bytes, &to);
	if (r)
		return r;
	for (size_t i = 0; i < text.n; i += 5, to += 4)
		if (!decode_group(text.p + i, text.n - i < 5 ? text.n - i : 5, to))
			return Z85_E_TEXT;
	buf_grown(out, bytes);
	return 0;
}
