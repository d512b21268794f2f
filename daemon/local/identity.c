/*
 * Reads the identity of a local process from its socket and /proc. Each read is bounded: a few KiB, and as many
 * groups as the kernel allows a process.
 */
#include "local/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* since Linux 6.5; not in the headers of Debian 12 */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
/* asked for at once; most processes have fewer */
#define GROUPS_USUAL 64

/* ---- the socket ---- */

int identity_of_socket(int fd, struct identity *ret)
{
	struct ucred who;
	socklen_t len = sizeof(who), domain_len = sizeof(int);
	int domain;

	/* of other sockets the kernel reports nothing, but success */
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_len))
		return -errno;
	if (domain != AF_UNIX)
		return -EAFNOSUPPORT;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len))
		return -errno;
	*ret = (struct identity){.uid = who.uid, .gid = who.gid, .pid = who.pid};
	return 0;
}

static void ask_groups(int fd, struct identity *i)
{
	socklen_t len = GROUPS_USUAL * sizeof(gid_t);
	gid_t *groups = malloc(len), *more;
	int r = groups ? getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) : -1;

	/* then `len` is how much is needed */
	if (r && groups && errno == ERANGE && len <= NGROUPS_MAX * sizeof(gid_t)) {
		more = realloc(groups, len);
		if (more) {
			groups = more;
			r = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len);
		}
	}
	if (r || len == 0) {
		free(groups);
		return;
	}
	more = realloc(groups, len);
	if (more)
		groups = more;
	i->groups = groups;
	i->n_groups = len / sizeof(gid_t);
}

/* ---- /proc ---- */

static bool ends(struct slice s, struct slice with)
{
	return s.n > with.n && slice_eq(slice_drop(s, s.n - with.n), with);
}

/* Who may make control groups gives them any name: only characters of unit names go on. */
static bool is_unit(struct slice name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!name.p[i] || !strchr("0123456789abcdefghijklmnopqrstuvwxyz"
					  "ABCDEFGHIJKLMNOPQRSTUVWXYZ:-_.\\@", name.p[i]))
			return false;
	return name.n < UNIT_MAX && (ends(name, SLICE(".service")) || ends(name, SLICE(".scope")));
}

/* The innermost unit of one path, if there is one. */
static void find_unit(struct slice path, char ret[UNIT_MAX])
{
	while (path.n) {
		size_t begin = path.n;

		while (begin && path.p[begin - 1] != '/')
			begin--;
		struct slice name = slice_drop(path, begin);
		if (is_unit(name)) {
			snprintf(ret, UNIT_MAX, "%.*s", SLICE_ARG(name));
			return;
		}
		path = slice_take(path, begin ? begin - 1 : 0);
	}
}

void identity_unit(struct slice cgroup, char ret[UNIT_MAX])
{
	ret[0] = '\0';
	while (cgroup.n && !ret[0]) {
		const char *end = memchr(cgroup.p, '\n', cgroup.n);
		struct slice line = end ? slice_take(cgroup, (size_t)(end - cgroup.p)) : cgroup;

		cgroup = slice_drop(cgroup, line.n + (end ? 1 : 0));
		if (slice_starts(line, SLICE("0::")) || slice_starts(line, SLICE("1:name=systemd:")))
			find_unit(line, ret);
	}
}

/* The 22nd field. The second is the name of the program in parentheses, which may contain anything. */
uint64_t identity_start_time(struct slice stat)
{
	const char *at = stat.n ? memrchr(stat.p, ')', stat.n) : NULL;
	struct slice rest = at ? slice_drop(stat, (size_t)(at - stat.p) + 1) : SLICE_NULL;
	unsigned field = 2;
	uint64_t ticks = 0;

	for (; rest.n; rest = slice_drop(rest, 1)) {
		field += rest.p[0] == ' ';
		if (field > 22)
			return ticks;
		if (field == 22 && rest.p[0] >= '0' && rest.p[0] <= '9')
			ticks = ticks * 10 + (uint64_t)(rest.p[0] - '0');
	}
	return 0;
}

static struct slice read_proc(pid_t pid, const char *name, char *text, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return SLICE_NULL;
	n = read(fd, text, size);
	close(fd);
	return n > 0 ? slice_make(text, (size_t)n) : SLICE_NULL;
}

/* A descriptor of the process that connected; -ENOPROTOOPT where the kernel knows none, or another errno. */
static int pidfd_of(int fd)
{
	socklen_t len = sizeof(int);
	int pidfd;

	return getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) ? -errno : pidfd;
}

static bool has_ended(int pidfd)
{
	struct pollfd pfd = {.fd = pidfd, .events = POLLIN};

	return poll(&pfd, 1, 0) != 0;
}

static void ask_process(int fd, struct identity *i)
{
	char text[4096], unit[UNIT_MAX] = "";
	int pidfd = pidfd_of(fd);
	uint64_t start;

	start = identity_start_time(read_proc(i->pid, "stat", text, sizeof(text)));
	identity_unit(read_proc(i->pid, "cgroup", text, sizeof(text)), unit);
	if (pidfd == -ENOPROTOOPT || (pidfd >= 0 && !has_ended(pidfd))) {
		i->start_time = start;
		i->unit = unit[0] ? strdup(unit) : NULL;
	}
	if (pidfd >= 0)
		close(pidfd);
}

void identity_complete(int fd, struct identity *i)
{
	if (i->complete)
		return;
	i->complete = true;
	ask_groups(fd, i);
	if (i->pid > 0)
		ask_process(fd, i);
}
