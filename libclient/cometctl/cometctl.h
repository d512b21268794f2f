/*
 * What the verbs of cometctl share: the parsed command line, the ways out, and
 * how things are printed. Everything else is <cometd-bridge.h>.
 */
#ifndef COMETCTL_H
#define COMETCTL_H

#include <cometd-bridge.h>

#include <stdbool.h>
#include <stdio.h>

/* how cometctl ends; said in cometctl(1) and by --help */
enum exit_code {
	EXIT_OK = 0,
	EXIT_OTHER = 1,             /* the daemon or this program failed */
	EXIT_USAGE = 2,             /* an option, a channel, a server, a payload is wrong */
	EXIT_NO_DAEMON = 3,
	EXIT_DENIED = 4,
	EXIT_REFUSED = 5,           /* the server said no */
	EXIT_TIMEOUT = 6,
	EXIT_UNKNOWN_OUTCOME = 7,   /* sent, but no answer came: do not just repeat */
	EXIT_NOT_SENT = 8,          /* never sent: safe to repeat */
};

/* The command line. */
struct ctl {
	struct cometd *c;
	const char *socket;         /* NULL: as the library thinks */
	const char *server;         /* NULL: the default */
	bool json;
	int timeout_ms;             /* -1: none given */
	long long deadline;         /* of ctl_now(); -1: none */
	unsigned long count;        /* 0: none given */
	enum cometd_state state;
	const char *binary;         /* a file to publish, "-": standard input; NULL: none given */
	const char *ext;            /* a JSON object; NULL: none given */
	char **args;                /* behind the verb */
	int n_args;
};

/* Each returns an enum exit_code. */
int cmd_sub(struct ctl *ctl);
int cmd_pub(struct ctl *ctl);
int cmd_pub_binary(struct ctl *ctl);
int cmd_call(struct ctl *ctl);
int cmd_wait(struct ctl *ctl);
int cmd_status(struct ctl *ctl);

/* Connects, or says why not. 0 or the exit code. */
int ctl_connect(struct ctl *ctl);
/* What is published or asked: this JSON, with the ext of the command line. */
struct cometd_message ctl_message(const struct ctl *ctl, const char *data, size_t len);
/* What is left until the deadline, at least `least` ms; -1, which the library takes for its own
   idea or for ever, when there is none. */
int ctl_left(const struct ctl *ctl, int least);
/* milliseconds of a clock that never jumps */
long long ctl_now(void);

/* The exit code for an enum cometd_error. */
int exit_code_of(int error);
/*
 * "cometctl: WHAT: WORDS" to stderr, the words of the result when there is one;
 * returns the exit code. What is long is cut.
 */
int complain(const char *what, int error, const struct cometd_result *result);
/* The same of a request about this channel, or of the server when that is what is wrong. */
int complain_about(const struct ctl *ctl, const char *channel, int error,
		   const struct cometd_result *result);

/* Standard output is read by people: what a terminal may obey is printed as \uXXXX. Standard error
   always is. */
void print_to_terminal(bool yes);
/* JSON on one line: line breaks in it can only stand between tokens. */
void print_json(FILE *to, const char *json, size_t len);
/*
 * The data of a message; or, for bytes are not for terminals and the server's text of them for
 * nobody, the `binary` that `json` (the daemon's event or result) has when `bytes` is not NULL.
 */
void print_data(FILE *to, const char *data, size_t data_len, const char *bytes, const char *json,
		size_t json_len);
/* Any text, as far as it goes on one line. Returns the columns it takes; `to` may be NULL. */
size_t print_name(FILE *to, const char *name);
/* The same as a JSON string. */
void print_json_string(FILE *to, const char *text);
/* The answer to status, for people. */
void print_status(const struct cometd_json *status);
/* Flushes stdout. EXIT_OK (*ret_closed: nobody reads it any more), or EXIT_OTHER, said. */
int flush_output(bool *ret_closed);

#endif
