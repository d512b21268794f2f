/*
 * The value of --since: a position, or a time. What is read is read whole, or it is
 * none.
 */
#include "since.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Exactly `n` digits at *p, which moves past them. */
static bool digits(const char **p, int n, int *ret)
{
	int value = 0;

	for (int i = 0; i < n; i++) {
		if (!isdigit((unsigned char)(*p)[i]))
			return false;
		value = value * 10 + (*p)[i] - '0';
	}
	*p += n;
	*ret = value;
	return true;
}

static bool skip(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

/* ---- an age: 10m ------------------------------------------------------- */

static bool read_age(const char *text, unsigned long long now, unsigned long long *ret)
{
	static const struct {
		char unit;
		unsigned long long ms;
	} units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
	char *end;

	errno = 0;
	unsigned long long n = isdigit((unsigned char)*text) ? strtoull(text, &end, 10) : 0;
	if (!isdigit((unsigned char)*text) || errno || !*end || end[1])
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (*end == units[i].unit) {
			/* older than 1970: all */
			*ret = n < now / units[i].ms ? now - n * units[i].ms : 1;
			return true;
		}
	return false;
}

/* ---- a time of day, and a date ------------------------------------------- */

/* HH:MM, HH:MM:SS, HH:MM:SS.mmm */
static bool read_clock(const char **p, struct tm *tm, int *ret_ms)
{
	int scale = 100;

	*ret_ms = 0;
	if (!digits(p, 2, &tm->tm_hour) || !skip(p, ':') || !digits(p, 2, &tm->tm_min))
		return false;
	if (skip(p, ':') && !digits(p, 2, &tm->tm_sec))
		return false;
	if (skip(p, '.') || skip(p, ',')) {
		if (!isdigit((unsigned char)**p))
			return false;
		for (; isdigit((unsigned char)**p); (*p)++, scale /= 10)
			*ret_ms += (**p - '0') * scale;
	}
	return tm->tm_hour <= 23 && tm->tm_min <= 59 && tm->tm_sec <= 60;
}

/* Z, +HH:MM, +HHMM or nothing: the zone of this process. */
static bool read_zone(const char **p, bool *ret_given, int *ret_minutes)
{
	int hours, minutes, sign = **p == '-' ? -1 : 1;

	*ret_given = **p != '\0';
	*ret_minutes = 0;
	if (!*ret_given || skip(p, 'Z'))
		return true;
	if ((!skip(p, '+') && !skip(p, '-')) || !digits(p, 2, &hours))
		return false;
	skip(p, ':');
	if (!digits(p, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*ret_minutes = sign * (hours * 60 + minutes);
	return true;
}

/* The days of a month end with it: mktime(3) would continue with the next month. */
static bool is_date(const struct tm *tm)
{
	struct tm copy = *tm;

	return timegm(&copy) != (time_t)-1 && copy.tm_mday == tm->tm_mday && copy.tm_mon == tm->tm_mon;
}

static bool read_date(const char **p, struct tm *tm)
{
	if (!digits(p, 4, &tm->tm_year) || !skip(p, '-') || !digits(p, 2, &tm->tm_mon) || !skip(p, '-') ||
	    !digits(p, 2, &tm->tm_mday))
		return false;
	tm->tm_year -= 1900;
	tm->tm_mon--;
	return tm->tm_year > 70 && is_date(tm);
}

static bool read_date_and_clock(const char *p, unsigned long long *ret)
{
	struct tm tm = {.tm_isdst = -1};
	int ms = 0, minutes = 0;
	bool zone = false;

	if (!read_date(&p, &tm))
		return false;
	if (*p && ((!skip(&p, 'T') && !skip(&p, ' ')) || !read_clock(&p, &tm, &ms) ||
		   !read_zone(&p, &zone, &minutes)))
		return false;
	time_t t = zone ? timegm(&tm) : mktime(&tm);
	if (*p || t == (time_t)-1)
		return false;
	*ret = (unsigned long long)(t - minutes * 60) * 1000 + (unsigned long long)ms;
	return true;
}

/* A time without a date is the last one before now. */
static bool read_time_of_day(const char *p, unsigned long long now, unsigned long long *ret)
{
	time_t t = (time_t)(now / 1000);
	struct tm tm, day;
	int ms;

	localtime_r(&t, &day);
	tm = (struct tm){.tm_year = day.tm_year, .tm_mon = day.tm_mon, .tm_mday = day.tm_mday, .tm_isdst = -1};
	if (!read_clock(&p, &tm, &ms) || *p)
		return false;
	struct tm before = tm;
	t = mktime(&tm);
	if ((unsigned long long)t * 1000 + (unsigned long long)ms > now) {
		before.tm_mday--;
		t = mktime(&before);
	}
	*ret = (unsigned long long)t * 1000 + (unsigned long long)ms;
	return true;
}

/* ---- a position ------------------------------------------------------------ */

/* A mistyped time, 9:05 or 2026-11-30T09:30+1:00, is not the position 5 or 0 of an epoch of that name. */
static bool is_epoch(const char *p, size_t n)
{
	bool letter = false;

	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)p[i]))
			return false;
		letter |= !isdigit((unsigned char)p[i]);
	}
	return letter || n > 2;
}

static bool read_position(const char *text, struct ctl_position *ret)
{
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;
	char *end;

	if (n == 0 || n >= sizeof(ret->epoch) || !is_epoch(text, n) || !isdigit((unsigned char)colon[1]))
		return false;
	errno = 0;
	unsigned long long seq = strtoull(colon + 1, &end, 10);
	if (*end || errno)
		return false;
	memcpy(ret->epoch, text, n);
	ret->epoch[n] = '\0';
	ret->seq = seq;
	return true;
}

bool since_read(const char *text, unsigned long long now, struct ctl_position *ret,
		unsigned long long *ret_ms)
{
	return read_age(text, now, ret_ms) || read_date_and_clock(text, ret_ms) ||
	       read_time_of_day(text, now, ret_ms) || read_position(text, ret);
}
