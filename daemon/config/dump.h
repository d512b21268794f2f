/*
 * A configuration as it is in effect: every option, where it was set, and its default otherwise.
 */
#ifndef CONFIG_DUMP_H
#define CONFIG_DUMP_H

#include "config/config.h"
#include "protocol/buf.h"

/*
 * Appends `c` as one configuration file: reading it gives the same configuration. The line above
 * each option that is set is "# FILE:LINE"; options that have their default follow as comments. What is
 * secret in the files is secret in it. 0, -ENOMEM or -EMSGSIZE.
 */
int config_dump(const struct config *c, struct buf *out);

#endif
