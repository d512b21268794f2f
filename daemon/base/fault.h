/*
 * Why something failed, in words for people: who finds the reason writes it, functions on the way up may put the
 * place before it, and the last one logs or sends it. Functions that have one to give take a struct fault *ret,
 * which they leave alone when they succeed.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdbool.h>

#define FAULT_MAX 1024

struct fault {
	char text[FAULT_MAX];   /* empty: no reason */
};

/* Writes the words, cut at a whole character where they are longer than a fault may be. The arguments may refer to
   f->text. */
void fault_set(struct fault *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same; returns `r`. */
int fault_fail(struct fault *f, int r, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The words of an errno, positive or negative. */
void fault_set_errno(struct fault *f, int r);

static inline void fault_clear(struct fault *f) { f->text[0] = '\0'; }
static inline bool fault_is_set(const struct fault *f) { return f->text[0] != '\0'; }

#endif
