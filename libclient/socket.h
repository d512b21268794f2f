/*
 * The connections to the daemon, and one descriptor that stays the same for all of
 * them: an epoll instance around the current socket. Otherwise the application's
 * loop would miss that a new socket has the number of the old one.
 */
#ifndef LIBCLIENT_SOCKET_H
#define LIBCLIENT_SOCKET_H

#include "protocol/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum socket_result {
	SOCKET_E_AGAIN = 1,     /* would block */
	SOCKET_E_END,           /* the other side closed */
};

struct socket {
	int epoll;              /* what the application waits for */
	int fd;                 /* -1: not connected */
	bool in, out;           /* what it waits for inside */
};

/* 0 or -errno. Free with socket_fini. */
int socket_init(struct socket *s);
void socket_fini(struct socket *s);

/* Whether the path fits into a socket's address. */
bool socket_path_ok(const char *path);
/* The path to use: `path`, or COMETD_BRIDGE_SOCKET, or that of the user's own daemon, or the default.
   Valid until the next call in this thread, and while the environment does not change. */
const char *socket_path(const char *path);
/* Connects. 0 or -errno; never waits. */
int socket_open(struct socket *s, const char *path);
void socket_close(struct socket *s);

/* Reads at least one byte; *ret_n is how many. 0, an enum socket_result, or -errno. */
int socket_read(struct socket *s, char *p, size_t n, size_t *ret_n);
/* Never raises SIGPIPE. 0, SOCKET_E_AGAIN, or -errno. */
int socket_write(struct socket *s, struct slice bytes, size_t *ret_n);
/* What to wake up for. 0 or -errno. */
int socket_watch(struct socket *s, bool in, bool out);
/* Waits until the socket is ready: 0; SOCKET_E_AGAIN after timeout_ms (-1: never); -errno. */
int socket_wait(struct socket *s, int timeout_ms);

/* monotonic clock, in milliseconds */
uint64_t socket_now(void);

#endif
