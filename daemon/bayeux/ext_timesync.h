/*
 * The time synchronisation extension of CometD (bayeux.md 5.4): each handshake and
 * connect carries our estimate of the server's clock; the server answers with its time
 * when the estimate is not exact enough.
 */
#ifndef BAYEUX_EXT_TIMESYNC_H
#define BAYEUX_EXT_TIMESYNC_H

#include "bayeux/ext.h"
#include "bayeux/session.h"

/* 0 or -ENOMEM */
int ext_timesync_new(struct ext **ret);
/* What is known of the server's clock at this moment; samples is 0 while nothing is. */
void ext_timesync_estimate(const struct ext *x, struct ext_time at, struct session_timesync *ret);

#endif
