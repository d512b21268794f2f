/*
 * How things are printed, and which exit code means what. One line stays one
 * line, and nothing that a server, the daemon or an argument says reaches a
 * terminal as a command.
 */
#include "cometctl.h"

#include <errno.h>
#include <string.h>

int exit_code_of(int error)
{
	switch ((enum cometd_error)error) {
	case COMETD_OK:
		return EXIT_OK;
	case COMETD_E_INVALID:
	case COMETD_E_JSON:
	case COMETD_E_TOO_LARGE:
	case COMETD_E_BAD_CHANNEL:
	case COMETD_E_UNKNOWN_SERVER:
		return EXIT_USAGE;
	case COMETD_E_NO_DAEMON:
	case COMETD_E_DISCONNECTED:
	case COMETD_E_SHUTDOWN:
		return EXIT_NO_DAEMON;
	case COMETD_E_NO_PERMISSION:
	case COMETD_E_DENIED:
		return EXIT_DENIED;
	case COMETD_E_REFUSED:
		return EXIT_REFUSED;
	case COMETD_E_TIMEOUT:
		return EXIT_TIMEOUT;
	case COMETD_E_UNKNOWN_OUTCOME:
		return EXIT_UNKNOWN_OUTCOME;
	case COMETD_E_NOT_SENT:
		return EXIT_NOT_SENT;
	case COMETD_E_NOMEM:
	case COMETD_E_IN_CALLBACK:
	case COMETD_E_BACKLOG:
	case COMETD_E_CLOSED:
	case COMETD_E_INTERRUPTED:
	case COMETD_E_CANCELLED:
	case COMETD_E_PROTOCOL:
	case COMETD_E_VERSION:
	case COMETD_E_SYSTEM:
	case COMETD_E_SLOW:
	case COMETD_E_BUSY:
	case COMETD_E_BAD_REQUEST:
	case COMETD_E_NOT_SUBSCRIBED:
	case COMETD_E_TOO_MANY:
	case COMETD_E_INTERNAL:
	case COMETD_E_UNREADABLE:
		break;
	}
	return EXIT_OTHER;
}

/* of a payload that is wrong, the beginning will do */
#define WHAT_MAX 60

int complain(const char *what, int error, const struct cometd_result *result)
{
	char brief[WHAT_MAX + 4];
	int n = snprintf(brief, sizeof(brief), "%s", what);

	if (n >= (int)sizeof(brief)) {
		n = WHAT_MAX;
		while (n > 0 && (what[n] & 0xc0) == 0x80)
			n--;
		snprintf(brief + n, sizeof(brief) - (size_t)n, "...");
	}
	fputs("cometctl: ", stderr);
	print_name(stderr, error == COMETD_E_JSON ? brief : what);
	fprintf(stderr, ": %s", cometd_strerror(error));
	if (result && *result->text && strcmp(result->text, cometd_strerror(error))) {
		fputs(": ", stderr);
		print_name(stderr, result->text);
	}
	fputc('\n', stderr);
	return exit_code_of(error);
}

int complain_about(const struct ctl *ctl, const char *channel, int error,
		   const struct cometd_result *result)
{
	return complain(error == COMETD_E_UNKNOWN_SERVER && ctl->server ? ctl->server : channel,
			error, result);
}

static bool terminal;

void print_to_terminal(bool yes)
{
	terminal = yes;
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

/* Characters that a terminal may obey: C1 controls and DEL; and those that turn the order of what
   stands beside them, or begin a line. */
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

void print_json(FILE *to, const char *json, size_t len)
{
	print_text(to, json, len, IN_JSON);
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
	fprintf(stderr, "cometctl: cannot write: %s\n", strerror(errno));
	return EXIT_OTHER;
}
