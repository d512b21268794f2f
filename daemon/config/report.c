/*
 * The faults of a configuration, as lines "file:line: message". An error is counted even
 * where there is no memory for its line.
 */
#include "config/report.h"

#include "protocol/utf8.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void config_report_init(struct config_report *report)
{
	*report = (struct config_report){0};
}

void config_report_fini(struct config_report *report)
{
	for (size_t i = 0; i < report->n_errors; i++)
		free(report->errors[i]);
	for (size_t i = 0; i < report->n_warnings; i++)
		free(report->warnings[i]);
	config_report_init(report);
}

void config_report_add(struct config_report *r, bool is_error, const char *place,
		       const char *format, ...)
{
	char **to = is_error ? r->errors : r->warnings, *copy = NULL, line[PATH_MAX + 512];
	size_t *n = is_error ? &r->n_errors : &r->n_warnings;
	int used = snprintf(line, sizeof(line), "%s: ", place);
	va_list ap;

	va_start(ap, format);
	if (used > 0 && (size_t)used < sizeof(line))
		vsnprintf(line + used, sizeof(line) - (size_t)used, format, ap);
	va_end(ap);
	line[utf8_whole(slice_of(line))] = '\0';
	if (*n < CONFIG_ERRORS_MAX)
		copy = strdup(line);
	if (copy)
		to[(*n)++] = copy;
	else if (is_error)
		r->n_errors_more++;
}

bool config_report_has_errors(const struct config_report *r)
{
	return r->n_errors + r->n_errors_more > 0;
}
