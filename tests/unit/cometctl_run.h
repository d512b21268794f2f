/*
 * cometctl, and other programs that talk to the daemon, seen from outside:
 * arguments and input in; output, news and exit code out.
 */
#ifndef TESTS_COMETCTL_RUN_H
#define TESTS_COMETCTL_RUN_H

#include "tests/unit/client_daemon.h"

#include <stddef.h>
#include <sys/types.h>

struct run {
	pid_t pid;
	int in, out, err;           /* our ends; -1: closed */
	char text[2][16384];        /* what came out of out and err */
	size_t n[2];
	int status;
};

/* the value of top_srcdir or top_builddir */
const char *top(const char *variable);
/* The program of this build is found before any other. */
void find_cometctl_first(void);
/* `line` is split at spaces; ' in it means ". */
void start_program(struct run *r, const char *program, const char *socket, const char *line);
/* The same with cometctl. */
void start(struct run *r, const char *socket, const char *line);
/* The same with a full disk as its standard output. */
void start_full(struct run *r, const char *socket, const char *line);
/* Reads its output until stdout has `text` (NULL: until both are closed). */
void read_until(struct run *r, const char *text);
void close_input(struct run *r);
/* Closes its input, reads the rest and waits for its end. */
void finish(struct run *r);
void feed(struct run *r, const char *text);
/* In place: " becomes ', as in scripts. */
void unquote(char *text);

/* ---- scripts ------------------------------------------------------------- */

#define SCRIPT(...) (const struct daemon_step[]){__VA_ARGS__, {D_END, 0, 0}}
#define NOTHING SCRIPT({D_END, 0, 0})
#define END {D_HEAR_END, 0, 0}
#define GREET D_GREET(1, D_DEMO)
#define PUB(id, what) {D_HEAR, "{'op':'publish','id':" #id "," what, 0}
#define SUBSCRIBED GREET, D_SUBSCRIBE(2, "/a"), D_MESSAGE(1, "/a", "1")

#endif
