/*
 * The command line: options and verbs. Nothing is sent before the whole line
 * makes sense. Does not know what a verb does.
 */
#include "cometctl.h"
#include "since.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
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
	OPT_FILE = 1 << 10,         /* in place of the last argument */
	OPT_TEXT = 1 << 11,
	OPT_FORMAT = 1 << 12,
	OPT_DATA_ONLY = 1 << 13,
	OPT_NAME = 1 << 14,
	OPT_QUIET = 1 << 15,
	OPT_VERBOSE = 1 << 16,
	OPT_COLOR = 1 << 17,
	OPT_HISTORY = 1 << 18,
	OPT_SINCE = 1 << 19,
	OPT_DURABLE = 1 << 20,
	OPT_EXEC = 1 << 21,
};
#define OPT_ALWAYS (OPT_SOCKET | OPT_JSON | OPT_HELP | OPT_VERSION | OPT_NAME | OPT_QUIET |        \
		    OPT_VERBOSE | OPT_COLOR | OPT_SERVER)

enum value { VALUE_NONE, VALUE_REQUIRED, VALUE_OPTIONAL };

static const struct {
	enum option option;
	char letter;                /* 0: none */
	const char *name;
	enum value value;
} options[] = {
	{OPT_SOCKET, 0, "socket", VALUE_REQUIRED},
	{OPT_SERVER, 's', "server", VALUE_REQUIRED},
	{OPT_JSON, 0, "json", VALUE_OPTIONAL},
	{OPT_TIMEOUT, 0, "timeout", VALUE_REQUIRED},
	{OPT_COUNT, 'n', "count", VALUE_REQUIRED},
	{OPT_STATE, 0, "state", VALUE_REQUIRED},
	{OPT_HELP, 'h', "help", VALUE_NONE},
	{OPT_VERSION, 'V', "version", VALUE_NONE},
	{OPT_BINARY, 0, "binary", VALUE_REQUIRED},
	{OPT_EXT, 0, "ext", VALUE_REQUIRED},
	{OPT_FILE, 0, "file", VALUE_REQUIRED},
	{OPT_TEXT, 0, "text", VALUE_NONE},
	{OPT_FORMAT, 0, "format", VALUE_REQUIRED},
	{OPT_DATA_ONLY, 0, "data-only", VALUE_NONE},
	{OPT_NAME, 0, "name", VALUE_REQUIRED},
	{OPT_QUIET, 'q', "quiet", VALUE_NONE},
	{OPT_VERBOSE, 'v', "verbose", VALUE_NONE},
	{OPT_COLOR, 0, "color", VALUE_OPTIONAL},
	{OPT_HISTORY, 0, "history", VALUE_REQUIRED},
	{OPT_SINCE, 0, "since", VALUE_REQUIRED},
	{OPT_DURABLE, 0, "durable", VALUE_REQUIRED},
	{OPT_EXEC, 0, "exec", VALUE_REQUIRED},
};
#define N_OPTIONS (int)(sizeof(options) / sizeof(*options))

static const struct verb {
	const char *name;
	int (*run)(struct ctl *ctl);
	int min_args, max_args;
	unsigned options;           /* besides OPT_ALWAYS */
	bool request;               /* the timeout is that of a request */
	bool one_server;
} verbs[] = {
	{"sub", cmd_sub, 1, INT_MAX, OPT_COUNT | OPT_TIMEOUT | OPT_FORMAT | OPT_DATA_ONLY | OPT_HISTORY |
	 OPT_SINCE | OPT_DURABLE | OPT_EXEC, false, false},
	{"pub", cmd_pub, 2, 2, OPT_TIMEOUT | OPT_BINARY | OPT_EXT | OPT_FILE | OPT_TEXT, true, true},
	{"call", cmd_call, 2, 2, OPT_TIMEOUT | OPT_EXT | OPT_FILE | OPT_TEXT, true, true},
	{"wait", cmd_wait, 0, 0, OPT_STATE | OPT_TIMEOUT, false, false},
	{"status", cmd_status, 0, 0, OPT_TIMEOUT, true, false},
	{"reload", cmd_reload, 0, 0, OPT_TIMEOUT, true, false},
	{"config", cmd_config, 0, 0, OPT_TIMEOUT, true, false},
	{"history", cmd_history, 1, INT_MAX, OPT_COUNT | OPT_TIMEOUT | OPT_FORMAT | OPT_DATA_ONLY | OPT_SINCE,
	 false, false},
	{"consumers", cmd_consumers, 0, 0, OPT_TIMEOUT, true, false},
	{"forget", cmd_forget, 1, 1, OPT_TIMEOUT, true, true},
	{"help", cmd_help, 0, 1, 0, false, false},
};
#define N_VERBS (int)(sizeof(verbs) / sizeof(*verbs))

static int usage(const char *words, const char *what)
{
	report(words, what, NULL);
	report("try cometctl --help", NULL);
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
		return usage("--timeout: not a time in seconds: ", text);
	*ret_ms = (int)(seconds * 1000);
	return EXIT_OK;
}

static int parse_count(const char *words, const char *text, unsigned long *ret)
{
	char *end;

	errno = 0;
	unsigned long n = strtoul(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || errno || n == 0)
		return usage(words, text);
	*ret = n;
	return EXIT_OK;
}

static int parse_since(const char *text, struct ctl *ctl)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	unsigned long long now = (unsigned long long)t.tv_sec * 1000 + (unsigned long long)t.tv_nsec / 1000000;
	if (since_read(text, now, &ctl->since, &ctl->since_ms))
		return EXIT_OK;
	return usage("--since: not a position EPOCH:SEQ, an age like 10m, or a time like 09:30 or 2026-11-30T09:30: ",
		     text);
}

/* As the daemon has it, so that a wrong name is found before anything is sent. */
static int parse_consumer(const char *text, const char **ret)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	if (!*text || strlen(text) > 64 || text[strspn(text, allowed)])
		return usage("--durable: not a name of 1 to 64 letters, digits, '.', '_' and '-': ", text);
	*ret = text;
	return EXIT_OK;
}

static int parse_object(const char *text, const char **ret)
{
	struct cometd_json v;

	if (cometd_json_parse(text, strlen(text), &v) || v.kind != COMETD_JSON_OBJECT)
		return usage("--ext: not a JSON object: ", text);
	*ret = text;
	return EXIT_OK;
}

/* no server has an empty name, so this is a mistake of the caller */
static int parse_server(struct ctl *ctl, const char *text)
{
	if (!*text)
		return usage("--server: not the name of a server: ", "''");
	ctl->servers[ctl->server_given ? ctl->n_servers++ : 0].name = text;
	ctl->server_given = true;
	return EXIT_OK;
}

static int parse_json(struct ctl *ctl, const char *text)
{
	if (text && strcmp(text, "pretty"))
		return usage("--json: the only value is pretty, not ", text);
	ctl->json = true;
	print_pretty(text != NULL);
	return EXIT_OK;
}

static int parse_format(struct ctl *ctl, const char *text)
{
	char words[256];

	if (ctl->format)
		return usage("only one --format or --data-only", "");
	if (format_check(text, words, sizeof(words)))
		return usage(words, "");
	ctl->format = text;
	return EXIT_OK;
}

static int parse_color(const char *text)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

	if (!text || !strcmp(text, "always"))
		print_in_color(true);
	else if (!strcmp(text, "never"))
		print_in_color(false);
	else if (!strcmp(text, "auto"))
		print_in_color(isatty(STDOUT_FILENO) && !(no && *no) &&
			       !(term && !strcmp(term, "dumb")));
	else
		return usage("--color: auto, always or never, not ", text);
	return EXIT_OK;
}

static int set_option(struct ctl *ctl, enum option option, const char *value)
{
	switch (option) {
	case OPT_SOCKET: ctl->socket = value; return EXIT_OK;
	case OPT_SERVER: return parse_server(ctl, value);
	case OPT_JSON: return parse_json(ctl, value);
	case OPT_NAME: ctl->name = value; return EXIT_OK;
	case OPT_QUIET: ctl->quiet = true; return EXIT_OK;
	case OPT_VERBOSE: ctl->verbose = true; return EXIT_OK;
	case OPT_COLOR: return parse_color(value);
	case OPT_FORMAT: return parse_format(ctl, value);
	case OPT_DATA_ONLY: return parse_format(ctl, "%{data}");
	case OPT_FILE: ctl->file = value; return EXIT_OK;
	case OPT_TEXT: ctl->text = true; return EXIT_OK;
	case OPT_BINARY: ctl->binary = value; return EXIT_OK;
	case OPT_EXT: return parse_object(value, &ctl->ext);
	case OPT_TIMEOUT: return parse_seconds(value, &ctl->timeout_ms);
	case OPT_COUNT: return parse_count("--count: not a number from 1 on: ", value, &ctl->count);
	case OPT_HISTORY: return parse_count("--history: not a number from 1 on: ", value, &ctl->history);
	case OPT_SINCE: return parse_since(value, ctl);
	case OPT_DURABLE: return parse_consumer(value, &ctl->durable);
	case OPT_EXEC: ctl->exec = value; return *value ? EXIT_OK : usage("--exec: not a command: ", "''");
	case OPT_STATE:
		ctl->state = cometd_state_of(value);
		if (ctl->state == COMETD_STATE_UNKNOWN)
			return usage("--state: off, handshaking, connecting, connected, unconnected, "
				     "halted or disconnecting, not ", value);
		return EXIT_OK;
	case OPT_HELP:
	case OPT_VERSION:
		break;
	}
	return EXIT_OK;
}

/* The row of an argument that is an option, or -1; *ret_value: a value in the same argument. */
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
 * Parses the options in argv, wherever they are, and leaves the rest in ctl->args.
 * Not getopt(3), which treats a negative number as an option.
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
		if (options[i].value == VALUE_REQUIRED && !value)
			value = *++argv;
		else if (options[i].value == VALUE_NONE && value)
			return usage("an option without a value: ", arg);
		if (options[i].value == VALUE_REQUIRED && !value)
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
 * printed would go to the daemon. It is opened so that it cannot be read, or
 * written: who tries it gets an error.
 */
static int fill_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return EXIT_OTHER;
	return EXIT_OK;
}

static int configure(struct ctl *ctl)
{
	int error = cometd_set_socket(ctl->c, ctl->socket);

	if (error)
		return error == COMETD_E_INVALID ? usage("--socket: not the path of a socket: ", ctl->socket) :
			complain("cannot start", error, NULL);
	if (ctl->name && cometd_set_name(ctl->c, ctl->name))
		return usage("--name: not a text of 1 to 64 bytes in UTF-8: ", ctl->name);
	cometd_set_listener(ctl->c, ctl_note_event, ctl);
	return EXIT_OK;
}

static int run(struct ctl *ctl, const struct verb *verb)
{
	int error = cometd_new(&ctl->c);

	if (error)
		return complain("cannot start", error, NULL);
	int code = configure(ctl);
	if (ctl->timeout_ms >= 0)
		ctl->deadline = ctl_now() + ctl->timeout_ms;
	/* a reader that went away is an error of write(2) */
	signal(SIGPIPE, SIG_IGN);
	print_quiet(ctl->quiet);
	if (!code)
		code = verb->run(ctl);
	cometd_free(ctl->c);
	return code;
}

/* "sub: too few arguments", and where its usage is described */
static int usage_of(const struct verb *verb, const char *words, const char *option)
{
	char what[64];

	snprintf(what, sizeof(what), "%s: ", verb->name);
	report(what, words, option, NULL);
	report("try cometctl help ", verb->name, NULL);
	return EXIT_USAGE;
}

static const char *name_of_option(unsigned bit)
{
	for (int i = 0; i < N_OPTIONS; i++)
		if (options[i].option & bit)
			return options[i].name;
	return "";
}

static int check(const struct ctl *ctl, const struct verb *verb, unsigned given)
{
	unsigned instead = given & (OPT_BINARY | OPT_FILE), extra = given & ~(verb->options | OPT_ALWAYS);

	if (extra)
		return usage_of(verb, "there is no option --", name_of_option(extra));
	if (verb->request && ctl->timeout_ms > COMETD_TIMEOUT_MAX)
		return usage_of(verb, "--timeout: at most 3600 seconds", NULL);
	if (verb->one_server && ctl->n_servers > 1)
		return usage_of(verb, "only one --server", NULL);
	if (given & OPT_BINARY && given & (OPT_FILE | OPT_TEXT))
		return usage_of(verb, "--binary replaces --file and --text", NULL);
	if (given & OPT_SINCE && given & OPT_HISTORY)
		return usage_of(verb, "--since replaces --history", NULL);
	if (given & OPT_DURABLE && given & (OPT_SINCE | OPT_HISTORY))
		return usage_of(verb, "--durable replaces --history and --since", NULL);
	if (given & OPT_EXEC && !(given & OPT_DURABLE))
		return usage_of(verb, "--exec needs --durable", NULL);
	if (*ctl->since.epoch && ctl->n_servers > 1)
		return usage_of(verb, "--since is a position of one --server", NULL);
	if (ctl->json && ctl->format)
		return usage_of(verb, "--json replaces --format and --data-only", NULL);
	if (ctl->n_args < verb->min_args - (instead != 0))
		return usage_of(verb, "too few arguments", NULL);
	if (ctl->n_args > verb->max_args - (instead != 0))
		return usage_of(verb, "too many arguments", NULL);
	return EXIT_OK;
}

/* The verb of the command line, taken out of it; or NULL, reported. */
static const struct verb *choose(struct ctl *ctl)
{
	if (ctl->n_args == 0) {
		usage("a verb is missing", "");
		return NULL;
	}
	for (int i = 0; i < N_VERBS; i++)
		if (!strcmp(verbs[i].name, ctl->args[0])) {
			ctl->args++;
			ctl->n_args--;
			return &verbs[i];
		}
	usage("no such verb: ", ctl->args[0]);
	return NULL;
}

static int choose_and_run(struct ctl *ctl, unsigned given)
{
	/* cometctl VERB --help is cometctl help VERB */
	if (given & OPT_HELP)
		return cmd_help(ctl);
	const struct verb *verb = choose(ctl);
	int code = verb ? check(ctl, verb, given) : EXIT_USAGE;
	if (code)
		return code;
	return verb->run == cmd_help ? cmd_help(ctl) : run(ctl, verb);
}

int main(int argc, char **argv)
{
	struct ctl ctl = {.n_servers = 1, .timeout_ms = -1, .deadline = -1,
			  .state = COMETD_STATE_CONNECTED};
	char **args = calloc((size_t)argc + 1, sizeof(*args));
	unsigned given = 0;
	bool closed;

	ctl.servers = calloc((size_t)argc + 1, sizeof(*ctl.servers));
	if (!args || !ctl.servers || fill_standard_descriptors()) {
		free(ctl.servers);
		free(args);
		return EXIT_OTHER;
	}
	ctl.args = args;
	print_to_terminal(isatty(STDOUT_FILENO));
	parse_color("auto");
	int code = parse(&ctl, argv, &given);
	if (!code && given & OPT_VERSION)
		printf("cometctl %s\n", cometd_version());
	else if (!code)
		code = choose_and_run(&ctl, given);
	int written = flush_output(&closed);
	free(ctl.servers);
	free(args);
	return code ? code : written;
}
