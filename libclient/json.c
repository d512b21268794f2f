/*
 * The functions with which an application reads the JSON it receives. Text that is
 * not well-formed is an error.
 */
#include "protocol/json_read.h"
#include "protocol/protocol.h"

#include <cometd-bridge.h>

#include <stdlib.h>
#include <string.h>

static int error_of(int r)
{
	return r < 0 ? COMETD_E_NOMEM : r ? COMETD_E_JSON : 0;
}

static struct cometd_json view(const struct json_value *v)
{
	return (struct cometd_json){(enum cometd_json_kind)v->kind, v->raw.p, v->raw.n};
}

_Static_assert((int)COMETD_JSON_NONE == (int)JSON_ABSENT &&
	       (int)COMETD_JSON_STRING == (int)JSON_STRING &&
	       (int)COMETD_JSON_OBJECT == (int)JSON_OBJECT, "the kinds are the same");

struct only {
	unsigned n;
	struct json_value value;
};

static int store_only(void *ctx, const struct json_value *value)
{
	struct only *only = ctx;

	only->value = *value;
	only->n++;
	return 0;
}

/* A value of any kind is parsed as the only element of an array. */
int cometd_json_parse(const char *json, size_t len, struct cometd_json *ret)
{
	struct only only = {0};

	if (!json || len > PROTOCOL_FRAME_MAX)
		return COMETD_E_JSON;
	char *wrapped = malloc(len + 2);
	if (!wrapped)
		return COMETD_E_NOMEM;
	wrapped[0] = '[';
	memcpy(wrapped + 1, json, len);
	wrapped[len + 1] = ']';
	int error = error_of(json_read_array(slice_make(wrapped, len + 2), store_only, &only));
	if (!error && only.n != 1)
		error = COMETD_E_JSON;
	if (!error && ret) {
		*ret = view(&only.value);
		ret->json = json + (only.value.raw.p - wrapped - 1);
	}
	free(wrapped);
	return error;
}

int cometd_json_get(const struct cometd_json *object, const char *name, struct cometd_json *ret)
{
	struct json_field f = {.name = name};

	if (object->kind != COMETD_JSON_OBJECT)
		return COMETD_E_JSON;
	int error = error_of(json_read_object(slice_make(object->json, object->len), &f, 1, false,
					      NULL));
	if (!error)
		*ret = view(&f.value);
	return error;
}

struct walk {
	int (*each)(void *user, const struct cometd_json *element);
	void *user;
	int result;
};

static int walk_one(void *ctx, const struct json_value *value)
{
	struct walk *w = ctx;
	struct cometd_json element = view(value);

	w->result = w->each(w->user, &element);
	return w->result;
}

int cometd_json_each(const struct cometd_json *array,
		     int (*each)(void *user, const struct cometd_json *element), void *user)
{
	struct walk w = {each, user, 0};

	if (array->kind != COMETD_JSON_ARRAY)
		return COMETD_E_JSON;
	int r = json_read_array(slice_make(array->json, array->len), walk_one, &w);
	return w.result ? w.result : error_of(r);
}

int cometd_json_text(const struct cometd_json *string, char *buf, size_t size, size_t *ret_len)
{
	struct json_value v = {(enum json_kind)string->kind, slice_make(string->json, string->len)};
	struct slice text;
	struct buf scratch;

	buf_init(&scratch, PROTOCOL_FRAME_MAX);
	int error = error_of(json_text(&v, &scratch, &text));
	if (!error && size > 0) {
		size_t n = text.n < size - 1 ? text.n : size - 1;

		if (n)
			memcpy(buf, text.p, n);
		buf[n] = '\0';
	}
	if (!error && ret_len)
		*ret_len = text.n;
	buf_fini(&scratch);
	return error;
}

int cometd_json_u64(const struct cometd_json *number, uint64_t *ret)
{
	struct json_value v = {(enum json_kind)number->kind, slice_make(number->json, number->len)};

	return error_of(json_u64(&v, ret));
}
