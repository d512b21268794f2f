/*
 * How wanted channels continue on the next connection. All held channels of a server
 * continue after the highest seq that was given to the application, because the daemon
 * delivers in ascending order. Only a channel whose past is still being read has a
 * position of its own.
 */
#ifndef LIBCLIENT_RESUME_H
#define LIBCLIENT_RESUME_H

#include "libclient/servers.h"
#include "libclient/wanted.h"

#include <stdbool.h>

/* What the next subscribe of this channel has to ask for; nothing if a consumer has the position of it. */
struct past resume_past(const struct wanted_channel *wanted);

/* The daemon replied to hello. Whether a channel cannot continue where it stopped: gap. */
bool resume_begin(struct wanted_set *w, struct servers *s);
/* The daemon accepted the channel, and its past was given. `server` may be NULL. */
void resume_accepted(struct wanted_set *w, struct wanted_channel *wanted, const struct server *server);
/* The daemon does not know positions, or refused this one: the channel continues without. */
void resume_forget(struct wanted_set *w, struct wanted_channel *wanted);
/* A message for the application. False: it was given on an earlier connection. */
bool resume_message(struct wanted_set *w, struct server *server, struct slice channel, uint64_t seq);
/* Messages up to `last` were lost, which the application learns. */
void resume_loss(struct server *server, uint64_t last);
/* The connection ended: stores where each channel continues. */
void resume_end(struct wanted_set *w, const struct servers *s);

#endif
