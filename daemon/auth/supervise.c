/*
 * Supervises the processes of one helper program. All of them are dead and reaped when it exits, and no other
 * process is ever signalled: it kills only its own children, and the kernel does not reuse the pid of a child
 * that is not reaped. A process whose parent has ended becomes its child (PR_SET_CHILD_SUBREAPER).
 */
#include "auth/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* pause between two searches for children while some of them are still ending */
#define AGAIN_NS 10000000

/* Runs the program in a new process group, with no signal ignored or blocked, and no descriptors but 0, 1 and 2. */
static _Noreturn void run(const struct supervise *o)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t none;
	int fds[3];

	setpgid(0, 0);
	for (int n = 1; n < NSIG; n++)
		sigaction(n, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* move them first: a descriptor may have the number that another one must get */
	for (int i = 0; i < 3; i++)
		fds[i] = fcntl(o->fds[i], F_DUPFD, 3);
	for (int i = 0; i < 3; i++)
		if (fds[i] < 0 || dup2(fds[i], i) < 0)
			goto failed;
	close_range(3, UINT_MAX, 0);
	execve(o->argv[0], (char *const *)o->argv, o->env);
failed:
	o->report->error = errno;
	_exit(127);
}

/* Kills all children. False if the kernel does not list them (CONFIG_PROC_CHILDREN). */
static bool kill_children(void)
{
	int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
	char text[4096];
	ssize_t n;
	pid_t pid = 0;

	if (fd < 0)
		return false;
	/* "123 124 " */
	while ((n = read(fd, text, sizeof(text))) > 0)
		for (ssize_t i = 0; i < n; i++) {
			if (text[i] >= '0' && text[i] <= '9') {
				pid = pid * 10 + (text[i] - '0');
				continue;
			}
			if (pid > 0)
				kill(pid, SIGKILL);
			pid = 0;
		}
	close(fd);
	return true;
}

/* Whether the program has ended; records how. Does not reap it. */
static bool has_ended(pid_t program, struct supervise_report *report)
{
	siginfo_t info = {0};

	if (waitid(P_PID, (id_t)program, &info, WEXITED | WNOHANG | WNOWAIT) || !info.si_pid)
		return false;
	report->code = info.si_code;
	report->status = info.si_status;
	return true;
}

/* Reaps dead children. False if there are no children left. */
static bool reap(void)
{
	siginfo_t info;

	do {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG))
			return errno != ECHILD;
	} while (info.si_pid);
	return true;
}

static void watch(pid_t program, struct supervise_report *report)
{
	const struct timespec again = {0, AGAIN_NS};
	bool ending = false;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	for (;;) {
		bool stop = sigtimedwait(&set, NULL, ending ? &again : NULL) == SIGTERM;

		if (!ending && (has_ended(program, report) || stop)) {
			ending = true;
			/* before reaping it: until then no other process group can get its number */
			kill(-program, SIGKILL);
		}
		if (!reap() || (ending && !kill_children()))
			return;
	}
}

_Noreturn void supervise(const struct supervise *o)
{
	struct sigaction action = {.sa_handler = SIG_DFL};

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != o->parent)
		_exit(1);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* if SIGCHLD were ignored, the kernel would reap the children itself */
	sigaction(SIGCHLD, &action, NULL);
	pid_t program = _Fork();
	if (program == 0)
		run(o);
	if (program < 0) {
		o->report->error = errno;
		_exit(1);
	}
	/* the pipes in particular: they must close when the program ends */
	close_range(0, UINT_MAX, 0);
	watch(program, o->report);
	_exit(0);
}
