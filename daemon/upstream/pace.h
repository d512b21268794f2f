/*
 * Decides how long reading from one server waits for its slow receivers: bounded by a credit, so
 * that no receiver stops the server for the others.
 */
#ifndef UPSTREAM_PACE_H
#define UPSTREAM_PACE_H

#include "hub/hub.h"

#include <stdbool.h>
#include <stdint.h>

struct pace {
	struct hub_server *server;
	bool paused;
	uint64_t settled_at;            /* loop time of the last pace_settle() */
	uint64_t progress_at;           /* a receiver accepted data */
	uint64_t credit;                /* ms that reading may still pause */
	uint64_t total;                 /* ms of all pauses */
};

/* `server` is the caller's and must outlive it. Nothing is paused. */
void pace_init(struct pace *p, struct hub_server *server);

/* Accounts for the time since the last call (loop time, ms) and ends a pause that is over. Call it
   once a turn, and every few ms during a pause. */
void pace_settle(struct pace *p, uint64_t now);

/* Whether nothing is read at the moment; begins a pause when the receivers need one. */
bool pace_is_paused(struct pace *p, uint64_t now);

#endif
