/*
 * Owns how things are printed and which exit code tells what. Guarantees: one
 * line stays one line, and no byte of a server reaches the terminal as a
 * command. Must never know verbs.
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

void print_json(FILE *to, const char *json, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t n = i;

		while (n < len && (unsigned char)json[n] >= ' ')
			n++;
		fwrite(json + i, 1, n - i, to);
		if (n < len)
			fputc(' ', to);
		i = n + 1;
	}
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

static bool control(const char *s)
{
	unsigned char c = (unsigned char)s[0];

	/* U+0080 to U+009F are commands to some terminals, too */
	return c < ' ' || c == 0x7f || (c == 0xc2 && (unsigned char)s[1] < 0xa0);
}

void print_name(FILE *to, const char *name)
{
	for (const char *s = name; *s; s++) {
		if (!control(s))
			fputc(*s, to);
		else if ((unsigned char)*s == 0xc2)
			fprintf(to, "\\u%04x", (unsigned char)*++s);
		else
			fprintf(to, "\\u%04x", (unsigned char)*s);
	}
}

void print_json_string(FILE *to, const char *text)
{
	fputc('"', to);
	for (const char *s = text; *s; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(to, "\\%c", *s);
		else if ((unsigned char)*s < ' ' || *s == 0x7f)
			fprintf(to, "\\u%04x", (unsigned char)*s);
		else
			fputc(*s, to);
	}
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
