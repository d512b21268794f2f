/*
 * JSON as views of raw text. Values are decoded only where needed, so published
 * data reaches the subscribers unchanged. Deliberately independent of
 * protocol/json_read: with the same code on both sides a test would not notice a
 * fault of that reader.
 *
 * All but json_skip and json_valid expect text that json_valid accepted.
 */
#ifndef FAKE_JSON_H
#define FAKE_JSON_H

#include <stdbool.h>
#include "protocol/slice.h"
#include "tests/fake/text.h"

/* Past the white space and the one JSON value at p; NULL when there is none. */
const char *json_skip(const char *p, const char *end);
/* one value, white space around it, nothing else */
bool json_valid(struct slice text);

/* the text without the white space around it */
struct slice json_trim(struct slice text);
bool json_is_object(struct slice value);
bool json_is_array(struct slice value);
bool json_is_string(struct slice value);

/*
 * Walk an array or an object: start with *rest = the value itself, call until
 * false. For an object *ret_name is the raw name, quotes included.
 */
bool json_next(struct slice *rest, struct slice *ret_value);
bool json_next_member(struct slice *rest, struct slice *ret_name, struct slice *ret_value);

/* The raw value of a member, SLICE_NULL when it is not there (or no object). */
struct slice json_member(struct slice object, const char *name);
/* A string decoded, any other value unchanged; free(). NULL for SLICE_NULL. */
char *json_text(struct slice value);
/* true and *ret when the value is a number */
bool json_number(struct slice value, long *ret);

/* A message in the making: fields in the order in which they were set first. */
struct object {
	struct field {
		char *name;
		char *value;
	} *fields;
	size_t n;
};

/* sets a field to raw JSON; a slice without pointer leaves the object alone */
void object_set(struct object *o, const char *name, struct slice raw);
void object_set_raw(struct object *o, const char *name, const char *raw);
void object_set_text(struct object *o, const char *name, const char *s);
void object_omit(struct object *o, const char *name);
void object_write(const struct object *o, struct text *t);
void object_fini(struct object *o);

#endif
