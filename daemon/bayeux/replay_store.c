/*
 * Markers of one server in memory, ordered by their last change. Their number is
 * limited: the marker that was not changed for the longest time is removed first.
 */
#include "bayeux/replay_store.h"

#include "base/list.h"
#include "base/strmap.h"

#include <errno.h>
#include <stdlib.h>

int replay_id_compare(const struct replay_id *a, const struct replay_id *b)
{
	const char *x = a->text + strspn(a->text, "0"), *y = b->text + strspn(b->text, "0");
	size_t n = strlen(x), m = strlen(y);
	if (n != m)
		return n < m ? -1 : 1;
	return memcmp(x, y, n);
}

struct marker {
	struct strmap_node node;
	struct list link;               /* memory_store::order */
	struct replay_id id;
	char channel[];
};

struct memory_store {
	struct replay_store store;
	struct strmap map;
	struct list order;              /* longest unmoved first */
	size_t max;
};

static struct memory_store *memory_of(struct replay_store *s)
{
	return LIST_OF(s, struct memory_store, store);
}

static struct marker *find(struct memory_store *m, struct slice channel)
{
	struct strmap_node *node = strmap_get(&m->map, channel);
	return node ? STRMAP_OF(node, struct marker, node) : NULL;
}

static void marker_free(struct memory_store *m, struct marker *k)
{
	strmap_remove(&m->map, &k->node);
	list_remove(&k->link);
	free(k);
}

static int get(struct replay_store *s, struct slice channel, struct replay_id *ret)
{
	struct marker *k = find(memory_of(s), channel);
	if (!k)
		return REPLAY_STORE_NONE;
	*ret = k->id;
	return 0;
}

static int marker_new(struct memory_store *m, struct slice channel, struct marker **ret)
{
	struct marker *k = calloc(1, sizeof(*k) + channel.n);
	if (!k)
		return -ENOMEM;
	memcpy(k->channel, channel.p, channel.n);
	list_init(&k->link);
	int r = strmap_put(&m->map, slice_make(k->channel, channel.n), &k->node);
	if (r) {
		free(k);
		return r;
	}
	*ret = k;
	return 0;
}

static int put(struct replay_store *s, struct slice channel, const struct replay_id *id)
{
	struct memory_store *m = memory_of(s);
	struct marker *k = find(m, channel);
	int r = k ? 0 : marker_new(m, channel, &k);
	if (r)
		return r;
	k->id = *id;
	list_remove(&k->link);
	list_append(&m->order, &k->link);
	if (m->map.n > m->max)
		marker_free(m, LIST_FIRST(&m->order, struct marker, link));
	return 0;
}

static void reset(struct replay_store *s, const struct replay_id *id)
{
	LIST_EACH(k, &memory_of(s)->order, struct marker, link)
		k->id = *id;
}

static void forget(struct replay_store *s, struct slice channel)
{
	struct marker *k = find(memory_of(s), channel);
	if (k)
		marker_free(memory_of(s), k);
}

static void each(struct replay_store *s,
		 void (*fn)(void *ctx, struct slice channel, const struct replay_id *id), void *ctx)
{
	LIST_EACH(k, &memory_of(s)->order, struct marker, link)
		fn(ctx, k->node.key, &k->id);
}

static void memory_free(struct replay_store *s)
{
	struct memory_store *m = memory_of(s);
	LIST_EACH_SAFE(k, &m->order, struct marker, link)
		marker_free(m, k);
	strmap_fini(&m->map);
	free(m);
}

int replay_store_new(size_t max, struct replay_store **ret)
{
	struct memory_store *m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->store = (struct replay_store){get, put, reset, forget, each, memory_free};
	m->max = max;
	strmap_init(&m->map);
	list_init(&m->order);
	*ret = &m->store;
	return 0;
}

void replay_store_free(struct replay_store *s)
{
	if (s)
		s->free(s);
}
