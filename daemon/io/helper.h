/*
 * Runs one external program under a deadline and hands over what it printed.
 * No shell: the words of argv reach it as they are. It has a process group of
 * its own, which is killed as soon as the program ended, took too long or said
 * too much: nothing that it started lives on.
 */
#ifndef IO_HELPER_H
#define IO_HELPER_H

#include "base/loop.h"
#include "protocol/slice.h"

#include <stddef.h>
#include <stdint.h>

/* so much of what it writes to stderr is kept; the rest is read and forgotten */
#define HELPER_ERRORS_MAX 512u

struct helper_options {
	const char *const *argv;        /* an absolute path first; NULL-terminated */
	struct slice input;             /* its stdin */
	size_t output_max;              /* of stdout, in bytes: beyond them it is killed */
	uint64_t timeout;               /* ms from now on, then it is killed */
};

enum helper_outcome {
	HELPER_DONE,                    /* it exited with status 0 */
	HELPER_FAILED,                  /* another status, or a signal */
	HELPER_TIMEOUT,
	HELPER_TOO_MUCH,                /* output_max */
};

struct helper_result {
	enum helper_outcome outcome;
	struct slice output;            /* stdout, until then; perhaps a secret */
	struct slice errors;            /* the beginning of stderr */
	const char *reason;             /* "it exited with status 1"; "" for HELPER_DONE */
};

struct helper;

/*
 * Starts it. done(ctx, r) is called once, by the loop; `r` lives until the helper is freed,
 * which done() may do. The environment is ours without what is between us and systemd
 * (NOTIFY_SOCKET, LISTEN_…, WATCHDOG_…); no descriptor but 0, 1 and 2 is handed down.
 * 0; -ENOMEM; -EAGAIN when too many that were killed are not dead yet; or why it cannot be run:
 * -ENOENT, -EACCES, …
 */
int helper_new(struct loop *loop, const struct helper_options *o,
	       void (*done)(void *ctx, const struct helper_result *r), void *ctx,
	       struct helper **ret);
/* Kills what still runs, and wipes what was printed. NULL is fine. No done() follows. */
void helper_free(struct helper *h);

#endif
