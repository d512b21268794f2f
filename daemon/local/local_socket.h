/*
 * What is asked of the kernel about one connected Unix socket, and told to it.
 */
#ifndef LOCAL_LOCAL_SOCKET_H
#define LOCAL_LOCAL_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

/* who connected, as the kernel said at connect(); the pid is for people only */
struct peer_identity {
	uid_t uid;
	gid_t gid;
	pid_t pid;
};

/* Makes it non-blocking and close-on-exec. 0 or a negative errno. */
int local_socket_set_up(int fd);
/* 0, -EAFNOSUPPORT for a socket of another family, or what the kernel answered. */
int local_socket_identity(int fd, struct peer_identity *ret);
/* Whether the other end is gone both ways; one that merely sends no more is not. */
bool local_socket_hung_up(int fd);

#endif
