/*
 * Reads elements from a text that arrives in pieces. The result does not depend on how
 * the text is divided; of an incomplete element at most `max` bytes are kept.
 */
#include "bayeux/elements.h"

#include <errno.h>

/* deeper brackets are counted without their kind */
#define KINDS_MAX 64u
#define NO_COMMA SIZE_MAX

enum state {
	START,                  /* the array or the bare object is still to come */
	MARK_2, MARK_3,         /* bytes of a byte order mark */
	OPENS_COMMENT,          /* after the "/" that opens a comment */
	NEXT,                   /* an element, or the end */
	ELEMENT, SCALAR,        /* within one; SCALAR: it ends with what follows it */
	BARE,                   /* within the bare object */
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
	s->in_comment = s->given = s->markup = false;
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

bool elements_inside(const struct elements *s)
{
	return s->state == ELEMENT || s->state == SCALAR || s->state == BARE;
}

/* ---- between elements ---- */

static void begin_element(struct elements *s, enum state state)
{
	s->state = state;
	s->depth = s->size = 0;
	s->comma = NO_COMMA;
	s->bare = state == BARE;
	s->in_string = s->escaped = s->too_large = false;
}

static enum state at_start(struct elements *s, char c)
{
	if (c == '\xef' && !s->in_comment)
		return MARK_2;
	if (c == '/' && !s->in_comment)
		return OPENS_COMMENT;
	if (c == '[')
		return NEXT;
	s->markup = c == '<';
	return c == '{' ? BARE : BROKEN;
}

/* What cannot begin an element becomes one by itself, and the caller leaves it out. */
static enum state at_element(char c)
{
	switch (c) {
	case ',':
		return NEXT;
	case ']':
		return END;
	case '{':
	case '[':
	case '"':
		return ELEMENT;
	default:
		return SCALAR;
	}
}

/* The "]" did not end the array if elements follow; further brackets may follow, too. */
static enum state at_end(const struct elements *s, char c)
{
	if (c == '*' && s->in_comment)
		return CLOSES_COMMENT;
	if (s->bare)
		return BROKEN;
	return c == ',' ? NEXT : c == ']' || c == '}' ? END : BROKEN;
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
	case NEXT:
		return at_element(c);
	case END:
		return at_end(s, c);
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

/* Skips to the first byte of an element, or to the end of the piece. */
static void find_element(struct elements *s)
{
	while (s->piece.n && !elements_inside(s) && s->state != BROKEN) {
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
	uint64_t arrays;
	bool bare, in_string, escaped, ended;
	size_t size;            /* of the element before `rest`; once it ended, of the whole */
	size_t comma;
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

static bool in_array(const struct place *at)
{
	return at->depth <= KINDS_MAX && at->arrays >> (at->depth - 1) & 1;
}

static void open_bracket(struct place *at, bool array)
{
	uint64_t bit = at->depth < KINDS_MAX ? (uint64_t)1 << at->depth : 0;
	at->arrays = array ? at->arrays | bit : at->arrays & ~bit;
	at->depth++;
}

/* Closes the innermost bracket of that kind and all that was opened after it. false: there is none. */
static bool close_bracket(struct place *at, bool array)
{
	struct place to = *at;
	while (to.depth > 0 && to.depth <= KINDS_MAX && in_array(&to) != array)
		to.depth--;
	if (to.depth == 0)
		return false;
	at->depth = to.depth - 1;
	return true;
}

/* Where in the element the last comma is, if only white space follows it in rest[0..n). */
static size_t find_comma(const struct place *at, struct slice rest, size_t n)
{
	while (n > 0 && is_space(rest.p[n - 1]))
		n--;
	if (n == 0)
		return at->comma;
	return rest.p[n - 1] == ',' ? at->size + n - 1 : NO_COMMA;
}

static void end_at(struct place *at, size_t size)
{
	at->ended = true;
	at->size = size;
}

/* In an object no "{" can follow a comma: the object was not closed, and this is the next element. */
static bool is_next_element(struct place *at, struct slice rest, size_t i)
{
	if (at->bare || at->depth == 0 || at->depth > KINDS_MAX || in_array(at))
		return false;
	size_t comma = find_comma(at, rest, i);
	if (comma != NO_COMMA)
		end_at(at, comma);
	return comma != NO_COMMA;
}

/* The byte at `i`, outside strings. false: the element ended before it. */
static bool pass_byte(struct place *at, struct slice rest, size_t i)
{
	char c = rest.p[i];
	switch (c) {
	case '{':
		if (is_next_element(at, rest, i))
			return false;
		open_bracket(at, false);
		break;
	case '[':
		open_bracket(at, true);
		break;
	case '}':
	case ']':
		/* a "]" without partner ends the array around the elements */
		if (!close_bracket(at, c == ']') && c == ']' && !at->bare) {
			end_at(at, at->size + i);
			return false;
		}
		break;
	default:
		at->in_string = c == '"';
	}
	return true;
}

/* How many bytes of `rest` are used up; at->ended says whether the element is complete. */
static size_t pass_element(struct place *at, struct slice rest)
{
	size_t i = 0;
	while (i < rest.n) {
		if (at->in_string)
			i += pass_string(at, slice_drop(rest, i));
		else if (pass_byte(at, rest, i))
			i++;
		else
			return i;
		if (at->depth == 0 && !at->in_string) {
			end_at(at, at->size + i);
			return i;
		}
	}
	at->comma = at->in_string ? NO_COMMA : find_comma(at, rest, i);
	return i;
}

/* A number or a word ends before a byte that cannot be part of one. */
static size_t pass_scalar(struct place *at, struct slice rest)
{
	size_t i = at->size == 0;
	while (i < rest.n && !is_space(rest.p[i]) && !strchr(",]}[{\"", rest.p[i]))
		i++;
	if (i < rest.n)
		end_at(at, at->size + i);
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

/* The part of the element that lies in the piece. 0 when it is complete, or ELEMENTS_MORE. */
static int read_element(struct elements *s, struct element *ret)
{
	struct place at = {.depth = s->depth, .arrays = s->arrays, .bare = s->bare,
			   .in_string = s->in_string, .escaped = s->escaped, .size = s->size,
			   .comma = s->comma};
	size_t n = s->state == SCALAR ? pass_scalar(&at, s->piece) : pass_element(&at, s->piece);
	/* a comma that follows it may have been used up with it, or with an earlier piece */
	size_t own = !at.ended ? n : at.size > s->size ? at.size - s->size : 0;
	struct slice part = slice_take(s->piece, own);
	bool in_piece = at.ended && s->size == 0 && own <= s->max;
	int r = in_piece ? 0 : keep(s, part);
	if (r)
		return r;
	s->depth = at.depth;
	s->arrays = at.arrays;
	s->comma = at.comma;
	s->in_string = at.in_string;
	s->escaped = at.escaped;
	s->size += own;
	s->piece = slice_drop(s->piece, n);
	if (!at.ended)
		return ELEMENTS_MORE;
	s->state = s->bare ? END : NEXT;
	s->given = !in_piece;
	*ret = (struct element){
		.raw = in_piece ? part : slice_take(buf_slice(&s->kept), at.size), .size = at.size,
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
