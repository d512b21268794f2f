/* Formats a time for HTTP headers. Pure. */
#ifndef BASE_DATE_H
#define BASE_DATE_H

#include <stdint.h>

/* "Sat, 21 Nov 2026 03:54:36 GMT" and its NUL */
#define DATE_HTTP_SIZE 30

/* `unix_ms`: ms since 1970, cut to whole seconds. A time after the year 9999 becomes its end. */
void date_http(uint64_t unix_ms, char ret[DATE_HTTP_SIZE]);

#endif
