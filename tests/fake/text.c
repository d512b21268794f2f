/*
 * Growing texts. Without memory the program writes a line to stderr and exits.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/fake/text.h"

static void *or_die(void *p)
{
	if (!p) {
		fputs("fake-bayeux: out of memory\n", stderr);
		exit(1);
	}
	return p;
}

void *xcalloc(size_t count, size_t size)
{
	return or_die(calloc(count, size));
}

void *xrealloc(void *p, size_t size)
{
	return or_die(realloc(p, size));
}

char *xstrdup(const char *s)
{
	return or_die(strdup(s));
}

char *xslicedup(struct slice s)
{
	return s.p ? or_die(strndup(s.p, s.n)) : NULL;
}

void text_add(struct text *t, const void *p, size_t n)
{
	if (t->n + n + 1 > t->cap) {
		t->cap = (t->n + n + 1) * 2;
		t->p = xrealloc(t->p, t->cap);
	}
	if (n)
		memcpy(t->p + t->n, p, n);
	t->n += n;
	t->p[t->n] = '\0';
}

void text_puts(struct text *t, const char *s)
{
	text_add(t, s, strlen(s));
}

void text_slice(struct text *t, struct slice s)
{
	text_add(t, s.p, s.n);
}

void text_printf(struct text *t, const char *fmt, ...)
{
	char *line;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&line, fmt, ap);
	va_end(ap);
	if (n < 0)
		or_die(NULL);
	text_add(t, line, (size_t)n);
	free(line);
}

void text_quote(struct text *t, const char *s)
{
	text_puts(t, "\"");
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			text_printf(t, "\\%c", *s);
		else if ((unsigned char)*s < 0x20)
			text_printf(t, "\\u%04x", (unsigned)*s);
		else
			text_add(t, s, 1);
	}
	text_puts(t, "\"");
}

void text_comma(struct text *t)
{
	if (t->n)
		text_puts(t, ",");
}

void text_clear(struct text *t)
{
	t->n = 0;
	if (t->p)
		t->p[0] = '\0';
}

void text_fini(struct text *t)
{
	free(t->p);
	*t = (struct text){NULL, 0, 0};
}
