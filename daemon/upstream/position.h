/*
 * Keeps the position of one server in the store: an epoch and a seq name one message for ever, also if the daemon is
 * killed. For that, numbers are reserved in the store, many at a time, before the first of them is used. If the store
 * cannot reserve in time, the server gets a new epoch, which no file has yet; messages never wait for the disk.
 */
#ifndef UPSTREAM_POSITION_H
#define UPSTREAM_POSITION_H

#include "hub/hub.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

/* How many numbers are reserved at a time. After a kill, seq continues after the reserved ones. */
#define POSITION_STEP (1u << 20)

/* Private to position.c. */
struct position {
	struct store *store;            /* NULL: positions are valid while the daemon runs */
	struct hub_server *server;
	struct store_listener listener;
	uint64_t limit;                 /* the last seq of this epoch that may be used */
	uint64_t next_limit;            /* once `write` is committed */
	uint64_t write;                 /* 0: none */
};

/* Sets the position of the server to that of the previous run. */
void position_init(struct position *p, struct store *store, struct hub_server *server);
/* Call it before each message, which gets the next seq. True: the epoch has changed, and members must be informed. */
bool position_reserve(struct position *p);
/* No message follows: the next run continues with the next seq. Accepts zeroes. */
void position_fini(struct position *p);

#endif
