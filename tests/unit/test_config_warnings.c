/*
 * config: valid settings with a warning: secrets readable by all users, options without
 * effect, URLs of one server that are not equally safe.
 */
#include "tests/unit/config_text.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *in_directory(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void test_header_file_warnings(void **state)
{
	struct config_report report;
	struct config *c = NULL;
	char text[256];

	(void)state;
	put_text("secret", "Authorization: Bearer x\n");
	snprintf(text, sizeof(text), MINIMAL "header = @%s/secret\n", directory);
	put_text("main.conf", text);
	config_report_init(&report);
	assert_int_equal(config_load(main_file, &report, &c), 0);
	assert_int_equal(report.n_warnings, 1);
	assert_non_null(strstr(report.warnings[0], "readable for all users"));
	config_free(c);
	config_report_fini(&report);
	snprintf(text, sizeof(text), "%s/secret", directory);
	chmod(text, 0600);
	config_free(load());
	unlink(text);
	assert_int_equal(config_load(main_file, &report, &c), 0);
	assert_non_null(strstr(report.warnings[0], "No such file"));
	config_free(c);
	config_report_fini(&report);
}

static void test_transport_warnings(void **state)
{
	static const struct { const char *lines, *warning; } rows[] = {
		{"transports = long-polling\nwebsocket-protocol = x\n", "websocket-protocol has no effect"},
		{"transports = long-polling\nurl-for = websocket ws://x/\n", "websocket is not among"},
		{"transports = long-polling\nwebsocket-compression = yes\n", "websocket-compression has"},
		{"transports = websocket\nurl-append-type = js\n", "long-polling is not among"},
		{"url-append-type = js\nwebsocket-compression = yes\n", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config_report report;
		struct config *c = NULL;
		char text[256];

		snprintf(text, sizeof(text), MINIMAL "%s", rows[i].lines);
		put_text("main.conf", text);
		config_report_init(&report);
		assert_int_equal(config_load(main_file, &report, &c), 0);
		assert_int_equal(report.n_warnings, rows[i].warning != NULL);
		if (rows[i].warning)
			assert_non_null(strstr(report.warnings[0], rows[i].warning));
		config_free(c);
		config_report_fini(&report);
	}
}

static void test_tls_key_warnings(void **state)
{
	struct config_report report;
	struct config *c = NULL;
	char text[256];

	(void)state;
	/* the certificate is no secret, unless the key is with it */
	put_text("cert", "x");
	snprintf(text, sizeof(text), MINIMAL "tls-cert = %s/cert\n", directory);
	put_text("main.conf", text);
	config_report_init(&report);
	assert_int_equal(config_load(main_file, &report, &c), 0);
	assert_int_equal(report.n_warnings, 1);
	assert_non_null(strstr(report.warnings[0], "tls-cert"));
	config_free(c);
	config_report_fini(&report);
	put_text("key", "x");
	snprintf(text, sizeof(text), "%s/key", directory);
	chmod(text, 0600);
	snprintf(text, sizeof(text), MINIMAL "tls-cert = %s/cert\ntls-key = %s/key\n", directory,
		 directory);
	c = load_text(text);
	assert_string_equal(server(c)->upstream.http.key_file + strlen(directory), "/key");
	config_free(c);
}

static void test_endpoint_warnings(void **state)
{
	struct config_report report;
	struct config *c = NULL;

	(void)state;
	put_text("main.conf", "[server x]\nurl = https://h/\nurl-for = connect connect\n"
			      "url-for = publish WS://h/p\nurl-for = websocket wss://h/\n");
	config_report_init(&report);
	assert_int_equal(config_load(main_file, &report, &c), 0);
	assert_int_equal(report.n_warnings, 1);
	assert_non_null(strstr(report.warnings[0], "main.conf:5: [server x]: url-for = publish does not use TLS"));
	config_free(c);
	config_report_fini(&report);
	put_text("main.conf", "[server x]\nurl = https://h/\nurl = http://h/\nurl = wss://i/\n");
	config_report_init(&report);
	assert_int_equal(config_load(main_file, &report, &c), 0);
	assert_int_equal(report.n_warnings, 1);
	assert_non_null(strstr(report.warnings[0], "main.conf:1: [server x]: a later url does not use TLS"));
	config_free(c);
	config_report_fini(&report);
	config_free(load_text(MINIMAL "url-for = connect http://h/c\n"));
}

/* Each warning names its option's line, not where the server begins. */
static void test_place_of_a_warning(void **state)
{
	static const struct { const char *lines, *warning; } rows[] = {
		{"backoff = 1s 9s\ntls-ca = /nowhere/ca.pem\n",
		 ":4: tls-ca /nowhere/ca.pem: No such file or directory"},
		{"credential-file = /nowhere/token\nbackoff = 1s 9s\n",
		 ":3: credential-file /nowhere/token: No such file or directory"},
		{"\ncredential-command = /nowhere/get --for demo\n",
		 ":4: credential-command /nowhere/get: No such file or directory"},
		{"\ncookie-jar = /nowhere/at/all/jar\n", ":4: cookie-jar /nowhere/at/all/jar: the directory"},
		{"\n\ntransports = websocket\nurl-append-type = js\n", ":6: [server demo]: url-append-type"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config_report report;
		struct config *c = NULL;
		char text[256];

		snprintf(text, sizeof(text), MINIMAL "%s", rows[i].lines);
		put_text("main.conf", text);
		config_report_init(&report);
		assert_int_equal(config_load(main_file, &report, &c), 0);
		assert_int_equal(report.n_warnings, 1);
		assert_memory_equal(report.warnings[0], main_file, strlen(main_file));
		assert_memory_equal(report.warnings[0] + strlen(main_file), rows[i].warning,
				    strlen(rows[i].warning));
		config_free(c);
		config_report_fini(&report);
	}
}

/* A copy that kept its name is one server with two urls. */
static void test_section_copied_and_not_renamed(void **state)
{
	struct config_report report;
	struct config *c = NULL;

	(void)state;
	put_text("main.conf", MINIMAL "\n[server other]\nurl = http://127.0.0.1:2/\n[server demo]\n"
			      "url = http://127.0.0.1:3/\n");
	config_report_init(&report);
	assert_int_equal(config_load(main_file, &report, &c), 0);
	assert_int_equal(report.n_warnings, 1);
	assert_non_null(strstr(report.warnings[0],
			       "main.conf:7: [server demo] has the url of line 2 already, and fails over"));
	config_free(c);
	config_report_fini(&report);
	/* it may begin again for other options, or in a drop-in */
	put_text("main.conf", MINIMAL "url = http://127.0.0.1:3/\n[bridge]\n[server demo]\nack = no\n");
	mkdir(in_directory("main.conf.d"), 0700);
	put_text("main.conf.d/more.conf", "[server demo]\nbackoff = 1s 9s\nurl = http://127.0.0.1:4/\n");
	config_free(load());
}

/* As root, who may read anything, there is nothing to see. */
static void test_file_of_another_user(void **state)
{
	struct config_report report;
	struct config *c = NULL;
	char text[256];

	(void)state;
	put_text("secret", "x\n");
	snprintf(text, sizeof(text), MINIMAL "credential-file = %s/secret\n", directory);
	put_text("main.conf", text);
	chmod(in_directory("secret"), 0);
	config_report_init(&report);
	assert_int_equal(config_load(main_file, &report, &c), 0);
	if (geteuid() == 0) {
		assert_int_equal(report.n_warnings, 0);
	} else {
		assert_int_equal(report.n_warnings, 1);
		assert_non_null(strstr(report.warnings[0], " cannot read it; make "));
		assert_non_null(strstr(report.warnings[0], "main.conf:3: credential-file "));
	}
	config_free(c);
	config_report_fini(&report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONFIG_TEST(test_header_file_warnings),
		CONFIG_TEST(test_transport_warnings),
		CONFIG_TEST(test_place_of_a_warning),
		CONFIG_TEST(test_section_copied_and_not_renamed),
		CONFIG_TEST(test_file_of_another_user),
		CONFIG_TEST(test_tls_key_warnings),
		CONFIG_TEST(test_endpoint_warnings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
