/*
 * The process between the daemon and a program that it runs (io/helper.h). It is the
 * reaper of everything that the program starts, also of what left its session and its
 * process group, so it can end all of that and nothing else.
 */
#ifndef IO_SUPERVISE_H
#define IO_SUPERVISE_H

#include <sys/types.h>

/* In memory shared with the daemon, which reads it when the supervisor has ended. */
struct supervise_report {
	int error;                      /* why the program could not be run: an errno, or 0 */
	int code, status;               /* of its end, as in siginfo_t; 0: it did not end by itself */
};

struct supervise {
	const char *const *argv;        /* an absolute path first; NULL-terminated */
	char *const *env;
	int fds[3];                     /* its stdin, stdout and stderr */
	pid_t parent;                   /* the daemon */
	struct supervise_report *report;
};

/*
 * For the child side of a fork in which all signals are blocked. Runs the program and waits for
 * its end, for SIGTERM, or for the end of the daemon; then kills and reaps all that is left of
 * it, and exits. Only async-signal-safe functions: the daemon has threads (of libcurl).
 */
_Noreturn void supervise(const struct supervise *o);

#endif
