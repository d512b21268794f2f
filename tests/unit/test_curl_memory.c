/*
 * net/curl_memory: what libcurl frees, or moves because it grows, is overwritten; its values survive.
 */
#include "net/curl_memory.h"
#include "tests/unit/testing.h"

#include <curl/curl.h>
#include <string.h>

/* what explicit_bzero() was given; a test must not look at memory that was freed */
static bool wiped;

void explicit_bzero(void *p, size_t n)
{
	const void *before = p;

	/* gcc holds that this function reads nothing */
	__asm__ volatile("" : "+r"(before));
	wiped = wiped || memmem(before, n, "secret-12345", 12);
	memset(p, 0, n);
	__asm__ volatile("" : : "r"(p) : "memory");
}

static int setup(void **state)
{
	(void)state;
	return curl_memory_init();
}

static int teardown(void **state)
{
	(void)state;
	curl_global_cleanup();
	return 0;
}

static void what_is_freed(void **state)
{
	struct curl_slist *list = curl_slist_append(NULL, "Authorization: Bearer secret-12345");

	(void)state;
	assert_non_null(list);
	assert_string_equal(list->data, "Authorization: Bearer secret-12345");
	wiped = false;
	curl_slist_free_all(list);
	assert_true(wiped);
}

/* libcurl joins a URL in a buffer that grows */
static void what_is_moved(void **state)
{
	char text[20000];
	CURLU *url = curl_url();
	char *whole = NULL;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "http://h/?secret-12345&", 23);
	text[sizeof(text) - 1] = 0;
	assert_non_null(url);
	assert_int_equal(curl_url_set(url, CURLUPART_URL, text, 0), CURLUE_OK);
	wiped = false;
	assert_int_equal(curl_url_get(url, CURLUPART_URL, &whole, 0), CURLUE_OK);
	assert_true(wiped);
	assert_string_equal(whole, text);
	curl_url_cleanup(url);
	curl_free(whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_freed),
		cmocka_unit_test(what_is_moved),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
