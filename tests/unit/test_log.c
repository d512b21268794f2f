/*
 * base/log: levels, fields, escapes, truncation at characters, the limit of a call site
 * and its held_back field, errno, and a stderr that is not read.
 */
#include "base/log.h"
#include "base/clock.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct {
	unsigned lines;
	enum log_level level;
	char file[256], text[LOG_TEXT_MAX + 1];
	char fields[LOG_VALUES_MAX + 512];      /* name=[value] */
	size_t n_fields;
} seen;

static void remember(void *ctx, const struct log_line *line)
{
	assert_ptr_equal(ctx, &seen);
	seen.lines++;
	seen.level = line->level;
	snprintf(seen.file, sizeof(seen.file), "%s", line->file);
	assert_true(strlen(line->text) < sizeof(seen.text));
	strcpy(seen.text, line->text);
	seen.fields[0] = 0;
	seen.n_fields = line->n_fields;
	for (size_t i = 0; i < line->n_fields; i++)
		sprintf(seen.fields + strlen(seen.fields), "%s=[%.*s]", line->fields[i].name,
			SLICE_ARG(line->fields[i].value));
}

static int setup(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	log_set_sink(remember, &seen);
	log_set_level(LOG_L_INFO);
	clock_fake(0, 5000);
	return 0;
}

static void test_line(void **state)
{
	(void)state;
	log_msg(LOG_L_WARNING, LOG_FIELDS({"server", SLICE("demo")}, {"peer", SLICE("7")}), "%s %d",
		"hello", 42);
	assert_int_equal(seen.lines, 1);
	assert_int_equal(seen.level, LOG_L_WARNING);
	assert_string_equal(seen.text, "hello 42");
	assert_string_equal(seen.fields, "server=[demo]peer=[7]");
	assert_non_null(strstr(seen.file, "test_log.c"));
	log_msg(LOG_L_INFO, LOG_NO_FIELDS, "plain");
	assert_string_equal(seen.text, "plain");
	assert_int_equal(seen.n_fields, 0);
}

static int count_evaluation(int *n)
{
	return ++*n;
}

static void test_level(void **state)
{
	int evaluated = 0;

	(void)state;
	log_msg(LOG_L_DEBUG, LOG_NO_FIELDS, "no %d", count_evaluation(&evaluated));
	assert_int_equal(seen.lines, 0);
	assert_int_equal(evaluated, 0);
	assert_false(log_wants(LOG_L_DEBUG));
	log_set_level(LOG_L_DEBUG);
	log_msg(LOG_L_DEBUG, LOG_NO_FIELDS, "yes %d", count_evaluation(&evaluated));
	assert_string_equal(seen.text, "yes 1");
}

static void test_escapes(void **state)
{
	static const struct { struct slice in; const char *out; } table[] = {
		{SLICE("plain \"quoted\" back\\slash"), "plain \"quoted\" back\\slash"},
		{SLICE("a\nMESSAGE=forged\r\t\x1b[31m\x7f"),
		 "a\\x0aMESSAGE=forged\\x0d\\x09\\x1b[31m\\x7f"},
		{SLICE("nul\0behind"), "nul\\x00behind"},
		{SLICE("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8e\x89"),
		 "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8e\x89"},
		{SLICE("c1 \xc2\x85 \xc2\xa0"), "c1 \\xc2\\x85 \xc2\xa0"},
		{SLICE("broken \xff \xc3\xbc"), "broken \\xff \\xc3\\xbc"},
		{SLICE("cut \xc3"), "cut \\xc3"},
		{SLICE(""), ""},
	};
	char expected[256];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		log_msg(LOG_L_INFO, LOG_FIELDS({"f", table[i].in}), "%.*s", SLICE_ARG(table[i].in));
		snprintf(expected, sizeof(expected), "f=[%s]", table[i].out);
		assert_string_equal(seen.fields, expected);
		/* a format cannot carry a NUL */
		if (!memchr(table[i].in.p, 0, table[i].in.n))
			assert_string_equal(seen.text, table[i].out);
	}
}

/* A truncated text ends in "..." after a complete character. */
static void test_cut(void **state)
{
	char text[LOG_VALUES_MAX * 2];

	(void)state;
	for (size_t n = 0; n < sizeof(text); n += 2)
		memcpy(text + n, "\xc3\xbc", 2);
	for (unsigned shift = 0; shift < 2; shift++) {
		struct slice all = slice_make(text + shift, sizeof(text) - 2 - shift);

		text[0] = 'a', text[1] = 'b';
		log_msg(LOG_L_INFO, LOG_FIELDS({"f", all}, {"g", SLICE("none left")}), "%.*s",
			SLICE_ARG(all));
		assert_true(strlen(seen.text) >= LOG_TEXT_MAX - 4);
		assert_null(strchr(seen.text, '\\'));
		assert_null(strchr(seen.fields, '\\'));
		assert_int_equal(seen.n_fields, 2);
	}
	assert_string_equal(seen.text + strlen(seen.text) - 5, "\xc3\xbc" "...");
	assert_non_null(strstr(seen.fields, "\xc3\xbc" "...]"));
}

static void test_too_many_fields(void **state)
{
	struct log_field fields[LOG_FIELDS_MAX + 5];
	struct log_site site = {0};

	(void)state;
	for (size_t i = 0; i < LOG_FIELDS_MAX + 5; i++)
		fields[i] = (struct log_field){"n", SLICE("v")};
	log_write(&site, LOG_L_INFO, "f", 1, fields, LOG_FIELDS_MAX + 5, "x");
	assert_int_equal(seen.n_fields, LOG_FIELDS_MAX);
}

static void flood(unsigned n)
{
	while (n--)
		log_msg(LOG_L_INFO, LOG_FIELDS({"f", SLICE("v")}), "again");
}

/* flood() is one call site; it is not the only one */
static void test_limit(void **state)
{
	(void)state;
	flood(100);
	assert_int_equal(seen.lines, 20);
	log_msg(LOG_L_INFO, LOG_NO_FIELDS, "another site");
	assert_int_equal(seen.lines, 21);
	clock_fake(0, 64999);
	flood(1);
	assert_int_equal(seen.lines, 21);
	clock_fake(0, 65000);
	flood(1);
	assert_int_equal(seen.lines, 22);
	assert_string_equal(seen.fields, "f=[v]held_back=[81]");
	flood(50);
	assert_int_equal(seen.lines, 31);
	assert_string_equal(seen.fields, "f=[v]");
	/* no lines for a minute: the first limit applies again */
	clock_fake(0, 65000 + 120000);
	flood(50);
	assert_int_equal(seen.lines, 51);
}

/* Values that use all the space leave some for held_back. */
static void test_held_back_beside_long_values(void **state)
{
	struct log_site site = {0};
	char value[LOG_VALUES_MAX + 100];

	(void)state;
	memset(value, 'v', sizeof(value));
	for (unsigned i = 0; i < 30; i++)
		log_write(&site, LOG_L_INFO, "f", 1,
			  LOG_FIELDS({"f", slice_make(value, sizeof(value))}), 1, "x");
	clock_fake(0, 5000 + 60000);
	log_write(&site, LOG_L_INFO, "f", 1, LOG_FIELDS({"f", slice_make(value, sizeof(value))}), 1,
		  "x");
	assert_non_null(strstr(seen.fields, "held_back=[10]"));
}

static void complain_about(unsigned uid, unsigned n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", uid);
	while (n--)
		log_msg(LOG_L_NOTICE, LOG_FIELDS({"f", SLICE("v")}, {"uid", slice_of(text)}), "%s left",
			"a peer");
}

static void complain_about_server(const char *name, unsigned n)
{
	while (n--)
		log_msg(LOG_L_NOTICE, LOG_FIELDS({"server", slice_of(name)}), "no answer");
}

/* One user's lines do not keep another's from the log, however many users there are. */
static void test_limit_of_each_user(void **state)
{
	(void)state;
	clock_fake(0, 1000000);
	complain_about(1000, 100);
	assert_int_equal(seen.lines, 20);
	complain_about(0, 1);
	assert_int_equal(seen.lines, 21);
	for (unsigned uid = 1; uid <= 100; uid++)
		complain_about(uid, 1);
	/* thirteen more have a limit of their own, and the last one is for all others together */
	assert_int_equal(seen.lines, 21 + 13 + 20);
	/* places of those that are silent are free again */
	clock_fake(0, 1000000 + 60000);
	log_report_held(false);
	seen.lines = 0;
	for (unsigned uid = 2000; uid < 2015; uid++)
		complain_about(uid, 20);
	assert_int_equal(seen.lines, 15 * 20);
	clock_fake(0, 5000000);
	log_report_held(true);
}

/* The same for the lines of servers. */
static void test_limit_of_each_server(void **state)
{
	(void)state;
	clock_fake(0, 6000000);
	complain_about_server("flapping", 100);
	assert_int_equal(seen.lines, 20);
	complain_about_server("steady", 1);
	assert_int_equal(seen.lines, 21);
	assert_string_equal(seen.fields, "server=[steady]");
	clock_fake(0, 7000000);
	log_report_held(false);
	assert_int_equal(seen.lines, 22);
	assert_string_equal(seen.fields, "held_back=[80]server=[flapping]");
}

static void test_limited_by_the_caller(void **state)
{
	(void)state;
	clock_fake(0, 8000000);
	for (unsigned i = 0; i < 100; i++)
		log_msg_limited_by_caller(LOG_L_NOTICE, LOG_FIELDS({"server", SLICE("demo")}), "lost");
	assert_int_equal(seen.lines, 100);
	log_report_held(true);
	assert_int_equal(seen.lines, 100);
}

static void on_held(void *ctx)
{
	++*(unsigned *)ctx;
}

/* The number of lines held back is logged at the end of the minute, without a further line. */
static void test_held_back_is_logged_in_time(void **state)
{
	unsigned woken = 0;

	(void)state;
	clock_fake(0, 10000000);
	log_report_held(true);
	assert_true(log_held_until() == UINT64_MAX);
	log_on_held((struct wake){on_held, &woken});
	complain_about(7, 20);
	assert_int_equal(woken, 0);
	complain_about(7, 41);
	assert_int_equal(woken, 1);
	assert_int_equal(log_held_until(), 10060000);
	seen.lines = 0;
	clock_fake(0, 10059999);
	log_report_held(false);
	assert_int_equal(seen.lines, 0);
	clock_fake(0, 10060000);
	log_report_held(false);
	assert_int_equal(seen.lines, 1);
	assert_int_equal(seen.level, LOG_L_NOTICE);
	assert_string_equal(seen.text, "more lines held back: %s left");
	assert_string_equal(seen.fields, "held_back=[41]uid=[7]");
	assert_true(log_held_until() == UINT64_MAX);
	/* once */
	log_report_held(true);
	assert_int_equal(seen.lines, 1);
	/* at exit all of it is logged, unless the next line had it already */
	complain_about(7, 30);
	flood(50);
	seen.lines = 0;
	log_report_held(true);
	assert_int_equal(seen.lines, 2);
	assert_int_equal(woken, 3);
	log_on_held((struct wake){NULL, NULL});
}

static void test_errno_survives(void **state)
{
	(void)state;
	errno = EXDEV;
	log_msg(LOG_L_INFO, LOG_NO_FIELDS, "%m");
	assert_int_equal(errno, EXDEV);
	assert_string_equal(seen.text, strerror(EXDEV));
}

/* stderr becomes a pipe for the length of a test */
static int saved_stderr, pipe_fds[2];

static void stderr_to_pipe(void)
{
	assert_int_equal(pipe(pipe_fds), 0);
	saved_stderr = dup(2);
	dup2(pipe_fds[1], 2);
	log_set_sink(NULL, NULL);
}

static void stderr_back(void)
{
	dup2(saved_stderr, 2);
	close(saved_stderr);
	close(pipe_fds[1]);
}

static void test_plain_sink(void **state)
{
	char line[512];
	ssize_t n;

	(void)state;
	stderr_to_pipe();
	log_msg(LOG_L_NOTICE, LOG_FIELDS({"server", SLICE("demo")}, {"why", SLICE("say \"no\"")},
					 {"empty", SLICE("")}, {"a", SLICE("b=c")},
					 {"quote", SLICE("\"")}, {"blank", SLICE(" ")}),
		"text\nhere");
	stderr_back();
	n = read(pipe_fds[0], line, sizeof(line) - 1);
	assert_true(n > 0);
	line[n] = 0;
	assert_string_equal(line, "<5>text\\x0ahere server=demo "
				  "why=\"say \\\"no\\\"\" empty=\"\" a=\"b=c\" "
				  "quote=\"\\\"\" blank=\" \"\n");
	close(pipe_fds[0]);
}

static void test_plain_sink_on_a_terminal(void **state)
{
	static const char expected[] = "2023-11-14 22:13:20 notice: connected server=demo\r\n"
				       "2023-11-14 22:13:20 warning: careful\r\n";
	char line[512];
	size_t got = 0;
	int terminal = posix_openpt(O_RDWR | O_NOCTTY);
	ssize_t n;

	(void)state;
	assert_true(terminal >= 0);
	assert_int_equal(grantpt(terminal), 0);
	assert_int_equal(unlockpt(terminal), 0);
	setenv("TZ", "UTC", 1);
	tzset();
	saved_stderr = dup(2);
	pipe_fds[1] = open(ptsname(terminal), O_WRONLY | O_NOCTTY);
	assert_true(pipe_fds[1] >= 0);
	dup2(pipe_fds[1], 2);
	log_set_sink(NULL, NULL);
	clock_fake(1700000000123, 5);
	log_msg(LOG_L_NOTICE, LOG_FIELDS({"server", SLICE("demo")}), "connected");
	log_msg(LOG_L_WARNING, LOG_NO_FIELDS, "careful");
	clock_fake(UINT64_MAX, UINT64_MAX);
	stderr_back();
	/* a terminal may return one line at a time */
	while (got < sizeof(expected) - 1) {
		n = read(terminal, line + got, sizeof(line) - 1 - got);
		assert_true(n > 0);
		got += (size_t)n;
	}
	line[got] = 0;
	assert_string_equal(line, expected);
	close(terminal);
}

static void test_plain_sink_does_not_wait(void **state)
{
	char fill[4096] = {0};

	(void)state;
	stderr_to_pipe();
	fcntl(pipe_fds[1], F_SETFL, O_NONBLOCK);
	while (write(pipe_fds[1], fill, sizeof(fill)) > 0)
		continue;
	fcntl(pipe_fds[1], F_SETFL, 0);
	/* would hang the test here */
	log_msg(LOG_L_NOTICE, LOG_NO_FIELDS, "no reader");
	stderr_back();
	close(pipe_fds[0]);
}

/* The longest line there is stays one line, and within what a pipe takes whole. */
static void test_plain_sink_longest(void **state)
{
	char long_value[8000], line[8192];
	ssize_t n;

	(void)state;
	memset(long_value, '"', sizeof(long_value));
	stderr_to_pipe();
	log_msg(LOG_L_NOTICE, LOG_FIELDS({"f", slice_make(long_value, sizeof(long_value))}), "%.*s",
		(int)sizeof(long_value), long_value);
	stderr_back();
	n = read(pipe_fds[0], line, sizeof(line));
	assert_true(n > 3000 && n <= 4096);
	assert_ptr_equal(memchr(line, '\n', (size_t)n), line + n - 1);
	close(pipe_fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_line, setup),
		cmocka_unit_test_setup(test_level, setup),
		cmocka_unit_test_setup(test_escapes, setup),
		cmocka_unit_test_setup(test_cut, setup),
		cmocka_unit_test_setup(test_too_many_fields, setup),
		cmocka_unit_test_setup(test_limit, setup),
		cmocka_unit_test_setup(test_held_back_beside_long_values, setup),
		cmocka_unit_test_setup(test_limit_of_each_user, setup),
		cmocka_unit_test_setup(test_limit_of_each_server, setup),
		cmocka_unit_test_setup(test_limited_by_the_caller, setup),
		cmocka_unit_test_setup(test_held_back_is_logged_in_time, setup),
		cmocka_unit_test_setup(test_errno_survives, setup),
		cmocka_unit_test_setup(test_plain_sink, setup),
		cmocka_unit_test_setup(test_plain_sink_on_a_terminal, setup),
		cmocka_unit_test_setup(test_plain_sink_does_not_wait, setup),
		cmocka_unit_test_setup(test_plain_sink_longest, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
