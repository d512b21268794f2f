/*
 * The interface to systemd: readiness, status and watchdog notifications, socket
 * activation, and the journal as a sink of base/log. The only user of libsystemd.
 * Without systemd these functions do nothing. No failure here stops the daemon.
 */
#ifndef DAEMON_SYSTEMD_H
#define DAEMON_SYSTEMD_H

#include "base/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reports that the daemon is ready. `status` is shown by `systemctl status`, or NULL. */
void systemd_ready(const char *status);
/* Sends a status line, which `systemctl status` shows. */
void systemd_status(const char *status);
void systemd_stopping(void);
/* Whether the service manager stops the unit of this process to start it again (systemctl restart): asks it by D-Bus,
   for half a second at most. False when there is no answer. */
bool systemd_restarts(void);
/* Reports that the loop makes progress. */
void systemd_watchdog(void);
/* The interval for systemd_watchdog() in milliseconds: half of the watchdog timeout. 0 if there is no
   watchdog. */
uint64_t systemd_watchdog_interval(void);

#define SYSTEMD_SOCKETS_MAX 8
/*
 * Gets the listening Unix stream sockets passed by systemd, at most `max`, close-on-exec; the caller owns them.
 * Other descriptors passed by systemd are closed and listed in `why`, which is empty if there are none. Returns
 * the number of sockets, or a negative errno. Call it only once.
 */
int systemd_sockets(int *fds, size_t max, struct fault *why);

/*
 * If stderr is connected to the journal (see $JOURNAL_STREAM), sends the lines of base/log to the journal
 * with MESSAGE, PRIORITY, CODE_FILE, CODE_LINE and each field as COMETD_BRIDGE_<NAME>; otherwise they are
 * written to stderr. If the journal is full or not running, the line is dropped, so that the daemon never
 * waits for it.
 */
void systemd_log_init(void);

#endif
