/*
 * What a store is to keep of the consumers of a server, and what it has already. Without a store all counts as stored
 * at once. hub_next_durable_change() and so on are in hub.h.
 */
#ifndef HUB_CONSUMER_CHANGES_H
#define HUB_CONSUMER_CHANGES_H

#include "base/list.h"
#include "base/wake.h"
#include "protocol/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct consumer;
struct hub_server;
struct request;

/* Private to consumer_changes.c. */
struct consumer_changes {
	bool on;                        /* there is a store */
	struct wake wake;
	struct list ended;              /* consumer::of_server: the store still has them */
	struct consumer *reported;      /* the last of them, whose name is in a view */
	struct buf patterns;            /* in a view */
	uint64_t taken, stored;         /* numbers of changes */
	uint64_t entries_taken, entries_stored; /* numbers of entries of the log: those below */
	uint64_t trimmed, trim_taken;   /* seq */
	/* how many entries belong to a number of changes; the last one may count for several */
	struct { uint64_t changes, entries; } marks[32];
	size_t n_marks;
};

void consumer_changes_init(struct consumer_changes *changes);
void consumer_changes_fini(struct consumer_changes *changes);
/* Its values are others now. */
void consumer_changed(struct consumer *c);
/* It was removed; it is freed here later. False: there is no store. */
bool consumer_changes_end(struct consumer *c);
/* The log of the server has no entry up to this seq any more. */
void consumer_changes_trimmed(struct hub_server *server, uint64_t seq);
/* All entries are stored. */
void consumer_changes_restored(struct hub_server *server);
/* The number of the first entry that is not stored. */
uint64_t consumer_changes_limit(const struct hub_server *server);
/* The answer to this ack waits until what it has changed is stored. False: it is already. */
bool consumer_changes_await(struct consumer *c);
/* An ack of the consumer, which waits for that. */
void consumer_changes_delay(struct consumer *c, struct request *ack);

#endif
