/*
 * The timesync extension as in CometD Java's server, with a clock that is ahead of
 * the machine's by a given time.
 */
#ifndef FAKE_TIMESYNC_H
#define FAKE_TIMESYNC_H

#include "tests/fake/dialect.h"

/* the time of its clock, in ms since 1970 */
long timesync_clock(const struct server *s);
/* adds its answer to the ext of the reply, if q asked for it and the client's clock is not exact yet */
void timesync_answer(const struct server *s, const struct request *q, struct object *reply);

#endif
