/*
 * The time synchronisation extension of CometD (bayeux.md 5.4): with each
 * handshake and connect the server is asked for its clock, and told what we
 * believe of it; it answers where that is wrong.
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
