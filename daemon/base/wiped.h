/*
 * An allocator for libraries that handle secrets: memory is overwritten when it is freed, or moved because it
 * grows. The blocks come from malloc(), so free() works on them, too.
 */
#ifndef BASE_WIPED_H
#define BASE_WIPED_H

#include <stddef.h>

/* NULL without memory */
void *wiped_malloc(size_t n);
void *wiped_calloc(size_t n, size_t size);
void *wiped_realloc(void *p, size_t n);
char *wiped_strdup(const char *s);
/* at least what was asked for; 0 for NULL */
size_t wiped_size(void *p);
/* Accepts NULL. */
void wiped_free(void *p);

#endif
