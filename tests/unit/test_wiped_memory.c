/* base/wiped: values survive growing, and what is freed or moved is overwritten. */
#include "base/wiped.h"
#include "tests/unit/testing.h"

#include <stdlib.h>
#include <string.h>

/* how often explicit_bzero() was given this text; a test must not look at memory that was freed */
static unsigned wiped;

void explicit_bzero(void *p, size_t n)
{
	const void *before = p;

	/* gcc assumes that this function reads nothing */
	__asm__ volatile("" : "+r"(before));
	wiped += memmem(before, n, "secret-12345", 12) != NULL;
	memset(p, 0, n);
	__asm__ volatile("" : : "r"(p) : "memory");
}

static void what_is_freed(void **state)
{
	char *copy = wiped_strdup("the secret-12345");

	(void)state;
	assert_string_equal(copy, "the secret-12345");
	assert_true(wiped_size(copy) >= 17);
	wiped = 0;
	wiped_free(copy);
	assert_int_equal(wiped, 1);
	wiped_free(NULL);
	assert_int_equal(wiped_size(NULL), 0);
	/* they are blocks of malloc() */
	free(wiped_malloc(7));
}

static void what_is_moved(void **state)
{
	char *p = wiped_realloc(NULL, 16);

	(void)state;
	memcpy(p, "secret-12345", 13);
	for (size_t n = 32; n < 100000; n *= 3) {
		wiped = 0;
		p = wiped_realloc(p, n);
		assert_int_equal(wiped, 1);
		assert_string_equal(p, "secret-12345");
	}
	p = wiped_realloc(p, 4);
	assert_memory_equal(p, "secr", 4);
	wiped_free(p);
}

static void what_is_zeroed(void **state)
{
	char *p = wiped_calloc(10, 10);

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(p[i], 0);
	wiped_free(p);
	assert_null(wiped_calloc(SIZE_MAX / 2, 3));
}

/* as without the sanitizer: too much is refused by NULL */
#if WITH_ADDRESS_SANITIZER
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_freed), cmocka_unit_test(what_is_moved), cmocka_unit_test(what_is_zeroed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
