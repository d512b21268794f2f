/*
 * The handle, and one turn of it: what the non-blocking and the blocking half
 * of the library share.
 */
#ifndef LIBCLIENT_HANDLE_H
#define LIBCLIENT_HANDLE_H

#include "libclient/copy.h"
#include "libclient/engine.h"
#include "libclient/socket.h"

#include <stdbool.h>

struct cometd {
	struct engine *engine;
	struct socket socket;
	char *path;                   /* NULL: of the environment or the default */
	cometd_event_fn listener;
	void *listener_user;
	struct kept *first, *last;    /* events that wait for cometd_next() */
	size_t kept_bytes;
	struct kept *given;           /* what cometd_next() gave last */
	struct cometd_result *result; /* what the last blocking call gave */
	struct engine_item item;      /* taken from the engine */
	bool item_waits;              /* and not told yet: no memory */
	unsigned unacknowledged;      /* publishes and calls without a result */
	int unheeded;                 /* error of the first of them that had no callback; 0: none */
	bool mute;                    /* the daemon takes no more bytes, but may have sent some */
	bool doomed;                  /* freed inside a callback: dies after the turn */
	unsigned depth;               /* how many turns are on the stack: 0 or 1 */
};

/*
 * Ticks, tells what is there, connects, writes and reads. 0, or as
 * cometd_process(); after COMETD_E_CLOSED c is gone.
 */
int handle_turn(struct cometd *c);
/*
 * The same, but gives the next event out instead of telling it. Done in one
 * go: 0 with *ret; COMETD_E_TIMEOUT: none is here; else as handle_turn.
 */
int handle_turn_next(struct cometd *c, const struct cometd_event **ret);
/* What the last blocking call or cometd_next() gave is of no use any more. */
void handle_forget_given(struct cometd *c);

#endif
