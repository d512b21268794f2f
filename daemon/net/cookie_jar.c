/*
 * Reads and writes the cookie file, and reads the file of presets. The cookie file
 * is complete at any time and readable by its owner only. Cookies are secrets: no
 * log line contains one.
 */
#include "net/cookie_jar.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strmap.h"
#include "net/cookies.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* a burst of answers causes one comparison */
#define TOUCH_MS 1000
/* the maximum size of either file */
#define FILE_MAX (1u << 20)

#define HEADING "# Netscape HTTP Cookie File\n# Written by cometd-bridged: changes will be lost.\n"

struct cookie_jar {
	struct loop *loop;
	struct loop_timer *timer;
	struct http_client *client;
	CURL *easy;
	char *server;
	const struct url **urls;
	size_t n_urls;
	struct strings presets;
	char *preset_file, *path;       /* or NULL */
	bool preset;                    /* the presets were set once */
	bool touched;                   /* the timer runs */
	bool write_failed;              /* the last write failed, and this was logged */
	/* hashes, because cookies are secrets and should not be copied */
	uint64_t preset_hash;           /* of preset_file when it was last read */
	uint64_t written;               /* of the lines in the cookie file, without the heading */
};

static void warn(const struct cookie_jar *j, const char *path, const char *what, int error)
{
	log_msg(LOG_L_WARNING,
		LOG_FIELDS({"server", slice_of(j->server)}, {"file", slice_of(path)},
			   {"reason", slice_of(error ? strerror(-error) : "")}),
		"%s", what);
}

/* Calls take() for each line that is neither blank nor a comment. Counts in *ret_bad the lines for which
   take() returns a positive number. */
static int each_line(struct cookie_jar *j, struct buf *text,
		     int (*take)(struct cookie_jar *j, const char *line), unsigned *ret_bad)
{
	unsigned bad = 0;
	int r = buf_putc(text, 0);
	char *rest = text->mem ? text->mem + text->head : NULL;

	for (char *line; !r && (line = strsep(&rest, "\n"));) {
		if (*line && line[strlen(line) - 1] == '\r')
			line[strlen(line) - 1] = 0;
		if (!line[strspn(line, " \t")] ||
		    (line[0] == '#' && strncmp(line, "#HttpOnly_", 10) != 0))
			continue;
		r = take(j, line);
		bad += r > 0;
		if (r > 0)
			r = 0;
	}
	*ret_bad = bad;
	return r;
}

/* --- the cookie file --- */

/* `line` was added to the cookies of the client. */
static int hide_cookie(struct cookie_jar *j, const char *line)
{
	const char *value = strrchr(line, '\t');

	return value ? mask_add_cookie(http_client_mask(j->client), slice_of(value + 1)) : 0;
}

static int load_cookie(struct cookie_jar *j, const char *line)
{
	int r = cookies_read(j->easy, j->urls, j->n_urls, line, clock_unix_ms());

	return r ? r : hide_cookie(j, line);
}

/* Remembers what the file contains, so that the same lines are not written again. */
static void note_written(struct cookie_jar *j, struct slice text)
{
	if (slice_starts(text, SLICE(HEADING)))
		j->written = strmap_hash(slice_drop(text, sizeof(HEADING) - 1));
}

/* Checks at start, so that the administrator learns about it before a cookie is lost. */
static void check_directory(struct cookie_jar *j)
{
	char *copy = strdup(j->path);

	if (copy && access(dirname(copy), W_OK | X_OK))
		warn(j, j->path, "the directory of the cookie-jar is not writable; cookies will not be saved",
		     -errno);
	free(copy);
}

void cookie_jar_load(struct cookie_jar *j)
{
	CLEANUP(buf_fini) struct buf text;
	unsigned bad = 0;
	int r;

	buf_init_secret(&text, FILE_MAX + FILE_READ_EXTRA);
	if (!j || !j->path)
		return;
	check_directory(j);
	r = file_read(j->path, &text);
	if (r == 0)
		note_written(j, buf_slice(&text));
	if (r == 0)
		r = each_line(j, &text, load_cookie, &bad);
	if (r == 0)
		r = http_client_limit_cookies(j->client, j->easy);
	if (r && r != -ENOENT)
		warn(j, j->path, "the cookie-jar cannot be read; starting with an empty one", r);
	else if (bad)
		warn(j, j->path, "ignoring lines of the cookie-jar that are not cookies", 0);
}

static void save(struct cookie_jar *j)
{
	CLEANUP(buf_fini) struct buf text;
	struct slice lines;
	int r;

	buf_init_secret(&text, FILE_MAX + sizeof(HEADING));
	r = buf_put_str(&text, HEADING);
	if (!r)
		r = cookies_write(j->easy, clock_unix_ms(), &text);
	lines = slice_drop(buf_slice(&text), sizeof(HEADING) - 1);
	if (!r && strmap_hash(lines) == j->written)
		return;
	if (!r)
		r = file_replace(j->path, buf_slice(&text));
	if (r && !j->write_failed)
		warn(j, j->path, "the cookie-jar cannot be written", r);
	j->write_failed = r != 0;
	if (!r)
		j->written = strmap_hash(lines);
}

static void on_timer(void *ctx)
{
	struct cookie_jar *j = ctx;

	j->touched = false;
	save(j);
}

void cookie_jar_touch(struct cookie_jar *j)
{
	if (!j || !j->path || j->touched)
		return;
	j->touched = true;
	loop_timer_at(j->timer, loop_now(j->loop) + TOUCH_MS);
}

/* --- over a restart --- */

int cookie_jar_export(struct cookie_jar *j, struct buf *out)
{
	return j ? cookies_write_all(j->easy, clock_unix_ms(), out) : 0;
}

static int import_cookie(struct cookie_jar *j, const char *line)
{
	int r = cookies_read_all(j->easy, j->urls, j->n_urls, line, clock_unix_ms());

	return r ? r : hide_cookie(j, line);
}

int cookie_jar_import(struct cookie_jar *j, struct slice text)
{
	CLEANUP(buf_fini) struct buf copy;
	unsigned bad = 0;

	buf_init_secret(&copy, text.n + 1);
	if (!j)
		return 0;
	int r = buf_put(&copy, text);
	if (r == 0)
		r = each_line(j, &copy, import_cookie, &bad);
	return r ? r : http_client_limit_cookies(j->client, j->easy);
}

/* --- presets --- */

static int set_preset(struct cookie_jar *j, const char *line)
{
	int r;

	if (!cookies_valid(line))
		return COOKIES_E_NONE;
	/* a server may repeat the cookie in an error text, which reaches the log and all clients */
	r = mask_add_cookie(http_client_mask(j->client), slice_of(strchr(line, '=') + 1));
	for (size_t i = 0; !r && i < j->n_urls; i++)
		r = cookies_preset(j->easy, j->urls[i], line, clock_unix_ms());
	return r;
}

static int preset_from_file(struct cookie_jar *j, unsigned *ret_bad)
{
	CLEANUP(buf_fini) struct buf text;
	uint64_t hash;
	int r;

	buf_init_secret(&text, FILE_MAX + FILE_READ_EXTRA);
	r = file_read(j->preset_file, &text);
	hash = strmap_hash(buf_slice(&text));
	if (r || (j->preset && hash == j->preset_hash))
		return r;
	j->preset_hash = hash;
	return each_line(j, &text, set_preset, ret_bad);
}

void cookie_jar_preset(struct cookie_jar *j)
{
	unsigned bad = 0;
	int r = 0;

	if (!j)
		return;
	for (size_t i = 0; !j->preset && i < j->presets.n; i++)
		set_preset(j, j->presets.v[i]);
	if (j->preset_file)
		r = preset_from_file(j, &bad);
	j->preset = true;
	if (r)
		warn(j, j->preset_file, "the handshake is sent without the cookies of this file", r);
	else if (bad)
		warn(j, j->preset_file, "ignoring lines that are not \"NAME=VALUE\"", 0);
}

/* --- life --- */

static int copy(struct cookie_jar *j, const char *server, const struct cookie_jar_options *o)
{
	j->server = strdup(server);
	j->preset_file = o->preset_file ? strdup(o->preset_file) : NULL;
	j->path = o->path ? strdup(o->path) : NULL;
	if (!j->server || !j->preset_file != !o->preset_file || !j->path != !o->path)
		return -ENOMEM;
	return strings_copy(&o->presets, &j->presets);
}

static void destroy(struct cookie_jar *j)
{
	loop_timer_free(j->timer);
	if (j->easy)
		curl_easy_cleanup(j->easy);
	strings_fini(&j->presets);
	free((void *)j->urls);
	free(j->server);
	free(j->preset_file);
	free(j->path);
	free(j);
}

int cookie_jar_new(struct loop *loop, struct http_client *client, const char *server,
		   const struct cookie_jar_options *o, struct cookie_jar **ret)
{
	struct cookie_jar *j = calloc(1, sizeof(*j));
	int r;

	if (!j)
		return -ENOMEM;
	j->loop = loop;
	j->client = client;
	j->written = strmap_hash(SLICE_NULL);
	r = copy(j, server, o);
	if (!r)
		r = http_client_easy(client, &j->easy);
	if (!r)
		r = loop_timer_new(loop, on_timer, j, &j->timer);
	if (r) {
		destroy(j);
		return r;
	}
	*ret = j;
	return 0;
}

int cookie_jar_add_url(struct cookie_jar *j, const struct url *url)
{
	const struct url **urls;

	if (!j)
		return 0;
	/* nothing else of a URL decides which cookies match */
	for (size_t i = 0; i < j->n_urls; i++)
		if (j->urls[i]->secure == url->secure && strcmp(j->urls[i]->host, url->host) == 0)
			return 0;
	urls = realloc(j->urls, (j->n_urls + 1) * sizeof(*urls));
	if (!urls)
		return -ENOMEM;
	j->urls = urls;
	urls[j->n_urls++] = url;
	return 0;
}

void cookie_jar_free(struct cookie_jar *j)
{
	if (!j)
		return;
	if (j->path)
		save(j);
	destroy(j);
}
