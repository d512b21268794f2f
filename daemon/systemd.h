/*
 * Everything about systemd: readiness, status and watchdog told to the manager,
 * sockets handed over, the journal as a sink of base/log. The only user of
 * libsystemd. Without systemd every call is a quiet nothing, so that the same
 * daemon runs in the foreground; and no failure here is ever a reason to stop.
 */
#ifndef DAEMON_SYSTEMD_H
#define DAEMON_SYSTEMD_H

#include <stddef.h>
#include <stdint.h>

/* The socket serves. `status` is shown by systemctl, or NULL. */
void systemd_ready(const char *status);
/* A new status line; shown by `systemctl status`. */
void systemd_status(const char *status);
void systemd_stopping(void);
/* The loop made progress. */
void systemd_watchdog(void);
/* How often systemd_watchdog() is due, in milliseconds: half of what the manager asks for.
   0 when it asks for nothing. */
uint64_t systemd_watchdog_interval(void);

#define SYSTEMD_SOCKETS_MAX 8
/*
 * The listening Unix stream sockets the manager handed over, into fds[0..max), close-on-exec. They
 * are the caller's. What else was handed over is closed, and said in `why` (empty when there is
 * nothing to say). Returns how many, or a negative errno. Works once.
 */
int systemd_sockets(int *fds, size_t max, char *why, size_t why_size);

/*
 * When stderr goes to the journal ($JOURNAL_STREAM says so), lines of base/log go there with
 * MESSAGE, PRIORITY, CODE_FILE, CODE_LINE and each field as COMETD_BRIDGE_<NAME>; else they stay on
 * stderr. A journal that is full or gone makes nobody wait: such a line is dropped.
 */
void systemd_log_init(void);

#endif
