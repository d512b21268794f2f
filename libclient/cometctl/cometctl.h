/*
 * What the verbs of cometctl share: the parsed command line, the connection, and
 * how things are printed. Everything else is <cometd-bridge.h>.
 */
#ifndef COMETCTL_H
#define COMETCTL_H

#include <cometd-bridge.h>

#include <stdbool.h>
#include <stdio.h>

/* how cometctl ends; documented in cometctl(1) and by --help */
enum exit_code {
	EXIT_OK = 0,
	EXIT_OTHER = 1,             /* the daemon or this program failed */
	EXIT_USAGE = 2,             /* an option, a channel, a server, a payload is wrong */
	EXIT_NO_DAEMON = 3,
	EXIT_DENIED = 4,
	EXIT_REFUSED = 5,           /* by the server */
	EXIT_TIMEOUT = 6,
	EXIT_UNKNOWN_OUTCOME = 7,   /* sent, but no answer came: do not just repeat */
	EXIT_NOT_SENT = 8,          /* never sent: safe to repeat */
	EXIT_BAD_CONFIG = 9,        /* the daemon's configuration has an error */
};
#define EXIT_CODES 10

/* EPOCH:SEQ, after which messages can be asked for. */
struct ctl_position {
	char epoch[65];
	unsigned long long seq;
};

/* The session with a server, as the daemon reported it last. */
struct ctl_server {
	const char *name;           /* as in -s; NULL: the default one */
	char real_name[72];         /* "" before the daemon has reported it */
	bool known;                 /* since the last connection to the daemon */
	enum cometd_state state;
	char reason[512];           /* "": none */
	long long retry_at;         /* of ctl_now(); -1: not known */
	struct ctl_position position; /* after what was printed; not known: epoch "" */
};

/* The command line. */
struct ctl {
	struct cometd *c;
	const char *socket;         /* NULL: as the library thinks */
	struct ctl_server *servers; /* those of -s, or one without a name */
	int n_servers;
	bool server_given;
	const char *name;           /* shown in status; NULL: "cometctl" */
	bool json;
	bool quiet, verbose;
	int timeout_ms;             /* -1: none given */
	long long deadline;         /* of ctl_now(); -1: none */
	unsigned long count;        /* 0: none given */
	unsigned long history;      /* of --history; 0: none given */
	struct ctl_position since;  /* of --since; epoch "": no position given */
	unsigned long long since_ms; /* of --since, a time since 1970; 0: none given */
	const char *durable;        /* the name of a consumer; NULL: none given */
	const char *exec;           /* a command for each message; NULL: none given */
	enum cometd_state state;
	const char *format;         /* of --format; NULL: none given */
	bool text;                  /* the payload is plain text */
	const char *file;           /* with the payload, "-": standard input; NULL: none given */
	const char *binary;         /* a file to publish, "-": standard input; NULL: none given */
	const char *ext;            /* a JSON object; NULL: none given */
	char **args;                /* after the verb */
	int n_args;
	char down[256];             /* why there is no connection to the daemon */
};

/* Each returns an enum exit_code. */
int cmd_sub(struct ctl *ctl);
int cmd_history(struct ctl *ctl);
int cmd_consumers(struct ctl *ctl);
int cmd_forget(struct ctl *ctl);
int cmd_pub(struct ctl *ctl);
int cmd_pub_binary(struct ctl *ctl);
int cmd_call(struct ctl *ctl);
int cmd_wait(struct ctl *ctl);
int cmd_status(struct ctl *ctl);
int cmd_reload(struct ctl *ctl);
int cmd_config(struct ctl *ctl);
int cmd_help(struct ctl *ctl);

/* ---- the connection (ctl.c) --------------------------------------------- */

/* Connects, or reports why not. 0 or the exit code. */
int ctl_connect(struct ctl *ctl);
/* One attempt to connect, without a report. 0 or an enum cometd_error; ctl->down has the words. */
int ctl_try_connect(struct ctl *ctl);
/* Stores the state of the daemon and the servers from an event; the listener of all verbs but sub. */
void ctl_note_event(struct cometd *c, const struct cometd_event *event, void *ctl);
/* The one that an event is about, or NULL. */
struct ctl_server *ctl_server_of(struct ctl *ctl, const struct cometd_event *event);
/* "demo: unconnected: REASON, next try in 1.5 s", with -q not. */
void ctl_report_state(const struct ctl_server *server, const char *more);
/* The same when the session is not connected, to explain why a request failed with this error. */
void ctl_explain(const struct ctl_server *server, int error);
/* What is published or asked: this JSON, with the ext of the command line. */
struct cometd_message ctl_message(const struct ctl *ctl, const char *data, size_t len);
/* Milliseconds until the deadline, at least `least`; -1 when there is none, which the library takes as
   its default or as no limit. */
int ctl_left(const struct ctl *ctl, int least);
/* monotonic clock, in milliseconds */
long long ctl_now(void);

/* ---- payloads (payload.c) ------------------------------------------------ */

/*
 * The payload of pub and call as JSON: of --file, or else of the argument `arg`; with --text a JSON
 * string of it. 0, or the exit code, reported. *ret is to be freed.
 */
int payload_read(const struct ctl *ctl, const char *arg, char **ret, size_t *ret_len);
/* Reports that `what` is no JSON, or with --text no UTF-8. Returns the exit code. */
int payload_complain(const struct ctl *ctl, const char *what, int error);

/* ---- one line for each message (format.c) -------------------------------- */

/* NULL, or what is wrong with a format, for people. */
const char *format_check(const char *format, char *words, size_t size);
/* The message of the event in this format, without the end of the line. */
void format_print(FILE *to, const char *format, const struct cometd_event *event);

/* ---- errors -------------------------------------------------------------- */

/* The exit code for an enum cometd_error. */
int exit_code_of(int error);
/* "cometctl: " and these parts, up to NULL, as one line on standard error; with -q not. */
void report(const char *part, ...) __attribute__((sentinel));
/*
 * Reports "WHAT: WORDS; WHAT TO DO", the words of the result when there is one;
 * returns the exit code. What is long is cut.
 */
int complain(const char *what, int error, const struct cometd_result *result);
/* The same of a request about this channel, or of the server when that is what is wrong. */
int complain_about(const struct ctl_server *server, const char *channel, int error,
		   const struct cometd_result *result);

/* ---- printing (output.c) -------------------------------------------------- */

enum style { STYLE_HEAD, STYLE_CHANNEL, STYLE_GOOD, STYLE_BUSY, STYLE_BAD };

/* Standard output is read by people: what a terminal may obey is printed as \uXXXX. Standard error
   always is. */
void print_to_terminal(bool yes);
/* Styles are visible; JSON is indented; reports are left out. */
void print_in_color(bool yes);
void print_pretty(bool yes);
void print_quiet(bool yes);
/* What is printed between them has a style, where colours are on. */
void style_begin(FILE *to, enum style style);
void style_end(FILE *to);
/* JSON on one line (line breaks in it can only be between tokens), or indented. */
void print_json(FILE *to, const char *json, size_t len);
/*
 * The data of a message; or the `binary` that `json` (the daemon's event or result) has when
 * `bytes` is not NULL: bytes are not for terminals, and the server's text of them is not readable.
 */
void print_data(FILE *to, const char *data, size_t data_len, const char *bytes, const char *json,
		size_t json_len);
/* The event of the daemon; for a message or loss with the epoch that its seq belongs to. */
void print_event_json(FILE *to, const struct cometd_event *event);
/* Any text, as far as it goes on one line. Returns the columns it takes; `to` may be NULL. */
size_t print_name(FILE *to, const char *name);
/* The same as a JSON string. */
void print_json_string(FILE *to, const char *text);
/* The answer to status, for people. */
struct status_view {
	const struct ctl_server *servers;
	int n_servers;              /* 0: all */
	bool channels;              /* and who wants which channel */
	int columns;                /* width of the screen */
	unsigned long long now_ms;  /* since 1970 */
	unsigned long long own_pid; /* this program is not shown */
};
void print_status(const struct cometd_json *status, const struct status_view *view);
/* The answer to consumers, for people. */
void print_consumers(const struct cometd_json *result, const struct status_view *view);
/* The width of the terminal, or of COLUMNS. */
int screen_columns(void);
/* Flushes stdout. EXIT_OK (*ret_closed: no reader is left), or EXIT_OTHER, reported. */
int flush_output(bool *ret_closed);

#endif
