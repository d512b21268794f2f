/*
 * Checks that bytes are text: strict UTF-8, and escaped surrogates in pairs.
 * One pass each, no allocation.
 */
#include "protocol/utf8.h"

#include <stdint.h>
#include <unistr.h>

/* how many bytes from the start are plain ASCII, eight at a time */
static size_t ascii_run(struct slice s)
{
	size_t i = 0;
	uint64_t word;

	for (; s.n - i >= sizeof(word); i += sizeof(word)) {
		memcpy(&word, s.p + i, sizeof(word));
		if (word & 0x8080808080808080u)
			break;
	}
	return i;
}

bool utf8_valid(struct slice s)
{
	/* most texts are plain ASCII, and u8_check goes byte by byte */
	struct slice rest = slice_drop(s, ascii_run(s));

	return rest.n == 0 || !u8_check((const uint8_t *)rest.p, rest.n);
}

size_t utf8_whole(struct slice s)
{
	size_t start = s.n, length;
	unsigned char lead;

	while (start > 0 && ((unsigned char)s.p[start - 1] & 0xc0) == 0x80)
		start--;
	if (start == 0)
		return s.n;
	/* the byte before those leads the last character: is all of it there? */
	start--;
	lead = (unsigned char)s.p[start];
	length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	return start + length <= s.n ? s.n : start;
}

/* the code unit of the escape \uXXXX that `s` starts with, or -1 */
static int code_unit(struct slice s)
{
	int unit = 0;

	if (s.n < 6 || s.p[0] != '\\' || s.p[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		char c = s.p[i];

		if (c >= '0' && c <= '9')
			unit = unit << 4 | (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			unit = unit << 4 | ((c | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return unit;
}

static bool is_high(int unit)
{
	return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low(int unit)
{
	return unit >= 0xdc00 && unit <= 0xdfff;
}

bool utf8_surrogates_paired(struct slice json)
{
	const char *escape;

	while (json.n && (escape = memchr(json.p, '\\', json.n))) {
		int unit;

		json = slice_drop(json, (size_t)(escape - json.p));
		unit = code_unit(json);
		if (is_low(unit))
			return false;
		if (is_high(unit)) {
			if (!is_low(code_unit(slice_drop(json, 6))))
				return false;
			json = slice_drop(json, 12);
		} else {
			/* skip the escaped character, too: \\ud800 is not a surrogate */
			json = slice_drop(json, 2);
		}
	}
	return true;
}

int32_t utf8_escape(struct slice s, size_t *ret_n)
{
	int unit = code_unit(s), low;

	if (unit < 0 || is_low(unit))
		return -1;
	if (!is_high(unit)) {
		*ret_n = 6;
		return unit;
	}
	low = code_unit(slice_drop(s, 6));
	if (!is_low(low))
		return -1;
	*ret_n = 12;
	return 0x10000 + ((unit - 0xd800) << 10 | (low - 0xdc00));
}

size_t utf8_encode(int32_t code, char *ret)
{
	return (size_t)u8_uctomb((uint8_t *)ret, (ucs4_t)code, 4);
}
