/*
 * Formats an HTTP date, independent of the locale and the time zone of the process.
 */
#include "base/date.h"

#include <stdio.h>
#include <time.h>

/* Fri, 31 Dec 9999 23:59:59 */
#define LAST_SECOND 253402300799

void date_http(uint64_t unix_ms, char ret[DATE_HTTP_SIZE])
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	uint64_t seconds = unix_ms / 1000;
	const time_t at = (time_t)(seconds < LAST_SECOND ? seconds : LAST_SECOND);
	struct tm tm;

	gmtime_r(&at, &tm);
	/* the remainders change nothing; they show the compiler that the text fits */
	snprintf(ret, DATE_HTTP_SIZE, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
		 days + 3 * tm.tm_wday, (unsigned)tm.tm_mday % 100, months + 3 * tm.tm_mon,
		 (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
		 (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
}
