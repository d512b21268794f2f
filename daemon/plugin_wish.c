/*
 * Owns the reading of one option. Guarantees that a name leads nowhere but into
 * the directory of extensions. Must never know files, nor what an extension makes
 * of its configuration.
 */
#include "plugin_wish.h"

#include "plugin.h"

#include <stdio.h>
#include <string.h>

#define BLANKS " \t"

bool plugin_name_valid(struct slice name)
{
	static const char letters[] =
		"_.-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	if (name.n == 0 || name.n > PLUGIN_NAME_MAX || name.p[0] == '.' || name.p[0] == '-')
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

const char *plugin_wish_parse(const char *line, struct plugin_wish *ret)
{
	struct slice word = {line, strcspn(line, BLANKS)};
	bool is_path = word.n && word.p[0] == '/';
	struct slice name = is_path ? name_of(word) : word;
	int n;

	if (!plugin_name_valid(name))
		return is_path ? "the file's name is none for an extension"
			       : "it is neither the name of an extension nor an absolute path";
	snprintf(ret->name, sizeof(ret->name), "%.*s", SLICE_ARG(name));
	n = is_path ? snprintf(ret->path, sizeof(ret->path), "%.*s", SLICE_ARG(word))
		    : snprintf(ret->path, sizeof(ret->path), "%s/%s.so", PLUGIN_DIRECTORY,
			       ret->name);
	if (n < 0 || (size_t)n >= sizeof(ret->path))
		return "the path is too long";
	ret->config = line + word.n + strspn(line + word.n, BLANKS);
	ret->file = ret->config[0] == '@' ? ret->config + 1 : NULL;
	if (ret->file && ret->file[0] != '/')
		return "\"@\" must be followed by the absolute path of a file with its configuration";
	return NULL;
}
