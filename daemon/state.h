/*
 * The state directory of the daemon, which systemd passes in $STATE_DIRECTORY: opens the store in it, and logs when the
 * store fails or recovers.
 */
#ifndef DAEMON_STATE_H
#define DAEMON_STATE_H

#include "store/store.h"

struct state_log {
	enum store_state state;         /* logged last */
	uint64_t moves;
};

/* Opens the store and waits a few seconds for it; without a usable state directory it keeps its values in memory. 0, -ENOMEM, or a
   negative errno. */
int state_open(struct loop *loop, struct wake changed, struct store **ret);
/* Call it when store_info() has changed. */
void state_log_changes(struct state_log *log, const struct store *store);

#endif
