/* Splits command lines into words. */
#include <ctype.h>
#include <stdlib.h>
#include "tests/fake/json.h"
#include "tests/fake/words.h"

static void skip_blanks(struct words *l)
{
	while (isspace((unsigned char)*l->p))
		l->p++;
}

char *words_next(struct words *l)
{
	const char *start;
	char *word;

	skip_blanks(l);
	if (!*l->p)
		return NULL;
	if (*l->p == '"') {
		start = ++l->p;
		l->p += strcspn(l->p, "\"");
		word = xslicedup(slice_make(start, (size_t)(l->p - start)));
		l->p += *l->p == '"';
		return word;
	}
	start = l->p;
	while (*l->p && !isspace((unsigned char)*l->p))
		l->p++;
	return xslicedup(slice_make(start, (size_t)(l->p - start)));
}

char *words_rest(struct words *l)
{
	char *rest;

	skip_blanks(l);
	rest = xstrdup(l->p);
	l->p += strlen(l->p);
	return rest;
}

bool words_number(struct words *l, long *ret)
{
	char *end;
	long n;

	skip_blanks(l);
	if (!isdigit((unsigned char)*l->p))
		return false;
	n = strtol(l->p, &end, 10);
	if (*end && !isspace((unsigned char)*end))
		return false;
	*ret = n;
	l->p = end;
	return true;
}

char *words_json(struct words *l)
{
	const char *after;
	char *value;

	skip_blanks(l);
	after = *l->p ? json_skip(l->p, l->p + strlen(l->p)) : NULL;
	if (!after)
		return NULL;
	value = xslicedup(slice_make(l->p, (size_t)(after - l->p)));
	l->p = after;
	return value;
}
