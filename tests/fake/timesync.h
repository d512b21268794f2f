/*
 * The timesync extension as CometD Java's server has it (bayeux.md 5.4), with a
 * clock that is as far ahead as it is told to be.
 */
#ifndef FAKE_TIMESYNC_H
#define FAKE_TIMESYNC_H

#include "tests/fake/dialect.h"

/* what its clock says now, in ms since 1970 */
long timesync_clock(const struct server *s);
/* puts its answer into the ext of the reply, where q asked for it and is not right already */
void timesync_answer(const struct server *s, const struct request *q, struct object *reply);

#endif
