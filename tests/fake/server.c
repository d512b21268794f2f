/* Owns the small helpers that every part of the fake server uses. */
#include <stdlib.h>
#include "tests/fake/server.h"

static size_t find(const struct name_list *l, const char *name)
{
	size_t i = 0;

	while (i < l->n && strcmp(l->names[i], name) != 0)
		i++;
	return i;
}

bool name_list_has(const struct name_list *l, const char *name)
{
	return find(l, name) < l->n;
}

void name_list_add(struct name_list *l, const char *name)
{
	l->names = xrealloc(l->names, (l->n + 1) * sizeof(*l->names));
	l->names[l->n++] = xstrdup(name);
}

bool name_list_remove(struct name_list *l, const char *name)
{
	size_t i = find(l, name);

	if (i == l->n)
		return false;
	free(l->names[i]);
	memmove(l->names + i, l->names + i + 1, (--l->n - i) * sizeof(*l->names));
	return true;
}

void name_list_fini(struct name_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->names[i]);
	free(l->names);
	*l = (struct name_list){NULL, 0};
}

struct timeval msec(long ms)
{
	return (struct timeval){ms / 1000, ms % 1000 * 1000};
}
