/*
 * The pattern tree of one server, with a node per segment. A node exists only as long
 * as there is an entry at it or below it. A step of a search is a hash lookup, however
 * many siblings a segment has.
 *
 * Wildcards are separate from the literal children, so that a message to a channel
 * named "/a/" "*" does not match them as a literal, too, and no entry is found twice.
 */
#include "hub/trie.h"

#include "base/strmap.h"
#include "bayeux/channel.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct trie_node {
	struct trie_node *parent;       /* NULL at the root */
	struct strmap literal;          /* children by segment */
	struct trie_node *any;          /* child "*" */
	struct trie_node *deep;         /* child "**" */
	struct strmap_node by_segment;  /* parent's literal */
	struct list entries;            /* trie_entry::link */
	char segment[];                 /* the key of by_segment */
};

struct trie {
	struct trie_node root;
};

static void node_init(struct trie_node *node, struct trie_node *parent)
{
	node->parent = parent;
	node->any = node->deep = NULL;
	strmap_init(&node->literal);
	list_init(&node->entries);
}

int trie_new(struct trie **ret)
{
	struct trie *t = malloc(sizeof(*t));

	if (!t)
		return -ENOMEM;
	node_init(&t->root, NULL);
	*ret = t;
	return 0;
}

static bool node_unused(const struct trie_node *node)
{
	return list_empty(&node->entries) && !node->any && !node->deep && node->literal.n == 0;
}

bool trie_empty(const struct trie *t)
{
	return node_unused(&t->root);
}

void trie_free(struct trie *t)
{
	if (!t)
		return;
	assert(trie_empty(t));
	strmap_fini(&t->root.literal);
	free(t);
}

/* Splits "/a/b" into "a" and the rest "/b"; false when nothing is left, or it is no channel. */
static bool next_segment(struct slice *rest, struct slice *ret)
{
	if (rest->n == 0 || rest->p[0] != '/')
		return false;
	*ret = channel_segment(*rest);
	*rest = slice_drop(*rest, 1 + ret->n);
	return true;
}

static struct trie_node *literal_child(const struct trie_node *node, struct slice segment)
{
	struct strmap_node *found = strmap_get(&node->literal, segment);

	return found ? STRMAP_OF(found, struct trie_node, by_segment) : NULL;
}

static struct trie_node *child(const struct trie_node *node, struct slice segment)
{
	if (slice_eq(segment, SLICE("*")))
		return node->any;
	if (slice_eq(segment, SLICE("**")))
		return node->deep;
	return literal_child(node, segment);
}

static int attach(struct trie_node *parent, struct slice segment, struct trie_node *node)
{
	if (slice_eq(segment, SLICE("*")))
		parent->any = node;
	else if (slice_eq(segment, SLICE("**")))
		parent->deep = node;
	else
		return strmap_put(&parent->literal, segment, &node->by_segment);
	return 0;
}

static void detach(struct trie_node *node)
{
	struct trie_node *parent = node->parent;

	if (parent->any == node)
		parent->any = NULL;
	else if (parent->deep == node)
		parent->deep = NULL;
	else
		strmap_remove(&parent->literal, &node->by_segment);
}

static int grow_child(struct trie_node *parent, struct slice segment, struct trie_node **ret)
{
	struct trie_node *node = malloc(sizeof(*node) + segment.n);
	int r;

	if (!node)
		return -ENOMEM;
	node_init(node, parent);
	memcpy(node->segment, segment.p, segment.n);
	r = attach(parent, slice_make(node->segment, segment.n), node);
	if (r) {
		free(node);
		return r;
	}
	*ret = node;
	return 0;
}

/* Frees unused nodes, from here towards the root. */
static void prune(struct trie_node *node)
{
	while (node->parent && node_unused(node)) {
		struct trie_node *parent = node->parent;

		detach(node);
		strmap_fini(&node->literal);
		free(node);
		node = parent;
	}
}

int trie_add(struct trie *t, struct slice pattern, struct trie_entry *e)
{
	struct trie_node *at = &t->root, *next;
	struct slice segment;
	int r;

	while (next_segment(&pattern, &segment)) {
		next = child(at, segment);
		if (!next) {
			r = grow_child(at, segment, &next);
			if (r) {
				prune(at);
				return r;
			}
		}
		at = next;
	}
	list_append(&at->entries, &e->link);
	e->node = at;
	return 0;
}

void trie_remove(struct trie_entry *e)
{
	struct trie_node *node = e->node;

	if (!node)
		return;
	list_remove(&e->link);
	e->node = NULL;
	prune(node);
}

static void each_entry(const struct trie_node *node, void (*each)(void *, struct trie_entry *),
		       void *ctx)
{
	if (!node)
		return;
	LIST_EACH(e, &node->entries, struct trie_entry, link)
		each(ctx, e);
}

void trie_collect(const struct trie *t, struct slice channel,
		  void (*each)(void *ctx, struct trie_entry *e), void *ctx)
{
	const struct trie_node *at = &t->root, *below;
	struct slice segment;

	if (!next_segment(&channel, &segment))
		return;
	/* down to the parent of the last segment, or as far as there are nodes */
	while ((below = literal_child(at, segment)) && next_segment(&channel, &segment))
		at = below;
	if (channel.n == 0) {
		each_entry(below, each, ctx);
		each_entry(at->any, each, ctx);
	}
	for (; at; at = at->parent)
		each_entry(at->deep, each, ctx);
}
