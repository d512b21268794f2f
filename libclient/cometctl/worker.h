/*
 * cometctl sub --exec: a command for each message, one at a time, until it succeeds.
 */
#ifndef COMETCTL_WORKER_H
#define COMETCTL_WORKER_H

#include "cometctl.h"

#include <signal.h>
#include <sys/types.h>

/* Private to worker.c. */
struct worker {
	const char *command;        /* NULL: there is none */
	sigset_t mask;              /* signals that the command has blocked */
	int input;                  /* the message; -1: none */
	pid_t pid;                  /* of the command; 0: it does not run */
	long long due;              /* of ctl_now(): when it is started again, or killed; -1: never */
	unsigned failures;          /* of this message */
	bool stopped;               /* it will not be started again */
	struct ctl_server *server;
	struct ctl_position at;     /* of the message */
};

void worker_init(struct worker *w, const char *command);
/* Whether a message is not processed yet. */
static inline bool worker_is_busy(const struct worker *w) { return w->input >= 0; }
/* Starts the command with the message as its input, in this format (NULL: JSON). 0 or -errno. */
int worker_begin(struct worker *w, struct ctl_server *server, const char *format,
		 const struct cometd_event *e);
/* Starts it again, or kills it, if that is due. Whether the command has succeeded: the message is processed. */
bool worker_run(struct worker *w);
/* Sends it this signal, and kills it if it has not ended after some seconds. It is not started again. */
void worker_stop(struct worker *w, int signo);
void worker_fini(struct worker *w);

#endif
