/*
 * The directory, the daemon process and the commands of one scenario. Runs the
 * programs of the build tree unchanged.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARGS_MAX 32
#define TEXT_MAX (64u << 20)
#define LOG_SHOWN 16384                 /* bytes of its end */

static struct world *worlds;

/* where a program of this build lies */
static void program_path(const char *name, char *path, size_t size)
{
	const char *top = getenv("top_builddir");

	snprintf(path, size, "%s/%s", top ? top : ".", name);
	if (access(path, X_OK))
		fail_msg("%s is not built", path);
}

static void notify_open(struct world *w)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/notify", w->dir);
	unlink(sa.sun_path);
	w->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(w->notify >= 0);
	assert_int_equal(bind(w->notify, (struct sockaddr *)&sa, sizeof(sa)), 0);
}

static struct fake *start_fake(const char *const *options)
{
	const char *all[16] = {"--timeout", "600000", "--max-interval", "600000"};
	size_t n = 4;

	for (; options && *options; options++) {
		assert_true(n < sizeof(all) / sizeof(all[0]) - 1);
		all[n++] = *options;
	}
	return fake_start(all);
}

struct world *world_new(const char *const *fake_options)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	snprintf(w->dir, sizeof(w->dir), "/tmp/cometd-bridge-test.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->socket, sizeof(w->socket), "%s/bridge.sock", w->dir);
	snprintf(w->config, sizeof(w->config), "%s/bridge.conf", w->dir);
	snprintf(w->log, sizeof(w->log), "%s/daemon.log", w->dir);
	w->next = worlds;
	worlds = w;
	w->fake = start_fake(fake_options);
	return w;
}

static void show_log(const struct world *w)
{
	char line[512];
	FILE *f = fopen(w->log, "re");

	if (!f)
		return;
	print_error("--- the end of the daemon's log ---\n");
	if (fseek(f, -LOG_SHOWN, SEEK_END) == 0 && !fgets(line, sizeof(line), f))
		line[0] = 0;
	while (fgets(line, sizeof(line), f))
		print_error("%s", line);
	fclose(f);
}

static void dissolve(struct world *w)
{
	char command[128];
	struct world **at = &worlds;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	snprintf(command, sizeof(command), "rm -rf '%s'", w->dir);
	if (system(command))
		print_error("%s is left\n", w->dir);
	free(w);
}

void world_free(struct world *w)
{
	if (w->daemon) {
		int status = world_stop(w);
		if (status != 0) {
			show_log(w);
			fail_msg("the daemon ended with status %d", status);
		}
	}
	if (w->fake)
		fake_stop(w->fake);
	dissolve(w);
}

int world_forget(int failed)
{
	while (worlds) {
		show_log(worlds);
		dissolve(worlds);
	}
	return failed;
}

static void put_deadlines(FILE *f, const char *server)
{
	static const char *const names[] = {"connect-timeout", "network-delay", "credential-timeout",
					    "websocket-ping"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strstr(server, names[i]))
			fprintf(f, "%s = 10m\n", names[i]);
	/* a channel ends with the last program that has it */
	if (!strstr(server, "linger"))
		fprintf(f, "linger = off\n");
}

void world_configure(struct world *w, const char *bridge, const char *server, const char *rest)
{
	FILE *f = fopen(w->config, "we");

	assert_non_null(f);
	fprintf(f, "[bridge]\nsocket = %s\nlog-level = debug\n%s\n", w->socket, bridge ? bridge : "");
	fprintf(f, "[server demo]\nurl = http://127.0.0.1:%u/cometd\n%s\n", fake_port(w->fake),
		server ? server : "");
	put_deadlines(f, server ? server : "");
	if (rest)
		fprintf(f, "%s\n", rest);
	assert_int_equal(fclose(f), 0);
}

char *world_lines(const struct world *w, const char *lines)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	for (const char *dir; (dir = strstr(lines, "$DIR")); lines = dir + 4)
		fprintf(f, "%.*s%s", (int)(dir - lines), lines, w->dir);
	fputs(lines, f);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void await_ready(struct world *w)
{
	int64_t deadline = wire_now() + SCENARIO_DEADLINE_MS;
	char text[1024];

	for (;;) {
		struct pollfd p = {.fd = w->notify, .events = POLLIN};
		int status;

		if (waitpid(w->daemon, &status, WNOHANG) == w->daemon || wire_now() > deadline) {
			show_log(w);
			w->daemon = 0;
			fail_msg("the daemon did not start");
		}
		if (poll(&p, 1, 100) <= 0)
			continue;
		ssize_t n = recv(w->notify, text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = 0;
		if (strstr(text, "READY=1"))
			return;
	}
}

/* The daemon, or what $DAEMON_WRAPPER (words split at blanks) makes of it: valgrind, for one. */
static void exec_daemon(const struct world *w)
{
	const char *argv[ARGS_MAX];
	const char *wrapper = getenv("DAEMON_WRAPPER");
	char path[512], *words = strdup(wrapper ? wrapper : ""), *rest = NULL;
	size_t n = 0;

	program_path("cometd-bridged", path, sizeof(path));
	for (char *word = strtok_r(words, " ", &rest); word && n < ARGS_MAX - 4;
	     word = strtok_r(NULL, " ", &rest))
		argv[n++] = word;
	argv[n++] = path;
	argv[n++] = "--config";
	argv[n++] = w->config;
	argv[n] = NULL;
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

void world_keep_state(struct world *w)
{
	snprintf(w->state, sizeof(w->state), "%s/state", w->dir);
	assert_int_equal(mkdir(w->state, 0700), 0);
}

void world_start(struct world *w)
{
	char notify[128];

	snprintf(notify, sizeof(notify), "%s/notify", w->dir);
	notify_open(w);
	w->daemon = fork();
	assert_true(w->daemon >= 0);
	if (w->daemon == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);   /* a test that fails leaves no process */
		int log = open(w->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
		dup2(log, STDERR_FILENO);
		dup2(log, STDOUT_FILENO);
		setenv("NOTIFY_SOCKET", notify, 1);
		unsetenv("STATE_DIRECTORY");
		if (w->state[0])
			setenv("STATE_DIRECTORY", w->state, 1);
		exec_daemon(w);
	}
	await_ready(w);
	close(w->notify);
}

static int reap(pid_t pid)
{
	int64_t deadline = wire_now() + SCENARIO_DEADLINE_MS;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		struct timespec pause = {0, 5000000};

		if (wire_now() > deadline) {
			kill(pid, SIGABRT);
			waitpid(pid, &status, 0);
			fail_msg("process %d did not end", pid);
		}
		nanosleep(&pause, NULL);   /* nothing to wait on but the child itself */
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int world_stop(struct world *w)
{
	pid_t pid = w->daemon;

	w->daemon = 0;
	kill(pid, SIGTERM);
	return reap(pid);
}

void world_kill(struct world *w)
{
	pid_t pid = w->daemon;

	w->daemon = 0;
	kill(pid, SIGKILL);
	assert_int_equal(reap(pid), 128 + SIGKILL);
}

struct world *world_up(const char *const *fake_options, const char *server)
{
	struct world *w = world_new(fake_options);

	world_configure(w, NULL, server, NULL);
	world_start(w);
	return w;
}

struct wire *world_peer(struct world *w, const char *name)
{
	struct wire *p = wire_open(w->socket);
	const struct message *m = wire_ask(p, "hello", ",\"version\":1,\"name\":\"%s\"", name);

	assert_true(m->ok);
	if (!memmem(m->result.p, m->result.n, "\"state\":\"connected\"", 19))
		wire_state(p, "demo", "connected");
	return p;
}

static void child_exec(const struct world *w, const char *const *argv, int in, int out, int err)
{
	char path[512];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	setenv("COMETD_BRIDGE_SOCKET", w->socket, 1);
	program_path(argv[0], path, sizeof(path));
	execv(path, (char *const *)argv);
	_exit(127);
}

struct process *world_run(struct world *w, const char *const *argv)
{
	struct process *p = calloc(1, sizeof(*p));
	int in[2], out[2], err[2];

	assert_non_null(p);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (p->pid == 0)
		child_exec(w, argv, in[0], out[1], err[1]);
	close(in[0]);
	close(out[1]);
	close(err[1]);
	p->in = in[1];
	p->out = out[0];
	p->err = err[0];
	buf_init(&p->out_text, TEXT_MAX);
	buf_init(&p->err_text, TEXT_MAX);
	return p;
}

/* One read from one of the two; false when both ended or the deadline passed. */
static bool process_read(struct process *p, int64_t deadline)
{
	struct pollfd fds[2] = {{.fd = p->out, .events = POLLIN}, {.fd = p->err, .events = POLLIN}};
	int64_t left = deadline - wire_now();

	if ((p->out < 0 && p->err < 0) || left <= 0 || poll(fds, 2, (int)left) <= 0)
		return false;
	for (int i = 0; i < 2; i++) {
		struct buf *to = i ? &p->err_text : &p->out_text;
		int *fd = i ? &p->err : &p->out;
		char *room;

		if (!fds[i].revents)
			continue;
		assert_int_equal(buf_room(to, 65536, &room), 0);
		ssize_t n = read(*fd, room, 65536);
		if (n > 0) {
			buf_grown(to, (size_t)n);
			continue;
		}
		close(*fd);
		*fd = -1;
	}
	return true;
}

char *process_line(struct process *p)
{
	int64_t deadline = wire_now() + SCENARIO_DEADLINE_MS;

	for (;;) {
		struct slice s = buf_slice(&p->out_text);
		const char *end = s.n ? memchr(s.p, '\n', s.n) : NULL;

		if (end) {
			char *line = strndup(s.p, (size_t)(end - s.p));
			buf_consume(&p->out_text, (size_t)(end - s.p) + 1);
			return line;
		}
		if (!process_read(p, deadline)) {
			if (p->out >= 0)
				fail_msg("no line from process %d; stderr: %.*s", p->pid,
					 SLICE_ARG(buf_slice(&p->err_text)));
			return NULL;
		}
	}
}

static char *take_text(struct buf *b)
{
	struct slice s = buf_slice(b);
	char *text = s.n ? strndup(s.p, s.n) : strdup("");

	buf_fini(b);
	return text;
}

int process_wait(struct process *p, char **ret_out, char **ret_err)
{
	int64_t deadline = wire_now() + SCENARIO_DEADLINE_MS;

	close(p->in);
	while (process_read(p, deadline))
		;
	int status = reap(p->pid);
	char *out = take_text(&p->out_text), *err = take_text(&p->err_text);
	if (p->out >= 0)
		close(p->out);
	if (p->err >= 0)
		close(p->err);
	free(p);
	if (ret_out)
		*ret_out = out;
	else
		free(out);
	if (ret_err)
		*ret_err = err;
	else
		free(err);
	return status;
}

int world_command(struct world *w, char **ret_out, char **ret_err, const char *argv0, ...)
{
	const char *argv[ARGS_MAX] = {argv0};
	size_t n = 1;
	va_list ap;

	va_start(ap, argv0);
	while (n < ARGS_MAX - 1 && (argv[n] = va_arg(ap, const char *)))
		n++;
	va_end(ap);
	argv[n] = NULL;
	return process_wait(world_run(w, argv), ret_out, ret_err);
}

unsigned world_daemon_fds(const struct world *w)
{
	char command[64];
	unsigned n = 0;

	snprintf(command, sizeof(command), "ls /proc/%d/fd | wc -l", w->daemon);
	FILE *f = popen(command, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%u", &n), 1);
	pclose(f);
	return n;
}

/* Under a sanitizer and under valgrind always 0: they keep what was freed for a while, to catch who
   still uses it. Leaks are theirs to find. */
static unsigned memory(const struct world *w, const char *name)
{
	char path[64], line[256];
	unsigned kib = 0;

	if (WITH_ADDRESS_SANITIZER || getenv("DAEMON_WRAPPER"))
		return 0;

	snprintf(path, sizeof(path), "/proc/%d/status", w->daemon);
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, name, strlen(name)) == 0)
			kib = (unsigned)strtoul(line + strlen(name), NULL, 10);
	fclose(f);
	return kib;
}

unsigned world_daemon_rss(const struct world *w)
{
	return memory(w, "VmRSS:");
}

unsigned world_daemon_peak(const struct world *w)
{
	return memory(w, "VmHWM:");
}

bool world_log_has(const struct world *w, const char *text)
{
	char *line = NULL;
	size_t size = 0;
	bool found = false;
	FILE *f = fopen(w->log, "re");

	assert_non_null(f);
	while (!found && getline(&line, &size, f) >= 0)
		found = strstr(line, text) != NULL;
	free(line);
	fclose(f);
	return found;
}
