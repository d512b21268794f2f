/*
 * Words are put together beside the old ones, of which they may quote a part.
 */
#include "base/fault.h"

#include "protocol/slice.h"
#include "protocol/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set(struct fault *f, const char *format, va_list ap)
{
	struct fault made;
	int n = vsnprintf(made.text, sizeof(made.text), format, ap);

	if (n < 0)
		made.text[0] = '\0';
	if (n >= FAULT_MAX)
		made.text[utf8_whole(slice_make(made.text, FAULT_MAX - 1))] = '\0';
	strcpy(f->text, made.text);
}

void fault_set(struct fault *f, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	set(f, format, ap);
	va_end(ap);
}

int fault_fail(struct fault *f, int r, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	set(f, format, ap);
	va_end(ap);
	return r;
}

void fault_set_errno(struct fault *f, int r)
{
	fault_set(f, "%s", strerror(abs(r)));
}
