/*
 * user_paths: where a user's own daemon looks, and that root's and the system's does not.
 */
#include "config/user_paths.h"
#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_socket(void **state)
{
	char dir[] = "/tmp/test-user-XXXXXX", path[PATH_MAX], expected[PATH_MAX];
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	unsetenv("XDG_RUNTIME_DIR");
	assert_false(user_socket_path(1000, path));
	setenv("XDG_RUNTIME_DIR", "relative", 1);
	assert_false(user_socket_path(1000, path));
	setenv("XDG_RUNTIME_DIR", dir, 1);
	assert_false(user_socket_path(0, path));
	assert_true(user_socket_path(1000, path));
	snprintf(expected, sizeof(expected), "%s/cometd-bridge/bridge.sock", dir);
	assert_string_equal(path, expected);
	/* made once, for its user alone */
	assert_int_equal(user_socket_directory(path), 0);
	assert_int_equal(user_socket_directory(path), 0);
	snprintf(expected, sizeof(expected), "%s/cometd-bridge", dir);
	assert_int_equal(stat(expected, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(rmdir(expected), 0);
	assert_int_equal(rmdir(dir), 0);
	assert_true(user_socket_directory(path) < 0);
	unsetenv("XDG_RUNTIME_DIR");
}

static void test_configuration(void **state)
{
	char dir[] = "/tmp/test-user-XXXXXX", path[PATH_MAX], command[PATH_MAX], expected[PATH_MAX];

	(void)state;
	assert_non_null(mkdtemp(dir));
	unsetenv("XDG_CONFIG_HOME");
	setenv("HOME", dir, 1);
	assert_false(user_config_path(1000, path));
	snprintf(command, sizeof(command), "mkdir -p %s/.config/cometd-bridge %s/x/cometd-bridge && "
		 "touch %s/.config/cometd-bridge/cometd-bridge.conf %s/x/cometd-bridge/cometd-bridge.conf",
		 dir, dir, dir, dir);
	assert_int_equal(system(command), 0);
	assert_true(user_config_path(1000, path));
	snprintf(expected, sizeof(expected), "%s/.config/cometd-bridge/cometd-bridge.conf", dir);
	assert_string_equal(path, expected);
	assert_false(user_config_path(0, path));
	snprintf(expected, sizeof(expected), "%s/x", dir);
	setenv("XDG_CONFIG_HOME", expected, 1);
	assert_true(user_config_path(1000, path));
	snprintf(expected, sizeof(expected), "%s/x/cometd-bridge/cometd-bridge.conf", dir);
	assert_string_equal(path, expected);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
	assert_false(user_config_path(1000, path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_socket),
		cmocka_unit_test(test_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
