/*
 * Checks, loads and unloads the shared object of an extension
 * (cometd-bridge-extension.h). Calls only its entry function, which returns its table.
 */
#ifndef PLUGIN_PLUGIN_H
#define PLUGIN_PLUGIN_H

#include "base/fault.h"
#include "cometd-bridge-extension.h"

#include <stddef.h>

struct plugin;

enum { PLUGIN_E_UNFIT = 1 };

/* Checks that the file exists, is a regular file, and is not writable for all users. 0; PLUGIN_E_UNFIT with the
   reason in *why. */
int plugin_check_file(const char *path, struct fault *why);
/*
 * Loads the file; each call needs one plugin_free(). 0; PLUGIN_E_UNFIT, with the reason, if it is not an
 * extension, or one for another version of the interface; -ENOMEM.
 */
int plugin_load(const char *path, struct fault *why, struct plugin **ret);
/* Unloads the code, unless it was loaded several times: it must not be in use any more. Accepts NULL. */
void plugin_free(struct plugin *p);

/* The table that its entry function returned. */
const struct cometd_extension *plugin_table(const struct plugin *p);

#endif
