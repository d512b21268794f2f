/*
 * A map from byte strings to records, which contain the node and own the key's bytes.
 * The hash is seeded, so that a peer or server that chooses the keys cannot make them
 * collide. The map grows by one slot at a time (linear hashing), so that no put takes
 * long, however large the map is.
 */
#ifndef BASE_STRMAP_H
#define BASE_STRMAP_H

#include "protocol/slice.h"

#include <stddef.h>
#include <stdint.h>

struct strmap_node {
	struct strmap_node *next;
	uint64_t hash;
	struct slice key;
};

struct strmap {
	struct strmap_node **slots;
	size_t n_slots;          /* in use */
	size_t room;             /* a power of two not less than that, or 0 */
	size_t mask;             /* the smallest 2^k - 1 that covers n_slots */
	size_t n;
};

/* The hash of a text, for callers that do not store the text itself; differs between processes. */
uint64_t strmap_hash(struct slice text);
/* The same with a key of the caller's, from strmap_new_key(): for hashes that another process compares, too. Without
   the key, two texts with the same hash cannot be constructed. */
uint64_t strmap_hash_keyed(const uint64_t key[2], struct slice text);
void strmap_new_key(uint64_t ret[2]);

/* A number as key; a view of it. */
static inline struct slice strmap_number(const uint64_t *n)
{
	return slice_make(n, sizeof(*n));
}

void strmap_init(struct strmap *m);
/* Frees the slots; the map must be empty. */
void strmap_fini(struct strmap *m);
struct strmap_node *strmap_get(const struct strmap *m, struct slice key);
/* Adds `node` under `key`, which must not be in the map. 0 or -ENOMEM. */
int strmap_put(struct strmap *m, struct slice key, struct strmap_node *node);
/* The node must be in the map. Never fails, never allocates. */
void strmap_remove(struct strmap *m, struct strmap_node *node);
/* Iterate in no particular order: the first node, and the next one; NULL at the end. Get the next node before
   removing one. */
struct strmap_node *strmap_first(const struct strmap *m);
struct strmap_node *strmap_after(const struct strmap *m, const struct strmap_node *node);

#define STRMAP_OF(node, type, member)                                                              \
	((type *)(void *)((char *)(node) - offsetof(type, member)))

#endif
