/* Encodes each value completely, so that no value can start another field. */
#include "net/form.h"

#include <errno.h>
#include <stdbool.h>

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '*' || c == '-' || c == '.' || c == '_';
}

int form_put_text(struct buf *out, struct slice text)
{
	static const char hex[] = "0123456789ABCDEF";
	char *to, *start;
	int r = buf_room(out, 3 * text.n, &start);

	if (r)
		return r;
	to = start;
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c == ' ') {
			*to++ = '+';
		} else if (is_plain(text.p[i])) {
			*to++ = text.p[i];
		} else {
			*to++ = '%';
			*to++ = hex[c >> 4];
			*to++ = hex[c & 15];
		}
	}
	buf_grown(out, (size_t)(to - start));
	return 0;
}

int form_put(struct buf *out, const char *name, struct slice text)
{
	size_t before = buf_len(out);
	int r = buf_printf(out, "%s%s=", before ? "&" : "", name);

	if (!r)
		r = form_put_text(out, text);
	if (r)
		buf_truncate(out, before);
	return r;
}
