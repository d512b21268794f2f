/*
 * Structured log lines: level, text, and fields. They go to a sink set by the
 * daemon (stderr, or the journal). Only drivers (net and above) log; the engines below
 * them do not.
 *
 * Each call site has a limit of its own, and in it each subject: the user or server
 * that the first field `uid` or `server` of the line names. It is 20 lines in the first
 * minute, 10 in each minute that follows a busy one. So a hostile peer or a broken server
 * cannot flood the journal, nor keep a line about another one from it. How many lines were
 * held back is shown in the field held_back of the next one that may go, or in a line of its
 * own at the end of the minute, see log_report_held(). Control characters in texts and fields
 * are escaped, and so is what is not UTF-8: no value forges a line. What is too long is cut
 * and ends in "...".
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/wake.h"
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
 * stderr, with time and name of the level instead of the number on a terminal; it never waits for a reader of stderr, but drops the line. A sink must not log.
 */
typedef void log_sink(void *ctx, const struct log_line *line);
void log_set_sink(log_sink *sink, void *ctx);
/* The default sink, for a sink that has to fall back. */
void log_to_stderr(void *ctx, const struct log_line *line);
/* Lines above this level are not made. At first: LOG_L_INFO. */
void log_set_level(enum log_level level);
bool log_wants(enum log_level level);

/* bytes of the name of a subject that count */
#define LOG_SUBJECT_MAX 64

/* The lines of one call site about one subject. Private to log.c. */
struct log_limit {
	const char *kind;       /* name of the field that names the subject; NULL: there is none */
	char subject[LOG_SUBJECT_MAX + 1];
	uint64_t window_start;  /* clock_boot_ms() */
	unsigned in_window, limit, held_back;   /* limit 0: never used */
};

/* So many subjects have a limit of their own at each call site, all others share the last one. */
#define LOG_SUBJECTS_MAX 16

struct log_site {               /* one per call site */
	bool lasting;           /* it is static: what it held back can be reported later */
	bool unlimited;         /* the caller limits its lines, see log_msg_limited_by_caller() */
	bool listed;
	struct log_site *next;  /* of those that held lines back */
	enum log_level level;
	const char *file, *format;
	int line;
	struct log_limit limits[LOG_SUBJECTS_MAX];
};

void log_write(struct log_site *site, enum log_level level, const char *file, int line,
	       const struct log_field *fields, size_t n_fields, const char *format, ...)
	__attribute__((format(printf, 7, 8)));

/*
 * Reports what was held back in minutes that are over, or all of it, one line for each call site and
 * subject. log_held_until(): when the next such minute is over, by clock_boot_ms(); UINT64_MAX when
 * nothing is held back. `wake` is called when that may have become sooner.
 */
void log_report_held(bool all);
uint64_t log_held_until(void);
void log_on_held(struct wake wake);

#define LOG_FIELDS(...) ((const struct log_field[]){__VA_ARGS__})
#define LOG_NO_FIELDS ((const struct log_field[1]){{NULL, SLICE_NULL}})
/* log_msg(LOG_L_INFO, LOG_FIELDS({"server", name}), "connected to %s", url) */
#define log_msg(level, fields, ...) log_msg_(false, level, fields, __VA_ARGS__)
/* The same without a limit, for lines that must not be missing and that the caller keeps few. */
#define log_msg_limited_by_caller(level, fields, ...) log_msg_(true, level, fields, __VA_ARGS__)
#define log_msg_(unlimited_, level, fields, ...)                                                   \
	do {                                                                                       \
		static struct log_site site_ = {.lasting = true, .unlimited = (unlimited_)};       \
		if (log_wants(level))                                                              \
			log_write(&site_, level, __FILE__, __LINE__, fields,                       \
				  sizeof(fields) / sizeof((fields)[0]), __VA_ARGS__);              \
	} while (0)

#endif
