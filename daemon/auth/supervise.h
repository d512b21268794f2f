/*
 * The process between the daemon and a program that it runs (auth/helper.h). It is the reaper of all processes
 * that the program starts, also of those in another session or process group, so it can end exactly these.
 */
#ifndef AUTH_SUPERVISE_H
#define AUTH_SUPERVISE_H

#include <sys/types.h>

/* In memory shared with the daemon, which reads it when the supervisor has ended. */
struct supervise_report {
	int error;                      /* errno of the failure to run the program, or 0 */
	int code, status;               /* how it ended, as in siginfo_t; 0: it did not end by itself */
};

struct supervise {
	const char *const *argv;        /* an absolute path first; NULL-terminated */
	char *const *env;
	int fds[3];                     /* its stdin, stdout and stderr */
	pid_t parent;                   /* the daemon */
	struct supervise_report *report;
};

/*
 * To be called in the child of a fork, with all signals blocked. Runs the program and waits for its end, for
 * SIGTERM, or for the end of the daemon; then kills and reaps all that is left of it, and exits. Only
 * async-signal-safe functions: the daemon has threads (of libcurl).
 */
_Noreturn void supervise(const struct supervise *o);

#endif
