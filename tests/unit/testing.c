/*
 * The allocator of the tests, which fails at a chosen allocation (see testing.h).
 */
#include "tests/unit/testing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool armed, failed;
static unsigned countdown;

void testing_fail_allocation(unsigned n)
{
	armed = true;
	failed = false;
	countdown = n;
}

bool testing_allocation_failed(void)
{
	armed = false;
	return failed;
}

static bool fail_now(void)
{
	if (!armed || failed || countdown-- > 0)
		return false;
	failed = true;
	errno = ENOMEM;
	return true;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);

void *__wrap_malloc(size_t n)
{
	return fail_now() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fail_now() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return fail_now() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *s)
{
	return fail_now() ? NULL : __real_strdup(s);
}

void leave_out_positions(char *text)
{
	static const char before[] = "'ok':true,'seq':";

	for (char *at = text; (at = strstr(at, before));) {
		char *from = at + sizeof("'ok':true") - 1, *to = at + sizeof(before) - 1;

		to += strspn(to, "0123456789");
		memmove(from, to, strlen(to) + 1);
		at = from;
	}
}
