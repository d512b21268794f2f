/*
 * Runs one external program under a deadline and hands over what it printed. No
 * shell: the words of argv reach it as they are. All processes that it started,
 * also those in sessions of their own, are killed when the program ends, takes
 * too long or prints too much, and when this process ends for any reason.
 */
#ifndef AUTH_HELPER_H
#define AUTH_HELPER_H

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
	HELPER_FAILED,                  /* another status, a signal, or it could not be run */
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
 * Starts it. done(ctx, r) is called once, by the loop; `r` lives until the helper is freed, which done() may
 * do. It inherits a short list of environment variables (cometd-bridge.conf(5), credential-command) and the
 * descriptors 0, 1 and 2. Failing to run the program is an outcome, too. 0; -ENOMEM; -EAGAIN when too many
 * that were killed are not dead yet; -EMFILE, …
 */
int helper_new(struct loop *loop, const struct helper_options *o,
	       void (*done)(void *ctx, const struct helper_result *r), void *ctx,
	       struct helper **ret);
/* Requests the end of everything that still runs, without waiting for it, and wipes its output. NULL is
   allowed. No done() follows. */
void helper_free(struct helper *h);

#endif
