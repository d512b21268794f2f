/* The configuration in effect as a file, and what differs between two. */
#include "config/diff.h"
#include "config/dump.h"
#include "tests/unit/config_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FULL                                                                                       \
	"[bridge]\nlog-level = debug\n"                                                            \
	"[server a]\nurl = http://a/\nurl = http://b/\nheader = X: 1\nbackoff = 2s 60s\n"          \
	"[server b]\nurl = http://c/\ndefault = yes\next = handshake {\"x\": [1]}\n"

static char *dump_of(struct config *c)
{
	struct buf out;

	buf_init(&out, 1u << 20);
	assert_int_equal(config_dump(c, &out), 0);
	assert_int_equal(buf_putc(&out, 0), 0);
	char *text = strdup(buf_slice(&out).p);
	assert_non_null(text);
	buf_fini(&out);
	return text;
}

static void assert_has(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("there is no \"%s\" in\n%s", line, text);
}

static void origins_and_defaults(void **state)
{
	char line[256];

	(void)state;
	snprintf(line, sizeof(line), "%s.d", main_file);
	assert_int_equal(mkdir(line, 0700), 0);
	put_text("main.conf.d/x.conf", "[server a]\nbackoff = 3s 60s\n");
	struct config *c = load_text(FULL);
	char *text = dump_of(c);
	snprintf(line, sizeof(line), "# %s:5\nurl = http://a/\nurl = http://b/\n", main_file);
	assert_has(text, line);
	snprintf(line, sizeof(line), "# %s.d/x.conf:2\nbackoff = 3s 60s\n", main_file);
	assert_has(text, line);
	assert_has(text, "\n# backoff = 1s 60s\n");
	assert_has(text, "[server b]\n");
	free(text);
	config_free(c);
}

static void drop_origins(char *text)
{
	char *to = text;

	for (char *at = text, *end; *at; at = end) {
		end = at + strcspn(at, "\n") + 1;
		if (strncmp(at, "# /", 3) != 0)
			memmove(to, at, (size_t)(end - at)), to += end - at;
	}
	*to = 0;
}

static void may_be_read_again(void **state)
{
	(void)state;
	struct config *c = load_text(FULL);
	char *first = dump_of(c);
	config_free(c);
	c = load_text(first);
	char *second = dump_of(c);
	drop_origins(first);
	drop_origins(second);
	assert_string_equal(first, second);
	free(first);
	free(second);
	config_free(c);
}

static char seen[512];

static void note(void *ctx, const struct config_difference *d)
{
	static const char *const needs[] = {
		[CONFIG_NEW_SESSION] = "session", [CONFIG_LIVE] = "live", [CONFIG_RESTART] = "restart"};
	size_t n = strlen(seen);

	(void)ctx;
	snprintf(seen + n, sizeof(seen) - n, "%s.%s %s%s; ", d->server ? d->server : "bridge",
		 d->option, needs[d->change], d->place ? "" : " (default)");
}

static const char *differences(const char *before, const char *after)
{
	struct config *old = load_text(before), *now = load_text(after);

	seen[0] = 0;
	config_diff_bridge(old, now, note, NULL);
	LIST_EACH(s, &now->servers, struct config_server, link)
		if (config_find_server(old, s->name))
			config_diff_server(config_find_server(old, s->name), s, note, NULL);
	config_free(old);
	config_free(now);
	return seen;
}

static void what_differs(void **state)
{
	(void)state;
	assert_string_equal(differences(FULL, FULL), "");
	assert_string_equal(differences(FULL, "# a comment moves every line\n" FULL), "");
	assert_string_equal(
		differences(FULL, "[bridge]\nsocket-mode = 0600\n"
				  "[server b]\nurl = http://c/\ndefault = yes\next = handshake {\"x\": [2]}\n"
				  "connection-timeout = 5s\nsubscribe = /a\nhistory-bytes = off\nhistory-count = 5\n"
				  "history-age = unlimited\ndurable-bytes = 1M\ndurable-age = 1h\n"
				  "[server a]\nurl = http://a/\nheader = X: 1\nbackoff = 2s 60s\n"),
		"bridge.socket-mode restart; bridge.log-level live (default); "
		"b.subscribe live; b.connection-timeout live; b.history-bytes live; "
		"b.history-count live; b.history-age live; b.durable-bytes live; b.durable-age live; b.ext session; a.url session; ");
}

static uint64_t fingerprint(const char *text)
{
	struct config *c = load_text(text);
	uint64_t n = config_fingerprint(server(c));

	config_free(c);
	return n;
}

/* It is the same for the same options, but for those that are changed in a running session. */
static void fingerprints(void **state)
{
	uint64_t one = fingerprint(MINIMAL);

	(void)state;
	assert_true(one == fingerprint("# a comment\n" MINIMAL));
	assert_true(one == fingerprint(MINIMAL "connection-timeout = 5s\n"));
	assert_true(one != fingerprint(MINIMAL "url = http://127.0.0.1:8081/cometd\n"));
	assert_true(one != fingerprint(MINIMAL "header = X: 1\n"));
	assert_true(fingerprint(MINIMAL "header = X: 1\n") != fingerprint(MINIMAL "header = X: 2\n"));
	/* this number is stored: it must not depend on the process */
	assert_true(one == 0xc18114a10bf054acu);
}

static void failed_allocations(void **state)
{
	struct config *c = load_text(FULL);

	(void)state;
	FAIL_EACH_ALLOCATION {
		struct buf out;

		buf_init(&out, 1u << 20);
		int r = config_dump(c, &out);
		assert_true(r == 0 || r == -ENOMEM);
		buf_fini(&out);
	}
	config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONFIG_TEST(origins_and_defaults),
		CONFIG_TEST(may_be_read_again),
		CONFIG_TEST(what_differs), CONFIG_TEST(fingerprints),
		CONFIG_TEST(failed_allocations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
