/*
 * A shared object that is an extension (cometd-bridge-extension.h): found, looked
 * over, loaded, and let go. Nothing of it runs here but its entry, which says
 * what it can do.
 */
#ifndef PLUGIN_PLUGIN_H
#define PLUGIN_PLUGIN_H

#include "cometd-bridge-extension.h"

#include <stddef.h>

#define PLUGIN_WHY_MAX 512

struct plugin;

enum { PLUGIN_E_UNFIT = 1 };

/* Whether the file may be loaded: it is there, a plain file, and not everybody may write it.
   0; PLUGIN_E_UNFIT with words in `why` (PLUGIN_WHY_MAX bytes). */
int plugin_look_at(const char *path, char *why);
/*
 * Loads it, once more if it is loaded already. 0; PLUGIN_E_UNFIT, with words, for what is no
 * extension or one for another version of this daemon; -ENOMEM.
 */
int plugin_load(const char *path, char *why, struct plugin **ret);
/* Its code is gone afterwards, unless it was loaded once more: nothing of it may be in use. NULL
   is fine. */
void plugin_free(struct plugin *p);

/* What it said it is. */
const struct cometd_extension *plugin_table(const struct plugin *p);

#endif
