/*
 * The daemon: makes all its parts from a configuration, runs them, applies a changed configuration on
 * SIGHUP, and stops in order.
 */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include "base/fault.h"
#include "config/config.h"

struct daemon;

/*
 * Makes everything and listens. Takes ownership of `config`, also on failure. `path` is its file, which is read again
 * on SIGHUP; the string must remain valid. 0, or a negative errno with one line for people in `why`.
 */
int daemon_new(struct config *config, const char *path, struct daemon **ret, struct fault *why);
/* Serves until SIGTERM or SIGINT, then stops in order, within 3 seconds. 0 or a negative errno. */
int daemon_run(struct daemon *d);
/* Accepts NULL. */
void daemon_free(struct daemon *d);

#endif
