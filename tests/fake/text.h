/*
 * Growing text, and allocation that cannot fail: without memory the test server
 * prints a message and exits, so callers need not check. The text always has a NUL
 * after its n bytes.
 */
#ifndef FAKE_TEXT_H
#define FAKE_TEXT_H

#include <stddef.h>
#include "protocol/slice.h"

struct text {
	char *p;
	size_t n;
	size_t cap;
};

void *xcalloc(size_t count, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
/* a NUL-terminated copy; NULL for SLICE_NULL */
char *xslicedup(struct slice s);

void text_add(struct text *t, const void *p, size_t n);
void text_puts(struct text *t, const char *s);
void text_slice(struct text *t, struct slice s);
void text_printf(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* appends s as a JSON string, quotes included */
void text_quote(struct text *t, const char *s);
/* appends a comma unless the text is empty: for lists */
void text_comma(struct text *t);
void text_clear(struct text *t);
void text_fini(struct text *t);

static inline struct slice text_view(const struct text *t)
{
	return slice_make(t->p ? t->p : "", t->n);
}

#endif
