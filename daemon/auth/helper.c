/*
 * Owns one program, its pipes and its output. The program is the child of a supervisor (auth/supervise.h), which
 * kills and reaps all processes of the program. Nothing here blocks. done() is called when all these processes
 * are dead, or END_MS after the supervisor was asked to end. The number of processes that are still ending is
 * limited, and later calls reap them. The output is wiped from memory.
 *
 * The supervisor is watched with a pidfd instead of SIGCHLD, so that children of extensions are not affected.
 * The program has ended when it exits, not at the end of its stdout, which another process may keep open.
 */
#include "auth/helper.h"

#include "auth/supervise.h"
#include "base/errors.h"
#include "base/list.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* how long a supervisor may take to kill everything; only the kernel can delay it */
#define END_MS 500
#define ENDING_MAX 16
#define READ_MAX 65536u

/* the reading end of one of its outputs */
struct sink {
	struct helper *owner;
	int fd;
	struct loop_watch *watch;
	char *mem;
	size_t n, max;
	bool cut;                       /* more than `max` bytes were received */
};

/* outlives its helper until it is reaped */
struct supervisor {
	struct list link;               /* in `ending`, without a helper */
	pid_t pid;
};

struct helper {
	struct loop *loop;
	void (*done)(void *ctx, const struct helper_result *r);
	void *ctx;
	struct supervisor *supervisor;
	struct supervise_report *report;
	int pidfd;
	struct loop_watch *exit;
	struct loop_timer *deadline;    /* for the program, then for the supervisor's end */
	bool asked_to_end;              /* the outcome is known */
	struct sink output, errors;
	char errors_mem[HELPER_ERRORS_MAX];
	struct helper_result result;
	char reason[128];
};

/* --- the end --- */

/* supervisors that were asked to end and were not dead yet */
static struct list ending = LIST_INIT(ending);

/* Returns how many are left. */
static unsigned reap_ending(void)
{
	unsigned n = 0;

	LIST_EACH_SAFE(s, &ending, struct supervisor, link) {
		siginfo_t info = {0};

		if (waitid(P_PID, (id_t)s->pid, &info, WEXITED | WNOHANG) == 0 && !info.si_pid) {
			n++;
			continue;
		}
		list_remove(&s->link);
		free(s);
	}
	return n;
}

/* Does not wait: the supervisor kills all processes, even if the daemon ends now. */
static void leave_supervisor(struct helper *h)
{
	struct supervisor *s = TAKE(h->supervisor);

	if (!s)
		return;
	if (s->pid) {
		kill(s->pid, SIGTERM);
		list_append(&ending, &s->link);
	} else {
		free(s);
	}
	reap_ending();
}

static void stop_reading(struct helper *h)
{
	loop_watch_free(TAKE(h->output.watch));
	loop_watch_free(TAKE(h->errors.watch));
}

static void stop_watching(struct helper *h)
{
	loop_watch_free(TAKE(h->exit));
	stop_reading(h);
	if (h->deadline)
		loop_timer_stop(h->deadline);
}

static void report(struct helper *h)
{
	stop_watching(h);
	leave_supervisor(h);
	h->result.output = slice_make(h->output.mem, h->output.n);
	h->result.errors = slice_make(h->errors.mem, h->errors.n);
	h->result.reason = h->reason;
	h->done(h->ctx, &h->result);
}

static void end(struct helper *h, enum helper_outcome outcome, const char *reason)
{
	h->asked_to_end = true;
	h->result.outcome = outcome;
	snprintf(h->reason, sizeof(h->reason), "%s", reason);
	stop_reading(h);
	kill(h->supervisor->pid, SIGTERM);
	loop_timer_at(h->deadline, loop_now(h->loop) + END_MS);
}

static void on_deadline(void *ctx)
{
	struct helper *h = ctx;

	if (h->asked_to_end)
		report(h);
	else
		end(h, HELPER_TIMEOUT, "it took too long");
}

/* --- its output --- */

/* Returns whether there may be more to read now. */
static bool read_some(struct sink *s)
{
	char excess[4096];
	size_t room = s->max - s->n;
	/* the excess is read and discarded, so that the program does not block while writing */
	ssize_t n = room ? read(s->fd, s->mem + s->n, room) : read(s->fd, excess, sizeof(excess));

	if (n > 0 && room)
		s->n += (size_t)n;
	else if (n > 0)
		s->cut = true;
	explicit_bzero(excess, sizeof(excess));
	if (n == 0)
		loop_watch_free(TAKE(s->watch));
	return n > 0 || (n < 0 && errno == EINTR);
}

static void on_readable(void *ctx, unsigned events)
{
	struct sink *s = ctx;

	(void)events;
	read_some(s);
	if (s->cut && s == &s->owner->output)
		end(s->owner, HELPER_TOO_MUCH, "it printed too much");
}

/* Reads what the program left in the pipe when it ended. */
static void drain(struct sink *s)
{
	for (size_t n = 0; n < READ_MAX && read_some(s); n += 4096)
		;
}

/* Determines the outcome after the program has ended. */
static enum helper_outcome judge(struct helper *h)
{
	const struct supervise_report *r = h->report;

	if (r->error) {
		snprintf(h->reason, sizeof(h->reason), "it cannot be run: %s", strerror(r->error));
		return HELPER_FAILED;
	}
	if (h->output.cut) {
		snprintf(h->reason, sizeof(h->reason), "it printed too much");
		return HELPER_TOO_MUCH;
	}
	if (r->code == CLD_EXITED && r->status == 0)
		return HELPER_DONE;
	if (r->code)
		snprintf(h->reason, sizeof(h->reason), "it %s %d",
			 r->code == CLD_EXITED ? "exited with status" : "was ended by signal",
			 r->status);
	else
		snprintf(h->reason, sizeof(h->reason), "its supervisor was killed");
	return HELPER_FAILED;
}

/* The supervisor has ended, and with it all processes of the program. */
static void on_exit_seen(void *ctx, unsigned events)
{
	struct helper *h = ctx;
	siginfo_t info;

	(void)events;
	waitid(P_PID, (id_t)h->supervisor->pid, &info, WEXITED | WNOHANG);
	h->supervisor->pid = 0;
	if (!h->asked_to_end) {
		drain(&h->output);
		drain(&h->errors);
		h->result.outcome = judge(h);
	}
	report(h);
}

/* --- the start --- */

/* The input is a memory file instead of a pipe, which the program might not read. */
static int make_input(struct slice input, int *ret)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if ((input.n && write(fd, input.p, input.n) != (ssize_t)input.n) ||
	    lseek(fd, 0, SEEK_SET) < 0) {
		close(fd);
		return -EIO;
	}
	*ret = fd;
	return 0;
}

/* Whether the program gets this variable: those for files, language, time zone and proxy. A name that ends in "_"
   matches all names that begin with it. Documented in cometd-bridge.conf(5). */
static bool is_inherited(const char *variable)
{
	static const char *const names[] = {
		"PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "LC_", "TZ", "TMPDIR",
		"CREDENTIALS_DIRECTORY", "STATE_DIRECTORY", "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR",
		"SSL_CERT_FILE", "SSL_CERT_DIR", "http_proxy", "https_proxy", "HTTPS_PROXY",
		"all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t n = strlen(names[i]);

		if (strncmp(variable, names[i], n) == 0 &&
		    (variable[n] == '=' || names[i][n - 1] == '_'))
			return true;
	}
	return false;
}

static char **make_environment(void)
{
	size_t n = 0, k = 0;

	while (environ && environ[n])
		n++;
	char **env = calloc(n + 1, sizeof(*env));
	for (size_t i = 0; env && i < n; i++)
		if (is_inherited(environ[i]))
			env[k++] = environ[i];
	return env;
}

/* All signals are blocked in the child, where a signal handler of the daemon would write to the daemon's pipes. */
static int fork_supervisor(struct helper *h, struct supervise *o)
{
	sigset_t all, before;
	int r = 0;

	sigfillset(&all);
	o->parent = getpid();
	o->report = h->report;
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid_t pid = _Fork();
	if (pid == 0)
		supervise(o);
	if (pid < 0)
		r = -errno;
	else
		h->supervisor->pid = pid;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

/* Makes a pipe; only its reading end is nonblocking. */
static int make_sink(struct helper *h, struct sink *s, int *ret_fd)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	s->owner = h;
	s->fd = fds[0];
	*ret_fd = fds[1];
	if (fcntl(s->fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return loop_watch_new(h->loop, s->fd, LOOP_READ, on_readable, s, &s->watch);
}

static void close_fdp(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static int watch_supervisor(struct helper *h, uint64_t timeout)
{
	h->pidfd = pidfd_open(h->supervisor->pid, 0);
	if (h->pidfd < 0)
		return -errno;
	int r = loop_watch_new(h->loop, h->pidfd, LOOP_READ, on_exit_seen, h, &h->exit);
	if (!r)
		loop_timer_at(h->deadline, loop_now(h->loop) + timeout);
	return r;
}

static int make_report(struct helper *h)
{
	void *p = mmap(NULL, sizeof(*h->report), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -ENOMEM;
	h->report = p;
	h->supervisor = calloc(1, sizeof(*h->supervisor));
	return h->supervisor ? 0 : -ENOMEM;
}

static int start(struct helper *h, const struct helper_options *o)
{
	CLEANUP(close_fdp) int in = -1;
	CLEANUP(close_fdp) int out = -1;
	CLEANUP(close_fdp) int err = -1;
	int r = reap_ending() < ENDING_MAX ? 0 : -EAGAIN;

	if (!r)
		r = make_report(h);
	if (!r)
		r = loop_timer_new(h->loop, on_deadline, h, &h->deadline);
	if (!r)
		r = make_input(o->input, &in);
	if (!r)
		r = make_sink(h, &h->output, &out);
	if (!r)
		r = make_sink(h, &h->errors, &err);
	if (r)
		return r;
	char **env = make_environment();
	struct supervise s = {.argv = o->argv, .env = env, .fds = {in, out, err}};
	r = env ? fork_supervisor(h, &s) : -ENOMEM;
	free(env);
	return r ? r : watch_supervisor(h, o->timeout);
}

DEFINE_FREEP(helper, helper_free)

int helper_new(struct loop *loop, const struct helper_options *o,
	       void (*done)(void *ctx, const struct helper_result *r), void *ctx,
	       struct helper **ret)
{
	CLEANUP(helper_freep) struct helper *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->loop = loop;
	h->done = done;
	h->ctx = ctx;
	h->pidfd = h->output.fd = h->errors.fd = -1;
	h->errors.mem = h->errors_mem;
	h->errors.max = sizeof(h->errors_mem);
	h->output.max = o->output_max;
	h->output.mem = malloc(o->output_max + 1);
	int r = h->output.mem ? start(h, o) : -ENOMEM;
	if (r)
		return r;
	*ret = TAKE(h);
	return 0;
}

void helper_free(struct helper *h)
{
	if (!h)
		return;
	stop_watching(h);
	leave_supervisor(h);
	if (h->report)
		munmap(h->report, sizeof(*h->report));
	close_fdp(&h->pidfd);
	close_fdp(&h->output.fd);
	close_fdp(&h->errors.fd);
	loop_timer_free(h->deadline);
	if (h->output.mem)
		explicit_bzero(h->output.mem, h->output.n);
	free(h->output.mem);
	explicit_bzero(h->errors_mem, sizeof(h->errors_mem));
	free(h);
}
