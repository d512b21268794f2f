/* The grammar of channel names, and matching a pattern with a channel. */
#include <ctype.h>
#include <string.h>
#include "tests/fake/channel.h"

bool channel_chars_ok(const char *name)
{
	if (name[0] != '/' || !name[1])
		return false;
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr(" !#$()*+-./@_{}~", *p))
			return false;
	return true;
}

/* the length of the name without one trailing slash */
static size_t trimmed(const char *name)
{
	size_t n = strlen(name);

	return n > 1 && name[n - 1] == '/' ? n - 1 : n;
}

bool channel_structure_ok(const char *name)
{
	size_t n = trimmed(name);

	if (name[0] != '/' || n < 2)
		return false;
	for (size_t i = 0; i < n;) {
		size_t len = strcspn(name + i + 1, "/");

		if (i + 1 + len > n)
			len = n - i - 1;
		if (len == 0)
			return false;
		if ((len == 1 && name[i + 1] == '*') ||
		    (len == 2 && strncmp(name + i + 1, "**", 2) == 0)) {
			if (i + 1 + len < n)
				return false;
		}
		i += 1 + len;
	}
	return true;
}

bool channel_faye_ok(const char *name, bool pattern_allowed)
{
	size_t n = strlen(name), wild = 0;

	if (!channel_structure_ok(name) || name[n - 1] == '/')
		return false;
	if (n > 3 && strcmp(name + n - 3, "/**") == 0)
		wild = 2;
	else if (n > 2 && strcmp(name + n - 2, "/*") == 0)
		wild = 1;
	if (wild && !pattern_allowed)
		return false;
	for (size_t i = 0; i < n - wild; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("/-_!~()$@", name[i]))
			return false;
	return true;
}

bool channel_is_meta(const char *name)
{
	return strncmp(name, "/meta/", 6) == 0;
}

bool channel_is_service(const char *name)
{
	return strncmp(name, "/service/", 9) == 0;
}

bool channel_matches(const char *pattern, const char *channel)
{
	size_t n = trimmed(channel), p = trimmed(pattern);
	const char *last;

	if (p == n && strncmp(pattern, channel, n) == 0)
		return true;
	if (p >= 3 && strncmp(pattern + p - 3, "/**", 3) == 0) {
		return n > p - 2 && strncmp(pattern, channel, p - 2) == 0;
	}
	if (p < 2 || strncmp(pattern + p - 2, "/*", 2) != 0)
		return false;
	last = memrchr(channel, '/', n);
	return last && (size_t)(last - channel) == p - 2 && strncmp(pattern, channel, p - 1) == 0;
}
