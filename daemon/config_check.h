/*
 * What must hold between options, once all files are read. Shared by the files of the
 * configuration, and by nobody else.
 */
#ifndef DAEMON_CONFIG_CHECK_H
#define DAEMON_CONFIG_CHECK_H

#include "config.h"

/*
 * Adds what is wrong with `c`, which was read from `path`, to `report`; fills in what follows from
 * other options: the kind of a credential, and which server is the default.
 */
void config_check(struct config *c, const char *path, struct config_report *report);

/* "[server NAME]: TEXT" at the place where that begins */
#define config_server_error(r, s, format, ...)                                                     \
	config_report_add(r, true, (s)->place, "[server %s]: " format, (s)->name, ##__VA_ARGS__)
/* The same of the OAuth options alone (config_oauth.c), once the kind of the credential is known. */
void config_check_oauth(struct config_report *r, const struct config_server *s);

#endif
