/*
 * Reads the configuration files: lines, sections, and which file overrides which. There
 * is a result only if no file has an error. Every error names its file and line, and
 * contains no secret. The only user of libinih.
 *
 * libinih splits options and skips comments. Lines that it would misread are rejected
 * before: it cuts lines at a length set when it was built and section names at 49
 * bytes, joins indented lines to the value above, treats " ;" in a value as a comment
 * and ":" as "=", and does not report line numbers.
 */
#include "config/config.h"

#include "base/errors.h"
#include "config/check.h"
#include "config/option.h"
#include "config/user_paths.h"
#include "config/value.h"
#include "protocol/protocol.h"
#include "protocol/utf8.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* one [bridge], [server NAME] or [oauth NAME]; several files may contribute to it */
struct section {
	struct list link;               /* loader::sections */
	const char *kind, *name;
	void *base;                     /* struct config, config_server or config_oauth */
	struct config_source *sources;  /* of that */
	unsigned set_by[CONFIG_ROWS_MAX];       /* number of the file; 0: not set */
	unsigned begun_at;              /* line of its last beginning */
	unsigned url_in, url_at;        /* file and line of the last url */
};

struct loader {
	struct config *config;
	struct config_report *report;
	struct list sections;
	const char *path;               /* of the file being read */
	unsigned file, line;            /* both counted from 1 */
	struct slice rest;              /* of its text */
	struct section *section;        /* NULL: before the first, or in an invalid one */
	bool broken;                    /* the section is invalid, which was reported */
	int error;                      /* 0 or -ENOMEM */
};

/* --- where an error is --- */

#define PLACE_MAX (PATH_MAX + 16)

static const char *here(const struct loader *l, char place[PLACE_MAX])
{
	snprintf(place, PLACE_MAX, "%s:%u", l->path, l->line);
	return place;
}

/* reports an error in the current line */
#define line_error(l, ...)                                                                         \
	do {                                                                                       \
		char place_[PLACE_MAX];                                                            \
		config_report_add((l)->report, true, here(l, place_), __VA_ARGS__);                           \
	} while (0)

/* a name, shortened for an error message */
static struct slice brief(struct slice name)
{
	return slice_take(name, utf8_whole(slice_take(name, 100)));
}

/* --- sections --- */

static void free_sources(struct config_source *sources)
{
	for (size_t i = 0; sources && i < CONFIG_ROWS_MAX; i++) {
		free(sources[i].place);
		strings_fini(&sources[i].texts);
	}
	free(sources);
}

static void free_server(struct config_server *s)
{
	config_fini("server", s);
	free_sources(s->sources);
	free(s->name);
	free(s->place);
	free(s);
}

static void free_oauth(struct config_oauth *o)
{
	config_fini("oauth", o);
	free_sources(o->sources);
	free(o->name);
	free(o->place);
	free(o);
}

static struct section *add_section(struct loader *l, const char *kind, const char *name, void *base,
				   struct config_source *sources)
{
	struct section *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->kind = kind;
	s->name = name;
	s->base = base;
	s->sources = sources;
	list_append(&l->sections, &s->link);
	return s;
}

static struct section *find_section(struct loader *l, const char *kind, struct slice name)
{
	LIST_EACH(s, &l->sections, struct section, link)
		if (strcmp(s->kind, kind) == 0 && slice_eq(slice_of(s->name), name))
			return s;
	return NULL;
}

static char *copy_name(struct slice name)
{
	return strndup(name.p, name.n);
}

static struct section *add_server(struct loader *l, struct slice name)
{
	struct config_server *server = calloc(1, sizeof(*server));
	struct section *s = NULL;
	char place[PLACE_MAX];

	if (!server)
		return NULL;
	upstream_options_default(&server->upstream);
	server->name = copy_name(name);
	server->place = strdup(here(l, place));
	server->sources = calloc(CONFIG_ROWS_MAX, sizeof(*server->sources));
	if (server->name && server->place && server->sources && config_set_defaults("server", server) == 0)
		s = add_section(l, "server", server->name, server, server->sources);
	if (s)
		list_append(&l->config->servers, &server->link);
	else
		free_server(server);
	return s;
}

static struct section *add_oauth(struct loader *l, struct slice name)
{
	struct config_oauth *oauth = calloc(1, sizeof(*oauth));
	struct section *s = NULL;
	char place[PLACE_MAX];

	if (!oauth)
		return NULL;
	/* of an assertion: enough for clocks that differ, and accepted by every token server */
	oauth->options.jwt_lifetime = 120000;
	oauth->name = copy_name(name);
	oauth->place = strdup(here(l, place));
	oauth->sources = calloc(CONFIG_ROWS_MAX, sizeof(*oauth->sources));
	if (oauth->name && oauth->place && oauth->sources && config_set_defaults("oauth", oauth) == 0)
		s = add_section(l, "oauth", oauth->name, oauth, oauth->sources);
	if (s)
		list_append(&l->config->oauths, &oauth->link);
	else
		free_oauth(oauth);
	return s;
}

static bool is_section_name(struct slice s)
{
	static const char letters[] =
		"_.-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	if (s.n == 0 || s.n > PROTOCOL_NAME_MAX || s.p[0] == '_' || s.p[0] == '.' || s.p[0] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!memchr(letters, s.p[i], sizeof(letters) - 1))
			return false;
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Finds or adds the section "kind name"; NULL, with an error reported, if it is invalid. */
static struct section *enter_section(struct loader *l, struct slice inner)
{
	struct slice kind = inner, name;
	struct section *s;
	bool oauth;

	kind.n = 0;
	while (kind.n < inner.n && !is_blank(inner.p[kind.n]))
		kind.n++;
	name = slice_trim(slice_drop(inner, kind.n), " \t");
	oauth = slice_eq(kind, SLICE("oauth"));
	if (slice_eq(kind, SLICE("bridge")) && name.n == 0)
		return find_section(l, "bridge", name);
	if (!oauth && !slice_eq(kind, SLICE("server"))) {
		line_error(l, "unknown section [%.*s]; there are [bridge], [server NAME] and [oauth NAME]",
			   SLICE_ARG(brief(inner)));
		return NULL;
	}
	if (name.n == 0) {
		line_error(l, "[%.*s] needs a name, as in [%.*s demo]", SLICE_ARG(kind), SLICE_ARG(kind));
		return NULL;
	}
	if (!is_section_name(name)) {
		line_error(l, "\"%.*s\" cannot name a section: at most %d letters, digits, \"_\", "
			      "\".\", \"-\", and a letter or digit first",
			   SLICE_ARG(brief(name)), PROTOCOL_NAME_MAX);
		return NULL;
	}
	s = find_section(l, oauth ? "oauth" : "server", name);
	if (!s)
		s = oauth ? add_oauth(l, name) : add_server(l, name);
	if (!s)
		l->error = -ENOMEM;
	return s;
}

static void on_section(struct loader *l, struct slice line)
{
	l->section = NULL;
	l->broken = true;
	if (line.p[line.n - 1] != ']') {
		line_error(l, "a section begins with \"[\" and ends with \"]\"");
		return;
	}
	l->section = enter_section(l, slice_trim(slice_make(line.p + 1, line.n - 2), " \t"));
	l->broken = !l->section;
	if (l->section)
		l->section->begun_at = l->line;
}

/* --- options --- */

static void unknown_option(struct loader *l, const char *name)
{
	const struct config_option *hint = config_row_hint(l->section->kind, name);
	const char *instead;

	if (config_removed(name, &instead))
		line_error(l, instead ? "the option \"%s\" was removed; use %s" :
				       "the option \"%s\" was removed; remove this line%s",
			   name, instead ? instead : "");
	else if (hint)
		line_error(l, "unknown option \"%s\" in [%s]; did you mean \"%s\" in [%s]?", name,
			   l->section->kind, hint->name, hint->section);
	else
		line_error(l, "unknown option \"%s\" in [%s]", name, l->section->kind);
}

/*
 * A section that begins again in the same file and names another url is likely a copy that kept its
 * name. Drop-ins add to a section of another file, and their urls replace those.
 */
static void note_url(struct loader *l)
{
	struct section *s = l->section;
	char place[PLACE_MAX];

	if (s->url_in == l->file && s->url_at < s->begun_at)
		config_report_add(l->report, false, here(l, place),
				  "[server %s] has the url of line %u already, and fails over to this one; "
				  "if this is another server, give its section another name",
				  s->name, s->url_at);
	s->url_in = l->file;
	s->url_at = l->line;
}

/* Records where an option is set, for dumps, comparisons and checks between options. */
static void note_source(struct loader *l, size_t row, bool first, const char *value)
{
	struct config_source *source = &l->section->sources[row];
	char place[PLACE_MAX];

	if (first)
		strings_fini(&source->texts);
	free(source->place);
	source->place = strdup(here(l, place));
	if (!source->place || strings_append(&source->texts, value))
		l->error = -ENOMEM;
}

static void set_option(struct loader *l, const char *name, const char *value)
{
	struct fault why = {0};
	bool first;
	size_t i;
	const struct config_row *row = config_row_find(l->section->kind, name, &i);
	int r;

	if (!row) {
		unknown_option(l, name);
		return;
	}
	first = l->section->set_by[i] != l->file;
	if (!first && !config_row_option(row)->repeatable) {
		line_error(l, "%s: set twice in this file", name);
		return;
	}
	l->section->set_by[i] = l->file;
	note_source(l, i, first, value);
	if (strcmp(name, "url") == 0)
		note_url(l);
	r = config_set(row, l->section->base, value, first, &why);
	if (r > 0)
		line_error(l, "%s: %s", name, why.text);
	else if (r < 0)
		l->error = r;
}

static int on_option(void *ctx, const char *section, const char *name, const char *value)
{
	struct loader *l = ctx;

	(void)section;
	if (l->section)
		set_option(l, name, value);
	else if (!l->broken)
		line_error(l, "\"%s\" is before the first section", name);
	return 1;
}

/* --- lines --- */

static bool has_control(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (((unsigned char)s.p[i] < 0x20 && s.p[i] != '\t') || s.p[i] == 0x7f)
			return true;
	return false;
}

/* the blank of a " ;" */
static bool has_inline_comment(struct slice s)
{
	for (size_t i = 1; i < s.n; i++)
		if (s.p[i] == ';' && is_blank(s.p[i - 1]))
			return true;
	return false;
}

/* Whether this line may be part of an error message; control characters could affect a terminal. */
static bool check_text(struct loader *l, struct slice line)
{
	if (!utf8_valid(line))
		line_error(l, "this is not UTF-8");
	else if (has_control(line))
		line_error(l, "this line has a control character");
	else
		return true;
	return false;
}

/* Whether libinih reads this line correctly; it is neither a comment nor a section. */
static bool check_line(struct loader *l, struct slice line, size_t max)
{
	if (line.n > max)
		line_error(l, "a line has at most %zu bytes; a file of headers (header = @FILE) may hold longer ones",
			   max);
	else if (!memchr(line.p, '=', line.n) || line.p[0] == '=')
		line_error(l, "this is not a section, an option (\"option = value\") or a comment");
	else if (has_inline_comment(line))
		line_error(l, "\" ;\" would begin a comment; a comment needs its own line, and a "
			      "header that has it needs a file (header = @FILE)");
	else
		return true;
	return false;
}

/* Removes the next line from the text and returns it without its end. */
static struct slice take_line(struct loader *l)
{
	const char *end = memchr(l->rest.p, '\n', l->rest.n);
	struct slice line = l->rest;

	if (end)
		line.n = (size_t)(end - line.p);
	l->rest = slice_drop(l->rest, line.n + (end ? 1 : 0));
	l->line++;
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	return slice_trim(line, " \t");
}

/* libinih's fgets: returns one line at a time, and an empty one for a line that is not passed to libinih. */
static char *next_line(char *to, int size, void *ctx)
{
	struct loader *l = ctx;
	struct slice line;

	if (l->rest.n == 0 || l->error)
		return NULL;
	line = take_line(l);
	if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';' || !check_text(l, line))
		line.n = 0;
	else if (line.p[0] == '[')
		on_section(l, line), line.n = 0;
	else if (!check_line(l, line, (size_t)size - 3))
		line.n = 0;
	memcpy(to, line.p, line.n);
	memcpy(to + line.n, "\n", 2);
	/* otherwise libinih would separate at a ":" before the first "=" */
	for (char *p = to; *p && *p != '='; p++)
		if (*p == ':')
			*p = '?';
	return to;
}

/* --- files --- */

static int read_all(struct loader *l, int fd, size_t size, char **ret)
{
	char *text = malloc(size + 1);
	size_t n = 0;
	ssize_t k = 1;

	if (!text)
		return -ENOMEM;
	while (n < size && k > 0) {
		k = read(fd, text + n, size - n);
		n += k > 0 ? (size_t)k : 0;
	}
	if (k < 0) {
		config_report_add(l->report, true, l->path, "%m");
		free(text);
		return CONFIG_E_INVALID;
	}
	l->rest = slice_make(text, n);
	*ret = text;
	return 0;
}

static const char *advice_about_open(int error)
{
	return error == ENOENT ? "; create it (see cometd-bridge.conf(5)), or name another with --config" :
	       error == EACCES ? "; the user of the daemon must be able to read it" : "";
}

/* Reads the whole file into l->rest; the caller frees *ret. Reports errors. */
static int open_file(struct loader *l, char **ret)
{
	int fd = open(l->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int r = CONFIG_E_INVALID;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		config_report_add(l->report, true, l->path, "%m%s", advice_about_open(errno));
	else if (!S_ISREG(st.st_mode))
		config_report_add(l->report, true, l->path, "this is not a regular file");
	else if (st.st_size > CONFIG_FILE_MAX)
		config_report_add(l->report, true, l->path, "the file is larger than 1M");
	else
		r = read_all(l, fd, (size_t)st.st_size, ret);
	if (r == 0 && (st.st_mode & S_IWOTH))
		config_report_add(l->report, false, l->path, "this file is writable for all users; run chmod o-w");
	if (fd >= 0)
		close(fd);
	return r;
}

static int load_file(struct loader *l, const char *path)
{
	char *text = NULL;
	int r;

	l->path = path;
	l->file++;
	l->line = 0;
	l->section = NULL;
	l->broken = false;
	r = open_file(l, &text);
	if (r)
		return r < 0 ? r : 0;
	if (slice_starts(l->rest, SLICE("\xef\xbb\xbf")))
		l->rest = slice_drop(l->rest, 3);
#ifdef INIH_TUNABLE
	ini_use_stack = false;
	ini_initial_alloc = ini_max_line = CONFIG_LINE_MAX + 3;
#endif
	if (ini_parse_stream(next_line, l, on_option, l) == -2)
		l->error = -ENOMEM;
	free(text);
	return l->error;
}

static int is_drop_in(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return entry->d_name[0] != '.' && n > 5 && strcmp(entry->d_name + n - 5, ".conf") == 0;
}

/* not alphasort(), whose order depends on the locale */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_drop_ins(struct loader *l, const char *main_path)
{
	char directory[PATH_MAX], path[PATH_MAX];
	struct dirent **entries;
	int r = 0, n;

	if (snprintf(directory, sizeof(directory), "%s.d", main_path) >= (int)sizeof(directory))
		return -ENAMETOOLONG;
	n = scandir(directory, &entries, is_drop_in, by_bytes);
	if (n < 0) {
		if (errno != ENOENT)
			config_report_add(l->report, true, directory, "%m");
		return 0;
	}
	for (int i = 0; i < n; i++) {
		int len = snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);

		if (r == 0)
			r = len < (int)sizeof(path) ? load_file(l, path) : -ENAMETOOLONG;
		free(entries[i]);
	}
	free(entries);
	l->path = main_path;
	return r;
}

/* --- the configuration --- */

/* A daemon that a user runs has another default socket. 0 or -ENOMEM. */
static int set_user_socket(struct config *c)
{
	char path[PATH_MAX];
	struct fault why;
	size_t i;

	if (!user_socket_path(geteuid(), path))
		return 0;
	return config_set(config_row_find("bridge", "socket", &i), c, path, true, &why);
}

static struct config *new_config(void)
{
	struct config *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	list_init(&c->servers);
	list_init(&c->oauths);
	c->listener.group = (gid_t)-1;
	peer_options_default(&c->peer);
	/* leaves room for the other fields of a frame to a peer */
	c->hub.message_max = PROTOCOL_FRAME_MAX - 1024;
	c->sources = calloc(CONFIG_ROWS_MAX, sizeof(*c->sources));
	if (!c->sources || config_set_defaults("bridge", c) || set_user_socket(c)) {
		config_free(c);
		return NULL;
	}
	return c;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	LIST_EACH_SAFE(s, &c->servers, struct config_server, link) {
		list_remove(&s->link);
		free_server(s);
	}
	LIST_EACH_SAFE(o, &c->oauths, struct config_oauth, link) {
		list_remove(&o->link);
		free_oauth(o);
	}
	config_fini("bridge", c);
	free_sources(c->sources);
	free(c);
}

DEFINE_FREEP(config, config_free)

static int load(struct loader *l, const char *path)
{
	int r;

	l->path = path;
	if (!add_section(l, "bridge", "", l->config, l->config->sources))
		return -ENOMEM;
	r = load_file(l, path);
	if (r == 0)
		r = load_drop_ins(l, path);
	if (r)
		return r;
	if (!config_report_has_errors(l->report))
		config_check(l->config, path, l->report);
	return config_report_has_errors(l->report) ? CONFIG_E_INVALID : 0;
}

int config_load(const char *path, struct config_report *report, struct config **ret)
{
	CLEANUP(config_freep) struct config *c = new_config();
	struct loader l = {.config = c, .report = report};
	int r = -ENOMEM;

	list_init(&l.sections);
	if (c)
		r = load(&l, path);
	LIST_EACH_SAFE(s, &l.sections, struct section, link) {
		list_remove(&s->link);
		free(s);
	}
	if (r)
		return r;
	*ret = TAKE(c);
	return 0;
}
