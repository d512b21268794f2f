/*
 * The process between the daemon and a program that it runs (auth/helper.h). It is the subreaper of all processes
 * that the program starts, also of those in another session or process group, so it can kill exactly these.
 */
#ifndef AUTH_SUPERVISE_H
#define AUTH_SUPERVISE_H

#include <sys/types.h>

/* In memory shared with the daemon, which reads it when the supervisor has ended. */
struct supervise_report {
	int error;                      /* errno of the failure to run the program, or 0 */
	int code, status;               /* how the program ended, as in siginfo_t; 0: it was killed */
};

struct supervise {
	const char *const *argv;        /* an absolute path first; NULL-terminated */
	char *const *env;
	int fds[3];                     /* its stdin, stdout and stderr */
	pid_t parent;                   /* the daemon */
	struct supervise_report *report;
};

/*
 * Call it in the child of a fork, with all signals blocked. Runs the program and waits for its end, for
 * SIGTERM, or for the end of the daemon; then kills and reaps all remaining processes, and exits. It calls only
 * async-signal-safe functions, because the daemon has threads (of libcurl).
 */
_Noreturn void supervise(const struct supervise *o);

#endif
