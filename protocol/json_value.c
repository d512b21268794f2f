/*
 * Converts one JSON value to C: text, whole numbers, doubles. Nothing is rounded
 * or truncated silently, and no value is accepted as another type.
 */
#include "protocol/json_read.h"
#include "protocol/utf8.h"

#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

/* decodes the escape that `s` starts with to *to; how many bytes of s it took, or 0 */
static size_t unescape(struct slice s, char **to)
{
	static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
	const char *letter;
	size_t taken;
	int32_t code;

	if (s.n < 2)
		return 0;
	if (s.p[1] == 'u') {
		code = utf8_escape(s, &taken);
		if (code < 0)
			return 0;
		*to += utf8_encode(code, *to);
		return taken;
	}
	letter = memchr(letters, s.p[1], sizeof(letters) - 1);
	if (!letter)
		return 0;
	*(*to)++ = meanings[letter - letters];
	return 2;
}

int json_text(const struct json_value *value, struct buf *scratch, struct slice *ret)
{
	struct slice s = value->raw;
	const char *escape;
	char *start, *to;
	int r;

	if (value->kind != JSON_STRING || s.n < 2)
		return JSON_E_SHAPE;
	s = slice_make(s.p + 1, s.n - 2);
	if (!memchr(s.p, '\\', s.n)) {
		*ret = s;
		return 0;
	}
	/* the text is never longer than its escaped form */
	r = buf_room(scratch, s.n, &start);
	if (r)
		return r;
	to = start;
	while (s.n && (escape = memchr(s.p, '\\', s.n))) {
		size_t plain = (size_t)(escape - s.p), taken;

		memcpy(to, s.p, plain);
		to += plain;
		taken = unescape(slice_drop(s, plain), &to);
		if (taken == 0)
			return JSON_E_SHAPE;
		s = slice_drop(s, plain + taken);
	}
	memcpy(to, s.p, s.n);
	to += s.n;
	buf_grown(scratch, (size_t)(to - start));
	*ret = slice_make(start, (size_t)(to - start));
	return 0;
}

int json_u64(const struct json_value *value, uint64_t *ret)
{
	uint64_t n = 0;

	if (value->kind != JSON_NUMBER || value->raw.n == 0)
		return JSON_E_SHAPE;
	for (size_t i = 0; i < value->raw.n; i++) {
		unsigned digit = (unsigned char)value->raw.p[i] - (unsigned)'0';

		if (digit > 9 || __builtin_mul_overflow(n, (uint64_t)10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)digit, &n))
			return JSON_E_SHAPE;
	}
	*ret = n;
	return 0;
}

/* strtod as in the C locale: elsewhere it may take "1.5" for 1 */
static int to_double(const char *number, double *ret)
{
	locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);

	if (!c)
		return -errno;
	*ret = strtod_l(number, NULL, c);
	freelocale(c);
	return 0;
}

int json_double(const struct json_value *value, double *ret)
{
	char small[512], *number = small;
	size_t n = value->raw.n;
	int r;

	if (value->kind != JSON_NUMBER || n == 0)
		return JSON_E_SHAPE;
	if (n >= sizeof(small) && !(number = malloc(n + 1)))
		return -ENOMEM;
	memcpy(number, value->raw.p, n);
	number[n] = '\0';
	r = to_double(number, ret);
	if (number != small)
		free(number);
	return r;
}
