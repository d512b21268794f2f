/*
 * Divides the time of a turn among those who have work that can wait, such as the
 * frames of local peers. All of them together get WORK_TURN_US of a turn; what is
 * left waits for the next one, so that timers, servers and the watchdog are never
 * delayed by any number of busy peers.
 *
 * Work is done in steps, and an item pays for each step: the processor time it
 * took, plus WORK_US_PER_KIB for the bytes that it caused to be read or written. Items are
 * served round robin with a deficit: a visit grants WORK_QUANTUM_US, and an item in
 * debt is passed over until later visits have paid for it. So many cheap steps and
 * a few expensive ones get equal shares.
 *
 * An item is light if its visits cost less than WORK_LIGHT_US on average: a peer with
 * one small request at a time. Busy light items are served before the heavy ones, as
 * long as they take less than half of the turn. And since a request needs two turns,
 * one for itself and one for the answer of the server, neither may be long each time:
 * while other items are light and served, the heavy ones pause for ten times as long
 * as they worked, however many they are. The loop is interactive then: the servers take
 * short turns, too.
 */
#ifndef LOCAL_WORK_QUEUE_H
#define LOCAL_WORK_QUEUE_H

#include "base/list.h"
#include "base/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* short, because a request that arrives during a turn waits for the rest of it */
#define WORK_TURN_US 500
/* more than a few small requests cost */
#define WORK_QUANTUM_US 100
/* less than that: many small requests at once, or one for many channels, make a peer heavy; but four times as
   much as a small one costs when other processes use the caches, too */
#define WORK_LIGHT_US 80
/* what writing a KiB costs the kernel and the reader: 1 GB/s */
#define WORK_US_PER_KIB 1

struct work_queue;

struct work_functions {
	/*
	 * Does one step; false when nothing is left to do. `*bytes` is 0 before the call, and how
	 * many bytes the step read and queued after it.
	 */
	bool (*step)(void *ctx, size_t *bytes);
	/* Called once after some steps: the share is used up, or nothing is left to do. May add or
	   cancel the item. */
	void (*rest)(void *ctx);
};

/* Private to work_queue.c. */
struct work_item {
	struct list link;               /* one of the queue's lists */
	struct list recent;             /* the queue's list of light items */
	const struct work_functions *functions;
	void *ctx;
	int64_t credit;                 /* microseconds; negative: debt */
	int64_t weight;                 /* microseconds: what its last visits cost, the older the less */
	uint64_t light_at;              /* clock_mono_us() of its last visit, while in that list */
	bool heavy;
	bool resumed;                   /* its work is known to cost much */
	bool busy;                      /* has steps to do */
};

/* 0 or -ENOMEM */
int work_queue_new(struct loop *loop, struct work_queue **ret);
/* No item may be in it. NULL is fine. */
void work_queue_free(struct work_queue *q);
struct loop *work_queue_loop(const struct work_queue *q);

void work_item_init(struct work_item *item, const struct work_functions *functions, void *ctx);
/* Adds an item with work to do; its steps begin in this turn, after the descriptors. */
void work_queue_add(struct work_queue *q, struct work_item *item);
/* The same for an item that had to pause in the middle of its work, or is known to cost much: it is not light. */
void work_queue_resume(struct work_queue *q, struct work_item *item);
/* No step and no rest() is called after it; required before the item is freed. May be called from its own
   functions. */
void work_queue_cancel(struct work_queue *q, struct work_item *item);
static inline bool work_item_busy(const struct work_item *item) { return item->busy; }
/* Whether its work waits for that of other items: not while its own functions run. */
bool work_queue_delays(const struct work_queue *q, const struct work_item *item);

#endif
