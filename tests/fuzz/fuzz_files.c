/*
 * Any bytes as the files that a server's section names, read by their paths: a cookie jar, a file of
 * preset cookies, one with the ext of handshakes. A bad file costs what is in it and nothing else:
 * cookies that go out are one header line and masked, and a handshake is JSON.
 */
#include "base/clock.h"
#include "base/log.h"
#include "net/cookie_jar.h"
#include "net/cookies.h"
#include "protocol/json_read.h"
#include "protocol/utf8.h"
#include "tests/fuzz/fuzz.h"
#include "upstream/ext_files.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const char *const fuzz_seeds = "tests/fuzz/corpus/files";

static char path[32];
static struct loop *loop;

/* one file in memory for all runs */
static void put_file(const uint8_t *data, size_t n)
{
	static int fd = -1;

	if (fd < 0) {
		fd = memfd_create("file", MFD_CLOEXEC);
		FUZZ_CHECK(fd >= 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	FUZZ_CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, data, n, 0) == (ssize_t)n);
}

static void drop_line(void *ctx, const struct log_line *line)
{
	(void)ctx;
	FUZZ_CHECK(utf8_valid(slice_of(line->text)));
}

/* --- cookies --- */

/* A value as long as a run is masked, whatever is repeated of it. */
static void check_masked(const struct mask *m, struct slice header)
{
	while (header.n) {
		const char *end = memmem(header.p, header.n, "; ", 2);
		struct slice one = slice_take(header, end ? (size_t)(end - header.p) : header.n);
		const char *equals = memchr(one.p, '=', one.n);
		struct slice value = slice_drop(one, equals ? (size_t)(equals - one.p) + 1 : one.n);
		char *copy = malloc(value.n + 1);

		FUZZ_CHECK(equals && copy);
		memcpy(copy, value.p, value.n);
		mask_text(m, copy, value.n);
		FUZZ_CHECK(value.n < MASK_RUN || !utf8_valid(value) || memcmp(copy, value.p, value.n) != 0 ||
			   memchr(value.p, '*', value.n) || memchr(value.p, '%', value.n));
		free(copy);
		header = slice_drop(header, one.n + 2);
	}
}

static void check_cookies(struct http_client *client, const struct url *url)
{
	struct buf out;
	CURL *easy;

	buf_init(&out, COOKIES_SENT_MAX);
	FUZZ_CHECK(http_client_easy(client, &easy) == 0);
	FUZZ_CHECK(cookies_for(easy, url, clock_unix_ms(), &out) == 0);
	if (buf_len(&out)) {
		FUZZ_CHECK(!memchr(buf_slice(&out).p, '\n', buf_len(&out)));
		check_masked(http_client_mask(client), buf_slice(&out));
	}
	curl_easy_cleanup(easy);
	buf_fini(&out);
}

static void try_cookies(bool preset)
{
	const struct cookie_jar_options o = {.preset_file = preset ? path : NULL,
					     .path = preset ? NULL : path};
	struct http_options http;
	struct http_client *client;
	struct cookie_jar *jar;
	struct url url;

	http_options_default(&http);
	FUZZ_CHECK(url_parse("https://a.example.com/x/y", &url) == 0);
	FUZZ_CHECK(http_client_new(&http, &client) == 0);
	FUZZ_CHECK(cookie_jar_new(loop, client, "demo", &o, &jar) == 0);
	FUZZ_CHECK(cookie_jar_add_url(jar, &url) == 0);
	cookie_jar_load(jar);
	cookie_jar_preset(jar);
	check_cookies(client, &url);
	cookie_jar_touch(jar);
	cookie_jar_free(jar);
	http_client_free(client);
	url_fini(&url);
}

/* --- the ext --- */

static int count(void *ctx, const struct json_element *e, const struct json_field *fields)
{
	(void)e;
	(void)fields;
	++*(unsigned *)ctx;
	return 0;
}

static void ignore_wake(void *ctx)
{
	(void)ctx;
}

static void check_handshake(struct session *session)
{
	struct json_field fields[] = {{.name = "channel"}};
	struct session_batch batch;
	struct session_event event;
	unsigned messages = 0;
	struct buf out;

	buf_init(&out, 1u << 20);
	session_start(session, 1000000);
	while (session_next(session, 1000000, &event) == 0)
		;
	FUZZ_CHECK(session_take_batch(session, 1000000, &out, &batch) == 0);
	FUZZ_CHECK(json_read_objects(buf_slice(&out), fields, 1, count, &messages) == 0 && messages == 1);
	buf_fini(&out);
}

static void try_ext(void)
{
	const char *const paths[SESSION_EXTS] = {[SESSION_EXT_HANDSHAKE] = path};
	struct session_options o;
	struct session *session;
	struct ext_files files;
	struct mask *mask;

	session_options_default(&o);
	o.transports[0] = SESSION_LONG_POLLING;
	o.n_transports = 1;
	o.seed = 1;
	FUZZ_CHECK(session_new(&o, (struct wake){ignore_wake, NULL}, &session) == 0);
	FUZZ_CHECK(mask_new(&mask) == 0 && ext_files_init(&files, "demo", paths) == 0);
	FUZZ_CHECK(ext_files_secrets(&files, NULL, NULL, mask) == 0);
	ext_files_read(&files, session);
	check_handshake(session);
	ext_files_fini(&files);
	mask_free(mask);
	session_free(session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n == 0)
		return 0;
	if (!loop) {
		log_set_sink(drop_line, NULL);
		FUZZ_CHECK(loop_new(&loop) == 0);
	}
	put_file(data + 1, n - 1);
	if (data[0] == 'j')
		try_cookies(false);
	else if (data[0] == 'p')
		try_cookies(true);
	else
		try_ext();
	return 0;
}
