/* Writes a configuration from the texts of its options and the table. */
#include "config/dump.h"

#include "config/option.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int put(struct buf *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int put(struct buf *out, const char *format, ...)
{
	char *text;
	va_list ap;

	va_start(ap, format);
	int n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0)
		return -ENOMEM;
	int r = buf_put(out, slice_make(text, (size_t)n));
	explicit_bzero(text, (size_t)n);
	free(text);
	return r;
}

static int put_set(const struct config_option *o, const struct config_source *source, struct buf *out)
{
	int r = put(out, "# %s\n", source->place);

	for (size_t i = 0; i < source->texts.n && r == 0; i++)
		r = put(out, "%s = %s\n", o->name, source->texts.v[i]);
	return r;
}

static int put_options(const char *section, const struct config_source *sources, struct buf *out)
{
	const struct config_row *row;
	int r = 0;

	for (size_t i = 0; r == 0 && (row = config_row(i)); i++)
		if (strcmp(row->option.section, section) == 0 && sources[i].place)
			r = put_set(&row->option, &sources[i], out);
	if (r == 0)
		r = put(out, "# defaults:\n");
	for (size_t i = 0; r == 0 && (row = config_row(i)); i++)
		if (strcmp(row->option.section, section) == 0 && !sources[i].place && row->option.fallback)
			r = put(out, "# %s = %s\n", row->option.name, row->option.fallback);
	return r;
}

int config_dump(const struct config *c, struct buf *out)
{
	int r = put(out, "[bridge]\n");

	if (r == 0)
		r = put_options("bridge", c->sources, out);
	LIST_EACH(o, &c->oauths, struct config_oauth, link) {
		if (r == 0)
			r = put(out, "\n[oauth %s]\n", o->name);
		if (r == 0)
			r = put_options("oauth", o->sources, out);
	}
	LIST_EACH(s, &c->servers, struct config_server, link) {
		if (r == 0)
			r = put(out, "\n[server %s]\n", s->name);
		if (r == 0)
			r = put_options("server", s->sources, out);
	}
	return r;
}
