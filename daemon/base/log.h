/*
 * Structured log lines: level, text, and fields. Where they go is a sink set
 * from above (plain stderr, or the journal). Only drivers (daemon/io/ and up)
 * log; the engines below them never do.
 *
 * Each call site is limited by itself: 20 lines in its first minute, 10 in each
 * minute that follows a busy one. The next line that may go says in the field
 * held_back how many did not: a hostile peer or a broken server cannot flood the
 * journal. Control characters in texts and fields are escaped, and so is what is
 * not UTF-8: nobody forges a line. What is too long is cut and ends in "...".
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "protocol/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* the numbers are those of syslog(3) */
enum log_level {
	LOG_L_ERROR = 3,
	LOG_L_WARNING = 4,
	LOG_L_NOTICE = 5,
	LOG_L_INFO = 6,
	LOG_L_DEBUG = 7,
};

struct log_field {
	const char *name;       /* lower case: "server", "peer", "channel" */
	struct slice value;
};

struct log_line {
	enum log_level level;
	const char *file;       /* of the call site */
	int line;
	const char *text;       /* one line, escaped, without newline */
	const struct log_field *fields;         /* their values escaped too */
	size_t n_fields;
};

/* at most so many fields a line, what is beyond them is left out */
#define LOG_FIELDS_MAX 12
/* bytes of a text, and of all values of a line together */
#define LOG_TEXT_MAX 1024
#define LOG_VALUES_MAX 2048

/*
 * Where lines go. The default, and what NULL gives back, writes "<level>text field=value" to
 * stderr; it never waits for a reader of stderr, but drops the line. A sink must not log.
 */
typedef void log_sink(void *ctx, const struct log_line *line);
void log_set_sink(log_sink *sink, void *ctx);
/* The default sink, for a sink that has to fall back. */
void log_to_stderr(void *ctx, const struct log_line *line);
/* Lines above this level are not made. At first: LOG_L_INFO. */
void log_set_level(enum log_level level);
bool log_wants(enum log_level level);

struct log_site {               /* one per call site, static; counts for the limit */
	uint64_t window_start;  /* clock_boot_ms(); 0: never used */
	unsigned in_window, limit, held_back;
};

void log_write(struct log_site *site, enum log_level level, const char *file, int line,
	       const struct log_field *fields, size_t n_fields, const char *format, ...)
	__attribute__((format(printf, 7, 8)));

#define LOG_FIELDS(...) ((const struct log_field[]){__VA_ARGS__})
#define LOG_NO_FIELDS ((const struct log_field[1]){{NULL, SLICE_NULL}})
/* log_msg(LOG_L_INFO, LOG_FIELDS({"server", name}), "connected to %s", url) */
#define log_msg(level, fields, ...)                                                                \
	do {                                                                                       \
		static struct log_site site_;                                                      \
		if (log_wants(level))                                                              \
			log_write(&site_, level, __FILE__, __LINE__, fields,                       \
				  sizeof(fields) / sizeof((fields)[0]), __VA_ARGS__);              \
	} while (0)

#endif
