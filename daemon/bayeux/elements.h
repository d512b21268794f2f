/*
 * Cuts a text of a server into its messages before any of them is judged: bytes
 * go in as they arrive, in pieces of any size, and the elements of the JSON
 * array (or the single bare object) come out one by one. The end of an element
 * is found by its brackets, strings and escapes alone, so it is found even when
 * the element is not valid JSON: parsing then fails only for that element.
 *
 * Brackets that do not match cost as little as possible: a closing bracket
 * closes everything up to its partner, and an object that is not closed ends
 * where the next element begins. Anything else between two elements (a stray
 * word, a colon, no comma) becomes an element that is not an object.
 *
 * A byte order mark, white space, and a comment around the whole (old servers)
 * are tolerated. Anything else around the array is a fault and ends the text;
 * the elements before it remain valid.
 *
 *     elements_begin(), then for each piece: elements_feed(), and
 *     elements_next() until it returns ELEMENTS_MORE; elements_end() at the end.
 *
 * An element that lies within one piece is a view of it; any other is copied,
 * up to `max` bytes. A larger element is skipped up to its end.
 */
#ifndef BAYEUX_ELEMENTS_H
#define BAYEUX_ELEMENTS_H

#include "bayeux/glimpse.h"
#include "protocol/buf.h"

#include <stdbool.h>

/* how many bytes are kept of an element that is too large */
#define ELEMENTS_HEAD 1024u

struct element {
	struct slice raw;               /* when too large: its first bytes, at most ELEMENTS_HEAD */
	size_t size;                    /* of the whole */
	const struct glimpse *glimpse;  /* of one that is too large, else NULL */
};

struct elements {
	size_t max;
	int state;                      /* enum state, in elements.c */
	bool in_comment;
	bool markup;                    /* the text begins with "<": likely a page for people */
	struct slice piece;             /* what is left of it */
	/* the element that is being read */
	size_t depth, size;
	uint64_t arrays;                /* which of the brackets open at depth 1 to 64 are "[" */
	size_t comma;                   /* its last byte but white space, if that is a comma */
	bool bare;                      /* it is the bare object */
	bool in_string, escaped;
	bool too_large;
	struct buf kept;                /* of it, from earlier pieces */
	bool given;                     /* `kept` was handed out and may be dropped */
	struct glimpse glimpse;
};

/* An element of more than `max` bytes is too large. */
void elements_init(struct elements *s, size_t max);
void elements_fini(struct elements *s);
/* Begins a new text and discards what is left of the previous one. */
void elements_begin(struct elements *s);
/* Sets the next piece of the text; the previous piece must be used up. The bytes must stay valid until the
   piece is used up. */
void elements_feed(struct elements *s, struct slice piece);
/* whether elements_next() has something left to look at */
static inline bool elements_waiting(const struct elements *s) { return s->piece.n > 0; }

enum {
	ELEMENTS_MORE = 1,      /* the piece is used up */
	ELEMENTS_FAULT = 2,     /* the text is invalid from here on: no more elements follow */
};
/* whether the next byte belongs to an element that has begun */
bool elements_inside(const struct elements *s);
/*
 * The next element; it lives until the next call with `s`, and as long as the piece. 0,
 * ELEMENTS_MORE, ELEMENTS_FAULT; -ENOMEM: call again, nothing is lost.
 */
int elements_next(struct elements *s, struct element *ret);
/* Ends the text after its last piece was used up. 0 when it was complete, else ELEMENTS_FAULT. */
int elements_end(const struct elements *s);

#endif
