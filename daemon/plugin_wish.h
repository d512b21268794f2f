/*
 * What one line of the option "extension" says: which file, by which name people
 * know it, and what it is told. Reading it touches no file.
 *
 *     NAME                    NAME.so in PLUGIN_DIRECTORY
 *     /path/to/NAME.so        that one
 *     … TEXT                  its configuration is the rest of the line
 *     … @/path/to/a/file      … is what that file holds
 */
#ifndef DAEMON_PLUGIN_WISH_H
#define DAEMON_PLUGIN_WISH_H

#include "cometd-bridge-extension.h"
#include "protocol/slice.h"

#include <stdbool.h>

#define PLUGIN_NAME_MAX 64
#define PLUGIN_PATH_MAX 4096

struct plugin_wish {
	char name[PLUGIN_NAME_MAX + 1];
	char path[PLUGIN_PATH_MAX];
	const char *config;             /* in the line; "" for none */
	const char *file;               /* in the line; NULL: config it is */
};

/* NULL and *ret, or what is wrong with the line. */
const char *plugin_wish_parse(const char *line, struct plugin_wish *ret);
/* whether an extension can have that name */
bool plugin_name_valid(struct slice name);

#endif
