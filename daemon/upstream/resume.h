/*
 * Keeps what is needed to go on with a session at the server in the store, so that a later process goes on with it:
 * after a restart, an upgrade or kill -9. It is a secret, and deleted when the session has ended.
 */
#ifndef UPSTREAM_RESUME_H
#define UPSTREAM_RESUME_H

#include "store/store.h"
#include "upstream/parts.h"

#include <stdbool.h>
#include <stdint.h>

/* Private to resume.c. */
struct resume {
	struct store *store;            /* NULL: nothing is kept */
	const char *server;
	bool stored;                    /* there is a snapshot in the store */
	bool left;                      /* the session is for the next process: it is not saved or deleted any more */
	uint64_t changes;               /* session_changes() when it was saved */
	uint64_t at;                    /* not saved before then */
};

/* `server`, the name, must stay. */
void resume_init(struct resume *r, struct store *store, const char *server);
/* The session of the parts, which is new and has no channels yet, goes on with the one in the store, if it was made
   with the same options. */
void resume_restore(struct resume *r, const struct parts *parts, uint64_t now);
/* Call it at the end of each turn: saves what has changed, at most once a second. When it wants to be called again
   because of the time; UINT64_MAX: never. */
uint64_t resume_save(struct resume *r, const struct parts *parts, uint64_t now);
/* The parts are others now. */
void resume_exchanged(struct resume *r);
/* The next process is to go on with the session: saves it as it is now. False: it cannot. */
bool resume_leave(struct resume *r, const struct parts *parts, uint64_t now);

#endif
