/*
 * Finds the paths of a user's own daemon in the environment. Relative values are ignored, as the XDG
 * Base Directory Specification demands.
 */
#include "config/user_paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *absolute(const char *variable)
{
	const char *value = secure_getenv(variable);

	return value && value[0] == '/' ? value : NULL;
}

static bool join(char ret[PATH_MAX], const char *base, const char *rest)
{
	char path[PATH_MAX];
	int n = base ? snprintf(path, sizeof(path), "%s%s", base, rest) : -1;

	if (n < 0 || (size_t)n >= sizeof(path))
		return false;
	strcpy(ret, path);
	return true;
}

bool user_config_path(uid_t uid, char ret[PATH_MAX])
{
	static const char name[] = "/cometd-bridge/cometd-bridge.conf";
	const char *base = absolute("XDG_CONFIG_HOME");
	char home[PATH_MAX], path[PATH_MAX];

	if (!base && join(home, absolute("HOME"), "/.config"))
		base = home;
	if (uid == 0 || !join(path, base, name) || access(path, F_OK))
		return false;
	strcpy(ret, path);
	return true;
}

bool user_socket_path(uid_t uid, char ret[PATH_MAX])
{
	return uid != 0 && join(ret, absolute("XDG_RUNTIME_DIR"), "/cometd-bridge/bridge.sock");
}

int user_socket_directory(const char *path)
{
	char directory[PATH_MAX];

	snprintf(directory, sizeof(directory), "%s", path);
	char *slash = strrchr(directory, '/');
	if (!slash || slash == directory)
		return -EINVAL;
	*slash = '\0';
	return mkdir(directory, 0700) && errno != EEXIST ? -errno : 0;
}
