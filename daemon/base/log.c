/*
 * Makes log lines (limit, text, escapes), and writes them to stderr without blocking.
 * Logging does not change errno.
 */
#include "base/log.h"

#include "base/clock.h"
#include "protocol/utf8.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define WINDOW_MS 60000
#define LIMIT_FIRST 20
#define LIMIT_LATER 10
/* bytes for the value of held_back */
#define HELD_BACK_MAX 16

static log_sink *the_sink = log_to_stderr;
static void *sink_ctx;
static enum log_level max_level = LOG_L_INFO;

void log_set_sink(log_sink *sink, void *ctx)
{
	the_sink = sink ? sink : log_to_stderr;
	sink_ctx = sink ? ctx : NULL;
}

void log_set_level(enum log_level level)
{
	max_level = level;
}

bool log_wants(enum log_level level)
{
	return level <= max_level;
}

/* --- the limit --- */

static struct log_site *held;           /* sites that held lines back */
static struct wake on_held;

static bool is_over(const struct log_limit *l, uint64_t now)
{
	return now - l->window_start >= WINDOW_MS;
}

/* Fields that name a subject. */
static const char *subject_kind(const char *field)
{
	static const char *const kinds[] = {"uid", "server"};

	for (size_t i = 0; field && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(field, kinds[i]) == 0)
			return kinds[i];
	return NULL;
}

static bool is_about(const struct log_limit *l, const char *kind, struct slice subject)
{
	return l->limit > 0 && l->kind == kind && slice_eq(slice_of(l->subject), subject);
}

/* Finds the limit for the subject of these fields, or takes a free one; the last one is shared. */
static struct log_limit *limit_of(struct log_site *site, const struct log_field *fields,
				  size_t n_fields, uint64_t now)
{
	struct log_limit *last = &site->limits[LOG_SUBJECTS_MAX - 1], *unused = last;
	struct slice subject = SLICE_NULL;
	const char *kind = NULL;

	for (size_t i = 0; i < n_fields && !kind; i++) {
		kind = subject_kind(fields[i].name);
		if (kind)
			subject = slice_take(fields[i].value, LOG_SUBJECT_MAX);
	}
	for (struct log_limit *l = site->limits; l < last; l++) {
		if (is_about(l, kind, subject))
			return l;
		if (unused == last && (l->limit == 0 || (is_over(l, now) && l->held_back == 0)))
			unused = l;
	}
	if (unused != last)
		unused->limit = 0;
	unused->kind = kind;
	snprintf(unused->subject, sizeof(unused->subject), "%.*s", SLICE_ARG(subject));
	return unused;
}

static void note_held(struct log_site *site)
{
	if (!site->lasting)
		return;
	if (!site->listed) {
		site->listed = true;
		site->next = held;
		held = site;
	}
	wake_up(&on_held);
}

static bool is_allowed(struct log_site *site, struct log_limit *l, uint64_t now)
{
	if (l->limit == 0 || is_over(l, now)) {
		/* after a minute without lines the first limit applies again */
		bool fresh = l->limit == 0 || now - l->window_start >= 2 * WINDOW_MS;

		l->window_start = now;
		l->in_window = 0;
		l->limit = fresh ? LIMIT_FIRST : LIMIT_LATER;
	}
	if (l->in_window >= l->limit) {
		if (l->held_back++ == 0)
			note_held(site);
		return false;
	}
	l->in_window++;
	return true;
}

/* --- the escapes --- */

struct room {
	char *at, *end;         /* *end may be written, for a NUL */
};

static void put(struct room *to, const char *bytes, size_t n)
{
	if ((size_t)(to->end - to->at) < n)
		return;
	memcpy(to->at, bytes, n);
	to->at += n;
}

/* bytes of the character that begins here, in valid UTF-8 */
static size_t character(const char *p)
{
	unsigned char c = (unsigned char)*p;

	return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

static bool is_control(const char *p)
{
	unsigned char c = (unsigned char)p[0];

	return c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)p[1] < 0xa0);
}

/* Writes one character, or \xNN for each of its bytes; false if it does not fit. */
static bool put_character(struct room *to, const char *p, size_t n, bool escape)
{
	size_t need = escape ? n * 4 : n;

	if ((size_t)(to->end - to->at) < need)
		return false;
	if (!escape) {
		put(to, p, n);
		return true;
	}
	for (size_t i = 0; i < n; i++) {
		char code[5];

		snprintf(code, sizeof(code), "\\x%02x", (unsigned char)p[i]);
		put(to, code, 4);
	}
	return true;
}

/*
 * Writes `s` escaped to `to`, with a NUL at the end; a text that does not fit is cut and ends in "...". Returns
 * what was written.
 */
static struct slice put_escaped(struct room *to, struct slice s)
{
	bool valid = utf8_valid(s);
	struct room whole = {to->at, to->end};
	char *start = to->at;

	whole.end -= whole.end - whole.at > 3 ? 3 : whole.end - whole.at;
	while (s.n) {
		size_t n = valid ? character(s.p) : 1;
		bool odd = is_control(s.p) || (!valid && (unsigned char)*s.p >= 0x80);

		if (!put_character(&whole, s.p, n, odd)) {
			to->at = whole.at;
			put(to, "...", 3);
			break;
		}
		s = slice_drop(s, n);
	}
	if (!s.n)
		to->at = whole.at;
	*to->at = 0;
	return slice_make(start, (size_t)(to->at - start));
}

static void format_text(char *to, size_t size, const char *format, va_list ap)
{
	/* longer than LOG_TEXT_MAX, so that put_escaped() appends "..." to a text that is cut here */
	char raw[LOG_TEXT_MAX + 8];
	struct room room = {to, to + size - 1};
	int n = vsnprintf(raw, sizeof(raw), format, ap);
	size_t len = n < 0 ? 0 : (size_t)n;

	if (len >= sizeof(raw))
		len = utf8_whole(slice_make(raw, sizeof(raw) - 1));
	put_escaped(&room, slice_make(raw, len));
}

/* Escapes the fields that have a name, and adds held_back. */
static size_t escape_fields(struct log_limit *limit, const struct log_field *fields, size_t n_fields,
			    struct room *room, struct log_field *to)
{
	size_t n = 0;
	char number[HELD_BACK_MAX];

	for (size_t i = 0; i < n_fields && n < LOG_FIELDS_MAX; i++) {
		if (!fields[i].name)
			continue;
		to[n].name = fields[i].name;
		to[n++].value = put_escaped(room, fields[i].value);
	}
	if (limit->held_back) {
		/* this space was reserved, however long the caller's fields are */
		room->end += HELD_BACK_MAX;
		snprintf(number, sizeof(number), "%u", limit->held_back);
		to[n].name = "held_back";
		to[n++].value = put_escaped(room, slice_of(number));
		limit->held_back = 0;
	}
	return n;
}

void log_write(struct log_site *site, enum log_level level, const char *file, int line,
	       const struct log_field *fields, size_t n_fields, const char *format, ...)
{
	char text[LOG_TEXT_MAX + 1], values[LOG_VALUES_MAX + HELD_BACK_MAX];
	struct room room = {values, values + LOG_VALUES_MAX - 1};
	struct log_field escaped[LOG_FIELDS_MAX + 1];
	uint64_t now = clock_boot_ms();
	struct log_limit *limit = limit_of(site, fields, n_fields, now);
	int saved = errno;
	va_list ap;

	site->level = level;
	site->file = file;
	site->line = line;
	site->format = format;
	if (site->unlimited || is_allowed(site, limit, now)) {
		size_t n = escape_fields(limit, fields, n_fields, &room, escaped);

		va_start(ap, format);
		errno = saved;
		format_text(text, sizeof(text), format, ap);
		va_end(ap);
		the_sink(sink_ctx, &(struct log_line){level, file, line, text, escaped, n});
	}
	errno = saved;
}

/* --- lines held back --- */

static void report(const struct log_site *site, struct log_limit *l)
{
	/* a byte of the subject may become four */
	char text[LOG_TEXT_MAX + 1], values[HELD_BACK_MAX + 4 * LOG_SUBJECT_MAX + 8];
	struct room room = {text, text + sizeof(text) - 1}, value = {values, values + sizeof(values) - 1};
	bool shared = l == &site->limits[LOG_SUBJECTS_MAX - 1];
	struct log_field fields[2];
	char number[32];
	size_t n = 0;

	put(&room, "more lines held back: ", 22);
	put_escaped(&room, slice_of(site->format));
	snprintf(number, sizeof(number), "%u", l->held_back);
	fields[n++] = (struct log_field){"held_back", put_escaped(&value, slice_of(number))};
	if (!shared && l->kind)
		fields[n++] = (struct log_field){l->kind,
						 put_escaped(&value, slice_of(l->subject))};
	l->held_back = 0;
	the_sink(sink_ctx, &(struct log_line){site->level, site->file, site->line, text, fields, n});
}

/* Reports the limits that are due; true if the site holds no lines back any more. */
static bool report_site(struct log_site *site, bool all, uint64_t now)
{
	bool done = true;

	for (struct log_limit *l = site->limits; l < site->limits + LOG_SUBJECTS_MAX; l++) {
		if (l->held_back > 0 && (all || is_over(l, now)))
			report(site, l);
		done = done && l->held_back == 0;
	}
	return done;
}

void log_report_held(bool all)
{
	uint64_t now = clock_boot_ms();

	for (struct log_site **at = &held; *at;) {
		struct log_site *site = *at;

		if (report_site(site, all, now)) {
			*at = site->next;
			site->listed = false;
		} else {
			at = &site->next;
		}
	}
}

uint64_t log_held_until(void)
{
	uint64_t until = UINT64_MAX;

	for (const struct log_site *site = held; site; site = site->next)
		for (size_t i = 0; i < LOG_SUBJECTS_MAX; i++) {
			const struct log_limit *l = &site->limits[i];

			if (l->held_back > 0 && l->window_start + WINDOW_MS < until)
				until = l->window_start + WINDOW_MS;
		}
	return until;
}

void log_on_held(struct wake wake)
{
	on_held = wake;
}

/* --- the default sink --- */

static void put_value(struct room *to, struct slice value)
{
	bool quote = value.n == 0;

	for (size_t i = 0; i < value.n; i++)
		quote |= value.p[i] == ' ' || value.p[i] == '"' || value.p[i] == '=';
	if (!quote) {
		put(to, value.p, value.n);
		return;
	}
	put(to, "\"", 1);
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == '"' || value.p[i] == '\\')
			put(to, "\\", 1);
		put(to, value.p + i, 1);
	}
	put(to, "\"", 1);
}

/* Writes "<4>" for a program that reads the log, or time and name of the level on a terminal. */
static void put_level(struct room *to, enum log_level level)
{
	static const char *const names[] = {[LOG_L_ERROR] = "error", [LOG_L_WARNING] = "warning",
					    [LOG_L_NOTICE] = "notice", [LOG_L_INFO] = "info",
					    [LOG_L_DEBUG] = "debug"};
	time_t now = (time_t)(clock_unix_ms() / 1000);
	struct tm tm;
	char text[64];
	int n;

	if (!isatty(STDERR_FILENO) || !localtime_r(&now, &tm))
		n = snprintf(text, sizeof(text), "<%d>", (int)level);
	else
		n = snprintf(text, sizeof(text), "%04d-%02d-%02d %02d:%02d:%02d %s: ",
			     tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
			     tm.tm_sec, names[level]);
	if (n > 0 && (size_t)n < sizeof(text))
		put(to, text, (size_t)n);
}

void log_to_stderr(void *ctx, const struct log_line *line)
{
	/* a pipe that is ready accepts this much without blocking, and atomically */
	char bytes[PIPE_BUF];
	struct room to = {bytes, bytes + sizeof(bytes) - 1};
	struct pollfd pfd = {.fd = STDERR_FILENO, .events = POLLOUT};
	ssize_t ignored;

	(void)ctx;
	put_level(&to, line->level);
	put(&to, line->text, strlen(line->text));
	for (size_t i = 0; i < line->n_fields; i++) {
		put(&to, " ", 1);
		put(&to, line->fields[i].name, strlen(line->fields[i].name));
		put(&to, "=", 1);
		put_value(&to, line->fields[i].value);
	}
	*to.at++ = '\n';
	if (poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLOUT))
		ignored = write(STDERR_FILENO, bytes, (size_t)(to.at - bytes));
	(void)ignored;
}
