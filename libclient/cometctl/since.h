/*
 * The value of --since: from where on messages of the past are asked for.
 */
#ifndef COMETCTL_SINCE_H
#define COMETCTL_SINCE_H

#include "cometctl.h"

/*
 * EPOCH:SEQ, to *ret; or to *ret_ms, in milliseconds since 1970: an age (90s, 10m, 2h, 3d), a time of day
 * (9:05 is no time, 09:05 is the last one before now), or a date with or without time and zone.
 * `now` is the present time. False: none of these.
 */
bool since_read(const char *text, unsigned long long now, struct ctl_position *ret,
		unsigned long long *ret_ms);

#endif
