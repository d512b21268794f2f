/* Helpers for parsing HTTP header lines. */
#ifndef NET_HTTP_TEXT_H
#define NET_HTTP_TEXT_H

#include "protocol/slice.h"

#include <strings.h>

/* the longest accepted Retry-After: six hours, as in libcurl 8.14 */
#define HTTP_RETRY_AFTER_MAX_S (6u * 60 * 60)

/* Removes blanks at both ends. */
static inline struct slice http_trim(struct slice s)
{
	return slice_trim(s, " \t");
}

/* Compares without regard to case, as for the names of headers and attributes. */
static inline bool http_is(struct slice s, const char *word)
{
	return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

#endif
