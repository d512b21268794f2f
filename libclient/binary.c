/*
 * Reads and writes the `binary` object of the wire. Bytes and `meta` pass
 * unchanged.
 */
#include "libclient/binary.h"

#include "libclient/error.h"
#include "protocol/base64.h"
#include "protocol/json_read.h"

#include <errno.h>

static int write_object(const struct binary *b, struct buf *out)
{
	int r = buf_put_str(out, "{\"data\":\"");

	if (!r)
		r = base64_encode(slice_make(b->bytes, b->n), out);
	if (!r)
		r = buf_put_str(out, b->more ? "\",\"last\":false" : "\",\"last\":true");
	if (!r && b->meta.p)
		r = buf_put_str(out, ",\"meta\":");
	if (!r && b->meta.p)
		r = buf_put(out, b->meta);
	return r ? r : buf_putc(out, '}');
}

int binary_write(const struct binary *binary, struct buf *out)
{
	int r = write_object(binary, out);

	return r ? error_of_errno(r) : 0;
}

int binary_read(struct slice object, struct buf *out, struct binary *ret)
{
	struct json_field f[] = {{.name = "data"}, {.name = "last"}, {.name = "meta"}};
	size_t start = buf_len(out);
	struct buf scratch;
	struct slice text;
	int r = object.p ? json_read_object(object, f, 3, false, NULL) : 1;

	*ret = (struct binary){NULL, 0, false, SLICE_NULL};
	if (r)
		return r < 0 ? -ENOMEM : 0;
	buf_init(&scratch, object.n);
	r = json_text(&f[0].value, &scratch, &text);
	if (!r)
		r = base64_decode(text, out);
	buf_fini(&scratch);
	if (r)
		return r < 0 ? -ENOMEM : 0;
	ret->bytes = buf_slice(out).p + start;
	ret->n = buf_len(out) - start;
	ret->more = f[1].value.kind == JSON_FALSE;
	ret->meta = f[2].value.raw;
	return 0;
}
