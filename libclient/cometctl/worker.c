/*
 * Runs the command. The message is a file in memory, so that a command that does not
 * read it blocks nothing. The command is in a process group of its own, so that a
 * signal reaches all of a pipeline, and each of its processes once.
 */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAUSE_FIRST_MS 500
#define PAUSE_MAX_MS 60000
/* to end by itself after a signal */
#define STOP_MS 5000

extern char **environ;

void worker_init(struct worker *w, const char *command)
{
	*w = (struct worker){.command = command, .input = -1, .due = -1};
}

/* ---- the message --------------------------------------------------------- */

static int write_input(const char *format, const struct cometd_event *e, int *ret)
{
	int fd = memfd_create("message", MFD_CLOEXEC);
	FILE *to = fd < 0 ? NULL : fdopen(fd, "w");

	if (!to) {
		int error = errno;

		if (fd >= 0)
			close(fd);
		return -error;
	}
	if (format)
		format_print(to, format, e);
	else
		print_event_json(to, e);
	fputc('\n', to);
	int copy = fflush(to) ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	int error = copy < 0 ? errno : 0;
	fclose(to);
	if (copy < 0)
		return -error;
	*ret = copy;
	return 0;
}

static int set_environment(const struct cometd_event *e)
{
	char seq[32];

	snprintf(seq, sizeof(seq), "%llu", (unsigned long long)e->seq);
	if (setenv("COMETD_SERVER", e->server, 1) || setenv("COMETD_CHANNEL", e->channel, 1) ||
	    setenv("COMETD_SEQ", seq, 1) || setenv("COMETD_REDELIVERED", e->redelivered ? "1" : "0", 1))
		return -errno;
	return 0;
}

static void forget_message(struct worker *w)
{
	if (w->input >= 0)
		close(w->input);
	w->input = -1;
	w->due = -1;
	w->failures = 0;
}

/* ---- the command --------------------------------------------------------- */

static int spawn(const struct worker *w, pid_t *ret)
{
	char *const argv[] = {(char *)"sh", (char *)"-c", (char *)w->command, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t defaults;

	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	if (lseek(w->input, 0, SEEK_SET) < 0)
		return errno;
	int r = posix_spawn_file_actions_init(&files);
	if (r)
		return r;
	r = posix_spawnattr_init(&attributes);
	if (r) {
		posix_spawn_file_actions_destroy(&files);
		return r;
	}
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setsigmask(&attributes, &w->mask);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setpgroup(&attributes, 0);
	r = posix_spawn_file_actions_adddup2(&files, w->input, STDIN_FILENO);
	if (!r)
		r = posix_spawn(ret, "/bin/sh", &files, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return r;
}

/* It failed: again after a pause that grows. */
static void retry(struct worker *w, const char *why, int n)
{
	long long pause = PAUSE_FIRST_MS << (w->failures < 8 ? w->failures : 8);
	char text[96], next[64] = "";

	if (pause > PAUSE_MAX_MS)
		pause = PAUSE_MAX_MS;
	w->failures++;
	w->due = w->stopped ? -1 : ctl_now() + pause;
	if (!w->stopped)
		snprintf(next, sizeof(next), "; trying again in %.1f s", (double)pause / 1000);
	snprintf(text, sizeof(text), "message %llu: the command failed: %s %d", w->at.seq, why, n);
	report(w->server->real_name, ": ", text, next, NULL);
}

static void start(struct worker *w)
{
	int error = spawn(w, &w->pid);

	w->due = -1;
	if (error) {
		w->pid = 0;
		retry(w, strerror(error), error);
	}
}

int worker_begin(struct worker *w, struct ctl_server *server, const char *format,
		 const struct cometd_event *e)
{
	int r = write_input(format, e, &w->input);

	if (r)
		return r;
	r = set_environment(e);
	if (r) {
		forget_message(w);
		return r;
	}
	w->server = server;
	snprintf(w->at.epoch, sizeof(w->at.epoch), "%s", e->epoch ? e->epoch : "");
	w->at.seq = e->seq;
	start(w);
	return 0;
}

/* Whether it has ended with success. */
static bool reap(struct worker *w)
{
	int status;

	if (waitpid(w->pid, &status, WNOHANG) != w->pid)
		return false;
	w->pid = 0;
	w->due = -1;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		forget_message(w);
		return true;
	}
	if (WIFSIGNALED(status))
		retry(w, "signal", WTERMSIG(status));
	else
		retry(w, "exit status", WEXITSTATUS(status));
	return false;
}

bool worker_run(struct worker *w)
{
	if (w->pid && reap(w))
		return true;
	if (w->due < 0 || ctl_now() < w->due)
		return false;
	if (w->pid) {
		kill(-w->pid, SIGKILL);
		w->due = -1;
	} else {
		start(w);
	}
	return false;
}

void worker_stop(struct worker *w, int signo)
{
	w->stopped = true;
	w->due = -1;
	if (!w->pid)
		return;
	kill(-w->pid, signo);
	w->due = ctl_now() + STOP_MS;
}

void worker_fini(struct worker *w)
{
	forget_message(w);
}
