/* libcurl's allocation functions are those of base/wiped. */
#include "net/curl_memory.h"

#include "base/wiped.h"

#include <curl/curl.h>
#include <errno.h>

int curl_memory_init(void)
{
	return curl_global_init_mem(CURL_GLOBAL_DEFAULT, wiped_malloc, wiped_free, wiped_realloc, wiped_strdup,
				    wiped_calloc) ? -ENOMEM : 0;
}
