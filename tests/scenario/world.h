/*
 * The environment of a scenario: a directory, a fake Bayeux server, a real daemon
 * with a configuration, and further processes. Every process it starts ends with it;
 * every wait has a deadline that fails the test.
 */
#ifndef TESTS_SCENARIO_WORLD_H
#define TESTS_SCENARIO_WORLD_H

#include "tests/fake/fake.h"
#include "tests/scenario/wire.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/types.h>

struct world {
	char dir[64];
	char socket[96];
	char config[96];
	char log[96];            /* the daemon's stderr */
	char state[96];          /* the daemon's state directory; empty: none */
	struct fake *fake;
	pid_t daemon;            /* 0 while none runs */
	int notify;              /* socket on which the daemon sends READY=1 */
	struct world *next;      /* of those that are not freed */
};

/* Makes the directory and starts the fake server with these options (NULL-terminated, may be NULL).
   By default it holds a connect, and keeps a session, for longer than any test. */
struct world *world_new(const char *const *fake_options);
/* Stops what still runs; the daemon must end with status 0 on SIGTERM. */
void world_free(struct world *w);

/*
 * Writes the configuration: [bridge] with the socket and `bridge` (lines), then [server demo] with
 * the fake's url and `server` (lines), then `rest`. Each may be NULL. A deadline that `server` does
 * not set is longer than any test, so that a slow machine cannot reach it. Where a test sets one, it
 * must also succeed when that deadline passes once more than expected.
 */
void world_configure(struct world *w, const char *bridge, const char *server, const char *rest);
/* A copy of `lines` in which each $DIR is the world's directory; the caller frees. */
char *world_lines(const struct world *w, const char *lines);
/* From now on the daemon has a state directory. */
void world_keep_state(struct world *w);
/* Starts the daemon, under $DAEMON_WRAPPER if that is set, and waits for READY=1. */
void world_start(struct world *w);
/* SIGTERM; returns the wait status. */
int world_stop(struct world *w);
void world_kill(struct world *w);
/* world_new, world_configure with these server lines, world_start. */
struct world *world_up(const char *const *fake_options, const char *server);

/* Connects a peer, with hello, once the server `demo` is connected. */
struct wire *world_peer(struct world *w, const char *name);

/* Rows of a list of tests: the test gets the names of the transports. */
#define ON_BOTH(test)                                                                              \
	{"websocket: " #test, test, NULL, NULL, (void *)"websocket"}, LONG_POLLING(test)
#define LONG_POLLING(test) {"long-polling: " #test, test, NULL, NULL, (void *)"long-polling"}

/* Runs the tests whose names match $SCENARIO (with "*"), or all of them. */
#define scenario_run(name, tests, setup, teardown)                                                 \
	(cmocka_set_test_filter(getenv("SCENARIO")),                                               \
	 world_forget(cmocka_run_group_tests_name(name, tests, setup, teardown)))

/* Prints the end of each daemon's log left by a failed test, and frees its world; returns `failed`. */
int world_forget(int failed);

/* --- processes --- */
struct process {
	pid_t pid;
	int out;                 /* its stdout */
	int err;                 /* its stderr */
	int in;                  /* its stdin */
	struct buf out_text, err_text;
};
/* Starts argv[0] from the build tree ("cometctl", "cometd-bridged") with COMETD_BRIDGE_SOCKET set. */
struct process *world_run(struct world *w, const char *const *argv);
/* The next complete line of its stdout, without newline; NULL at the end. The caller frees it. */
char *process_line(struct process *p);
/* Closes its stdin, reads the rest, waits; returns the exit status (128 + signal). Frees p. */
int process_wait(struct process *p, char **ret_out, char **ret_err);
/* Runs a program to its end and returns the exit status; *ret_out may be NULL; the caller frees. */
int world_command(struct world *w, char **ret_out, char **ret_err, const char *argv0, ...)
	__attribute__((sentinel));

/* descriptors, and resident memory (KiB) now and at its highest, of the daemon, from /proc; no
   memory (0) under a sanitizer or a wrapper, which would be included */
unsigned world_daemon_fds(const struct world *w);
unsigned world_daemon_rss(const struct world *w);
unsigned world_daemon_peak(const struct world *w);
/* whether the daemon's log has this text; for messages that people read */
bool world_log_has(const struct world *w, const char *text);

#endif
