/*
 * A directory with configuration files for one test.
 */
#include "tests/unit/config_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char directory[64], main_file[96];

int config_text_setup(void **state)
{
	(void)state;
	/* the defaults of the system, also when a user runs the tests */
	unsetenv("XDG_RUNTIME_DIR");
	strcpy(directory, "/tmp/test-config-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(main_file, sizeof(main_file), "%s/main.conf", directory);
	return 0;
}

int config_text_teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", directory);
	return system(command);
}

void put_bytes(const char *name, const void *bytes, size_t n)
{
	char path[160];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
	chmod(path, 0644);
}

void put_text(const char *name, const char *text)
{
	put_bytes(name, text, strlen(text));
}

struct config *load(void)
{
	struct config_report report;
	struct config *c = NULL;
	int r;

	config_report_init(&report);
	r = config_load(main_file, &report, &c);
	if (r)
		fail_msg("%d: %s", r, report.n_errors ? report.errors[0] : "no word");
	assert_int_equal(report.n_warnings, 0);
	config_report_fini(&report);
	return c;
}

struct config *load_text(const char *text)
{
	put_text("main.conf", text);
	return load();
}

struct config_server *server(struct config *c)
{
	return LIST_FIRST(&c->servers, struct config_server, link);
}

void assert_wrong(unsigned line, const char *words)
{
	struct config_report report;
	struct config *c = NULL;
	char place[160];

	config_report_init(&report);
	assert_int_equal(config_load(main_file, &report, &c), CONFIG_E_INVALID);
	assert_null(c);
	assert_true(report.n_errors > 0);
	if (line)
		snprintf(place, sizeof(place), "%s:%u: ", main_file, line);
	else
		snprintf(place, sizeof(place), "%s: ", main_file);
	if (strncmp(report.errors[0], place, strlen(place)) != 0 ||
	    !strstr(report.errors[0], words))
		fail_msg("\"%s\" is not \"%s…%s\"", report.errors[0], place, words);
	config_report_fini(&report);
}

void assert_text_wrong(const char *text, unsigned line, const char *words)
{
	put_text("main.conf", text);
	assert_wrong(line, words);
}
