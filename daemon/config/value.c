/*
 * Owns the spelling of values. Guarantees that nothing half right is taken:
 * no sign, no blank, no fraction, no overflow, no unit left to guess. Must
 * never know an option.
 */
#include "config/value.h"

#include <string.h>

/* a longer word is not a typing error */
#define WORD_MAX 48

struct unit {
	const char *name;
	uint64_t factor;
};

/* Takes digits off the front; false when there are none or too many. */
static bool take_digits(const char **text, uint64_t *ret)
{
	const char *p = *text;
	uint64_t n = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		if (n > (UINT64_MAX - 9) / 10)
			return false;
		n = n * 10 + (uint64_t)(*p - '0');
	}
	if (p == *text)
		return false;
	*text = p;
	*ret = n;
	return true;
}

static bool with_unit(const char *text, const struct unit *units, uint64_t *ret)
{
	uint64_t n;

	if (!take_digits(&text, &n))
		return false;
	for (; units->name; units++)
		if (strcmp(text, units->name) == 0) {
			if (n > UINT64_MAX / units->factor)
				return false;
			*ret = n * units->factor;
			return true;
		}
	return false;
}

bool config_number(const char *text, uint64_t *ret)
{
	static const struct unit units[] = {{"", 1}, {NULL, 0}};

	return with_unit(text, units, ret);
}

bool config_size(const char *text, uint64_t *ret)
{
	static const struct unit units[] = {
		{"", 1}, {"K", 1u << 10}, {"M", 1u << 20}, {"G", 1u << 30}, {NULL, 0},
	};

	return with_unit(text, units, ret);
}

bool config_duration(const char *text, uint64_t *ret)
{
	static const struct unit units[] = {
		{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {NULL, 0},
	};

	return with_unit(text, units, ret);
}

bool config_yes_no(const char *text, bool *ret)
{
	bool yes = strcmp(text, "yes") == 0;

	if (!yes && strcmp(text, "no") != 0)
		return false;
	*ret = yes;
	return true;
}

bool config_mode(const char *text, uint64_t *ret)
{
	uint64_t mode = 0;
	size_t n = strlen(text);

	if (n < 3 || n > 4 || strspn(text, "01234567") != n)
		return false;
	while (*text)
		mode = mode << 3 | (uint64_t)(*text++ - '0');
	*ret = mode;
	return true;
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned config_distance(const char *a, const char *b, unsigned most)
{
	/* rows of Damerau's table: the one before the last, the last, the next */
	unsigned rows[3][WORD_MAX + 1], *older = rows[0], *old = rows[1], *now = rows[2];
	size_t n = strlen(a), m = strlen(b);
	unsigned nearest = 0, nearest_before;

	/* at least one change for each letter that only one of them has */
	if (n > WORD_MAX || m > WORD_MAX || (n > m ? n - m : m - n) > most)
		return (unsigned)(n > m ? n : m);
	for (unsigned j = 0; j <= m; j++)
		old[j] = j;
	for (unsigned i = 1; i <= n; i++) {
		unsigned *spare = older;

		nearest_before = nearest;
		nearest = now[0] = i;
		for (unsigned j = 1; j <= m; j++) {
			now[j] = least(old[j], now[j - 1]) + 1;
			now[j] = least(now[j], old[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = least(now[j], older[j - 2] + 1);
			nearest = least(nearest, now[j]);
		}
		/* each later row is made of these two */
		if (nearest > most && nearest_before > most)
			return nearest;
		older = old;
		old = now;
		now = spare;
	}
	return old[m];
}

bool config_near(const char *text, const char *name)
{
	unsigned most = strlen(name) < 8 ? 2 : 3;

	return config_distance(text, name, most) <= most;
}
