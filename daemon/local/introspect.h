/*
 * What people want to know: servers, peers and their counters as one JSON
 * object. It reads and never changes anything, and does not know how it was
 * asked. A credential, a cookie or a clientId has no way into it: it reads
 * names, states and counts only.
 */
#ifndef LOCAL_INTROSPECT_H
#define LOCAL_INTROSPECT_H

#include "base/loop.h"
#include "hub/hub.h"
#include "local/peer_log.h"
#include "protocol/buf.h"
#include "store/store.h"

#include <stdint.h>

/* Private to introspect.c. */
struct introspect {
	struct loop *loop;
	struct hub *hub;
	const struct store *store;
	uint64_t started;        /* of the daemon, ms since 1970 */
	const struct departures *departures;
	uint64_t reloaded;       /* last request to read the configuration again, ms since 1970; 0: none */
	const char *reload_fault;       /* what was wrong then; NULL: nothing */
};

/* Appends the result of `status` (PROTOCOL.md), with the channels of each peer where `detail` is set.
   0, -ENOMEM, -EMSGSIZE. */
int introspect_status(const struct introspect *i, bool detail, struct buf *out);

#endif
