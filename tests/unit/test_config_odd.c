/*
 * config: the odd files of S25, lines of any length, and several files: drop-ins,
 * and which of them an error names.
 */
#include "tests/unit/config_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- odd files --- */

static void test_odd_files(void **state)
{
	static const char with_nul[] = MINIMAL "[bridge]\nsocket = /tmp/a\0b\n";
	char *text = calloc(1, (1u << 20) + 2);
	struct config *c;

	(void)state;
	assert_non_null(text);
	assert_text_wrong("", 0, "there is no section [server NAME]");
	assert_text_wrong("\n \n\t\r\n", 0, "there is no section [server NAME]");
	assert_text_wrong("# only\n; comments", 0, "there is no section [server NAME]");
	assert_text_wrong("\xef\xbb\xbf", 0, "there is no section [server NAME]");
	assert_text_wrong("[bridge]\n", 0, "there is no section [server NAME]");
	put_bytes("main.conf", with_nul, sizeof(with_nul) - 1);
	assert_wrong(4, "");
	c = load_text("\xef\xbb\xbf[server a]\r\nurl = http://a/\r\n");
	assert_string_equal(server(c)->upstream.urls.v[0], "http://a/");
	config_free(c);
	/* a byte order mark anywhere else is no blank */
	assert_text_wrong("\n\xef\xbb\xbf[server a]\nurl = http://a/\n", 2, "not a section, an option");
	memset(text, '#', (1u << 20) + 1);
	assert_text_wrong(text, 0, "larger than 1M");
	free(text);
}

static void test_no_file(void **state)
{
	(void)state;
	strcat(main_file, ".not");
	assert_wrong(0, "No such file or directory; create it (see cometd-bridge.conf(5))");
	strcpy(main_file, directory);
	assert_wrong(0, "not a regular file");
	snprintf(main_file, sizeof(main_file), "/dev/null");
	assert_wrong(0, "not a regular file");
}

/* Whatever libinih was built with, a line arrives whole or is refused. */
static void test_long_lines(void **state)
{
	char text[CONFIG_LINE_MAX + 300];
	struct config_report report;

	(void)state;
	for (size_t n = 50; n < sizeof(text) - 150; n = n < 300 ? n + 1 : n * 2) {
		struct config *c = NULL;
		size_t len = (size_t)sprintf(text, MINIMAL "header = X: ");

		memset(text + len, 'x', n);
		text[len + n] = 0;
		put_text("main.conf", text);
		config_report_init(&report);
		if (config_load(main_file, &report, &c) == 0)
			assert_int_equal(strlen(server(c)->upstream.http.headers.v[0]), n + 3);
		else
			assert_non_null(strstr(report.errors[0], ":3: a line has at most"));
		config_free(c);
		config_report_fini(&report);
	}
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	assert_text_wrong(text, 1, "a line has at most");
}

/* --- several files --- */

static void test_drop_ins(void **state)
{
	char drop_ins[128];
	struct config *c;
	struct config_server *s;

	(void)state;
	snprintf(drop_ins, sizeof(drop_ins), "%s.d", main_file);
	assert_int_equal(mkdir(drop_ins, 0755), 0);
	put_text("main.conf", MINIMAL "header = A: 1\nheader = B: 2\nnetwork-delay = 2s\nbackoff = 2s 60s\n");
	put_text("main.conf.d/b.conf", "[server demo]\nheader = C: 3\nurl = http://b/\n"
				       "url = http://b2/\n");
	put_text("main.conf.d/B.conf", "[server demo]\nurl = http://B/\nbackoff = 1s 2m\n");
	put_text("main.conf.d/z.conf", "[server extra]\nurl = http://extra/\n");
	put_text("main.conf.d/.hidden.conf", "nonsense\n");
	put_text("main.conf.d/backup.conf~", "nonsense\n");
	c = load();
	s = server(c);
	/* C order: B before b, so b has the last word */
	assert_int_equal(s->upstream.urls.n, 2);
	assert_string_equal(s->upstream.urls.v[0], "http://b/");
	assert_string_equal(s->upstream.urls.v[1], "http://b2/");
	assert_int_equal(s->upstream.http.headers.n, 1);
	assert_string_equal(s->upstream.http.headers.v[0], "C: 3");
	assert_int_equal(s->upstream.session.backoff_min, 1000);
	assert_int_equal(s->upstream.session.network_delay, 2000);
	assert_int_equal(s->upstream.session.backoff_max, 120000);
	assert_string_equal(LIST_OF(s->link.next, struct config_server, link)->name, "extra");
	config_free(c);
}

static void test_error_in_a_drop_in(void **state)
{
	struct config_report report;
	struct config *c = NULL;
	char drop_ins[128];

	(void)state;
	snprintf(drop_ins, sizeof(drop_ins), "%s.d", main_file);
	assert_int_equal(mkdir(drop_ins, 0755), 0);
	put_text("main.conf", MINIMAL);
	put_text("main.conf.d/x.conf", "\n\n[bridge]\nlog-level = loud\n");
	config_report_init(&report);
	assert_int_equal(config_load(main_file, &report, &c), CONFIG_E_INVALID);
	assert_int_equal(report.n_errors, 1);
	assert_non_null(strstr(report.errors[0], "main.conf.d/x.conf:4: log-level: \"loud\""));
	config_report_fini(&report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONFIG_TEST(test_odd_files),
		CONFIG_TEST(test_no_file),
		CONFIG_TEST(test_long_lines),
		CONFIG_TEST(test_drop_ins),
		CONFIG_TEST(test_error_in_a_drop_in),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
