/*
 * net/cookie_jar: what is kept and what is not, a file that is broken in every way
 * and one that cannot be written, and presets that change under a running session.
 */
#include "base/clock.h"
#include "base/log.h"
#include "net/cookie_jar.h"
#include "net/cookies.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADING "# Netscape HTTP Cookie File\n"
#define LATER "4102444800"      /* 2100 */

struct world {
	struct loop *loop;
	struct http_client *client;
	CURL *easy;
	struct url url;
	struct cookie_jar_options options;
	struct cookie_jar *jar;
	char dir[64], path[96], file[96];
	unsigned lines;          /* of the log */
	char log[1024];          /* the last one */
};

static void keep_line(void *ctx, const struct log_line *line)
{
	struct world *w = ctx;
	int n = snprintf(w->log, sizeof(w->log), "%s", line->text);

	w->lines++;
	assert_int_equal(line->level, LOG_L_WARNING);
	for (size_t i = 0; i < line->n_fields; i++)
		n += snprintf(w->log + n, sizeof(w->log) - (size_t)n, " %s=%.*s", line->fields[i].name,
			      SLICE_ARG(line->fields[i].value));
	assert_null(strstr(w->log, "s3cret"));
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	static uint64_t hours;

	/* hours lie between the tests: the log holds back what comes too often */
	clock_fake(UINT64_MAX, UINT64_MAX);
	clock_fake(clock_unix_ms(), clock_boot_ms() + ++hours * 3600000);
	if (!w || loop_new(&w->loop) || curl_global_init(CURL_GLOBAL_DEFAULT))
		return -1;
	strcpy(w->dir, "/tmp/test-cookie-jar-XXXXXX");
	if (!mkdtemp(w->dir) || url_parse("https://h.example/cometd", &w->url))
		return -1;
	snprintf(w->path, sizeof(w->path), "%s/jar", w->dir);
	snprintf(w->file, sizeof(w->file), "%s/presets", w->dir);
	log_set_sink(keep_line, w);
	*state = w;
	return 0;
}

static void stop(struct world *w)
{
	cookie_jar_free(w->jar);
	w->jar = NULL;
	curl_easy_cleanup(w->easy);
	w->easy = NULL;
	http_client_free(w->client);
	w->client = NULL;
}

static int teardown(void **state)
{
	struct world *w = *state;
	char command[128];

	stop(w);
	log_set_sink(NULL, NULL);
	url_fini(&w->url);
	loop_free(w->loop);
	chmod(w->dir, 0700);
	snprintf(command, sizeof(command), "rm -r %s", w->dir);
	assert_int_equal(system(command), 0);
	free(w);
	return 0;
}

/* Loads the cookies, like a starting daemon. */
static void start(struct world *w)
{
	struct http_options o;

	http_options_default(&o);
	assert_int_equal(http_client_new(&o, &w->client), 0);
	assert_int_equal(http_client_easy(w->client, &w->easy), 0);
	assert_int_equal(cookie_jar_new(w->loop, w->client, "demo", &w->options, &w->jar), 0);
	assert_int_equal(cookie_jar_add_url(w->jar, &w->url), 0);
	cookie_jar_load(w->jar);
	cookie_jar_preset(w->jar);
}

static void restart(struct world *w)
{
	stop(w);
	start(w);
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void assert_file(const char *path, const char *has, bool wanted)
{
	char text[20000] = "";
	FILE *f = fopen(path, "r");

	if (f) {
		text[fread(text, 1, sizeof(text) - 1, f)] = 0;
		fclose(f);
	}
	if (!strstr(text, has) == wanted)
		fail_msg("the file: %s", text);
}

static void take(struct world *w, const char *set_cookie)
{
	assert_int_equal(cookies_take(w->easy, &w->url, slice_of(set_cookie), clock_unix_ms()), 0);
}

/* The same ones: cookies of one path are sent in any order, which differs between libcurl 7.88
   and 8.14. No cookie of these tests is a part of another one. */
static bool same_cookies(const char *sent, const char *wanted)
{
	char copy[1000], *rest = copy;

	if (strlen(sent) != strlen(wanted))
		return false;
	snprintf(copy, sizeof(copy), "%s", wanted);
	for (char *cookie; (cookie = strsep(&rest, ";"));)
		if (!strstr(sent, cookie + strspn(cookie, " ")))
			return false;
	return true;
}

static void assert_sent(struct world *w, const char *cookies)
{
	struct buf out;

	buf_init(&out, 10000);
	assert_int_equal(cookies_for(w->easy, &w->url, clock_unix_ms(), &out), 0);
	assert_int_equal(buf_putc(&out, 0), 0);
	if (!same_cookies(out.mem + out.head, cookies))
		fail_msg("\"%s\" is sent", out.mem + out.head);
	buf_fini(&out);
}

static void pass(struct world *w, uint64_t ms)
{
	clock_fake(clock_unix_ms(), clock_boot_ms() + ms);
	assert_int_equal(loop_turn(w->loop, false), 0);
	assert_int_equal(loop_turn(w->loop, false), 0);
}

/* --- kept and not --- */

static void test_kept(void **state)
{
	struct world *w = *state;
	struct stat st;

	w->options.path = w->path;
	start(w);
	take(w, "BAYEUX_BROWSER=s3cret1-and-more; Path=/; HttpOnly");
	take(w, "sticky=s3cret2; Max-Age=1000; Path=/; HttpOnly; Secure");
	take(w, "odd=x; Expires=Sun, 24-Sep-2034 19:55:37 GMT; Path=/");
	take(w, "domain=x; Max-Age=1000; Path=/; Domain=example");
	take(w, "wide=x; Max-Age=1000; Path=/; Domain=.h.example");
	take(w, "gone=x; Max-Age=1000; Path=/");
	take(w, "gone=x; Max-Age=0; Path=/");
	stop(w);
	assert_int_equal(stat(w->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_file(w->path, "#HttpOnly_h.example\tFALSE\t/\tTRUE\t", true);
	assert_file(w->path, "\tsticky\ts3cret2\n", true);
	assert_file(w->path, "\todd\tx\n", true);
	assert_file(w->path, ".h.example\tTRUE\t/\tFALSE\t", true);
	assert_file(w->path, "BAYEUX_BROWSER", false);
	assert_file(w->path, "gone", false);
	start(w);
	assert_sent(w, "sticky=s3cret2; odd=x; wide=x");
	assert_int_equal(w->lines, 0);
}

/* written when it changed and not before, by way of another file */
static void test_written_when_changed(void **state)
{
	struct world *w = *state;
	char leftover[128];

	snprintf(leftover, sizeof(leftover), "%s.new", w->path);
	put(leftover, "half a jar");
	w->options.path = w->path;
	start(w);
	cookie_jar_touch(w->jar);
	pass(w, 1000);
	/* nothing to keep, nothing written */
	assert_int_equal(access(w->path, F_OK), -1);
	take(w, "a=1; Max-Age=1000");
	cookie_jar_touch(w->jar);
	assert_int_equal(access(w->path, F_OK), -1);
	pass(w, 999);
	assert_int_equal(access(w->path, F_OK), -1);
	pass(w, 1000);
	assert_file(w->path, "\ta\t1\n", true);
	assert_int_equal(access(leftover, F_OK), -1);
	/* a session's cookie is no change */
	assert_int_equal(unlink(w->path), 0);
	take(w, "session=1");
	cookie_jar_touch(w->jar);
	pass(w, 1000);
	assert_int_equal(access(w->path, F_OK), -1);
	take(w, "a=2; Max-Age=1000");
	cookie_jar_touch(w->jar);
	pass(w, 1000);
	assert_file(w->path, "\ta\t2\n", true);
	/* what was read is not written again */
	restart(w);
	assert_int_equal(unlink(w->path), 0);
	cookie_jar_touch(w->jar);
	pass(w, 1000);
	assert_int_equal(access(w->path, F_OK), -1);
	/* the removal of the last cookie is a change */
	take(w, "a=; Max-Age=0");
	stop(w);
	assert_file(w->path, HEADING, true);
	assert_file(w->path, "\ta\t", false);
}

/* --- a file that was edited --- */

static void test_foreign_lines(void **state)
{
	struct world *w = *state;

	w->options.path = w->path;
	put(w->path, HEADING "# a comment\n\n"
	    "other.example\tFALSE\t/\tFALSE\t" LATER "\tforeign\ts3cret\n"
	    ".example\tTRUE\t/\tFALSE\t" LATER "\twide\t1\r\n"
	    "h.example\tFALSE\t/\tFALSE\t1000\tpast\t1\n"
	    "h.example\tFALSE\t/\tFALSE\t0\tsession\t1\n"
	    "sub.h.example\tFALSE\t/\tFALSE\t" LATER "\tbelow\t1\n"
	    "#HttpOnly_h.example\tFALSE\t/\tTRUE\t" LATER "\tgood\t1\n");
	start(w);
	assert_sent(w, "good=1; wide=1");
	assert_int_equal(w->lines, 0);
	stop(w);
	assert_file(w->path, "foreign", false);
	assert_file(w->path, "good", true);
}

static void test_broken_lines(void **state)
{
	static const char *const lines[] = {
		"s3cret", "h.example\tFALSE\t/\tFALSE\t" LATER "\ta", "ALL", "SESS", "FLUSH", "RELOAD",
		"Set-Cookie: a=s3cret", "h.example\tFALSE\t/\tFALSE\tsoon\ta\tb",
		"h.example\tFALSE\t/\tFALSE\t\ta\tb", "h.example\tFALSE\t/\tFALSE\t" LATER "\t\tb",
		"h.example\tFALSE\tx\tFALSE\t" LATER "\ta\tb", "\tFALSE\t/\tFALSE\t" LATER "\ta\tb",
		"h.example\tFALSE\t/\tFALSE\t" LATER "\ta\tb\tc",
		"h.example\tFALSE\t/\tFALSE\t" LATER "\ta\tb\x01",
		"h.example\tFALSE\t/\tFALSE\t" LATER "\ta\tb\rX: y",
		"h.example\tFALSE\t/\tFALSE\t" LATER "\ta\tb;s3cret",
		"h.example\tFALSE\t/\tFALSE\t" LATER "\ta;s3cret\tb",
		"#HttpOnly_", "#HttpOnly_h.example",
	};
	struct world *w = *state;

	w->options.path = w->path;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char text[500];

		snprintf(text, sizeof(text), HEADING "%s\n"
			 "h.example\tFALSE\t/\tFALSE\t" LATER "\tgood\t1\n", lines[i]);
		put(w->path, text);
		w->lines = 0;
		start(w);
		assert_sent(w, "good=1");
		if (w->lines != 1 || !strstr(w->log, "ignoring lines of the cookie-jar") ||
		    !strstr(w->log, w->path) || !strstr(w->log, "server=demo"))
			fail_msg("line %zu: %u: %s", i, w->lines, w->log);
		stop(w);
	}
}

/* no usable jar, for every reason: the daemon works without it, and logs that once */
static void test_no_jar(void **state)
{
	struct world *w = *state;
	char *large = malloc((2u << 20) + 1);

	assert_non_null(large);
	w->options.path = w->path;
	/* a missing file is not an error */
	start(w);
	assert_int_equal(w->lines, 0);
	stop(w);
	/* too large to be one */
	memset(large, 'x', 2u << 20);
	large[2u << 20] = 0;
	put(w->path, large);
	free(large);
	start(w);
	assert_int_equal(w->lines, 1);
	assert_non_null(strstr(w->log, "cannot be read; starting with an empty one"));
	take(w, "a=1; Max-Age=1000");
	stop(w);
	assert_file(w->path, "\ta\t1\n", true);
	/* a directory in its place */
	assert_int_equal(unlink(w->path), 0);
	assert_int_equal(mkdir(w->path, 0700), 0);
	w->lines = 0;
	start(w);
	assert_int_equal(w->lines, 1);
	take(w, "a=1; Max-Age=1000");
	/* it cannot be written, which is logged once */
	for (int i = 0; i < 3; i++) {
		cookie_jar_touch(w->jar);
		pass(w, 1000);
	}
	assert_int_equal(w->lines, 2);
	assert_non_null(strstr(w->log, "the cookie-jar cannot be written"));
	/* and tried again: now it can */
	assert_int_equal(rmdir(w->path), 0);
	cookie_jar_touch(w->jar);
	pass(w, 1000);
	assert_file(w->path, "\ta\t1\n", true);
	assert_int_equal(w->lines, 2);
	/* a fifo without a writer does not stop the daemon */
	stop(w);
	assert_int_equal(unlink(w->path), 0);
	assert_int_equal(mkfifo(w->path, 0600), 0);
	start(w);
	assert_int_equal(w->lines, 3);
}

/* logged at start */
static void test_no_directory(void **state)
{
	struct world *w = *state;
	char path[128];

	snprintf(path, sizeof(path), "%s/missing/jar", w->dir);
	w->options.path = path;
	start(w);
	assert_int_equal(w->lines, 1);
	assert_non_null(strstr(w->log, "the directory of the cookie-jar is not writable"));
	assert_non_null(strstr(w->log, strerror(ENOENT)));
	take(w, "a=1; Max-Age=1000");
	stop(w);
	assert_int_equal(w->lines, 2);
}

static void test_full(void **state)
{
	struct world *w = *state;
	FILE *f = fopen(w->path, "w");
	struct curl_slist *kept = NULL;
	unsigned n = 0;

	assert_non_null(f);
	fputs(HEADING, f);
	for (int i = 0; i < 1000; i++)
		fprintf(f, "h.example\tFALSE\t/\tFALSE\t" LATER "\tc%d\tx\n", i);
	assert_int_equal(fclose(f), 0);
	w->options.path = w->path;
	start(w);
	assert_int_equal(curl_easy_getinfo(w->easy, CURLINFO_COOKIELIST, &kept), 0);
	for (struct curl_slist *l = kept; l; l = l->next)
		n++;
	curl_slist_free_all(kept);
	assert_int_equal(n, COOKIES_MAX);
}

/* --- presets --- */

static void test_presets(void **state)
{
	static const char *const inline_ones[] = {"a=1", "b=2; Path=/elsewhere"};
	struct world *w = *state;

	w->options.presets = (struct strings){inline_ones, 2};
	w->options.preset_file = w->file;
	put(w->file, "# comment\n\nc=s3cret3\r\nd=4; Path=/cometd\n");
	start(w);
	assert_sent(w, "a=1; c=s3cret3; d=4");
	/* cookies of the server replace the presets, and a new handshake does not undo that */
	take(w, "a=5; Path=/");
	take(w, "c=6; Path=/");
	cookie_jar_preset(w->jar);
	assert_sent(w, "a=5; c=6; d=4");
	/* a changed file sets the presets again */
	put(w->file, "c=7");
	cookie_jar_preset(w->jar);
	assert_sent(w, "a=5; c=7; d=4");
	assert_int_equal(w->lines, 0);
}

static void test_bad_preset_file(void **state)
{
	struct world *w = *state;

	w->options.preset_file = w->file;
	start(w);
	assert_int_equal(w->lines, 1);
	assert_non_null(strstr(w->log, "is sent without the cookies"));
	assert_non_null(strstr(w->log, strerror(ENOENT)));
	assert_sent(w, "");
	/* it comes later */
	put(w->file, "no cookie s3cret\na=1\nb=2; Domain=s3cret\n");
	cookie_jar_preset(w->jar);
	assert_int_equal(w->lines, 2);
	assert_non_null(strstr(w->log, "not \"NAME=VALUE\""));
	assert_sent(w, "a=1");
}

/* preset cookies take precedence over stored ones, and are stored only with an expiry time */
static void test_preset_and_kept(void **state)
{
	static const char *const presets[] = {"a=preset"};
	struct world *w = *state;

	w->options.path = w->path;
	w->options.presets = (struct strings){presets, 1};
	start(w);
	stop(w);
	assert_int_equal(access(w->path, F_OK), -1);
	start(w);
	take(w, "a=kept; Max-Age=1000; Path=/");
	restart(w);
	assert_sent(w, "a=preset");
}

static void test_each_allocation(void **state)
{
	static const char *const presets[] = {"a=preset"};
	struct world *w = *state;
	struct http_options o;

	w->options.path = w->path;
	w->options.presets = (struct strings){presets, 1};
	w->options.preset_file = w->file;
	put(w->file, "b=1\n");
	put(w->path, HEADING "h.example\tFALSE\t/\tFALSE\t" LATER "\tc\t1\n");
	http_options_default(&o);
	/* a warning may be given; no more is expected of it */
	assert_int_equal(http_client_new(&o, &w->client), 0);
	FAIL_EACH_ALLOCATION {
		struct cookie_jar *j = NULL;
		int r = cookie_jar_new(w->loop, w->client, "demo", &w->options, &j);

		if (!r)
			r = cookie_jar_add_url(j, &w->url);
		if (!r) {
			cookie_jar_load(j);
			cookie_jar_preset(j);
		}
		assert_true(r == 0 || r == -ENOMEM);
		cookie_jar_free(j);
	}
}

/* A session that goes on in another process needs its session cookies; those of other hosts, damaged and expired
   ones are left out. */
static void test_export(void **state)
{
	struct world *w = *state;
	struct buf text;

	start(w);
	take(w, "BAYEUX_BROWSER=s3cret1-and-more; Path=/; HttpOnly");
	take(w, "kept=s3cret2; Max-Age=100");
	take(w, "gone=s3cret3; Max-Age=1");
	clock_fake(clock_unix_ms() + 2000, clock_boot_ms() + 2000);
	buf_init(&text, 10000);
	assert_int_equal(cookie_jar_export(w->jar, &text), 0);
	restart(w);
	assert_sent(w, "");
	assert_int_equal(buf_put_str(&text, "other.example\tFALSE\t/\tFALSE\t0\tx\ts3cret4\nno cookie\n"), 0);
	assert_int_equal(cookie_jar_import(w->jar, buf_slice(&text)), 0);
	assert_sent(w, "BAYEUX_BROWSER=s3cret1-and-more; kept=s3cret2");
	/* they are masked, as those that the server sets */
	char line[] = "your cookie is s3cret1-and-more";
	mask_text(http_client_mask(w->client), line, strlen(line));
	assert_null(strstr(line, "s3cret1"));
	buf_fini(&text);
}

static void test_export_without_memory(void **state)
{
	struct world *w = *state;
	struct buf text;

	start(w);
	take(w, "BAYEUX_BROWSER=s3cret1-and-more; Path=/; HttpOnly");
	FAIL_EACH_ALLOCATION {
		buf_init(&text, 10000);
		int r = cookie_jar_export(w->jar, &text);

		if (r == 0)
			r = cookie_jar_import(w->jar, buf_slice(&text));
		assert_true(r == 0 || r == -ENOMEM);
		buf_fini(&text);
	}
	assert_sent(w, "BAYEUX_BROWSER=s3cret1-and-more");
}

/* All functions accept NULL. */
static void test_null(void **state)
{
	(void)state;
	assert_int_equal(cookie_jar_add_url(NULL, NULL), 0);
	cookie_jar_load(NULL);
	cookie_jar_preset(NULL);
	cookie_jar_touch(NULL);
	assert_int_equal(cookie_jar_export(NULL, NULL), 0);
	assert_int_equal(cookie_jar_import(NULL, SLICE("x")), 0);
	cookie_jar_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
		T(kept), T(written_when_changed), T(foreign_lines), T(broken_lines), T(no_jar),
		T(no_directory), T(full), T(presets), T(bad_preset_file), T(preset_and_kept),
		T(each_allocation), T(export), T(export_without_memory), T(null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
