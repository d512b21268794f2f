/*
 * Keeps the durable consumers of one server, and their messages, in the store: the hub collects what has changed, and
 * it is put into the store together with the snapshot of the session, in one transaction. So a later process knows
 * each message that the server will not send again, and none that it will.
 *
 * One transaction is under way at a time; changes made meanwhile are the next one. Without a disk that works, messages
 * are delivered from memory.
 */
#ifndef UPSTREAM_DURABLE_H
#define UPSTREAM_DURABLE_H

#include "hub/hub.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

/* Private to durable.c. */
struct durable {
	struct store *store;            /* NULL: nothing is kept */
	struct hub_server *server;
	struct store_listener commits, rewrites;
	struct wake wake;
	uint64_t write, taken;          /* what is under way: hub_durable_stored(taken) when it is committed; 0: nothing */
	uint64_t seen_at;               /* loop time of durable_settle() */
	bool changed;                   /* there may be changes to take */
	bool clears;                    /* all is put again, after what is there was deleted */
};

/*
 * Restores consumers and messages; call it after position_init(), before any event. `wake` is called on the loop when
 * there is something to do: durable_settle() follows. 0, -ENOMEM; what cannot be read is left out, with a message.
 */
int durable_init(struct durable *d, struct store *store, struct hub *hub, struct hub_server *server, uint64_t now,
		 struct wake wake);
/* Call it at the begin of each turn: delivers what is committed. */
void durable_settle(struct durable *d, uint64_t now);
/* Call it after each event of the session. Whether messages wait for the disk, so the session must not acknowledge
   them. */
bool durable_waits(const struct durable *d);
/* Whether there are changes to be stored now. */
bool durable_is_due(const struct durable *d);
/* Puts all changes into the store; the snapshot of the session follows in the same turn. Call it also before any other
   snapshot. 0 or -ENOMEM: tried again later, and no snapshot may follow. */
int durable_put(struct durable *d, uint64_t now, uint64_t unix_ms);
/* When durable_settle() must be called because of the time: a disk that fails reports nothing. UINT64_MAX: never. */
uint64_t durable_deadline(const struct durable *d, uint64_t now);
/* Accepts zeroes. */
void durable_fini(struct durable *d, uint64_t now);

#endif
