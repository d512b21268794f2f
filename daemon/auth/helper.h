/*
 * Runs an external program with a deadline and returns its output. argv is passed
 * unchanged, without a shell. All processes that the program starts, also those in
 * other sessions, are killed when it ends, takes too long or prints too much, and
 * when the daemon ends for any reason.
 */
#ifndef AUTH_HELPER_H
#define AUTH_HELPER_H

#include "base/loop.h"
#include "protocol/slice.h"

#include <stddef.h>
#include <stdint.h>

/* the part of stderr that is kept; the rest is read and discarded */
#define HELPER_ERRORS_MAX 512u

struct helper_options {
	const char *const *argv;        /* an absolute path first; NULL-terminated */
	struct slice input;             /* its stdin */
	size_t output_max;              /* bytes of stdout; it is killed if it prints more */
	uint64_t timeout;               /* ms until it is killed */
};

enum helper_outcome {
	HELPER_DONE,                    /* it exited with status 0 */
	HELPER_FAILED,                  /* another status, a signal, or it could not be run */
	HELPER_TIMEOUT,
	HELPER_TOO_MUCH,                /* it printed more than output_max */
};

struct helper_result {
	enum helper_outcome outcome;
	struct slice output;            /* stdout; may be a secret */
	struct slice errors;            /* the beginning of stderr */
	const char *reason;             /* "it exited with status 1"; "" for HELPER_DONE */
};

struct helper;

/*
 * Starts the program. The loop calls done(ctx, r) once; `r` is valid until the helper is freed, which done() may
 * do. The program gets a short list of environment variables (cometd-bridge.conf(5), credential-command) and the
 * descriptors 0, 1 and 2. If it cannot be executed, done() reports HELPER_FAILED. 0; -ENOMEM; -EAGAIN if too
 * many killed processes are not dead yet; -EMFILE, …
 */
int helper_new(struct loop *loop, const struct helper_options *o,
	       void (*done)(void *ctx, const struct helper_result *r), void *ctx,
	       struct helper **ret);
/* Kills everything that still runs, without waiting for its end, and wipes the output. No done() follows. Accepts
   NULL. */
void helper_free(struct helper *h);

#endif
