/*
 * Owns the reading position in a text, and the incomplete element at the end of
 * the bytes read so far. Guarantees that the result does not depend on how the
 * text is cut into pieces, and that at most `max` bytes are kept.
 */
#include "bayeux/elements.h"

#include <errno.h>

enum state {
	START,                  /* the array or the bare object is still to come */
	MARK_2, MARK_3,         /* bytes of a byte order mark */
	OPENS_COMMENT,          /* after the "/" that opens a comment */
	FIRST,                  /* after "[": an element, or the end */
	NEXT,                   /* after ",": an element */
	ELEMENT, SCALAR,        /* within one; SCALAR: it ends with what follows it */
	BARE,                   /* within the bare object */
	AFTER_ELEMENT,          /* after an element: "," or the end */
	END,
	CLOSES_COMMENT,         /* after the "*" at the end */
	BROKEN,
};

void elements_init(struct elements *s, size_t max)
{
	*s = (struct elements){.max = max};
	buf_init(&s->kept, max > ELEMENTS_HEAD ? max : ELEMENTS_HEAD);
}

void elements_fini(struct elements *s)
{
	buf_fini(&s->kept);
	elements_init(s, s->max);
}

void elements_begin(struct elements *s)
{
	buf_clear(&s->kept);
	s->state = START;
	s->in_comment = s->given = false;
	s->piece = SLICE_NULL;
}

void elements_feed(struct elements *s, struct slice piece)
{
	s->piece = piece;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_inside(const struct elements *s)
{
	return s->state == ELEMENT || s->state == SCALAR || s->state == BARE;
}

/* ---- between elements ---- */

static void begin_element(struct elements *s, enum state state)
{
	s->state = state;
	s->depth = s->size = 0;
	s->in_string = s->escaped = s->too_large = false;
}

static enum state at_start(struct elements *s, char c)
{
	if (c == '\xef' && !s->in_comment)
		return MARK_2;
	if (c == '/' && !s->in_comment)
		return OPENS_COMMENT;
	if (c == '[')
		return FIRST;
	return c == '{' ? BARE : BROKEN;
}

static enum state at_element(struct elements *s, char c)
{
	if (c == ']' && s->state == FIRST)
		return END;
	if (c == '{' || c == '[' || c == '"')
		return ELEMENT;
	return c == ',' || c == ']' || c == '}' || c == ':' ? BROKEN : SCALAR;
}

static enum state state_after(struct elements *s, char c)
{
	switch ((enum state)s->state) {
	case START:
		return at_start(s, c);
	case MARK_2:
		return c == '\xbb' ? MARK_3 : BROKEN;
	case MARK_3:
		return c == '\xbf' ? START : BROKEN;
	case OPENS_COMMENT:
		s->in_comment = c == '*';
		return s->in_comment ? START : BROKEN;
	case FIRST:
	case NEXT:
		return at_element(s, c);
	case AFTER_ELEMENT:
		return c == ',' ? NEXT : c == ']' ? END : BROKEN;
	case END:
		return c == '*' && s->in_comment ? CLOSES_COMMENT : BROKEN;
	case CLOSES_COMMENT:
		s->in_comment = false;
		return c == '/' ? END : BROKEN;
	case ELEMENT:
	case SCALAR:
	case BARE:
	case BROKEN:
		break;
	}
	return BROKEN;
}

/* Goes on to the first byte of an element, or to the end of the piece. */
static void find_element(struct elements *s)
{
	while (s->piece.n && !is_inside(s) && s->state != BROKEN) {
		char c = s->piece.p[0];
		bool between = s->state != MARK_2 && s->state != MARK_3 &&
			       s->state != OPENS_COMMENT && s->state != CLOSES_COMMENT;
		if (!between || !is_space(c)) {
			enum state state = state_after(s, c);
			if (state == ELEMENT || state == SCALAR || state == BARE) {
				begin_element(s, state);
				return;
			}
			s->state = state;
		}
		s->piece = slice_drop(s->piece, 1);
	}
}

/* ---- within one ---- */

struct place {
	size_t depth;
	bool in_string, escaped, ended;
};

/* How many bytes of `rest` belong to the open string; all of them when it does not end here. */
static size_t pass_string(struct place *at, struct slice rest)
{
	size_t i = 0;
	if (at->escaped) {
		at->escaped = false;
		i = 1;
	}
	while (i < rest.n) {
		const char *quote = memchr(rest.p + i, '"', rest.n - i);
		size_t end = quote ? (size_t)(quote - rest.p) : rest.n;
		const char *escape = memchr(rest.p + i, '\\', end - i);
		while (escape && (size_t)(escape - rest.p) + 1 < end) {
			i = (size_t)(escape - rest.p) + 2;
			escape = i < end ? memchr(rest.p + i, '\\', end - i) : NULL;
		}
		if (!escape && quote) {
			at->in_string = false;
			return end + 1;
		}
		if (!escape)
			break;
		/* it is the last byte before the quotation mark, or the last byte of the piece */
		at->escaped = !quote;
		i = end + 1;
	}
	return rest.n;
}

/* How many bytes of `rest` belong to the element; at->ended says whether its end is there. */
static size_t pass_element(struct place *at, struct slice rest)
{
	size_t i = 0;
	while (i < rest.n) {
		if (at->in_string) {
			i += pass_string(at, slice_drop(rest, i));
		} else {
			char c = rest.p[i++];
			at->in_string = c == '"';
			at->depth += c == '{' || c == '[';
			at->depth -= (c == '}' || c == ']') && at->depth > 0;
		}
		if (at->depth == 0 && !at->in_string) {
			at->ended = true;
			break;
		}
	}
	return i;
}

/* A number or a word ends before the first byte that cannot be part of one. */
static size_t pass_scalar(struct place *at, struct slice rest)
{
	size_t i = 0;
	while (i < rest.n && !is_space(rest.p[i]) && !strchr(",]}[{\"", rest.p[i]))
		i++;
	at->ended = i < rest.n;
	return i;
}

/* Copies part of an element that spans several pieces or is too large. */
static int keep(struct elements *s, struct slice part)
{
	if (!s->too_large && s->size + part.n <= s->max)
		return buf_put(&s->kept, part);
	size_t kept = buf_len(&s->kept);
	if (kept < ELEMENTS_HEAD) {
		int r = buf_put(&s->kept, slice_take(part, ELEMENTS_HEAD - kept));
		if (r)
			return r;
	}
	if (!s->too_large) {
		s->too_large = true;
		glimpse_init(&s->glimpse);
		glimpse_feed(&s->glimpse, slice_take(buf_slice(&s->kept), s->size));
		if (kept > ELEMENTS_HEAD)
			buf_truncate(&s->kept, ELEMENTS_HEAD);
	}
	glimpse_feed(&s->glimpse, part);
	return 0;
}

/* Handles the part of the element that lies in this piece. 0 when the element is complete, else
   ELEMENTS_MORE. */
static int read_element(struct elements *s, struct element *ret)
{
	struct place at = {s->depth, s->in_string, s->escaped, false};
	size_t n = s->state == SCALAR ? pass_scalar(&at, s->piece) : pass_element(&at, s->piece);
	struct slice part = slice_take(s->piece, n);
	bool in_piece = at.ended && s->size == 0 && n <= s->max;
	int r = in_piece ? 0 : keep(s, part);
	if (r)
		return r;
	s->depth = at.depth;
	s->in_string = at.in_string;
	s->escaped = at.escaped;
	s->size += n;
	s->piece = slice_drop(s->piece, n);
	if (!at.ended)
		return ELEMENTS_MORE;
	s->state = s->state == BARE ? END : AFTER_ELEMENT;
	s->given = !in_piece;
	*ret = (struct element){
		.raw = in_piece ? part : buf_slice(&s->kept), .size = s->size,
		.glimpse = s->too_large ? &s->glimpse : NULL};
	return 0;
}

int elements_next(struct elements *s, struct element *ret)
{
	if (s->given) {
		buf_clear(&s->kept);
		s->given = false;
	}
	find_element(s);
	if (s->state == BROKEN) {
		s->piece = SLICE_NULL;
		return ELEMENTS_FAULT;
	}
	return s->piece.n ? read_element(s, ret) : ELEMENTS_MORE;
}

int elements_end(const struct elements *s)
{
	return s->state == END && !s->in_comment ? 0 : ELEMENTS_FAULT;
}
