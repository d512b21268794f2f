/*
 * Keeps what is needed to go on with a session at the server in the store, so that a later process goes on with it:
 * after a restart, an upgrade or kill -9. It is a secret, and deleted when the session has ended.
 *
 * The session acknowledges a message only when the snapshot that knows it, and what was put into the store before that
 * snapshot, is on the disk, while resume_hold() asks for that or a snapshot has only a part of a batch. Without a disk
 * that works, nothing waits.
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
	uint64_t at;                    /* not saved before then … */
	uint64_t held_at;               /* … or then, if an acknowledgement waits for it */
	struct store_listener listener;
	struct wake committed;
	uint64_t write;                 /* of the last snapshot; 0: none, or it is committed */
	/* session_delivered() when the last snapshot was saved, and when the last committed one was */
	uint64_t saved, safe;
	bool holds;                     /* the session acknowledges only what is safe */
};

/* `server`, the name, must stay. `committed` is called on the loop when a snapshot is on the disk: resume_settle()
   follows. */
void resume_init(struct resume *r, struct store *store, const char *server, struct wake committed);
/* The messages since the last snapshot must be on the disk before they are acknowledged. */
void resume_hold(struct resume *r, const struct parts *parts);
/* Call it at the begin of each turn: acknowledges what is safe. `more`: what resume_hold() was called for is not on
   the disk yet. */
void resume_settle(struct resume *r, const struct parts *parts, bool more);
/* The session of the parts, which is new and has no channels yet, goes on with the one in the store, if it was made
   with the same options. */
void resume_restore(struct resume *r, const struct parts *parts, uint64_t now);
/* Call it at the end of each turn: when resume_save() is due, which may be now; UINT64_MAX: never. Once a second if
   something has changed; as soon as the last one is committed if an acknowledgement waits for it, or with `urgent`:
   something else is to be stored together with it. */
uint64_t resume_due(const struct resume *r, const struct parts *parts, uint64_t now, bool urgent);
void resume_save(struct resume *r, const struct parts *parts, uint64_t now);
/* The parts are others now. */
void resume_exchanged(struct resume *r);
/* The next process is to go on with the session: saves it as it is now. False: it cannot. */
bool resume_leave(struct resume *r, const struct parts *parts, uint64_t now);
/* Accepts zeroes. */
void resume_fini(struct resume *r);

#endif
