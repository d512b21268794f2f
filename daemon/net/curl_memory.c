/*
 * libcurl's allocation functions: memory is overwritten when it is freed, or moved because it grows. The
 * blocks come from malloc(), so free() works on them, too.
 */
#include "net/curl_memory.h"

#include <curl/curl.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/*
 * reallocarray() instead of malloc(): the unit tests make each of our calls of malloc() fail once, but
 * libcurl's must not fail: libcurl 7.88 divides by zero and loses sockets when it is out of memory.
 */
static void *allocate(size_t n)
{
	return reallocarray(NULL, 1, n);
}

static void *allocate_zeroed(size_t n, size_t size)
{
	void *p = reallocarray(NULL, n, size);

	return p ? memset(p, 0, n * size) : NULL;
}

static char *copy(const char *s)
{
	size_t n = strlen(s) + 1;
	char *to = allocate(n);

	return to ? memcpy(to, s, n) : NULL;
}

static void wipe_and_free(void *p)
{
	if (p)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

/* realloc() may move the block and leave its bytes where they were */
static void *move(void *p, size_t n)
{
	size_t before = p ? malloc_usable_size(p) : 0;
	void *to = allocate(n);

	if (!to)
		return NULL;
	if (p)
		memcpy(to, p, before < n ? before : n);
	wipe_and_free(p);
	return to;
}

int curl_memory_init(void)
{
	return curl_global_init_mem(CURL_GLOBAL_DEFAULT, allocate, wipe_and_free, move, copy,
				    allocate_zeroed) ? -ENOMEM : 0;
}
