/*
 * Reads the values in a saved session: each check is made here, so that the parts of the session only store what
 * they get.
 */
#include "bayeux/saved.h"

#include "base/errors.h"
#include "bayeux/channel.h"

#include <errno.h>
#include <string.h>

static int invalid_unless_short_of_memory(int r)
{
	return r > 0 || r == -EMSGSIZE ? SAVED_E_INVALID : r;
}

int saved_object(const struct json_value *v, struct json_field *fields, size_t n)
{
	if (v->kind != JSON_OBJECT)
		return SAVED_E_INVALID;
	return invalid_unless_short_of_memory(json_read_object(v->raw, fields, n, true, NULL));
}

int saved_u64(const struct json_value *v, uint64_t max, uint64_t *ret)
{
	uint64_t n;
	if (v->kind != JSON_NUMBER || json_u64(v, &n) || n > max)
		return SAVED_E_INVALID;
	*ret = n;
	return 0;
}

bool saved_is(const struct json_value *v, const char *text)
{
	return v->kind == JSON_STRING && slice_eq(slice_make(v->raw.p + 1, v->raw.n - 2), slice_of(text));
}

int saved_bool(const struct json_value *v, bool *ret)
{
	if (!json_is_bool(v))
		return SAVED_E_INVALID;
	*ret = v->kind == JSON_TRUE;
	return 0;
}

int saved_text(const struct json_value *v, char *scratch, size_t size, struct slice *ret)
{
	CLEANUP(buf_fini) struct buf decoded;
	struct slice text;
	buf_init_secret(&decoded, size - 1);
	int r = v->kind == JSON_STRING ? json_text(v, &decoded, &text) : SAVED_E_INVALID;
	if (r)
		return invalid_unless_short_of_memory(r);
	if (text.n >= size || (text.n && memchr(text.p, '\0', text.n)))
		return SAVED_E_INVALID;
	memcpy(scratch, text.n ? text.p : "", text.n);
	*ret = slice_make(scratch, text.n);
	return 0;
}

int saved_channel(const struct json_value *v, char scratch[PROTOCOL_CHANNEL_MAX + 1], struct slice *ret)
{
	int r = saved_text(v, scratch, PROTOCOL_CHANNEL_MAX + 1, ret);
	return r == 0 && channel_check_pattern(*ret) ? SAVED_E_INVALID : r;
}

struct channels {
	int (*each)(void *ctx, struct slice channel);
	void *ctx;
	char scratch[PROTOCOL_CHANNEL_MAX + 1];
};

static int each_channel(void *ctx, const struct json_value *v)
{
	struct channels *c = ctx;
	struct slice channel;
	int r = saved_channel(v, c->scratch, &channel);
	return r ? r : c->each(c->ctx, channel);
}

int saved_channels(const struct json_value *v, int (*each)(void *ctx, struct slice channel), void *ctx)
{
	struct channels c = {.each = each, .ctx = ctx};
	if (v->kind != JSON_ARRAY)
		return SAVED_E_INVALID;
	return invalid_unless_short_of_memory(json_read_array(v->raw, each_channel, &c));
}
