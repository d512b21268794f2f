/*
 * The grammar of the option "extension": which shared object, under which name, with which
 * configuration. Reading it touches no file.
 *
 *     NAME                    NAME.so in EXTENSION_DIRECTORY
 *     /path/to/NAME.so        that file
 *     … TEXT                  the rest of the line is its configuration
 *     … @/path/to/a/file      its configuration is the content of that file
 */
#ifndef CONFIG_EXTENSION_OPTION_H
#define CONFIG_EXTENSION_OPTION_H

#include "protocol/slice.h"

#include <stdbool.h>

#define EXTENSION_DIRECTORY EXTENSIONDIR
#define EXTENSION_NAME_MAX 64
#define EXTENSION_PATH_MAX 4096

struct extension_option {
	char name[EXTENSION_NAME_MAX + 1];
	char path[EXTENSION_PATH_MAX];
	const char *config;             /* in the line; "" for none */
	const char *file;               /* in the line; NULL: config it is */
};

/* NULL and *ret, or what is wrong with the line. */
const char *extension_option_parse(const char *line, struct extension_option *ret);
/* whether an extension can have that name */
bool extension_name_valid(struct slice name);

#endif
