/* A list of strings: the values of an option that may be set several times. */
#ifndef BASE_STRINGS_H
#define BASE_STRINGS_H

#include <stddef.h>

/* The declaration of a list names its owner; a borrowed list may point to constants. */
struct strings {
	const char *const *v;
	size_t n;
};

/* The functions below are for owned lists, which may be zeroed at first. */
/* Appends a copy. 0, or -ENOMEM and nothing has changed. */
int strings_append(struct strings *s, const char *text);
/* Copies all of `from` to *to, which strings_fini() frees, also after a failure. 0 or -ENOMEM. */
int strings_copy(const struct strings *from, struct strings *to);
/* Wipes and frees the texts, which may be secrets, and empties the list. */
void strings_fini(struct strings *s);

#endif
