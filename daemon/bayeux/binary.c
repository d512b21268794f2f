/*
 * Converts a binary payload between its two forms. `meta` passes unchanged; malformed
 * data is an error.
 */
#include "bayeux/binary.h"

#include "bayeux/z85.h"
#include "protocol/base64.h"

#include <errno.h>

enum { DATA, LAST, META, FIELDS };

/* The text of a string value, decoded to bytes by `decode`. 0, positive when it is none, -errno. */
static int bytes_of(const struct json_value *value, int (*decode)(struct slice text, struct buf *out),
		    struct buf *ret)
{
	struct buf scratch;
	struct slice text;
	buf_init(&scratch, value->raw.n);
	int r = json_text(value, &scratch, &text);
	if (r == 0)
		r = decode(text, ret);
	buf_fini(&scratch);
	return r;
}

/* {"data":"…","last":…[,"meta":…]}; the alphabets of both codes need no escape. 0 or -errno. */
static int write_object(const struct json_field *f, struct slice bytes,
			int (*encode)(struct slice bytes, struct buf *out), struct buf *out)
{
	int r = buf_put_str(out, "{\"data\":\"");
	if (r == 0)
		r = encode(bytes, out);
	if (r == 0)
		r = buf_put_str(out, f[LAST].value.kind == JSON_FALSE ? "\",\"last\":false"
								      : "\",\"last\":true");
	if (r == 0 && f[META].value.kind != JSON_ABSENT)
		r = buf_put_str(out, ",\"meta\":");
	if (r == 0 && f[META].value.kind != JSON_ABSENT)
		r = buf_put(out, f[META].value.raw);
	return r ? r : buf_putc(out, '}');
}

/* From one form to the other. 0; positive with *ret_why; -errno. */
static int convert(struct slice object, bool strict,
		   int (*decode)(struct slice text, struct buf *out),
		   int (*encode)(struct slice bytes, struct buf *out), const char *no_text,
		   struct buf *out, const char **ret_why)
{
	struct json_field f[FIELDS] = {{.name = "data"}, {.name = "last"}, {.name = "meta"}};
	size_t start = buf_len(out);
	struct buf bytes;
	int r = json_read_object(object, f, FIELDS, strict, NULL);
	*ret_why = r == JSON_E_UNKNOWN ? "binary has data, last and meta, and nothing else"
				       : "binary is no object with data";
	if (r == 0 && f[LAST].value.kind != JSON_ABSENT && !json_is_bool(&f[LAST].value)) {
		*ret_why = "last of binary is neither true nor false";
		r = JSON_E_SHAPE;
	}
	if (r)
		return r;
	buf_init(&bytes, object.n);
	*ret_why = no_text;
	r = bytes_of(&f[DATA].value, decode, &bytes);
	if (r == 0)
		r = write_object(f, buf_slice(&bytes), encode, out);
	buf_fini(&bytes);
	if (r)
		buf_truncate(out, start);
	return r;
}

int binary_to_wire(const struct envelope *e, struct buf *out)
{
	struct json_value marker;
	const char *why;
	int r = json_read_member(e->ext, "binary", &marker);
	if (r < 0)
		return r;
	if (marker.kind == JSON_ABSENT)
		return BINARY_E_NONE;
	r = convert(e->data, false, z85_decode, base64_encode, "data of binary is no Z85", out,
		    &why);
	return r > 0 ? buf_printf(out, "{\"error\":\"%s\"}", why) : r;
}

/* `own` with the marker in it. 0, BINARY_E_WISH, -errno. */
static int put_marker(struct slice own, struct buf *ext)
{
	struct json_value existing;
	size_t start = buf_len(ext);
	int r = json_read_member(own, "binary", &existing);
	if (r < 0 || existing.kind != JSON_ABSENT)
		return r < 0 ? r : BINARY_E_OBJECT;
	/* without its last brace; an empty object gets no comma before the new member */
	struct slice open = own.n ? slice_take(own, own.n - 1) : SLICE("{");
	while (open.n > 1 && strchr(" \t\r\n", open.p[open.n - 1]))
		open.n--;
	r = buf_put(ext, open);
	if (r == 0)
		r = buf_put_str(ext, open.n > 1 ? ",\"binary\":{}}" : "\"binary\":{}}");
	if (r)
		buf_truncate(ext, start);
	return r;
}

int binary_from_wire(struct slice object, struct slice own, struct buf *data, struct buf *ext,
		     const char **ret_why)
{
	size_t start = buf_len(data);
	int r = convert(object, true, base64_decode, z85_encode, "data of binary is no base64", data,
			ret_why);
	if (r)
		return r < 0 ? r : BINARY_E_OBJECT;
	r = put_marker(own, ext);
	if (r)
		buf_truncate(data, start);
	if (r == BINARY_E_OBJECT)
		*ret_why = "ext must not contain binary";
	return r;
}
