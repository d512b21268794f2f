/*
 * config and the files it names: which of them others may read or write, which
 * are missing, and that each one read is closed again; the bounds of lines and
 * names, on both sides of them.
 */
#include "config/config.h"
#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SERVER "[server demo]\nurl = https://127.0.0.1/cometd\n"

static char directory[64], main_file[96], secret[96];
static struct config *config;
static struct config_report report;

static int setup(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/test-config-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(main_file, sizeof(main_file), "%s/main.conf", directory);
	snprintf(secret, sizeof(secret), "%s/secret", directory);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(main_file);
	unlink(secret);
	return rmdir(directory);
}

static void put(const char *path, mode_t mode, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

/* 0, or CONFIG_E_INVALID; drop() is to follow. */
static int load(void)
{
	config_report_init(&report);
	config = NULL;
	return config_load(main_file, &report, &config);
}

static void drop(void)
{
	config_free(config);
	config_report_fini(&report);
}

static void assert_warns(const char *words)
{
	assert_int_equal(load(), 0);
	assert_int_equal(report.n_warnings, words != NULL);
	if (words && !strstr(report.warnings[0], words))
		fail_msg("\"%s\" is not \"%s\"", report.warnings[0], words);
	if (words)
		assert_non_null(strstr(report.warnings[0], "main.conf"));
	drop();
}

/* a warning that is not given is a secret that stays open */
static void test_secrets_that_everybody_may_read(void **state)
{
	static const struct {
		const char *option, *before;    /* the path */
	} options[] = {
		{"header", "@"}, {"cookie", "@"}, {"credential-file", ""}, {"tls-cert", ""}, {"ext", "handshake @"},
		{"ext", "connect @"}, {"ext", "subscribe @"}, {"ext", "publish @"}, {"client-secret-file", ""},
		{"refresh-token-file", ""}, {"jwt-key", ""}, {"proxy-credential-file", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const char *more = "";
		char text[512], words[256];

		if (strcmp(options[i].option, "client-secret-file") == 0 ||
		    strcmp(options[i].option, "refresh-token-file") == 0 || strcmp(options[i].option, "jwt-key") == 0)
			more = "[oauth t]\ntoken-url = https://t/\nclient-id = me\n";
		else if (strcmp(options[i].option, "proxy-credential-file") == 0)
			more = "proxy = http://p:1\n";
		snprintf(text, sizeof(text), SERVER "%s%s = %s%s\n", more, options[i].option, options[i].before,
			 secret);
		put(main_file, 0600, text);
		put(secret, 0644, "x");
		snprintf(words, sizeof(words), "%s %s: the file is readable for all users; run chmod o-r", options[i].option, secret);
		assert_warns(words);
		assert_int_equal(chmod(secret, 0640), 0);
		assert_warns(NULL);
		assert_int_equal(unlink(secret), 0);
		snprintf(words, sizeof(words), "%s %s: No such file", options[i].option, secret);
		assert_warns(words);
	}
}

static void test_a_file_that_everybody_may_write(void **state)
{
	(void)state;
	put(main_file, 0606, SERVER);
	assert_warns("main.conf: this file is writable for all users; run chmod o-w");
	put(main_file, 0644, SERVER);
	assert_warns(NULL);
}

static void test_a_cookie_jar_without_a_directory(void **state)
{
	char text[256];

	(void)state;
	snprintf(text, sizeof(text), SERVER "cookie-jar = %s/jar\n", directory);
	put(main_file, 0600, text);
	assert_warns(NULL);
	snprintf(text, sizeof(text), SERVER "cookie-jar = %s/nowhere/jar\n", directory);
	put(main_file, 0600, text);
	assert_warns("the directory does not exist");
}

static void test_group_by_name(void **state)
{
	(void)state;
	put(main_file, 0600, "[bridge]\nsocket-group = root\n" SERVER);
	assert_int_equal(load(), 0);
	assert_int_equal(config->listener.group, 0);
	drop();
}

static void test_names_of_servers(void **state)
{
	static const struct { const char *name; bool fine; } table[] = {
		{"a.b-c_d9", true}, {".a", false}, {"_a", false}, {"-a", false}, {"a/b", false},
	};
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		snprintf(text, sizeof(text), "[server %s]\nurl = http://a/\n", table[i].name);
		put(main_file, 0600, text);
		assert_int_equal(load(), table[i].fine ? 0 : CONFIG_E_INVALID);
		drop();
	}
}

static void test_longest_line(void **state)
{
	static char text[CONFIG_LINE_MAX + 200];
	size_t start = strlen(SERVER), begun;

	(void)state;
	begun = (size_t)sprintf(text, SERVER "header = X: ");
	memset(text + begun, 'x', start + CONFIG_LINE_MAX - begun);
	put(main_file, 0600, text);
	assert_int_equal(load(), 0);
	drop();
	text[start + CONFIG_LINE_MAX] = 'x';
	put(main_file, 0600, text);
	assert_int_equal(load(), CONFIG_E_INVALID);
	assert_non_null(strstr(report.errors[0], "main.conf:3: a line has at most"));
	drop();
}

/* each reload reads them all */
static void test_files_are_closed_again(void **state)
{
	int before = dup(STDIN_FILENO), after;

	(void)state;
	close(before);
	put(main_file, 0600, SERVER);
	assert_warns(NULL);
	put(main_file, 0600, "nonsense\n");
	assert_int_equal(load(), CONFIG_E_INVALID);
	drop();
	after = dup(STDIN_FILENO);
	close(after);
	assert_int_equal(after, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_secrets_that_everybody_may_read, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_file_that_everybody_may_write, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_cookie_jar_without_a_directory, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_group_by_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names_of_servers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_longest_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_files_are_closed_again, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
