/*
 * Reads one option "extension". A name without a path never leads out of EXTENSION_DIRECTORY.
 */
#include "config/extension_option.h"

#include <stdio.h>
#include <string.h>

#define BLANKS " \t"

bool extension_name_valid(struct slice name)
{
	static const char letters[] =
		"_.-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	if (name.n == 0 || name.n > EXTENSION_NAME_MAX || name.p[0] == '.' || name.p[0] == '-')
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!memchr(letters, name.p[i], sizeof(letters) - 1))
			return false;
	return true;
}

/* the last part of a path, without ".so" */
static struct slice name_of(struct slice path)
{
	const char *slash = memrchr(path.p, '/', path.n);

	path = slice_drop(path, (size_t)(slash - path.p) + 1);
	if (path.n > 3 && memcmp(path.p + path.n - 3, ".so", 3) == 0)
		path.n -= 3;
	return path;
}

const char *extension_option_parse(const char *line, struct extension_option *ret)
{
	struct slice word = {line, strcspn(line, BLANKS)};
	bool is_path = word.n && word.p[0] == '/';
	struct slice name = is_path ? name_of(word) : word;
	int n;

	if (!extension_name_valid(name))
		return is_path ? "the file's name is none for an extension"
			       : "it is neither the name of an extension nor an absolute path";
	snprintf(ret->name, sizeof(ret->name), "%.*s", SLICE_ARG(name));
	n = is_path ? snprintf(ret->path, sizeof(ret->path), "%.*s", SLICE_ARG(word))
		    : snprintf(ret->path, sizeof(ret->path), "%s/%s.so", EXTENSION_DIRECTORY,
			       ret->name);
	if (n < 0 || (size_t)n >= sizeof(ret->path))
		return "the path is too long";
	ret->config = line + word.n + strspn(line + word.n, BLANKS);
	ret->file = ret->config[0] == '@' ? ret->config + 1 : NULL;
	if (ret->file && ret->file[0] != '/')
		return "\"@\" must be followed by the absolute path of a file with its configuration";
	return NULL;
}
