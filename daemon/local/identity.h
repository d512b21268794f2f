/*
 * Asks the kernel who is at the other end of a connection: by the socket, and by /proc for the process. What
 * cannot be had (the process has ended, or is hidden from the daemon) stays unknown.
 */
#ifndef LOCAL_IDENTITY_H
#define LOCAL_IDENTITY_H

#include "hub/identity.h"
#include "protocol/slice.h"

#define UNIT_MAX 128

/* The user, group and process at connect(). 0, -EAFNOSUPPORT for a socket of another family, or what the
   kernel answered. */
int identity_of_socket(int fd, struct identity *ret);
/*
 * The rest, once: groups, start time, unit. The latter two only if the process that connected is still there
 * afterwards; before Linux 6.5 that cannot be known, and they may be of another process that got its pid.
 */
void identity_complete(int fd, struct identity *i);

/* The systemd unit in the text of /proc/PID/cgroup: its innermost service or scope; "" when there is none. Below its
   user@UID.service a user may name units freely. */
void identity_unit(struct slice cgroup, char ret[UNIT_MAX]);
/* The start time in the text of /proc/PID/stat; 0 if it cannot be read. */
uint64_t identity_start_time(struct slice stat);

#endif
