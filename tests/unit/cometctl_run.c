/*
 * The processes of cometctl_run.h. A process that hangs is killed, and the test fails.
 */
#include "tests/unit/cometctl_run.h"

#include "tests/unit/testing.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_ARGS 12

const char *top(const char *variable)
{
	const char *dir = getenv(variable);

	return dir ? dir : ".";
}

void find_cometctl_first(void)
{
	char path[8192];

	snprintf(path, sizeof(path), "%s:%s", top("top_builddir"), getenv("PATH"));
	setenv("PATH", path, 1);
}

static void start_with(struct run *r, const char *program, const char *socket, const char *line,
		       const char *out_path)
{
	char copy[512], *args[MAX_ARGS + 1] = {(char *)program}, *save = NULL;
	int in[2], out[2], err[2], n = 1;

	memset(r, 0, sizeof(*r));
	snprintf(copy, sizeof(copy), "%s", line);
	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	for (char *p = copy; n < MAX_ARGS && (p = strtok_r(p, " ", &save)); p = NULL)
		args[n++] = p;
	assert_int_equal(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC) | pipe2(err, O_CLOEXEC), 0);
	r->pid = fork();
	if (r->pid == 0) {
		dup2(in[0], 0), dup2(out_path ? open(out_path, O_WRONLY | O_CLOEXEC) : out[1], 1);
		dup2(err[1], 2);
		setenv("COMETD_BRIDGE_SOCKET", socket, 1);
		execvp(program, args);
		_exit(127);
	}
	close(in[0]), close(out[1]), close(err[1]);
	r->in = in[1], r->out = out[0], r->err = err[0];
}

void start_program(struct run *r, const char *program, const char *socket, const char *line)
{
	start_with(r, program, socket, line, NULL);
}

void start(struct run *r, const char *socket, const char *line)
{
	start_with(r, "cometctl", socket, line, NULL);
}

void start_full(struct run *r, const char *socket, const char *line)
{
	start_with(r, "cometctl", socket, line, "/dev/full");
}

static void collect(struct run *r, int i, int *fd)
{
	size_t room = sizeof(r->text[i]) - 1 - r->n[i];
	ssize_t got = read(*fd, r->text[i] + r->n[i], room);

	if (got > 0) {
		r->n[i] += (size_t)got;
	} else {
		close(*fd);
		*fd = -1;
	}
}

void read_until(struct run *r, const char *text)
{
	while ((r->out >= 0 || r->err >= 0) && !(text && strstr(r->text[0], text))) {
		struct pollfd p[] = {{.fd = r->out, .events = POLLIN},
		{.fd = r->err, .events = POLLIN}};

		if (poll(p, 2, 60000) <= 0) {
			kill(r->pid, SIGKILL);
			fail_msg("cometctl hangs");
		}
		if (p[0].revents)
			collect(r, 0, &r->out);
		if (p[1].revents)
			collect(r, 1, &r->err);
	}
}

void close_input(struct run *r)
{
	if (r->in >= 0)
		close(r->in);
	r->in = -1;
}

void finish(struct run *r)
{
	close_input(r);
	read_until(r, NULL);
	assert_int_equal(waitpid(r->pid, &r->status, 0), r->pid);
}

void feed(struct run *r, const char *text)
{
	for (ssize_t n; *text; text += n)
		assert_true((n = write(r->in, text, strlen(text))) > 0);
}

void unquote(char *text)
{
	for (char *p = text; *p; p++)
		if (*p == '"')
			*p = '\'';
}
