/* A list of texts: of an option that may be set several times. */
#ifndef BASE_STRINGS_H
#define BASE_STRINGS_H

#include <stddef.h>

/* Where such a list is declared, its owner is named; a borrowed one may point to constants. */
struct strings {
	const char *const *v;
	size_t n;
};

/* Of an owned list, which may be zeroed. */
/* Appends a copy. 0, or -ENOMEM and nothing has changed. */
int strings_append(struct strings *s, const char *text);
/* Copies all of `from` to *to, which strings_fini() frees, also after a failure. 0 or -ENOMEM. */
int strings_copy(const struct strings *from, struct strings *to);
/* Wipes and frees the texts, which may be secrets, and empties the list. */
void strings_fini(struct strings *s);

#endif
