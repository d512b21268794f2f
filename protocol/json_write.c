/*
 * Writes JSON: yajl_gen with its memory inside struct json_write and its output
 * straight into a buf. A text that fails is removed from the buf; only strict
 * UTF-8 is written.
 */
#include "protocol/json_write.h"
#include "protocol/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <yajl/yajl_gen.h>

/*
 * yajl allocates memory only while the generator is made, and always the same
 * amount (a test checks that it fits into arena): it has no growing buffer,
 * because its output goes through print().
 */
static void *arena_alloc(void *ctx, size_t n)
{
	struct json_write *w = ctx;
	size_t size = (n + 15) & ~(size_t)15;
	void *p = w->arena + w->arena_used;

	if (size > sizeof(w->arena) - w->arena_used)
		abort();
	w->arena_used += size;
	return p;
}

static void *arena_realloc(void *ctx, void *p, size_t n)
{
	(void)ctx;
	(void)p;
	(void)n;
	abort();
}

static void arena_free(void *ctx, void *p)
{
	(void)ctx;
	(void)p;
}

static void print(void *ctx, const char *p, size_t n)
{
	struct json_write *w = ctx;

	if (!w->error)
		w->error = buf_put(w->out, slice_make(p, n));
}

void json_write_init(struct json_write *w, struct buf *out)
{
	yajl_alloc_funcs funcs = {arena_alloc, arena_realloc, arena_free, NULL};

	w->out = out;
	w->start = buf_len(out);
	w->error = 0;
	w->depth = 0;
	w->arena_used = 0;
	funcs.ctx = w;
	w->gen = yajl_gen_alloc(&funcs);
	yajl_gen_config(w->gen, yajl_gen_print_callback, print, w);
}

int json_write_done(struct json_write *w)
{
	if (!w->error && (w->depth != 0 || buf_len(w->out) == w->start))
		w->error = -EINVAL;
	if (w->error)
		buf_truncate(w->out, w->start);
	return w->error;
}

/* yajl fails only on wrong use of this interface: a value in place of a key, or the reverse */
static void check(struct json_write *w, yajl_gen_status status)
{
	if (status != yajl_gen_status_ok && !w->error)
		w->error = -EINVAL;
}

/*
 * Calls yajl unless something has failed already: after "too deep" its depth is
 * past the end of its own table, and every later call would read there.
 */
#define EMIT(w, call)                      \
	do {                               \
		if (!(w)->error)           \
			check((w), (call)); \
	} while (0)

void json_object_begin(struct json_write *w)
{
	w->depth++;
	EMIT(w, yajl_gen_map_open(w->gen));
}

void json_object_end(struct json_write *w)
{
	w->depth--;
	EMIT(w, yajl_gen_map_close(w->gen));
}

void json_array_begin(struct json_write *w)
{
	w->depth++;
	EMIT(w, yajl_gen_array_open(w->gen));
}

void json_array_end(struct json_write *w)
{
	w->depth--;
	EMIT(w, yajl_gen_array_close(w->gen));
}

void json_key(struct json_write *w, const char *key)
{
	json_put_str(w, key);
}

void json_put_text(struct json_write *w, struct slice text)
{
	if (!utf8_valid(text)) {
		check(w, yajl_gen_invalid_string);
		return;
	}
	EMIT(w, yajl_gen_string(w->gen, (const unsigned char *)text.p, text.n));
}

void json_put_str(struct json_write *w, const char *text)
{
	json_put_text(w, slice_of(text));
}

void json_put_u64(struct json_write *w, uint64_t n)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);

	json_put_raw(w, slice_make(digits, (size_t)len));
}

void json_put_i64(struct json_write *w, int64_t n)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRId64, n);

	json_put_raw(w, slice_make(digits, (size_t)len));
}

void json_put_bool(struct json_write *w, bool b)
{
	EMIT(w, yajl_gen_bool(w->gen, b));
}

void json_put_null(struct json_write *w)
{
	EMIT(w, yajl_gen_null(w->gen));
}

void json_put_raw(struct json_write *w, struct slice raw)
{
	/* yajl writes the text of a "number" unchanged, so this works for any JSON */
	if (raw.n == 0)
		check(w, yajl_gen_invalid_number);
	else
		EMIT(w, yajl_gen_number(w->gen, raw.p, raw.n));
}
