/*
 * How things are printed. One line stays one line, and nothing that a server, the
 * daemon or an argument contains reaches a terminal as a command.
 */
#include "cometctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static bool terminal, color, pretty, quiet;

void print_to_terminal(bool yes)
{
	terminal = yes;
}

void print_in_color(bool yes)
{
	color = yes;
}

void print_pretty(bool yes)
{
	pretty = yes;
}

void print_quiet(bool yes)
{
	quiet = yes;
}

void style_begin(FILE *to, enum style style)
{
	static const char *const codes[] = {
		[STYLE_HEAD] = "\033[1m", [STYLE_CHANNEL] = "\033[36m", [STYLE_GOOD] = "\033[32m",
		[STYLE_BUSY] = "\033[33m", [STYLE_BAD] = "\033[31m",
	};

	if (color)
		fputs(codes[style], to);
}

void style_end(FILE *to)
{
	if (color)
		fputs("\033[0m", to);
}

void report(const char *part, ...)
{
	va_list parts;

	if (quiet)
		return;
	fputs("cometctl: ", stderr);
	va_start(parts, part);
	for (const char *p = part; p; p = va_arg(parts, const char *))
		print_name(stderr, p);
	va_end(parts);
	fputc('\n', stderr);
}

/*
 * The character at `s`: its length and *ret, its code point; length 1 and -1 for a byte that begins no
 * whole and valid character.
 */
static size_t character(const char *s, size_t n, long *ret)
{
	static const long least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char lead = (unsigned char)s[0];
	size_t length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 :
			lead < 0xf5 ? 4 : 0;

	*ret = -1;
	if (length == 0 || length > n)
		return 1;
	long code = length == 1 ? lead : lead & (0x7f >> length);
	for (size_t i = 1; i < length; i++) {
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 1;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 1;
	*ret = code;
	return length;
}

/* Characters that control a terminal: C1 controls and DEL; and those that change the direction of the
   text around them, or begin a line. */
static bool commands_terminal(long code)
{
	return (code >= 0x7f && code <= 0x9f) || code == 0x61c || (code >= 0x200e && code <= 0x200f) ||
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

/* what a text is part of */
enum context { IN_NAME, IN_JSON, IN_JSON_STRING };

/* How to write a character that must not be written as it is; false when it may. */
static bool escape(long code, unsigned char byte, enum context in, bool people, char *out, size_t size)
{
	if (code < 0 && people && in == IN_NAME)
		snprintf(out, size, "\\x%02x", byte);
	else if (code < 0 && people)
		snprintf(out, size, "\\ufffd");
	else if (code >= 0 && code < ' ' && in == IN_JSON)
		snprintf(out, size, " ");
	else if ((code >= 0 && code < ' ') || (people && commands_terminal(code)))
		snprintf(out, size, "\\u%04lx", (unsigned long)code);
	else if (in == IN_JSON_STRING && (code == '"' || code == '\\'))
		snprintf(out, size, "\\%c", (int)code);
	else
		return false;
	return true;
}

/*
 * All text of others is printed here. Line breaks never pass: one line stays one line. For people, on
 * a terminal or on standard error, nothing passes that a terminal may obey; for programs all other
 * bytes pass as they are. Returns the columns it takes; `to` may be NULL.
 */
static size_t print_text(FILE *to, const char *text, size_t n, enum context in)
{
	bool people = terminal || to == stderr;
	size_t columns = 0;

	while (n > 0) {
		char escaped[8];
		long code;
		size_t length = character(text, n, &code);

		if (escape(code, (unsigned char)*text, in, people, escaped, sizeof(escaped))) {
			if (to)
				fputs(escaped, to);
			columns += strlen(escaped);
		} else {
			if (to)
				fwrite(text, 1, length, to);
			columns++;
		}
		text += length;
		n -= length;
	}
	return columns;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The length of the token at `p`: a string, a bracket, a comma, a colon, or a word. */
static size_t token(const char *p, size_t n)
{
	size_t i = 1;

	if (*p == '"') {
		while (i < n && p[i] != '"')
			i += p[i] == '\\' ? 2 : 1;
		return i < n ? i + 1 : n;
	}
	if (strchr("{}[],:", *p))
		return 1;
	while (i < n && !is_space(p[i]) && !strchr("{}[],:\"", p[i]))
		i++;
	return i;
}

static void indent(FILE *to, int depth)
{
	fprintf(to, "\n%*s", 2 * depth, "");
}

static void print_indented(FILE *to, const char *json, size_t len)
{
	const char *p = json, *end = json + len;
	char last = 0;
	int depth = 0;

	while (p < end) {
		if (is_space(*p)) {
			p++;
			continue;
		}
		bool closes = *p == '}' || *p == ']', opened = last == '{' || last == '[';
		size_t n = token(p, (size_t)(end - p));

		depth -= closes && depth > 0;
		if (closes ? !opened : opened || last == ',')
			indent(to, depth);
		print_text(to, p, n, IN_JSON);
		if (*p == ':')
			fputc(' ', to);
		depth += *p == '{' || *p == '[';
		last = *p;
		p += n;
	}
}

void print_json(FILE *to, const char *json, size_t len)
{
	if (pretty)
		print_indented(to, json, len);
	else
		print_text(to, json, len, IN_JSON);
}

void print_event_json(FILE *to, const struct cometd_event *e)
{
	const char *end = e->json + e->json_len;
	bool adds = e->epoch && (e->type == COMETD_EVENT_MESSAGE || e->type == COMETD_EVENT_LOST);
	const char *again = e->redelivered ? ",\"redelivered\":true" : "";
	size_t size = e->json_len + (adds ? strlen(e->epoch) + strlen(again) : 0) + sizeof(",\"epoch\":\"\"}");
	char *text = adds ? malloc(size) : NULL;

	/* what follows the event in memory is not part of it */
	while (end > e->json && *--end != '}')
		;
	int n = text ? snprintf(text, size, "%.*s,\"epoch\":\"%s\"%s}", (int)(end - e->json), e->json,
				e->epoch, again) : 0;
	if (n > 0)
		print_json(to, text, (size_t)n);
	else
		print_json(to, e->json, e->json_len);
	free(text);
}

void print_data(FILE *to, const char *data, size_t data_len, const char *bytes, const char *json,
		size_t json_len)
{
	struct cometd_json whole, binary;

	if (bytes && !cometd_json_parse(json, json_len, &whole) &&
	    !cometd_json_get(&whole, "binary", &binary))
		print_json(to, binary.json, binary.len);
	else if (data)
		print_json(to, data, data_len);
}

size_t print_name(FILE *to, const char *name)
{
	return print_text(to, name, strlen(name), IN_NAME);
}

void print_json_string(FILE *to, const char *text)
{
	fputc('"', to);
	print_text(to, text, strlen(text), IN_JSON_STRING);
	fputc('"', to);
}

int flush_output(bool *ret_closed)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_OK;
	if (errno == EPIPE) {
		*ret_closed = true;
		return EXIT_OK;
	}
	report("cannot write to standard output: ", strerror(errno), NULL);
	return EXIT_OTHER;
}
