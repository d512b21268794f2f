/*
 * A hash table by id and a binary heap by deadline over the same nodes: O(1) by id and
 * O(log n) for the rest.
 */
#include "bayeux/pending.h"

#include <errno.h>
#include <stdlib.h>

void pending_init(struct pending *p)
{
	*p = (struct pending){.next_id = 1};
}

void pending_fini(struct pending *p)
{
	free(p->slots);
	free(p->heap);
	pending_init(p);
}

/* our ids count up by one, so their low bits spread them perfectly */
static struct pending_node **slot_of(const struct pending *p, uint64_t id)
{
	return &p->slots[id & (p->room - 1)];
}

static void rehash(struct pending *p, struct pending_node **slots, size_t room)
{
	free(p->slots);
	p->slots = slots;
	p->room = room;
	for (size_t i = 1; i <= p->n; i++) {
		struct pending_node **slot = slot_of(p, p->heap[i]->id);
		p->heap[i]->next = *slot;
		*slot = p->heap[i];
	}
}

int pending_reserve(struct pending *p, size_t n)
{
	size_t room = p->room ? p->room : 16;
	while (room < p->n + n)
		room *= 2;
	if (room == p->room)
		return 0;
	struct pending_node **heap = realloc(p->heap, (room + 1) * sizeof(*heap));
	if (!heap)
		return -ENOMEM;
	p->heap = heap;
	struct pending_node **slots = calloc(room, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	rehash(p, slots, room);
	return 0;
}

static void place(struct pending *p, size_t i, struct pending_node *node)
{
	p->heap[i] = node;
	node->place = i;
}

static void sift_up(struct pending *p, size_t i, struct pending_node *node)
{
	for (; i > 1 && p->heap[i / 2]->deadline > node->deadline; i /= 2)
		place(p, i, p->heap[i / 2]);
	place(p, i, node);
}

static void sift_down(struct pending *p, size_t i, struct pending_node *node)
{
	for (size_t child; (child = 2 * i) <= p->n; i = child) {
		if (child < p->n && p->heap[child + 1]->deadline < p->heap[child]->deadline)
			child++;
		if (p->heap[child]->deadline >= node->deadline)
			break;
		place(p, i, p->heap[child]);
	}
	place(p, i, node);
}

void pending_put(struct pending *p, struct pending_node *node, uint64_t id, uint64_t deadline)
{
	node->id = id;
	node->deadline = deadline;
	struct pending_node **slot = slot_of(p, id);
	node->next = *slot;
	*slot = node;
	sift_up(p, ++p->n, node);
	if (id >= p->next_id)
		p->next_id = id + 1;
}

void pending_remove(struct pending *p, struct pending_node *node)
{
	if (!node->place)
		return;
	struct pending_node **at = slot_of(p, node->id);
	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	size_t hole = node->place;
	struct pending_node *last = p->heap[p->n--];
	node->place = 0;
	if (last == node)
		return;
	if (hole > 1 && p->heap[hole / 2]->deadline > last->deadline)
		sift_up(p, hole, last);
	else
		sift_down(p, hole, last);
}

struct pending_node *pending_find(const struct pending *p, uint64_t id)
{
	if (p->n == 0)
		return NULL;
	struct pending_node *node = *slot_of(p, id);
	while (node && node->id != id)
		node = node->next;
	return node;
}

bool pending_id(struct slice text, uint64_t *ret)
{
	uint64_t n = 0;
	if (text.n == 0 || text.n > 19 || text.p[0] == '0')
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(text.p[i] - '0');
	}
	*ret = n;
	return true;
}

struct pending_node *pending_find_text(const struct pending *p, struct slice id)
{
	uint64_t n;
	return pending_id(id, &n) ? pending_find(p, n) : NULL;
}

struct pending_node *pending_first(const struct pending *p)
{
	return p->n ? p->heap[1] : NULL;
}
