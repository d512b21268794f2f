/*
 * Owns the questions to the kernel about a local connection. Guarantees that
 * an identity comes from the kernel alone, and only where the kernel knows one.
 * Must never read or write the connection.
 */
#include "local/local_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

/*
 * More than what arrives for one peer in one turn. The kernel doubles the value, but limits it to
 * net.core.wmem_max, which usually is 208 KiB.
 */
#define SEND_BUFFER (208 << 10)

int local_socket_set_up(int fd)
{
	int flags = fcntl(fd, F_GETFL), size = SEND_BUFFER;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC))
		return -errno;
	/* not fatal: without it, a reader that keeps up may lose messages of a burst */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return 0;
}

int local_socket_identity(int fd, struct peer_identity *ret)
{
	struct ucred who;
	socklen_t len = sizeof(who), domain_len = sizeof(int);
	int domain;

	/* of other sockets the kernel tells nothing, but says that all went well */
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_len))
		return -errno;
	if (domain != AF_UNIX)
		return -EAFNOSUPPORT;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len))
		return -errno;
	*ret = (struct peer_identity){who.uid, who.gid, who.pid};
	return 0;
}

bool local_socket_hung_up(int fd)
{
	struct pollfd pfd = {.fd = fd};

	return poll(&pfd, 1, 0) == 1 && (pfd.revents & (POLLHUP | POLLERR));
}
