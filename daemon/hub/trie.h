/*
 * Pattern tree of one server: who subscribed to what matches this channel?
 * It answers *who*, each entry once, and does nothing else: no access rule, no
 * queue, no sending. The cost of an answer grows with the segments of the
 * channel and with the entries found, not with those that are there.
 */
#ifndef HUB_TRIE_H
#define HUB_TRIE_H

#include "base/list.h"
#include "protocol/slice.h"

#include <stdbool.h>
#include <stddef.h>

struct trie;
struct trie_node;

/* A member of struct subscription. Private to trie.c. */
struct trie_entry {
	struct list link;               /* trie_node::entries */
	struct trie_node *node;         /* NULL when in no trie */
};

/* 0 or -ENOMEM */
int trie_new(struct trie **ret);
/* The trie must be empty; NULL is fine. */
void trie_free(struct trie *t);
static inline void trie_entry_init(struct trie_entry *e) { list_init(&e->link); e->node = NULL; }

/* Adds the entry under `pattern` (checked by channel_check_pattern; copied). 0 or -ENOMEM. */
int trie_add(struct trie *t, struct slice pattern, struct trie_entry *e);
/* Takes the entry out, if it is in. Never fails. */
void trie_remove(struct trie_entry *e);
/*
 * Calls each(ctx, entry) for every entry whose pattern matches the concrete `channel`: exact, "*",
 * and "**" from the deepest to the root. `each` must not add or remove. `channel` may be anything:
 * it comes from a server.
 */
void trie_collect(const struct trie *t, struct slice channel,
		  void (*each)(void *ctx, struct trie_entry *e), void *ctx);
bool trie_empty(const struct trie *t);

#endif
