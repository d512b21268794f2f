/*
 * Walks one JSON text once and returns views of it: no tree, no copy. The text
 * must outlive the views. Before yajl parses a byte, the text is checked: strict
 * UTF-8, paired surrogates. The caller limits the size.
 *
 * The depth limits differ so that everything accepted can be passed on: one
 * Bayeux message (an element of json_read_objects) nests up to
 * PROTOCOL_DEPTH_MAX, as a request of a peer does; all other walks up to
 * JSON_DEPTH_MAX, which leaves room for what the daemon wraps around a message,
 * {"result":{"message":…}}. If they were equal, a peer could publish a message
 * that the daemon then rejects when the server sends it, and the rest of that
 * batch would be lost with it.
 *
 * The only user of yajl_parse.
 */
#ifndef PROTOCOL_JSON_READ_H
#define PROTOCOL_JSON_READ_H

#include "protocol/buf.h"
#include "protocol/protocol.h"
#include "protocol/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH_MAX (PROTOCOL_DEPTH_MAX + 2)

enum json_kind {
	JSON_ABSENT = 0,
	JSON_NULL,
	JSON_FALSE,
	JSON_TRUE,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

/* One value: its bytes in the text, from the first to the last ("" and {} included). */
struct json_value {
	enum json_kind kind;
	struct slice raw;
};

/* A wanted field of an object: the caller sets name, the walk sets the rest. */
struct json_field {
	const char *name;
	struct json_value value;
	struct slice member;   /* from the key's opening quote to the value's last byte */
	size_t name_len;       /* 0: the walk measures it */
};

/* why a text was refused; positive results of the functions below */
enum json_fault {
	JSON_E_SYNTAX = 1,    /* not JSON, truncated, or followed by other text */
	JSON_E_UTF8,          /* not UTF-8, or a lone surrogate */
	JSON_E_DEPTH,         /* nested too deeply */
	JSON_E_SHAPE,         /* valid JSON, but not the array or object asked for */
	JSON_E_DUPLICATE,     /* an object has a wanted key twice (json_read_object only) */
	JSON_E_UNKNOWN,       /* a key that is not wanted (json_read_object with strict) */
};
/* for messages: "not UTF-8" */
const char *json_fault_text(int fault);

/*
 * Reads one object into `fields` (kind JSON_ABSENT where the key is missing).
 * Keys are decoded before they are compared, so "i\u0064" is "id".
 * `strict` refuses keys that are in no field; *ret_key (may be NULL) then views
 * the first such key, not decoded and without its quotes.
 *
 * 0, an enum json_fault, or -ENOMEM. With JSON_E_UNKNOWN everything else is valid
 * and the fields are filled; with JSON_E_DUPLICATE each holds its first value.
 * The most serious fault is returned: text that is not JSON never yields UNKNOWN.
 */
int json_read_object(struct slice text, struct json_field *fields, size_t n, bool strict,
		     struct slice *ret_key);
/* The same with a narrower limit of depth, at most JSON_DEPTH_MAX. */
int json_read_object_within(struct slice text, unsigned depth, struct json_field *fields, size_t n,
			    bool strict, struct slice *ret_key);
/*
 * Reads one member of an object. *ret is absent when there is none, when the key occurs twice,
 * and when `object` is not an object (SLICE_NULL included). 0 or -ENOMEM.
 */
int json_read_member(struct slice object, const char *name, struct json_value *ret);

/* One element of json_read_objects. */
struct json_element {
	struct json_value value;   /* the whole element; its kind may not be JSON_OBJECT */
	bool duplicate;            /* a wanted key occurred twice: ignore the fields */
};

/*
 * Reads an array of objects, or one bare object, in one walk: for each element,
 * in order, `fields` are filled and each(ctx, element, fields) is called; an
 * element that is not an object has all fields absent. A result other than 0
 * from `each` ends the walk and is returned. A fault may follow after valid
 * elements, so use none of them before the walk has returned 0.
 * 0, an enum json_fault, -ENOMEM, or what `each` returned.
 */
int json_read_objects(struct slice text, struct json_field *fields, size_t n,
		      int (*each)(void *ctx, const struct json_element *element,
				  const struct json_field *fields),
		      void *ctx);

/* Walks the elements of one array of any values; otherwise as json_read_objects. */
int json_read_array(struct slice text, int (*each)(void *ctx, const struct json_value *value),
		    void *ctx);

/*
 * The text of a string value. If nothing is escaped, *ret views the value
 * itself; otherwise the text is appended to `scratch`, and *ret is valid until
 * scratch changes (to keep earlier views valid, make room for all texts with
 * buf_room before: a text is never longer than its raw form).
 * 0, JSON_E_SHAPE if it is not a string, -ENOMEM, -EMSGSIZE.
 */
int json_text(const struct json_value *value, struct buf *scratch, struct slice *ret);
/* A whole number from 0 to UINT64_MAX without fraction or exponent; else JSON_E_SHAPE. */
int json_u64(const struct json_value *value, uint64_t *ret);
/*
 * Any number, as the nearest double (infinity if it is too large); else
 * JSON_E_SHAPE. Independent of the process's locale. -ENOMEM only for numbers of
 * more than 500 digits.
 */
int json_double(const struct json_value *value, double *ret);
static inline bool json_is_bool(const struct json_value *v)
{
	return v->kind == JSON_TRUE || v->kind == JSON_FALSE;
}

#endif
