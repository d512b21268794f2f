/*
 * Owns the memory of one text on its way in and one on its way out. Guarantees
 * the ceilings of both. Must never know frames, nor what a text says.
 */
#include "io/ws_text.h"

void ws_text_init(struct ws_text *t, size_t in_max, size_t out_max)
{
	*t = (struct ws_text){.deflate = NULL};
	buf_init(&t->parts, in_max);
	buf_init(&t->plain, in_max);
	buf_init(&t->packed, out_max);
}

void ws_text_fini(struct ws_text *t)
{
	buf_fini(&t->parts);
	buf_fini(&t->plain);
	buf_fini(&t->packed);
	ws_deflate_free(t->deflate);
}

int ws_text_agree(struct ws_text *t, const struct ws_deflate_terms *terms)
{
	return terms->agreed ? ws_deflate_new(terms, &t->deflate) : 0;
}

bool ws_text_has_room(const struct ws_text *t, uint64_t n)
{
	return n <= t->parts.max - buf_len(&t->parts);
}

int ws_text_add(struct ws_text *t, struct slice part)
{
	return buf_put(&t->parts, part);
}

int ws_text_whole(struct ws_text *t, bool packed, struct slice *ret)
{
	int r = packed ? ws_deflate_unpack(t->deflate, buf_slice(&t->parts), &t->plain) : 0;

	if (r == 0)
		*ret = buf_slice(packed ? &t->plain : &t->parts);
	return r;
}

void ws_text_next(struct ws_text *t)
{
	buf_clear(&t->parts);
	buf_clear(&t->plain);
}

bool ws_text_pack(struct ws_text *t, struct slice text, struct slice *ret)
{
	/* without memory it travels as it is */
	if (!t->deflate || ws_deflate_pack(t->deflate, text, &t->packed) != 0)
		return false;
	*ret = buf_slice(&t->packed);
	return true;
}

void ws_text_packed_done(struct ws_text *t, bool sent)
{
	buf_clear(&t->packed);
	if (!sent)
		ws_deflate_unsent(t->deflate);
}
