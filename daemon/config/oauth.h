/* The sections [oauth NAME]. Shared by the files of the configuration. */
#ifndef CONFIG_OAUTH_H
#define CONFIG_OAUTH_H

#include "config/config.h"

/* Determines the grant, and adds to `r` what does not hold between the options. */
void config_check_oauth(struct config_report *r, struct config_oauth *oauth);

#endif
