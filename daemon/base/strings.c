/* An owned list of texts, each a copy. */
#include "base/strings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int strings_append(struct strings *s, const char *text)
{
	const char **v = realloc((void *)s->v, (s->n + 1) * sizeof(*v));
	char *copy;

	if (!v)
		return -ENOMEM;
	s->v = v;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	v[s->n++] = copy;
	return 0;
}

int strings_copy(const struct strings *from, struct strings *to)
{
	int r = 0;

	*to = (struct strings){0};
	for (size_t i = 0; i < from->n && r == 0; i++)
		r = strings_append(to, from->v[i]);
	return r;
}

void strings_fini(struct strings *s)
{
	for (size_t i = 0; i < s->n; i++) {
		char *text = (char *)s->v[i];

		explicit_bzero(text, strlen(text));
		free(text);
	}
	free((void *)s->v);
	*s = (struct strings){0};
}
