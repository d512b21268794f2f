/*
 * Cuts a text of a server into its messages before any of them is judged: bytes
 * go in as they arrive, in any cut, and the elements of the JSON array come out
 * one by one, or the one bare object. The end of an element is found by its
 * brackets, strings and escapes alone, so it is found in an element that is no
 * JSON, too: whoever reads it then fails on that one and not on its neighbours.
 *
 * A byte order mark, white space, and a comment around the whole (old servers)
 * are tolerated. Anything else between elements is a fault of the text, which
 * ends there: what was complete before stays good.
 *
 *     elements_begin(), then for each piece: elements_feed(), and
 *     elements_next() until it says ELEMENTS_MORE; elements_end() at the end.
 *
 * An element that lies within one piece is a view of it; of any other a copy is
 * kept, of at most `max` bytes. A larger one is read to its end and not kept.
 */
#ifndef BAYEUX_ELEMENTS_H
#define BAYEUX_ELEMENTS_H

#include "bayeux/glimpse.h"
#include "protocol/buf.h"

#include <stdbool.h>

/* so much is kept of an element that is too large */
#define ELEMENTS_HEAD 1024u

struct element {
	struct slice raw;               /* too large: its first bytes, ELEMENTS_HEAD at most */
	size_t size;                    /* of the whole */
	const struct glimpse *glimpse;  /* of one that is too large, else NULL */
};

struct elements {
	size_t max;
	int state;                      /* enum state, in elements.c */
	bool in_comment;
	struct slice piece;             /* what is left of it */
	/* the element that is being read */
	size_t depth, size;
	bool in_string, escaped;
	bool too_large;
	struct buf kept;                /* of it, from earlier pieces */
	bool given;                     /* what is kept was given out, and may go */
	struct glimpse glimpse;
};

/* An element of more than `max` bytes is too large. */
void elements_init(struct elements *s, size_t max);
void elements_fini(struct elements *s);
/* A new text begins; what is left of the one before is forgotten. */
void elements_begin(struct elements *s);
/* The next piece of the text; the one before must be used up. It must stay until it is, too. */
void elements_feed(struct elements *s, struct slice piece);
/* whether elements_next() has something left to look at */
static inline bool elements_waiting(const struct elements *s) { return s->piece.n > 0; }

enum {
	ELEMENTS_MORE = 1,      /* the piece is used up */
	ELEMENTS_FAULT = 2,     /* the text is broken from here on: no more elements come */
};
/*
 * The next element; it lives until the next call with `s`, and as long as the piece. 0,
 * ELEMENTS_MORE, ELEMENTS_FAULT; -ENOMEM: call again, nothing is lost.
 */
int elements_next(struct elements *s, struct element *ret);
/* The text is at its end, the last piece used up: whether it was whole. 0 or ELEMENTS_FAULT. */
int elements_end(const struct elements *s);

#endif
