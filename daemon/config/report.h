/*
 * What is wrong with a configuration, or deserves a warning, in order of appearance.
 */
#ifndef CONFIG_REPORT_H
#define CONFIG_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#define CONFIG_ERRORS_MAX 20

struct config_report {
	char *errors[CONFIG_ERRORS_MAX];        /* "file:line: message" */
	size_t n_errors;                        /* kept */
	size_t n_errors_more;                   /* beyond CONFIG_ERRORS_MAX */
	char *warnings[CONFIG_ERRORS_MAX];
	size_t n_warnings;
};
void config_report_init(struct config_report *report);
void config_report_fini(struct config_report *report);

/* One line "place: text"; an error that cannot be kept is still counted. */
void config_report_add(struct config_report *report, bool is_error, const char *place,
		       const char *format, ...) __attribute__((format(printf, 4, 5)));
/* "[server NAME]: TEXT" at the place where that server begins */
#define config_server_error(r, s, format, ...)                                                     \
	config_report_add(r, true, (s)->place, "[server %s]: " format, (s)->name, ##__VA_ARGS__)
bool config_report_has_errors(const struct config_report *report);

#endif
