/*
 * Prepares a connected Unix socket, and asks whether the other end is gone.
 */
#ifndef LOCAL_LOCAL_SOCKET_H
#define LOCAL_LOCAL_SOCKET_H

#include <stdbool.h>

/* Makes it non-blocking and close-on-exec. 0 or a negative errno. */
int local_socket_set_up(int fd);
/* Whether the other end is gone both ways; one that merely sends no more is not. */
bool local_socket_hung_up(int fd);

#endif
