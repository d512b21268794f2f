/*
 * Owns one child process, the pipes to it and what came out of them. Guarantees
 * that the child, and all of its group, are dead and reaped when done() is called
 * or the helper is freed, or, where the kernel takes its time to kill, that it is
 * reaped by a later one and that such children are few; that a child which forks, floods or hangs costs no more
 * than the limits; and that what was printed is wiped. Must never know what it is for.
 *
 * The child is watched by a pidfd: no SIGCHLD, so no handler that could meet the
 * children of somebody else. Its end is its exit and not the end of its stdout,
 * which a grandchild may hold open for ever. The group is killed while the child is
 * not reaped yet, for until then nobody else can have its number.
 */
#include "io/helper.h"

#include "base/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* how long a killed process may take to be gone; it is the kernel's work alone */
#define KILL_MS 500
#define UNDEAD_MAX 16
#define READ_MAX 65536u

/* the reading end of one of its outputs */
struct sink {
	struct helper *owner;
	int fd;
	struct loop_watch *watch;
	char *mem;
	size_t n, max;
	bool cut;                       /* more came than max */
};

struct helper {
	struct loop *loop;
	void (*done)(void *ctx, const struct helper_result *r);
	void *ctx;
	pid_t pid;                      /* 0: none, or reaped */
	int pidfd;
	struct loop_watch *exit;
	struct loop_timer *deadline;
	struct sink output, errors;
	char errors_mem[HELPER_ERRORS_MAX];
	struct helper_result result;
	char reason[64];
};

/* --- the end --- */

/* killed, and not gone when KILL_MS had passed: it sleeps in the kernel, or is frozen */
static pid_t undead[UNDEAD_MAX];

/* Where the next one would be kept; NULL when there are too many. */
static pid_t *reap_undead(void)
{
	pid_t *room = NULL;

	for (pid_t *p = undead; p < undead + UNDEAD_MAX; p++) {
		siginfo_t info = {0};

		if (*p && (waitid(P_PID, (id_t)*p, &info, WEXITED | WNOHANG) != 0 || info.si_pid))
			*p = 0;
		if (!*p)
			room = p;
	}
	return room;
}

/* Kills the group and reaps the child; its status as of waitid(2), or false. */
static bool finish(struct helper *h, siginfo_t *ret)
{
	struct pollfd p = {.fd = h->pidfd, .events = POLLIN};

	*ret = (siginfo_t){0};
	kill(-h->pid, SIGKILL);
	if (h->pidfd >= 0)
		poll(&p, 1, KILL_MS);
	int r = waitid(P_PID, (id_t)h->pid, ret, WEXITED | (h->pidfd >= 0 ? WNOHANG : 0));
	pid_t *room = r == 0 && ret->si_pid == 0 ? reap_undead() : NULL;
	if (room)
		*room = h->pid;
	h->pid = 0;
	return r == 0 && ret->si_pid != 0;
}

static void stop_watching(struct helper *h)
{
	loop_watch_free(TAKE(h->exit));
	loop_watch_free(TAKE(h->output.watch));
	loop_watch_free(TAKE(h->errors.watch));
	if (h->deadline)
		loop_timer_stop(h->deadline);
}

static void tell(struct helper *h, enum helper_outcome outcome)
{
	stop_watching(h);
	h->result.outcome = outcome;
	h->result.output = slice_make(h->output.mem, h->output.n);
	h->result.errors = slice_make(h->errors.mem, h->errors.n);
	h->result.reason = h->reason;
	h->done(h->ctx, &h->result);
}

static void give_up(struct helper *h, enum helper_outcome outcome, const char *reason)
{
	siginfo_t info;

	finish(h, &info);
	snprintf(h->reason, sizeof(h->reason), "%s", reason);
	tell(h, outcome);
}

static void on_deadline(void *ctx)
{
	give_up(ctx, HELPER_TIMEOUT, "it took too long");
}

/* --- its output --- */

/* Whether there may be more at once. */
static bool read_some(struct sink *s)
{
	char spare[4096];
	size_t room = s->max - s->n;
	/* what is beyond the ceiling is read all the same: a child must not wait for ever */
	ssize_t n = room ? read(s->fd, s->mem + s->n, room) : read(s->fd, spare, sizeof(spare));

	if (n > 0 && room)
		s->n += (size_t)n;
	else if (n > 0)
		s->cut = true;
	explicit_bzero(spare, sizeof(spare));
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
		give_up(s->owner, HELPER_TOO_MUCH, "it printed too much");
}

/* What it left in the pipe when it went; a grandchild could write for ever. */
static void drain(struct sink *s)
{
	for (size_t n = 0; n < READ_MAX && read_some(s); n += 4096)
		;
}

static void on_exit_seen(void *ctx, unsigned events)
{
	struct helper *h = ctx;
	siginfo_t info;

	(void)events;
	bool known = finish(h, &info);
	drain(&h->output);
	drain(&h->errors);
	if (h->output.cut) {
		snprintf(h->reason, sizeof(h->reason), "it printed too much");
		tell(h, HELPER_TOO_MUCH);
	} else if (known && info.si_code == CLD_EXITED && info.si_status == 0) {
		tell(h, HELPER_DONE);
	} else {
		snprintf(h->reason, sizeof(h->reason), "it %s %d",
			 info.si_code == CLD_EXITED ? "exited with status" : "was ended by signal",
			 info.si_status);
		tell(h, HELPER_FAILED);
	}
}

/* --- the start --- */

/* What it is to read lies in memory: no pipe that it could leave unread. */
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

static bool is_ours_alone(const char *variable)
{
	return strncmp(variable, "NOTIFY_SOCKET=", 14) == 0 ||
	       strncmp(variable, "LISTEN_", 7) == 0 || strncmp(variable, "WATCHDOG_", 9) == 0;
}

static char **make_environment(void)
{
	size_t n = 0, k = 0;

	while (environ && environ[n])
		n++;
	char **env = calloc(n + 1, sizeof(*env));
	for (size_t i = 0; env && i < n; i++)
		if (!is_ours_alone(environ[i]))
			env[k++] = environ[i];
	return env;
}

/* A new group, no signal blocked or ignored, and no descriptor of ours: libcurl's sockets are
   not all close-on-exec. */
static int prepare(posix_spawn_file_actions_t *files, posix_spawnattr_t *attr, int in, int out,
		   int err)
{
	sigset_t none, all;
	int r = posix_spawn_file_actions_adddup2(files, in, 0);

	sigemptyset(&none);
	sigfillset(&all);
	if (!r)
		r = posix_spawn_file_actions_adddup2(files, out, 1);
	if (!r)
		r = posix_spawn_file_actions_adddup2(files, err, 2);
	if (!r)
		r = posix_spawn_file_actions_addclosefrom_np(files, 3);
	posix_spawnattr_setpgroup(attr, 0);
	posix_spawnattr_setsigmask(attr, &none);
	posix_spawnattr_setsigdefault(attr, &all);
	posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
					       POSIX_SPAWN_SETSIGDEF);
	return -r;
}

static int spawn(struct helper *h, const char *const *argv, int in, int out, int err)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	char **env = make_environment();
	int r = env ? 0 : -ENOMEM;

	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	if (!r)
		r = prepare(&files, &attr, in, out, err);
	if (!r)
		r = -posix_spawn(&h->pid, argv[0], &files, &attr, (char *const *)argv, env);
	if (r)
		h->pid = 0;
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	free(env);
	return r;
}

/* The reading end stays here, and only it does not block. */
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

static int start(struct helper *h, const struct helper_options *o)
{
	CLEANUP(close_fdp) int in = -1;
	CLEANUP(close_fdp) int out = -1;
	CLEANUP(close_fdp) int err = -1;
	int r = reap_undead() ? 0 : -EAGAIN;

	if (!r)
		r = loop_timer_new(h->loop, on_deadline, h, &h->deadline);
	if (!r)
		r = make_input(o->input, &in);
	if (!r)
		r = make_sink(h, &h->output, &out);
	if (!r)
		r = make_sink(h, &h->errors, &err);
	if (!r)
		r = spawn(h, o->argv, in, out, err);
	if (r)
		return r;
	h->pidfd = pidfd_open(h->pid, 0);
	if (h->pidfd < 0)
		return -errno;
	r = loop_watch_new(h->loop, h->pidfd, LOOP_READ, on_exit_seen, h, &h->exit);
	if (!r)
		loop_timer_at(h->deadline, loop_now(h->loop) + o->timeout);
	return r;
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
	siginfo_t info;

	if (!h)
		return;
	stop_watching(h);
	if (h->pid)
		finish(h, &info);
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
