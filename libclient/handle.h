/*
 * The handle and one turn of it, shared by the non-blocking and the blocking half
 * of the library.
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
	struct kept *given;           /* the event that cometd_next() returned last */
	struct cometd_result *result; /* of the last blocking call */
	struct engine_item item;      /* taken from the engine */
	bool item_waits;              /* its delivery failed for lack of memory and is repeated */
	unsigned unacknowledged;      /* publishes and calls without a result */
	int unreported_error;         /* of the first of them that had no callback; 0: none */
	bool write_failed;            /* but the daemon may have sent bytes that are not read yet */
	bool free_pending;            /* freed inside a callback; memory is freed after the turn */
	unsigned depth;               /* how many turns are on the stack: 0 or 1 */
};

/*
 * One turn: ends what is overdue, delivers, connects, writes and reads. 0, or as
 * cometd_process(); after COMETD_E_CLOSED c is freed.
 */
int handle_turn(struct cometd *c);
/*
 * The same, but returns the next event instead of delivering it. 0 with *ret;
 * COMETD_E_TIMEOUT: there is none yet; else as handle_turn.
 */
int handle_turn_next(struct cometd *c, const struct cometd_event **ret);
/* Frees what the last blocking call or cometd_next() returned. */
void handle_free_given(struct cometd *c);

#endif
