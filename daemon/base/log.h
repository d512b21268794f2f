/*
 * Structured log lines: level, text, and fields. They go to a sink set by the
 * daemon (stderr, or the journal). Only drivers (net and above) log; the engines below
 * them do not.
 *
 * The number of lines is limited per call site and subject; the subject is the user or
 * server in the first field `uid` or `server` of the line. The limit is 20 lines in the
 * first minute, and 10 in each minute that follows a minute with lines. So a hostile
 * peer or a broken server can neither flood the journal nor suppress lines about others.
 * The number of lines held back is shown in the field held_back of the next line that
 * is written, or in a separate line at the end of the minute, see log_report_held().
 * Control characters and bytes that are not UTF-8 are escaped, so no value can forge a
 * line. A text that is too long is cut and ends in "...".
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
	const struct log_field *fields;         /* their values are escaped, too */
	size_t n_fields;
};

/* the maximum number of fields of a line; further ones are left out */
#define LOG_FIELDS_MAX 12
/* the maximum size of a text, and of all values of a line together */
#define LOG_TEXT_MAX 1024
#define LOG_VALUES_MAX 2048

/*
 * Sets the function that writes lines. The default, which NULL restores, writes "<level>text field=value" to stderr;
 * on a terminal, with the time and the name of the level instead of its number. If stderr is not writable at once, it
 * drops the line. A sink must not log.
 */
typedef void log_sink(void *ctx, const struct log_line *line);
void log_set_sink(log_sink *sink, void *ctx);
/* The default sink. */
void log_to_stderr(void *ctx, const struct log_line *line);
/* Lines above this level are not written. The default is LOG_L_INFO. */
void log_set_level(enum log_level level);
bool log_wants(enum log_level level);

/* bytes of a subject's name that are compared */
#define LOG_SUBJECT_MAX 64

/* The lines of one call site about one subject. Private to log.c. */
struct log_limit {
	const char *kind;       /* name of the field that names the subject; NULL: there is none */
	char subject[LOG_SUBJECT_MAX + 1];
	uint64_t window_start;  /* clock_boot_ms() */
	unsigned in_window, limit, held_back;   /* limit 0: never used */
};

/* the number of limits per call site; the subjects that find no free one share the last one */
#define LOG_SUBJECTS_MAX 16

struct log_site {               /* one per call site */
	bool lasting;           /* it is static: its lines held back can be reported later */
	bool unlimited;         /* the caller limits its lines, see log_msg_limited_by_caller() */
	bool listed;
	struct log_site *next;  /* in the list of sites that held lines back */
	enum log_level level;
	const char *file, *format;
	int line;
	struct log_limit limits[LOG_SUBJECTS_MAX];
};

void log_write(struct log_site *site, enum log_level level, const char *file, int line,
	       const struct log_field *fields, size_t n_fields, const char *format, ...)
	__attribute__((format(printf, 7, 8)));

/*
 * Reports the lines held back in minutes that have ended, or all, in one line per call site and subject.
 * log_held_until() returns when the next such minute ends, in time of clock_boot_ms(); UINT64_MAX if no lines are
 * held back. `wake` is called when this time may have become earlier.
 */
void log_report_held(bool all);
uint64_t log_held_until(void);
void log_on_held(struct wake wake);

#define LOG_FIELDS(...) ((const struct log_field[]){__VA_ARGS__})
#define LOG_NO_FIELDS ((const struct log_field[1]){{NULL, SLICE_NULL}})
/* log_msg(LOG_L_INFO, LOG_FIELDS({"server", name}), "connected to %s", url) */
#define log_msg(level, fields, ...) log_msg_(false, level, fields, __VA_ARGS__)
/* The same without a limit, for lines that must not be held back and whose number the caller limits. */
#define log_msg_limited_by_caller(level, fields, ...) log_msg_(true, level, fields, __VA_ARGS__)
#define log_msg_(unlimited_, level, fields, ...)                                                   \
	do {                                                                                       \
		static struct log_site site_ = {.lasting = true, .unlimited = (unlimited_)};       \
		if (log_wants(level))                                                              \
			log_write(&site_, level, __FILE__, __LINE__, fields,                       \
				  sizeof(fields) / sizeof((fields)[0]), __VA_ARGS__);              \
	} while (0)

#endif
