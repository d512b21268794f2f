/*
 * reallocarray() instead of malloc(): the unit tests make each of our calls of malloc() fail once, but those of
 * libraries must not fail: libcurl 7.88 divides by zero and loses sockets when it is out of memory.
 */
#include "base/wiped.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

void *wiped_malloc(size_t n)
{
	return reallocarray(NULL, 1, n);
}

void *wiped_calloc(size_t n, size_t size)
{
	void *p = reallocarray(NULL, n, size);

	return p ? memset(p, 0, n * size) : NULL;
}

char *wiped_strdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *to = wiped_malloc(n);

	return to ? memcpy(to, s, n) : NULL;
}

size_t wiped_size(void *p)
{
	return malloc_usable_size(p);
}

void wiped_free(void *p)
{
	if (p)
		explicit_bzero(p, wiped_size(p));
	free(p);
}

/* realloc() may move the block and leave its bytes where they were */
void *wiped_realloc(void *p, size_t n)
{
	size_t before = wiped_size(p);
	void *to = wiped_malloc(n);

	if (!to)
		return NULL;
	if (p)
		memcpy(to, p, before < n ? before : n);
	wiped_free(p);
	return to;
}
