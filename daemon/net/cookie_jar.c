/*
 * Owns the file of the jar and what was read from the file of presets. Guarantees
 * that the file is whole at any time, that nobody else can read it, and that
 * cookies, which are secrets, are in no line of the log. Must never know what a
 * cookie means.
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

/* a burst of answers is one look at the jar */
#define TOUCH_MS 1000
/* of either file */
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
	bool preset;                    /* was done once */
	bool touched;                   /* the timer runs */
	bool told;                      /* that it cannot be written; once, until it can */
	/* hashes: cookies are secrets, which need no further copy */
	uint64_t known;                 /* of what preset_file said last */
	uint64_t written;               /* of what is in the file, without heading */
};

static void warn(const struct cookie_jar *j, const char *path, const char *what, int error)
{
	log_msg(LOG_L_WARNING,
		LOG_FIELDS({"server", slice_of(j->server)}, {"file", slice_of(path)},
			   {"reason", slice_of(error ? strerror(-error) : "")}),
		"%s", what);
}

/* Calls take() with each line that says something; it counts those that it does not understand. */
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

/* --- the file of the jar --- */

static int take_kept(struct cookie_jar *j, const char *line)
{
	int r = cookies_read(j->easy, j->urls, j->n_urls, line, clock_unix_ms());
	const char *value = strrchr(line, '\t');

	return r || !value ? r : mask_add_cookie(http_client_mask(j->client), slice_of(value + 1));
}

/* what was written there the last time needs no writing now */
static void note_written(struct cookie_jar *j, struct slice text)
{
	if (slice_starts(text, SLICE(HEADING)))
		j->written = strmap_hash(slice_drop(text, sizeof(HEADING) - 1));
}

/* An administrator should hear this when the daemon starts, and not when the first cookie is lost. */
static void check_directory(struct cookie_jar *j)
{
	char *copy = strdup(j->path);

	if (copy && access(dirname(copy), W_OK | X_OK))
		warn(j, j->path, "the cookie-jar cannot be written into its directory", -errno);
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
		r = each_line(j, &text, take_kept, &bad);
	if (r == 0)
		r = http_client_limit_cookies(j->client, j->easy);
	if (r && r != -ENOENT)
		warn(j, j->path, "the cookie-jar cannot be read; starting with an empty one", r);
	else if (bad)
		warn(j, j->path, "the cookie-jar has lines that are not cookies: they are ignored", 0);
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
	if (r && !j->told)
		warn(j, j->path, "the cookie-jar cannot be written", r);
	j->told = r != 0;
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

/* --- presets --- */

static int take_preset(struct cookie_jar *j, const char *line)
{
	int r;

	if (!cookies_valid(line))
		return COOKIES_E_NONE;
	/* a server that repeats it in an error must not tell it to everybody */
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
	if (r || (j->preset && hash == j->known))
		return r;
	j->known = hash;
	return each_line(j, &text, take_preset, ret_bad);
}

void cookie_jar_preset(struct cookie_jar *j)
{
	unsigned bad = 0;
	int r = 0;

	if (!j)
		return;
	for (size_t i = 0; !j->preset && i < j->presets.n; i++)
		take_preset(j, j->presets.v[i]);
	if (j->preset_file)
		r = preset_from_file(j, &bad);
	j->preset = true;
	if (r)
		warn(j, j->preset_file, "the handshake is sent without the cookies of this file", r);
	else if (bad)
		warn(j, j->preset_file, "there are lines that are no \"NAME=VALUE\": they are left out", 0);
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
	/* to a cookie this is all that counts */
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
