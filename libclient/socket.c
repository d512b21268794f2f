/*
 * The file descriptors: the socket and the epoll instance around it. Only
 * socket_wait blocks; SIGPIPE is never raised; both are closed on exec.
 */
#include "libclient/socket.h"

#include <cometd-bridge.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int socket_init(struct socket *s)
{
	*s = (struct socket){.epoll = epoll_create1(EPOLL_CLOEXEC), .fd = -1};
	return s->epoll < 0 ? -errno : 0;
}

void socket_fini(struct socket *s)
{
	/* the socket stays in the epoll instance, which the other process may go on using after fork() */
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	if (s->epoll >= 0)
		close(s->epoll);
	s->epoll = -1;
}

bool socket_path_ok(const char *path)
{
	size_t n = strlen(path);

	return n > 0 && n < sizeof(((struct sockaddr_un *)0)->sun_path);
}

/*
 * The socket of a daemon that this user runs: there is one when its directory exists, also while it
 * does not listen, for then the system's daemon is no replacement. NULL: there is none.
 */
static const char *own_socket(void)
{
	static _Thread_local char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *base = secure_getenv("XDG_RUNTIME_DIR");
	struct stat st;

	if (!base || base[0] != '/')
		return NULL;
	int n = snprintf(path, sizeof(path), "%s/cometd-bridge", base);
	if (n < 0 || (size_t)n + sizeof("/bridge.sock") > sizeof(path))
		return NULL;
	if (stat(path, &st) || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return NULL;
	strcpy(path + n, "/bridge.sock");
	return path;
}

const char *socket_path(const char *path)
{
	if (!path)
		path = secure_getenv("COMETD_BRIDGE_SOCKET");
	if (!path || !*path)
		path = own_socket();
	return path ? path : COMETD_SOCKET_DEFAULT;
}

static int connect_path(int fd, const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if (!socket_path_ok(path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path));
	/* connecting a Unix socket succeeds or fails at once; EAGAIN: the listen queue is full */
	return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : 0;
}

int socket_open(struct socket *s, const char *path)
{
	struct epoll_event event = {.events = EPOLLIN};

	socket_close(s);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	int r = connect_path(fd, path);
	if (!r && epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event))
		r = -errno;
	if (r) {
		close(fd);
		return r;
	}
	s->fd = fd;
	s->in = true;
	s->out = false;
	return 0;
}

void socket_close(struct socket *s)
{
	if (s->fd < 0)
		return;
	/* explicit, because after fork() a child may still hold the socket, which keeps it in the set */
	epoll_ctl(s->epoll, EPOLL_CTL_DEL, s->fd, NULL);
	close(s->fd);
	s->fd = -1;
}

int socket_read(struct socket *s, char *p, size_t n, size_t *ret_n)
{
	ssize_t got;

	do
		got = recv(s->fd, p, n, 0);
	while (got < 0 && errno == EINTR);
	if (got == 0)
		return SOCKET_E_END;
	if (got < 0)
		return errno == EAGAIN ? SOCKET_E_AGAIN : -errno;
	*ret_n = (size_t)got;
	return 0;
}

int socket_write(struct socket *s, struct slice bytes, size_t *ret_n)
{
	ssize_t put;

	do
		put = send(s->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	if (put < 0)
		return errno == EAGAIN ? SOCKET_E_AGAIN : -errno;
	*ret_n = (size_t)put;
	return 0;
}

int socket_watch(struct socket *s, bool in, bool out)
{
	struct epoll_event event = {.events = (in ? EPOLLIN : 0u) | (out ? EPOLLOUT : 0u)};

	/* EPOLLHUP is reported even with an empty mask; report it once */
	if (!event.events)
		event.events = EPOLLONESHOT;
	if (s->fd < 0 || (s->in == in && s->out == out))
		return 0;
	if (epoll_ctl(s->epoll, EPOLL_CTL_MOD, s->fd, &event))
		return -errno;
	s->in = in;
	s->out = out;
	return 0;
}

int socket_wait(struct socket *s, int timeout_ms)
{
	struct pollfd p = {.fd = s->epoll, .events = POLLIN};
	int n = poll(&p, 1, timeout_ms);

	if (n < 0)
		return -errno;
	return n ? 0 : SOCKET_E_AGAIN;
}

uint64_t socket_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}
