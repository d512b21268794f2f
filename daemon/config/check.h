/*
 * What must hold between options, once all files are read.
 */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

#include "config/config.h"

/*
 * Adds what is wrong with `c`, which was read from `path`, to `report`; fills in what follows from
 * other options: the kind of a credential, and which server is the default.
 */
void config_check(struct config *c, const char *path, struct config_report *report);

/* "file:line" where the option is set; for one that is not, where the server begins. */
const char *config_place(const struct config_server *server, const char *option);

#endif
