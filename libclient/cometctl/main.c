/*
 * Owns the command line: options, verbs, help. Guarantees that nothing is sent
 * before the whole line makes sense. Must never know what a verb does.
 */
#include "cometctl.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum option {
	OPT_SOCKET = 1 << 0,
	OPT_SERVER = 1 << 1,
	OPT_JSON = 1 << 2,
	OPT_TIMEOUT = 1 << 3,
	OPT_COUNT = 1 << 4,
	OPT_STATE = 1 << 5,
	OPT_HELP = 1 << 6,
	OPT_VERSION = 1 << 7,
	OPT_BINARY = 1 << 8,        /* in place of the last argument */
	OPT_EXT = 1 << 9,
};
#define OPT_ALWAYS (OPT_SOCKET | OPT_SERVER | OPT_JSON | OPT_HELP | OPT_VERSION)

static const struct {
	enum option option;
	char letter;                /* 0: none */
	const char *name;
	bool has_value;
} options[] = {
	{OPT_SOCKET, 0, "socket", true},
	{OPT_SERVER, 's', "server", true},
	{OPT_JSON, 0, "json", false},
	{OPT_TIMEOUT, 0, "timeout", true},
	{OPT_COUNT, 'n', "count", true},
	{OPT_STATE, 0, "state", true},
	{OPT_HELP, 'h', "help", false},
	{OPT_VERSION, 'V', "version", false},
	{OPT_BINARY, 0, "binary", true},
	{OPT_EXT, 0, "ext", true},
};
#define N_OPTIONS (int)(sizeof(options) / sizeof(*options))

static const struct verb {
	const char *name;
	int (*run)(struct ctl *ctl);
	int min_args, max_args;
	unsigned options;           /* besides OPT_ALWAYS */
	bool request;               /* the timeout is that of a request */
} verbs[] = {
	{"sub", cmd_sub, 1, INT_MAX, OPT_COUNT | OPT_TIMEOUT, false},
	{"pub", cmd_pub, 2, 2, OPT_TIMEOUT | OPT_BINARY | OPT_EXT, true},
	{"call", cmd_call, 2, 2, OPT_TIMEOUT | OPT_EXT, true},
	{"wait", cmd_wait, 0, 0, OPT_STATE | OPT_TIMEOUT, false},
	{"status", cmd_status, 0, 0, OPT_TIMEOUT, true},
};
#define N_VERBS (int)(sizeof(verbs) / sizeof(*verbs))

static const char help[] =
	"usage: cometctl [--socket PATH] [-s SERVER] [--json] VERB\n"
	"  sub PATTERN... [-n COUNT] [--timeout SEC]  print each message: CHANNEL<TAB>DATA\n"
	"  pub CHANNEL JSON|- [--timeout SEC]         publish; - reads one JSON text a line\n"
	"  pub CHANNEL --binary FILE|-                publish bytes\n"
	"  call CHANNEL JSON [--timeout SEC]          ask a service channel, print the answer\n"
	"  wait [--state STATE] [--timeout SEC]       until the server is in STATE (connected)\n"
	"  status [--timeout SEC]                     what the daemon does\n"
	"options, before or after the verb:\n"
	"  --socket PATH        the daemon's socket (else COMETD_BRIDGE_SOCKET, else\n"
	"                       " COMETD_SOCKET_DEFAULT ")\n"
	"  -s, --server SERVER  a configured server (else the default one)\n"
	"  --ext OBJECT         pub and call: the message's Bayeux ext, a JSON object\n"
	"  --json               print whole JSON objects, one a line\n"
	"  -h, --help           this\n"
	"  -V, --version        the version\n"
	"exit status: 0 done, 1 failure, 2 usage, 3 no daemon, 4 denied, 5 the server refused,\n"
	"             6 timed out, 7 outcome unknown, 8 not sent\n";

static int usage(const char *words, const char *what)
{
	fprintf(stderr, "cometctl: %s", words);
	print_name(stderr, what);
	fputs("\ncometctl: try cometctl --help\n", stderr);
	return EXIT_USAGE;
}

/* ---- options ----------------------------------------------------------- */

static int parse_seconds(const char *text, int *ret_ms)
{
	char *end;
	double seconds = strtod(text, &end);

	/* the negation also refuses what is not a number */
	if (!isdigit((unsigned char)*text) || text[strspn(text, "0123456789.")] || *end ||
	    !(seconds >= 0.001 && seconds <= INT_MAX / 1000))
		return usage("not a time in seconds: ", text);
	*ret_ms = (int)(seconds * 1000);
	return EXIT_OK;
}

static int parse_count(const char *text, unsigned long *ret)
{
	char *end;

	errno = 0;
	unsigned long n = strtoul(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || errno || n == 0)
		return usage("not a count: ", text);
	*ret = n;
	return EXIT_OK;
}

static int parse_object(const char *text, const char **ret)
{
	struct cometd_json v;

	if (cometd_json_parse(text, strlen(text), &v) || v.kind != COMETD_JSON_OBJECT)
		return usage("not a JSON object: ", text);
	*ret = text;
	return EXIT_OK;
}

/* what no server is called cannot be anybody's fault but the caller's */
static int parse_server(const char *text, const char **ret)
{
	if (!*text)
		return usage("not the name of a server: ", "''");
	*ret = text;
	return EXIT_OK;
}

static int set_option(struct ctl *ctl, enum option option, const char *value)
{
	switch (option) {
	case OPT_SOCKET: ctl->socket = value; return EXIT_OK;
	case OPT_SERVER: return parse_server(value, &ctl->server);
	case OPT_JSON: ctl->json = true; return EXIT_OK;
	case OPT_BINARY: ctl->binary = value; return EXIT_OK;
	case OPT_EXT: return parse_object(value, &ctl->ext);
	case OPT_TIMEOUT: return parse_seconds(value, &ctl->timeout_ms);
	case OPT_COUNT: return parse_count(value, &ctl->count);
	case OPT_STATE:
		ctl->state = cometd_state_of(value);
		if (ctl->state == COMETD_STATE_UNKNOWN)
			return usage("no such state: ", value);
		return EXIT_OK;
	case OPT_HELP:
	case OPT_VERSION:
		break;
	}
	return EXIT_OK;
}

/* The row of an argument that is an option, or -1; *ret_value: what stands in the same one. */
static int find_option(const char *arg, const char **ret_value)
{
	*ret_value = NULL;
	for (int i = 0; i < N_OPTIONS; i++) {
		size_t n = strlen(options[i].name);

		if (arg[1] == '-' && !strncmp(arg + 2, options[i].name, n) &&
		    (!arg[n + 2] || arg[n + 2] == '=')) {
			*ret_value = arg[n + 2] ? arg + n + 3 : NULL;
			return i;
		}
		if (options[i].letter && arg[1] == options[i].letter) {
			*ret_value = arg[2] ? arg + 2 : NULL;
			return i;
		}
	}
	return -1;
}

/* "-" is standard input and "-5" is JSON: neither is an option */
static bool is_option(const char *arg)
{
	return arg[0] == '-' && arg[1] && !isdigit((unsigned char)arg[1]);
}

/*
 * Takes the options out of argv, wherever they stand, and leaves the rest in
 * ctl->args. getopt(3) would take a negative number for an option.
 */
static int parse(struct ctl *ctl, char **argv, unsigned *ret_given)
{
	bool only_args = false;

	for (argv++; *argv; argv++) {
		const char *value;

		if (!only_args && !strcmp(*argv, "--")) {
			only_args = true;
			continue;
		}
		if (only_args || !is_option(*argv)) {
			ctl->args[ctl->n_args++] = *argv;
			continue;
		}
		const char *arg = *argv;
		int i = find_option(arg, &value);
		if (i < 0)
			return usage("no such option: ", arg);
		if (options[i].has_value && !value)
			value = *++argv;
		else if (!options[i].has_value && value)
			return usage("an option without a value: ", arg);
		if (options[i].has_value && !value)
			return usage("a value is missing: ", arg);
		int code = set_option(ctl, options[i].option, value);
		if (code)
			return code;
		*ret_given |= options[i].option;
	}
	return EXIT_OK;
}

/* ---- verbs ------------------------------------------------------------- */

/*
 * A standard descriptor that was closed would become the socket, and what is
 * printed would go to the daemon. Something stands there instead that cannot be
 * read, or written, so that who tries it is told.
 */
static int fill_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return EXIT_OTHER;
	return EXIT_OK;
}

static int run(struct ctl *ctl, const struct verb *verb)
{
	int error = cometd_new(&ctl->c);

	if (!error)
		error = cometd_set_socket(ctl->c, ctl->socket);
	if (error) {
		cometd_free(ctl->c);
		return error == COMETD_E_INVALID ?
			usage("not the path of a socket: ", ctl->socket) :
			complain("cannot start", error, NULL);
	}
	if (ctl->timeout_ms >= 0)
		ctl->deadline = ctl_now() + ctl->timeout_ms;
	/* a reader that went away is an error of writing, told by write(2) */
	signal(SIGPIPE, SIG_IGN);
	int code = verb->run(ctl);
	cometd_free(ctl->c);
	return code;
}

static int choose(struct ctl *ctl, unsigned given)
{
	const char *name = ctl->args[0];

	if (ctl->n_args == 0)
		return usage("a verb is missing", "");
	for (int i = 0; i < N_VERBS; i++) {
		if (strcmp(verbs[i].name, name))
			continue;
		ctl->args++;
		ctl->n_args--;
		if (given & ~(verbs[i].options | OPT_ALWAYS))
			return usage("an option that is not for ", name);
		if (verbs[i].request && ctl->timeout_ms > COMETD_TIMEOUT_MAX)
			return usage("no more than 3600 seconds for ", name);
		int instead = given & OPT_BINARY ? 1 : 0;
		if (ctl->n_args < verbs[i].min_args - instead)
			return usage("too few arguments for ", name);
		if (ctl->n_args > verbs[i].max_args - instead)
			return usage("too many arguments for ", name);
		return run(ctl, &verbs[i]);
	}
	return usage("no such verb: ", name);
}

int main(int argc, char **argv)
{
	struct ctl ctl = {.timeout_ms = -1, .deadline = -1, .state = COMETD_STATE_CONNECTED};
	char **args = calloc((size_t)argc + 1, sizeof(*args));
	unsigned given = 0;
	bool closed;

	if (!args || fill_standard_descriptors()) {
		free(args);
		return EXIT_OTHER;
	}
	ctl.args = args;
	print_to_terminal(isatty(STDOUT_FILENO));
	int code = parse(&ctl, argv, &given);
	if (!code && given & OPT_HELP)
		fputs(help, stdout);
	else if (!code && given & OPT_VERSION)
		printf("cometctl %s\n", cometd_version());
	else if (!code)
		code = choose(&ctl, given);
	int written = flush_output(&closed);
	free(args);
	return code ? code : written;
}
