/*
 * The two streams of zlib of one WebSocket. Terms that were not offered are never used, whatever the server
 * answers.
 */
#include "net/ws_deflate.h"

#include "base/errors.h"
#include "net/http_text.h"
#include "net/inflate.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* shorter texts gain nothing */
#define PACK_MIN 64
#define CHUNK 16384
/* what a sync flush ends with; it does not travel (RFC 7692, 7.2.1) */
#define TAIL_SIZE 4

struct ws_deflate {
	struct ws_deflate_terms terms;
	struct inflater in;
	z_stream out;
	bool has_out;
};

/* --- the terms --- */

/* Takes the part before `separator` from the front of *rest, trimmed. */
static struct slice take_part(struct slice *rest, char separator)
{
	const char *end = rest->n ? memchr(rest->p, separator, rest->n) : NULL;
	struct slice part = end ? slice_take(*rest, (size_t)(end - rest->p)) : *rest;

	*rest = slice_drop(*rest, part.n + (end != NULL));
	return http_trim(part);
}

/* 8 to 15, in quotes or without; 0 for anything else */
static int parse_bits(struct slice s)
{
	int bits = 0;

	if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
		s = slice_make(s.p + 1, s.n - 2);
	if (s.n == 0 || s.n > 2 || s.p[0] == '0')
		return 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return 0;
		bits = bits * 10 + (s.p[i] - '0');
	}
	return bits >= 8 && bits <= 15 ? bits : 0;
}

static bool take_flag(bool *flag, bool has_value)
{
	if (*flag || has_value)
		return false;
	*flag = true;
	return true;
}

static bool take_bits(int *bits, struct slice value)
{
	if (*bits)
		return false;
	*bits = parse_bits(value);
	return *bits != 0;
}

static bool take_parameter(struct ws_deflate_terms *t, struct slice parameter)
{
	bool has_value = parameter.n && memchr(parameter.p, '=', parameter.n);
	struct slice name = take_part(&parameter, '=');

	if (http_is(name, "server_no_context_takeover"))
		return take_flag(&t->forget_in, has_value);
	if (http_is(name, "client_no_context_takeover"))
		return take_flag(&t->forget_out, has_value);
	if (http_is(name, "server_max_window_bits"))
		return take_bits(&t->bits_in, http_trim(parameter));
	if (http_is(name, "client_max_window_bits"))
		return take_bits(&t->bits_out, http_trim(parameter));
	return false;
}

bool ws_deflate_parse(struct slice value, struct ws_deflate_terms *ret)
{
	struct ws_deflate_terms t = {.agreed = true};

	if (!http_is(take_part(&value, ';'), "permessage-deflate"))
		return false;
	while (value.n > 0)
		if (!take_parameter(&t, take_part(&value, ';')))
			return false;
	if (!t.bits_in)
		t.bits_in = MAX_WBITS;
	if (!t.bits_out)
		t.bits_out = MAX_WBITS;
	*ret = t;
	return true;
}

/* --- life --- */

DEFINE_FREEP(ws_deflate, ws_deflate_free)

int ws_deflate_new(const struct ws_deflate_terms *terms, struct ws_deflate **ret)
{
	CLEANUP(ws_deflate_freep) struct ws_deflate *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->terms = *terms;
	if (inflater_init(&d->in, INFLATE_RAW))
		return -ENOMEM;
	if (terms->bits_out > 8)
		d->has_out = deflateInit2(&d->out, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
					  -terms->bits_out, 8, Z_DEFAULT_STRATEGY) == Z_OK;
	if (terms->bits_out > 8 && !d->has_out)
		return -ENOMEM;
	*ret = TAKE(d);
	return 0;
}

void ws_deflate_free(struct ws_deflate *d)
{
	if (!d)
		return;
	inflater_fini(&d->in);
	if (d->has_out)
		deflateEnd(&d->out);
	free(d);
}

/* --- out --- */

static int pack(struct ws_deflate *d, struct slice text, struct buf *out)
{
	unsigned char chunk[CHUNK];
	int r = 0;

	d->out.next_in = (z_const Bytef *)(uintptr_t)text.p;
	d->out.avail_in = (uInt)text.n;
	do {
		d->out.next_out = chunk;
		d->out.avail_out = sizeof(chunk);
		/* it fails by nothing but a stream that was never begun */
		deflate(&d->out, Z_SYNC_FLUSH);
		r = buf_put(out, slice_make(chunk, sizeof(chunk) - d->out.avail_out));
	} while (r == 0 && d->out.avail_out == 0);
	return r;
}

int ws_deflate_pack(struct ws_deflate *d, struct slice text, struct buf *out)
{
	size_t before = buf_len(out);
	int r;

	if (!d->has_out || text.n < PACK_MIN || text.n > UINT_MAX)
		return WS_DEFLATE_E_PLAIN;
	r = pack(d, text, out);
	if (r) {
		ws_deflate_unsent(d);
		buf_truncate(out, before);
		return r;
	}
	buf_truncate(out, buf_len(out) - TAIL_SIZE);
	if (d->terms.forget_out)
		deflateReset(&d->out);
	return 0;
}

void ws_deflate_unsent(struct ws_deflate *d)
{
	if (d->has_out)
		deflateReset(&d->out);
}

/* --- in --- */

int ws_deflate_unpack(struct ws_deflate *d, struct slice *packed, char *to, size_t room,
		      size_t *ret_n)
{
	int r = inflater_step(&d->in, packed, to, room, ret_n);

	return r > 0 ? WS_DEFLATE_E_BROKEN : r;
}

void ws_deflate_unpacked(struct ws_deflate *d)
{
	if (d->terms.forget_in)
		inflater_reset(&d->in);
}
