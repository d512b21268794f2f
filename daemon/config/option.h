/*
 * The table of options: one row describes an option completely. Only the files of the
 * configuration use it.
 */
#ifndef CONFIG_OPTION_H
#define CONFIG_OPTION_H

#include "config/kinds.h"

/* Row `i` of the table, or NULL past its end. */
const struct config_row *config_row(size_t i);
/* at most so many rows */
#define CONFIG_ROWS_MAX 128
const struct config_option *config_row_option(const struct config_row *row);
/* The row of this name in "bridge", "server" or "oauth", its place in *ret_i; or NULL. */
const struct config_row *config_row_find(const char *section, const char *name, size_t *ret_i);
/* Whether an earlier version had this option; *ret_instead: what to write in place of it, or NULL when
   nothing is needed any more. */
bool config_removed(const char *name, const char **ret_instead);
/* The option that may have been meant, preferably in the same section; or NULL. */
const struct config_option *config_row_hint(const char *section, const char *name);

/* Frees what the members of `base`, a struct config, config_server or config_oauth, own by the table. */
void config_fini(const char *section, void *base);
/* Sets every member to its default. 0 or -ENOMEM. */
int config_set_defaults(const char *section, void *base);
/*
 * Sets the member of `base` (a struct config or config_server, by the row's section) to the
 * value in `text`. `first`: a repeatable option loses its earlier values. 0; CONFIG_E_INVALID with *why; -ENOMEM.
 */
int config_set(const struct config_row *row, void *base, const char *text, bool first,
	       struct fault *why);

#endif
