/*
 * Owns the shape of the `binary` object. Guarantees that bytes arrive as they
 * were, and `meta` byte for byte. Must never know requests or connections.
 */
#include "libclient/binary.h"

#include "libclient/error.h"
#include "protocol/base64.h"
#include "protocol/json_read.h"

#include <errno.h>

static int write_object(const struct cometd_binary *b, struct buf *out)
{
	int r = buf_put_str(out, "{\"data\":\"");

	if (!r)
		r = base64_encode(slice_make(b->bytes, b->len), out);
	if (!r)
		r = buf_put_str(out, b->more ? "\",\"last\":false" : "\",\"last\":true");
	if (!r && b->meta)
		r = buf_put_str(out, ",\"meta\":");
	if (!r && b->meta)
		r = buf_put(out, slice_make(b->meta, b->meta_len));
	return r ? r : buf_putc(out, '}');
}

int binary_write(const struct cometd_binary *binary, struct buf *out)
{
	if (!binary || (!binary->bytes && binary->len > 0))
		return COMETD_E_INVALID;
	int error = binary->meta ? cometd_json_parse(binary->meta, binary->meta_len, NULL) : 0;
	if (error)
		return error;
	int r = write_object(binary, out);
	return r ? error_of_errno(r) : 0;
}

int binary_read(struct slice object, struct buf *bytes, struct cometd_event *event)
{
	struct json_field f[] = {{.name = "data"}, {.name = "last"}, {.name = "meta"}};
	size_t start = buf_len(bytes);
	struct buf scratch;
	struct slice text;
	int r = json_read_object(object, f, 3, false, NULL);

	if (r)
		return r < 0 ? -ENOMEM : 0;
	buf_init(&scratch, object.n);
	r = json_text(&f[0].value, &scratch, &text);
	if (!r)
		r = base64_decode(text, bytes);
	buf_fini(&scratch);
	if (r)
		return r < 0 ? -ENOMEM : 0;
	event->binary = buf_slice(bytes).p + start;
	event->binary_len = buf_len(bytes) - start;
	event->binary_more = f[1].value.kind == JSON_FALSE;
	if (f[2].value.kind != JSON_ABSENT) {
		event->binary_meta = f[2].value.raw.p;
		event->binary_meta_len = f[2].value.raw.n;
	}
	return 0;
}
