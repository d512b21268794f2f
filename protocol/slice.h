/*
 * A view of bytes owned elsewhere. A slice owns nothing, need not be
 * NUL-terminated, and must not outlive what it views.
 */
#ifndef PROTOCOL_SLICE_H
#define PROTOCOL_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
	const char *p;
	size_t n;
};

#define SLICE_NULL ((struct slice){NULL, 0})
/* of a string literal */
#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

static inline struct slice slice_of(const char *s)
{
	return (struct slice){s, s ? strlen(s) : 0};
}

static inline struct slice slice_make(const void *p, size_t n)
{
	return (struct slice){p, n};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool slice_starts(struct slice s, struct slice prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

/* s without its first n bytes (all of it when n is more) */
static inline struct slice slice_drop(struct slice s, size_t n)
{
	if (n > s.n)
		n = s.n;
	/* NULL + 0 is undefined in C11 */
	return (struct slice){n ? s.p + n : s.p, s.n - n};
}

/* the first n bytes of s (all of it when n is more) */
static inline struct slice slice_take(struct slice s, size_t n)
{
	return (struct slice){s.p, n < s.n ? n : s.n};
}

/* s without the bytes of `set` at both ends */
static inline struct slice slice_trim(struct slice s, const char *set)
{
	size_t n = strlen(set);

	while (s.n && memchr(set, s.p[0], n))
		s = slice_drop(s, 1);
	while (s.n && memchr(set, s.p[s.n - 1], n))
		s.n--;
	return s;
}

/* for printf: "%.*s", SLICE_ARG(s) */
#define SLICE_ARG(s) (int)(s).n, (s).p

#endif
