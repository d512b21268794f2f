/*
 * Where a user's own daemon has its configuration and its socket. The system's daemon, which runs
 * without XDG_RUNTIME_DIR, and root use the paths of the system.
 */
#ifndef CONFIG_USER_PATHS_H
#define CONFIG_USER_PATHS_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

/* $XDG_CONFIG_HOME/cometd-bridge/cometd-bridge.conf, or the same below $HOME/.config; false when
   there is no such file, or for root. */
bool user_config_path(uid_t uid, char ret[PATH_MAX]);
/* $XDG_RUNTIME_DIR/cometd-bridge/bridge.sock; false without that variable, or for root. */
bool user_socket_path(uid_t uid, char ret[PATH_MAX]);
/* Makes the directory of that path, if it is not there. 0 or a negative errno. */
int user_socket_directory(const char *path);

#endif
