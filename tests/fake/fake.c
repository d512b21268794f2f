/*
 * The process of a fake server, and the test's end of its control connection. No
 * server outlives its test program, and every wait has a deadline.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include "tests/fake/fake.h"

#define MAX_ARGS 64

struct fake {
	char *argv[MAX_ARGS];	/* with space for --port and --control */
	int argc;
	pid_t pid;		/* 0 when there is none */
	bool paused;
	int control;
	uint16_t port;
	/* bytes of the control connection: lines already returned, then lines to return */
	char *in;
	size_t in_n;
	size_t in_used;
};

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void add_arg(struct fake *f, const char *arg)
{
	if (f->argc >= MAX_ARGS - 5 || !(f->argv[f->argc++] = strdup(arg)))
		fail_msg("too many arguments for fake-bayeux");
}

static void add_program(struct fake *f)
{
	const char *program = getenv("FAKE_BAYEUX"), *top = getenv("top_builddir");
	const char *wrapper = getenv("FAKE_WRAPPER");
	char path[4096], *word, *save = NULL;

	if (wrapper) {
		snprintf(path, sizeof(path), "%s", wrapper);
		for (word = strtok_r(path, " ", &save); word; word = strtok_r(NULL, " ", &save))
			add_arg(f, word);
	}
	snprintf(path, sizeof(path), "%s/tests/fake/fake-bayeux", top ? top : ".");
	add_arg(f, program ? program : path);
}

static void exec_server(struct fake *f, int control, int out)
{
	char port[16], fd[16];
	int n = f->argc;

	/* a stopped server would not see its control connection end */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(port, sizeof(port), "%u", f->port);
	snprintf(fd, sizeof(fd), "%d", control);
	f->argv[n++] = "--port";
	f->argv[n++] = port;
	f->argv[n++] = "--control";
	f->argv[n++] = fd;
	f->argv[n] = NULL;
	dup2(out, STDOUT_FILENO);
	execvp(f->argv[0], f->argv);
	perror(f->argv[0]);
	_exit(127);
}

/* the line `listening PORT`; 0 when none came */
static unsigned read_port(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char line[64];
	size_t n = 0;
	unsigned port = 0;

	while (n < sizeof(line) - 1 && poll(&p, 1, FAKE_DEADLINE) == 1) {
		ssize_t got = read(fd, line + n, 1);

		if (got != 1 || line[n++] == '\n')
			break;
	}
	line[n] = '\0';
	return sscanf(line, "listening %u", &port) == 1 ? port : 0;
}

static void spawn(struct fake *f)
{
	int control[2], out[2];
	unsigned port;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) < 0) {
		fail_msg("no socket pair: %s", strerror(errno));
		return;
	}
	if (pipe(out) < 0) {
		fail_msg("no pipe: %s", strerror(errno));
		return;
	}
	f->pid = fork();
	if (f->pid < 0)
		fail_msg("no process: %s", strerror(errno));
	if (f->pid == 0) {
		close(out[0]);
		/* the copy is without close-on-exec */
		exec_server(f, dup(control[1]), out[1]);
	}
	close(control[1]);
	close(out[1]);
	f->control = control[0];
	port = read_port(out[0]);
	close(out[0]);
	if (!port)
		fail_msg("%s did not start", f->argv[0]);
	f->port = (uint16_t)port;
}

struct fake *fake_start(const char *const *options)
{
	struct fake *f = calloc(1, sizeof(*f));

	if (!f)
		fail_msg("no memory");
	f->control = -1;
	add_program(f);
	for (; options && *options; options++)
		add_arg(f, *options);
	spawn(f);
	return f;
}

uint16_t fake_port(const struct fake *f)
{
	return f->port;
}

pid_t fake_pid(const struct fake *f)
{
	return f->pid;
}

/* ---- commands ---- */

static void send_line(struct fake *f, const char *fmt, va_list ap)
{
	char *line;
	int n = vasprintf(&line, fmt, ap);
	size_t sent = 0;

	if (n < 0)
		fail_msg("no memory");
	line[n] = '\n';		/* replaces the NUL */
	while (sent < (size_t)n + 1) {
		ssize_t w = send(f->control, line + sent, (size_t)n + 1 - sent, MSG_NOSIGNAL);

		if (w < 0 && errno != EINTR)
			fail_msg("the fake server is gone: %s", strerror(errno));
		if (w > 0)
			sent += (size_t)w;
	}
	free(line);
}

/* more bytes of the control connection; false when the time is up or it has ended */
static bool fill(struct fake *f, long deadline)
{
	struct pollfd p = {.fd = f->control, .events = POLLIN};
	long left = deadline - now_ms();
	ssize_t got;

	if (left <= 0 || poll(&p, 1, (int)left) < 1)
		return false;
	if (f->in_used) {
		memmove(f->in, f->in + f->in_used, f->in_n - f->in_used);
		f->in_n -= f->in_used;
		f->in_used = 0;
	}
	f->in = realloc(f->in, f->in_n + 65536);
	if (!f->in)
		fail_msg("no memory");
	got = read(f->control, f->in + f->in_n, 65536);
	if (got > 0)
		f->in_n += (size_t)got;
	return got > 0;
}

/* the next line, NUL-terminated; NULL when none came in time */
static char *read_line(struct fake *f, long timeout)
{
	long deadline = now_ms() + timeout;

	for (;;) {
		char *start = f->in ? f->in + f->in_used : NULL;
		char *end = start ? memchr(start, '\n', f->in_n - f->in_used) : NULL;

		if (end) {
			*end = '\0';
			f->in_used += (size_t)(end - start) + 1;
			return start;
		}
		if (!fill(f, deadline))
			return NULL;
	}
}

static char *vask(struct fake *f, const char *fmt, va_list ap)
{
	char *line;

	send_line(f, fmt, ap);
	line = read_line(f, FAKE_DEADLINE + 5000);
	if (!line)
		fail_msg("the fake server does not answer");
	return line;
}

static char *ask(struct fake *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static char *ask(struct fake *f, const char *fmt, ...)
{
	va_list ap;
	char *line;

	va_start(ap, fmt);
	line = vask(f, fmt, ap);
	va_end(ap);
	return line;
}

void fake_print_log(struct fake *f)
{
	char *line = ask(f, "log");
	unsigned long n = 0;

	sscanf(line, "ok %lu", &n);
	fprintf(stderr, "---- journal of the fake server on port %u ----\n", f->port);
	for (; n && (line = read_line(f, FAKE_DEADLINE)); n--)
		fprintf(stderr, "%s\n", line);
	fprintf(stderr, "----\n");
}

bool fake_log_has(struct fake *f, const char *part)
{
	char *line = ask(f, "log");
	unsigned long n = 0;
	bool found = false;

	sscanf(line, "ok %lu", &n);
	for (; n && (line = read_line(f, FAKE_DEADLINE)); n--)
		found = found || strstr(line, part);
	return found;
}

/* returns what follows `ok `; anything else fails the test */
static const char *expect_ok(struct fake *f, const char *line)
{
	char copy[1024];

	if (strncmp(line, "ok", 2) == 0)
		return line[2] ? line + 3 : line + 2;
	snprintf(copy, sizeof(copy), "%s", line);
	fake_print_log(f);
	fail_msg("fake server: %s", copy);
	return NULL;
}

const char *fake_command(struct fake *f, const char *fmt, ...)
{
	va_list ap;
	const char *line;

	va_start(ap, fmt);
	line = vask(f, fmt, ap);
	va_end(ap);
	return expect_ok(f, line);
}

unsigned long fake_number(struct fake *f, const char *fmt, ...)
{
	va_list ap;
	const char *line;

	va_start(ap, fmt);
	line = vask(f, fmt, ap);
	va_end(ap);
	return strtoul(expect_ok(f, line), NULL, 10);
}

const char *fake_try(struct fake *f, const char *fmt, ...)
{
	va_list ap;
	const char *line;

	va_start(ap, fmt);
	line = vask(f, fmt, ap);
	va_end(ap);
	return line;
}

void fake_await(struct fake *f, const char *kind, const char *channel, unsigned long count)
{
	fake_command(f, "await %s %s %lu %d", kind, channel ? channel : "", count, FAKE_DEADLINE);
}

unsigned long fake_count(struct fake *f, const char *kind, const char *channel)
{
	return fake_number(f, "count %s %s", kind, channel ? channel : "");
}

/* ---- start and stop ---- */

/* waits for the end; the wait status, or -1 when it had to be killed */
static int reap(struct fake *f)
{
	long deadline = now_ms() + FAKE_DEADLINE;
	int status = 0;

	while (waitpid(f->pid, &status, WNOHANG) == 0) {
		if (now_ms() > deadline) {
			kill(f->pid, SIGKILL);
			waitpid(f->pid, &status, 0);
			status = -1;
			break;
		}
		poll(NULL, 0, 2);
	}
	f->pid = 0;
	return status;
}

static void close_control(struct fake *f)
{
	if (f->control >= 0)
		close(f->control);
	f->control = -1;
	f->in_n = f->in_used = 0;
}

void fake_stop(struct fake *f)
{
	int status = 0;

	if (!f)
		return;
	/* never while it exits: SIGCONT would undo the stop LeakSanitizer waits for */
	if (f->paused)
		fake_resume(f);
	close_control(f);
	if (f->pid)
		status = reap(f);
	for (int i = 0; i < f->argc; i++)
		free(f->argv[i]);
	free(f->in);
	free(f);
	if (status != 0)
		fail_msg("the fake server ended badly (wait status %d)", status);
}

void fake_kill(struct fake *f)
{
	if (!f->pid)
		return;
	kill(f->pid, SIGKILL);
	f->paused = false;
	reap(f);
	close_control(f);
}

void fake_restart(struct fake *f)
{
	fake_kill(f);
	spawn(f);
}

void fake_pause(struct fake *f)
{
	kill(f->pid, SIGSTOP);
	f->paused = true;
}

void fake_resume(struct fake *f)
{
	kill(f->pid, SIGCONT);
	f->paused = false;
}

/* ---- certificates ---- */

bool fake_make_certificate(const char *dir, const char *host)
{
	bool is_ip = strspn(host, "0123456789.:") == strlen(host);
	char cert[4096], key[4096], subject[300], names[300];
	char *argv[] = {
		"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
		"ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", subject,
		"-addext", names, "-out", cert, "-keyout", key, NULL,
	};
	int status = 0;
	pid_t pid;

	snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	snprintf(key, sizeof(key), "%s/key.pem", dir);
	snprintf(subject, sizeof(subject), "/CN=%s", host);
	snprintf(names, sizeof(names), "subjectAltName=%s:%s", is_ip ? "IP" : "DNS", host);
	pid = fork();
	if (pid < 0)
		fail_msg("no process: %s", strerror(errno));
	if (pid == 0) {
		if (!freopen("/dev/null", "w", stderr))
			_exit(126);
		execvp(argv[0], argv);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return false;
	if (status)
		fail_msg("openssl made no certificate for %s", host);
	return true;
}
