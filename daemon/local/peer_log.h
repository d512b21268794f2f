/*
 * What stays of a local process that reads too slowly: a line in the log when the first message for
 * it is dropped, another when it is gone, and a place in a ring of those that are gone, for status.
 */
#ifndef LOCAL_PEER_LOG_H
#define LOCAL_PEER_LOG_H

#include "local/identity.h"
#include "local/peer.h"
#include "protocol/protocol.h"
#include "protocol/slice.h"

#include <stddef.h>
#include <stdint.h>

#define DEPARTED_MAX 32

/* a peer that is gone and missed messages; times in ms since 1970 */
struct departed {
	uint64_t peer;
	char name[PROTOCOL_NAME_MAX + 1];
	char unit[UNIT_MAX];            /* "" if it is unknown */
	uid_t uid;
	pid_t pid;
	uint64_t since, until;
	uint64_t delivered, lost;
};

/* The last of them; all zero at first. Private to peer_log.c. */
struct departures {
	struct departed ring[DEPARTED_MAX];
	size_t begin, n;                /* the oldest, and how many */
};

/* The i-th, the newest first; NULL when there are not that many. */
const struct departed *departures_get(const struct departures *d, size_t i);

/* Messages were dropped for it, for the first time. */
void peer_log_loss(struct peer *p);
/* It is about to leave: logs what it missed, and why we closed it if we did; notes the former. */
void peer_log_end(struct departures *d, struct peer *p, uint64_t now, uint64_t unix_ms);

#endif
