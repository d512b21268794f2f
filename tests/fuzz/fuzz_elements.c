/*
 * Any bytes as a text of a server, cut into elements: the same ones come out of
 * the whole text, of its bytes one by one, and of two pieces cut anywhere; they
 * lie in the text in their order, and no more than the limit is kept.
 */
#include "bayeux/elements.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

const char *const fuzz_seeds = "tests/fuzz/corpus/elements";

enum { LIMIT = 64 };

/* what came out, in few bytes */
struct outcome {
	size_t n, bytes;
	uint64_t hash;
	bool fault;
};

static void add(struct outcome *o, const void *p, size_t n)
{
	const unsigned char *bytes = p;

	for (size_t i = 0; i < n; i++)
		o->hash = (o->hash ^ bytes[i]) * 0x100000001b3u;
}

static void take(struct outcome *o, const struct element *e)
{
	FUZZ_CHECK(e->size > LIMIT ? e->glimpse != NULL : !e->glimpse && e->raw.n == e->size);
	FUZZ_CHECK(e->raw.n > 0 && e->raw.n <= ELEMENTS_HEAD);
	o->n++;
	o->bytes += e->size;
	add(o, &e->size, sizeof(e->size));
	add(o, e->raw.p, e->raw.n);
	if (e->glimpse) {
		struct slice channel = glimpse_channel(e->glimpse);
		struct slice id = glimpse_replay_id(e->glimpse);

		add(o, channel.p, channel.n);
		add(o, id.p, id.n);
	}
}

/* from a copy of just its size, so that sanitizers see who looks further */
static int feed(struct elements *s, struct slice piece, struct outcome *o)
{
	char *copy = malloc(piece.n ? piece.n : 1);
	struct element e;
	int r;

	FUZZ_CHECK(copy);
	memcpy(copy, piece.n ? piece.p : "", piece.n);
	elements_feed(s, slice_make(copy, piece.n));
	while ((r = elements_next(s, &e)) == 0)
		take(o, &e);
	free(copy);
	return r;
}

static struct outcome run(struct slice text, size_t first, size_t step)
{
	struct outcome o = {0};
	struct elements s;
	int r;

	elements_init(&s, LIMIT);
	elements_begin(&s);
	r = feed(&s, slice_take(text, first), &o);
	for (text = slice_drop(text, first); text.n && r == ELEMENTS_MORE;
	     text = slice_drop(text, step))
		r = feed(&s, slice_take(text, step), &o);
	FUZZ_CHECK(r == ELEMENTS_MORE || r == ELEMENTS_FAULT);
	o.fault = elements_end(&s) != 0;
	FUZZ_CHECK(r == ELEMENTS_MORE || o.fault);
	elements_fini(&s);
	return o;
}

static void compare(const struct outcome *a, const struct outcome *b)
{
	FUZZ_CHECK(a->n == b->n && a->bytes == b->bytes && a->hash == b->hash &&
		   a->fault == b->fault);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice text = slice_make(data, n);
	struct outcome whole = run(text, n, 1), cut = run(text, 0, 1);

	FUZZ_CHECK(whole.bytes <= n);
	compare(&whole, &cut);
	/* at each place of a short text, at some of a long one */
	for (size_t at = 1; at < n; at += 1 + n / 64) {
		cut = run(text, at, n);
		compare(&whole, &cut);
	}
	return 0;
}
