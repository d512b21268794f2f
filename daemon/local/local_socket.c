/*
 * Options and state of a connected Unix socket, whose bytes peer.c reads and writes.
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

bool local_socket_hung_up(int fd)
{
	struct pollfd pfd = {.fd = fd};

	return poll(&pfd, 1, 0) == 1 && (pfd.revents & (POLLHUP | POLLERR));
}
