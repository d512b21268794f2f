/*
 * Scans JSON text into views, and builds objects. json_valid limits the depth, so
 * recursion is bounded.
 */
#include <ctype.h>
#include <stdlib.h>
#include "tests/fake/json.h"

#define MAX_DEPTH 64

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

static const char *skip_string(const char *p, const char *end)
{
	for (p++; p < end; p++) {
		if (*p == '"')
			return p + 1;
		if ((unsigned char)*p < 0x20)
			return NULL;
		if (*p == '\\' && ++p == end)
			return NULL;
	}
	return NULL;
}

static const char *skip_number(const char *p, const char *end)
{
	const char *start = p;

	while (p < end && (isdigit((unsigned char)*p) || strchr("+-.eE", *p)))
		p++;
	return p > start && isdigit((unsigned char)p[-1]) ? p : NULL;
}

static const char *skip_word(const char *p, const char *end)
{
	static const struct slice words[] = {
		{"true", 4}, {"false", 5}, {"null", 4},
	};

	for (size_t i = 0; i < 3; i++)
		if (slice_starts(slice_make(p, (size_t)(end - p)), words[i]))
			return p + words[i].n;
	return NULL;
}

static const char *skip_value(const char *p, const char *end, int depth);

/* after the opening bracket: members or elements up to the closing one */
static const char *skip_items(const char *p, const char *end, int depth, char close)
{
	p = skip_space(p, end);
	if (p < end && *p == close)
		return p + 1;
	while (p < end) {
		if (close == '}') {
			p = skip_space(p, end);
			if (p == end || *p != '"' || !(p = skip_string(p, end)))
				return NULL;
			p = skip_space(p, end);
			if (p == end || *p++ != ':')
				return NULL;
		}
		p = skip_value(p, end, depth);
		if (!p)
			return NULL;
		p = skip_space(p, end);
		if (p == end)
			return NULL;
		if (*p == close)
			return p + 1;
		if (*p++ != ',')
			return NULL;
	}
	return NULL;
}

static const char *skip_value(const char *p, const char *end, int depth)
{
	p = skip_space(p, end);
	if (p == end || depth == MAX_DEPTH)
		return NULL;
	switch (*p) {
	case '{':
		return skip_items(p + 1, end, depth + 1, '}');
	case '[':
		return skip_items(p + 1, end, depth + 1, ']');
	case '"':
		return skip_string(p, end);
	case 't':
	case 'f':
	case 'n':
		return skip_word(p, end);
	default:
		return skip_number(p, end);
	}
}

const char *json_skip(const char *p, const char *end)
{
	return skip_value(p, end, 0);
}

bool json_valid(struct slice text)
{
	const char *end = text.p + text.n;
	const char *p = text.n ? json_skip(text.p, end) : NULL;

	return p && skip_space(p, end) == end;
}

struct slice json_trim(struct slice text)
{
	const char *end = text.p + text.n;
	const char *p = skip_space(text.p, end);

	while (end > p && isspace((unsigned char)end[-1]))
		end--;
	return slice_make(p, (size_t)(end - p));
}

static bool starts_with(struct slice value, char c)
{
	value = value.p ? json_trim(value) : value;
	return value.n && value.p[0] == c;
}

bool json_is_object(struct slice value)
{
	return starts_with(value, '{');
}

bool json_is_array(struct slice value)
{
	return starts_with(value, '[');
}

bool json_is_string(struct slice value)
{
	return starts_with(value, '"');
}

/* removes the value at the start of *rest and returns it */
static struct slice next_value(struct slice *rest)
{
	const char *end = rest->p + rest->n;
	const char *p = skip_space(rest->p, end);
	const char *after = json_skip(p, end);

	*rest = slice_make(after, (size_t)(end - after));
	return slice_make(p, (size_t)(after - p));
}

/* skips the bracket, comma or colon before the next item; false at the end */
static bool skip_mark(struct slice *rest)
{
	const char *end = rest->p + rest->n;
	const char *p = skip_space(rest->p, end);

	if (p == end || *p == ']' || *p == '}')
		return false;
	p = skip_space(p + 1, end);
	*rest = slice_make(p, (size_t)(end - p));
	return p < end && *p != ']' && *p != '}';
}

bool json_next(struct slice *rest, struct slice *ret_value)
{
	if (!skip_mark(rest))
		return false;
	*ret_value = next_value(rest);
	return true;
}

bool json_next_member(struct slice *rest, struct slice *ret_name, struct slice *ret_value)
{
	if (!skip_mark(rest))
		return false;
	*ret_name = next_value(rest);
	skip_mark(rest);
	*ret_value = next_value(rest);
	return true;
}

struct slice json_member(struct slice object, const char *name)
{
	struct slice key, value;

	if (!json_is_object(object))
		return SLICE_NULL;
	while (json_next_member(&object, &key, &value)) {
		char *text = json_text(key);
		bool same = strcmp(text, name) == 0;

		free(text);
		if (same)
			return value;
	}
	return SLICE_NULL;
}

/* \uXXXX below the surrogates as UTF-8; the rest as '?': names need no more */
static void add_unicode(struct text *t, const char *hex)
{
	char digits[5] = {hex[0], hex[1], hex[2], hex[3], 0};
	unsigned c = (unsigned)strtoul(digits, NULL, 16);

	if (c < 0x80)
		text_printf(t, "%c", (int)c);
	else if (c < 0x800)
		text_printf(t, "%c%c", (int)(0xc0 | c >> 6), (int)(0x80 | (c & 0x3f)));
	else if (c < 0xd800 || c > 0xdfff)
		text_printf(t, "%c%c%c", (int)(0xe0 | c >> 12), (int)(0x80 | (c >> 6 & 0x3f)),
			    (int)(0x80 | (c & 0x3f)));
	else
		text_puts(t, "?");
}

char *json_text(struct slice value)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	struct text t = {NULL, 0, 0};

	if (!json_is_string(value))
		return value.p ? xslicedup(json_trim(value)) : NULL;
	text_add(&t, NULL, 0);
	value = json_trim(value);
	for (size_t i = 1; i + 1 < value.n; i++) {
		const char *at;

		if (value.p[i] != '\\') {
			text_add(&t, value.p + i, 1);
			continue;
		}
		i++;
		if (value.p[i] == 'u' && i + 5 < value.n) {
			add_unicode(&t, value.p + i + 1);
			i += 4;
		} else if ((at = strchr(from, value.p[i]))) {
			text_add(&t, to + (at - from), 1);
		} else {
			text_add(&t, value.p + i, 1);
		}
	}
	return t.p;
}

bool json_number(struct slice value, long *ret)
{
	char *text = json_text(value), *end;
	long n;

	if (!text || json_is_string(value)) {
		free(text);
		return false;
	}
	/* a double does not hold an id of 64 bits */
	n = strtol(text, &end, 10);
	if (*end == '.' || *end == 'e' || *end == 'E')
		n = (long)strtod(text, &end);
	if (end != text)
		*ret = n;
	bool ok = end != text;
	free(text);
	return ok;
}

void object_set(struct object *o, const char *name, struct slice raw)
{
	if (!raw.p)
		return;
	for (size_t i = 0; i < o->n; i++) {
		if (strcmp(o->fields[i].name, name) == 0) {
			free(o->fields[i].value);
			o->fields[i].value = xslicedup(raw);
			return;
		}
	}
	o->fields = xrealloc(o->fields, (o->n + 1) * sizeof(*o->fields));
	o->fields[o->n++] = (struct field){xstrdup(name), xslicedup(raw)};
}

void object_set_raw(struct object *o, const char *name, const char *raw)
{
	object_set(o, name, slice_of(raw));
}

void object_set_text(struct object *o, const char *name, const char *s)
{
	struct text t = {NULL, 0, 0};

	if (!s)
		return;
	text_quote(&t, s);
	object_set(o, name, text_view(&t));
	text_fini(&t);
}

void object_omit(struct object *o, const char *name)
{
	for (size_t i = 0; i < o->n; i++) {
		if (strcmp(o->fields[i].name, name) == 0) {
			free(o->fields[i].name);
			free(o->fields[i].value);
			memmove(o->fields + i, o->fields + i + 1,
				(--o->n - i) * sizeof(*o->fields));
			return;
		}
	}
}

void object_write(const struct object *o, struct text *t)
{
	text_puts(t, "{");
	for (size_t i = 0; i < o->n; i++) {
		if (i)
			text_puts(t, ",");
		text_quote(t, o->fields[i].name);
		text_puts(t, ":");
		text_puts(t, o->fields[i].value);
	}
	text_puts(t, "}");
}

void object_fini(struct object *o)
{
	for (size_t i = 0; i < o->n; i++) {
		free(o->fields[i].name);
		free(o->fields[i].value);
	}
	free(o->fields);
	*o = (struct object){NULL, 0};
}
