/*
 * Standard output of a program that must not block on its reader: output is buffered
 * in memory and written as far as possible without blocking.
 */
#ifndef COMETCTL_OUTLET_H
#define COMETCTL_OUTLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Private to outlet.c. */
struct outlet {
	FILE *to;                   /* print here; never NULL after outlet_init() */
	char *text;                 /* to's */
	size_t n;
	size_t written;
};

/* 0 or -errno; then outlet_fini() need not be called. */
int outlet_init(struct outlet *o);
void outlet_fini(struct outlet *o);
/*
 * Writes what was printed. 0, all of it or as much as the reader takes now; -EPIPE: no reader is
 * left; -ENOMEM: something could not even be kept; another -errno.
 */
int outlet_write(struct outlet *o);
/* Whether something is left, for which standard output must become writable. */
bool outlet_waits(const struct outlet *o);

#endif
