/*
 * Requests that wait for the server or for a deadline: found by id, and by the earliest
 * deadline. The node is a member of the record, so that removing never fails; memory is
 * reserved before, so that inserting does not fail either.
 */
#ifndef BAYEUX_PENDING_H
#define BAYEUX_PENDING_H

#include "protocol/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pending_node {
	struct pending_node *next;  /* of the same slot */
	uint64_t id;
	uint64_t deadline;          /* now-time; UINT64_MAX for none */
	size_t place;               /* in the heap, counted from 1; 0 when not in the table */
};

/* Private to pending.c. */
struct pending {
	struct pending_node **slots;   /* by id; a power of two of them, or none */
	struct pending_node **heap;    /* earliest deadline on top, from index 1 */
	size_t room;                   /* of either */
	size_t n;
	uint64_t next_id;
};

void pending_init(struct pending *p);
/* Frees the table; it must be empty. */
void pending_fini(struct pending *p);
/* Makes the next `n` pending_put() succeed. 0 or -ENOMEM. */
int pending_reserve(struct pending *p, size_t n);
/* The id of the next request: larger than that of each one so far. */
static inline uint64_t pending_next_id(const struct pending *p) { return p->next_id; }
/* The ids that follow begin with this one. */
static inline void pending_skip(struct pending *p, uint64_t id) { p->next_id = id; }
/* Room must have been reserved, and no node with this id be there. */
void pending_put(struct pending *p, struct pending_node *node, uint64_t id, uint64_t deadline);
/* Takes the node out, if it is in. */
void pending_remove(struct pending *p, struct pending_node *node);
static inline bool pending_linked(const struct pending_node *node) { return node->place != 0; }

struct pending_node *pending_find(const struct pending *p, uint64_t id);
/* An id as a server sends it: the decimal digits that we wrote, nothing else. False for others. */
bool pending_id(struct slice text, uint64_t *ret);
struct pending_node *pending_find_text(const struct pending *p, struct slice id);
/* the node that is due first, or NULL */
struct pending_node *pending_first(const struct pending *p);

#define PENDING_OF(node, type, member)                                                             \
	((type *)(void *)((char *)(node) - offsetof(type, member)))

#endif
