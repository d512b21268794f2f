/*
 * Assembly: makes everything from a configuration, runs it, follows a changed configuration on
 * SIGHUP, and ends it in order.
 */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include "config/config.h"

struct daemon;

/*
 * Makes everything and listens. Takes over `config`, also on failure; `path` is that of its file, read again on
 * SIGHUP, and must stay. 0, or a negative errno with one line for people in `why`.
 */
int daemon_new(struct config *config, const char *path, struct daemon **ret, char *why, size_t why_size);
/* Serves until SIGTERM or SIGINT, then stops in order, within 3 seconds. 0 or a negative errno. */
int daemon_run(struct daemon *d);
/* NULL is fine. */
void daemon_free(struct daemon *d);

#endif
