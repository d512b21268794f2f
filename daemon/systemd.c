/*
 * Sends notifications to the service manager and lines to the journal, without ever
 * blocking the daemon: failures are ignored, and a line that does not fit into the
 * journal's queue is dropped.
 */
#include "systemd.h"

#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-login.h>
#include <time.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define JOURNAL_RECORD_MAX 16384
#define FIELD_PREFIX "COMETD_BRIDGE_"

/* ---- the service manager ---- */

/*
 * Sends one datagram to $NOTIFY_SOCKET. sd_notify() is not used, because it blocks while the manager's queue
 * is full.
 */
static void notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	size_t n = path ? strlen(path) : 0;

	if (n == 0 || n >= sizeof(sa.sun_path) || (*path != '/' && *path != '@'))
		return;
	memcpy(sa.sun_path, path, n);
	if (*path == '@')
		sa.sun_path[0] = 0;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&sa,
		   length) < 0)
		log_msg(LOG_L_DEBUG, LOG_FIELDS({"error", slice_of(strerror(errno))}),
			"cannot notify the service manager");
	close(fd);
}

/* This uses sd_notify(), because readiness must not be lost; the manager waits for it at the start. */
void systemd_ready(const char *status)
{
	sd_notify(0, "READY=1");
	if (status)
		systemd_status(status);
}

void systemd_status(const char *status)
{
	char line[1024];

	snprintf(line, sizeof(line), "STATUS=%s", status);
	/* a newline would start another assignment */
	for (char *p = line; *p; p++)
		if (*p == '\n')
			*p = ' ';
	notify(line);
}

void systemd_stopping(void)
{
	notify("STOPPING=1");
}

void systemd_watchdog(void)
{
	notify("WATCHDOG=1");
}

uint64_t systemd_watchdog_interval(void)
{
	uint64_t usec;

	if (sd_watchdog_enabled(0, &usec) <= 0)
		return 0;
	return usec / 2000 ? usec / 2000 : 1;
}

/* ---- the job of our unit ---- */

#define MANAGER "org.freedesktop.systemd1"
/* for connecting, and for each of two calls */
#define BUS_USEC 150000u

static uint64_t now_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* sd_bus_call() would wait without a limit for a bus that does not answer. */
static bool connect_bus(sd_bus *bus)
{
	uint64_t end = now_usec() + BUS_USEC;

	while (sd_bus_is_ready(bus) == 0) {
		uint64_t now = now_usec();
		int r = now < end ? sd_bus_process(bus, NULL) : -ETIMEDOUT;

		if (r == 0)
			r = sd_bus_wait(bus, end - now);
		if (r < 0)
			return false;
	}
	return sd_bus_is_ready(bus) > 0 && sd_bus_set_method_call_timeout(bus, BUS_USEC) >= 0;
}

/* The object of the job that systemd runs for the unit; "" if there is none. */
static bool find_job(sd_bus *bus, const char *unit, char *ret, size_t size)
{
	sd_bus_message *reply = NULL;
	const char *job = "";
	char *path = NULL;
	uint32_t id = 0;
	bool found = sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &path) >= 0 &&
		     sd_bus_get_property(bus, MANAGER, path, MANAGER ".Unit", "Job", NULL, &reply, "(uo)") >= 0 &&
		     sd_bus_message_read(reply, "(uo)", &id, &job) >= 0 && id;

	if (found)
		snprintf(ret, size, "%s", job);
	sd_bus_message_unref(reply);
	free(path);
	return found;
}

static bool job_is_restart(sd_bus *bus, const char *unit)
{
	char job[256], *type = NULL;
	bool restart = connect_bus(bus) && find_job(bus, unit, job, sizeof(job)) &&
		       sd_bus_get_property_string(bus, MANAGER, job, MANAGER ".Job", "JobType", NULL, &type) >= 0 &&
		       strcmp(type, "restart") == 0;

	free(type);
	return restart;
}

bool systemd_restarts(void)
{
	char *unit = NULL;
	sd_bus *bus = NULL;
	/* of a service manager of a user, or of the system */
	bool of_user = sd_pid_get_user_unit(0, &unit) >= 0;
	bool restarts = getenv("NOTIFY_SOCKET") && (of_user || sd_pid_get_unit(0, &unit) >= 0) &&
			(of_user ? sd_bus_open_user(&bus) : sd_bus_open_system(&bus)) >= 0 && job_is_restart(bus, unit);

	sd_bus_close_unref(bus);
	free(unit);
	return restarts;
}

/* ---- socket activation ---- */

static void append(struct fault *why, const char *name, const char *what)
{
	fault_set(why, "%s%s\"%s\" %s", why->text, fault_is_set(why) ? "; " : "", name, what);
}

static void free_names(char **names)
{
	if (!names)
		return;
	for (char **p = names; *p; p++)
		free(*p);
	free(names);
}

int systemd_sockets(int *fds, size_t max, struct fault *why)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names), used = 0;

	fault_clear(why);
	for (int i = 0; i < n; i++) {
		int fd = SD_LISTEN_FDS_START + i;

		if (sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) <= 0)
			append(why, names[i], "is not a listening Unix stream socket");
		else if ((size_t)used == max)
			append(why, names[i], "exceeds the maximum number of sockets");
		else {
			fds[used++] = fd;
			continue;
		}
		close(fd);
	}
	free_names(names);
	return n < 0 ? n : used;
}

/* ---- the journal ---- */

/*
 * The native protocol of the journal: FIELD=value lines in one datagram. sd_journal_sendv() is not used,
 * because it blocks while the journal's socket is full. log_write() has escaped control characters, so no value
 * can start another line.
 */
struct record {
	char text[JOURNAL_RECORD_MAX];
	size_t n;
};

static void put(struct record *r, const char *p, size_t n)
{
	memcpy(r->text + r->n, p, n);
	r->n += n;
}

static void put_field(struct record *r, const char *name, struct slice value)
{
	/* a truncated field would make the record invalid */
	if (strlen(name) + value.n + 2 > sizeof(r->text) - r->n)
		return;
	put(r, name, strlen(name));
	put(r, "=", 1);
	for (size_t i = 0; i < value.n; i++) {
		char c = value.p[i] == '\n' ? ' ' : value.p[i];
		put(r, &c, 1);
	}
	put(r, "\n", 1);
}

static void put_own_field(struct record *r, const struct log_field *f)
{
	char name[64] = FIELD_PREFIX;
	size_t n = strlen(name);

	for (const char *p = f->name; *p && n < sizeof(name) - 1; p++)
		name[n++] = *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A')
			    : (*p >= '0' && *p <= '9') ? *p : '_';
	name[n] = 0;
	put_field(r, name, f->value);
}

static void put_number(struct record *r, const char *name, int number)
{
	char digits[16];

	snprintf(digits, sizeof(digits), "%d", number);
	put_field(r, name, slice_of(digits));
}

static void journal_sink(void *ctx, const struct log_line *line)
{
	const int *fd = ctx;
	struct record r = {.n = 0};

	put_number(&r, "PRIORITY", line->level);
	put_field(&r, "SYSLOG_IDENTIFIER", SLICE("cometd-bridged"));
	put_field(&r, "CODE_FILE", slice_of(line->file));
	put_number(&r, "CODE_LINE", line->line);
	for (size_t i = 0; i < line->n_fields; i++)
		put_own_field(&r, &line->fields[i]);
	/* journalctl shows only MESSAGE, so it contains the fields, too */
	char message[4096];
	int n = snprintf(message, sizeof(message), "%s", line->text);
	for (size_t i = 0; i < line->n_fields && n > 0 && (size_t)n < sizeof(message); i++)
		n += snprintf(message + n, sizeof(message) - (size_t)n, " %s=%.*s",
			      line->fields[i].name, SLICE_ARG(line->fields[i].value));
	put_field(&r, "MESSAGE", slice_of(message));
	if (send(*fd, r.text, r.n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return;   /* full or not running: the line is dropped */
}

/* $JOURNAL_STREAM is "device:inode" of the stream to the journal; compare it with stderr. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uint64_t device, inode;
	struct stat st;

	return stream && sscanf(stream, "%" SCNu64 ":%" SCNu64, &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void systemd_log_init(void)
{
	static int fd = -1;
	struct sockaddr_un sa = {.sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET};

	if (!stderr_is_journal() || fd >= 0)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		close(fd);
		fd = -1;
		return;
	}
	log_set_sink(journal_sink, &fd);
}
