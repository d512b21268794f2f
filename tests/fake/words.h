/* The text of a command, taken apart from left to right. What is returned is to be freed. */
#ifndef FAKE_WORDS_H
#define FAKE_WORDS_H

#include <stdbool.h>

struct words {
	const char *p;
};

/* the next word, or the next "quoted words" without quotes; NULL at the end */
char *words_next(struct words *l);
/* all that is left, may be empty */
char *words_rest(struct words *l);
/* a number without sign; false, and the word is kept, when it is not a number */
bool words_number(struct words *l, long *ret);
/* one JSON value, which may hold blanks; NULL when the text is none */
char *words_json(struct words *l);

#endif
