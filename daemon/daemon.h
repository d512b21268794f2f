/*
 * Assembly: builds the house from a configuration, runs it, and takes it down
 * in order. The only place that knows all the rooms; it knows the inside of none.
 */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include "config/config.h"

struct daemon;

/*
 * Builds everything and listens; the configuration must outlive the daemon. 0, or a negative errno
 * with one line for people in `why`.
 */
int daemon_new(const struct config *config, struct daemon **ret, char *why, size_t why_size);
/* Serves until SIGTERM or SIGINT, then stops in order, within 3 seconds. 0 or a negative errno. */
int daemon_run(struct daemon *d);
/* NULL is fine. */
void daemon_free(struct daemon *d);

#endif
