/*
 * The OAuth options of one server. Shared by the files of the configuration, and by
 * nobody else.
 */
#ifndef CONFIG_OAUTH_H
#define CONFIG_OAUTH_H

#include "config/config.h"

/* Adds what does not hold between them to `r`, once the kind of the credential is known. */
void config_check_oauth(struct config_report *r, const struct config_server *s);

#endif
