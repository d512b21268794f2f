/*
 * The list of slow receivers of a server; the functions that other modules use
 * are in hub.h.
 */
#ifndef HUB_CROWD_H
#define HUB_CROWD_H

#include "hub/hub.h"

/* A message of `server` was queued for `m`. */
void crowd_note(struct hub_server *server, struct member *m);

#endif
