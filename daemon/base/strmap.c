/*
 * String-keyed maps. The hash is SipHash-1-3 with a random key per process, so that
 * an attacker who chooses the keys cannot put them all into one slot.
 */
#include "base/strmap.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define SLOTS_MIN 8

static uint64_t seed[2];
static bool seeded;

/*
 * Early in boot getrandom() may have no entropy, and the daemon must not block for a hash
 * seed: address, pid and time are better than a constant.
 */
void strmap_new_key(uint64_t ret[2])
{
	struct timespec ts;

	if (getrandom(ret, sizeof(seed), GRND_NONBLOCK) == (ssize_t)sizeof(seed))
		return;
	clock_gettime(CLOCK_REALTIME, &ts);
	ret[0] = (uint64_t)(uintptr_t)&ts ^ (uint64_t)ts.tv_nsec << 32;
	ret[1] = (uint64_t)getpid() << 40 ^ (uint64_t)ts.tv_sec;
}

static inline uint64_t rotate(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1], v[1] = rotate(v[1], 13), v[1] ^= v[0], v[0] = rotate(v[0], 32);
	v[2] += v[3], v[3] = rotate(v[3], 16), v[3] ^= v[2];
	v[0] += v[3], v[3] = rotate(v[3], 21), v[3] ^= v[0];
	v[2] += v[1], v[1] = rotate(v[1], 17), v[1] ^= v[2], v[2] = rotate(v[2], 32);
}

uint64_t strmap_hash_keyed(const uint64_t key[2], struct slice text)
{
	uint64_t v[4] = {
		key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
		key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u,
	};
	uint64_t word, last = (uint64_t)text.n << 56;
	size_t i;

	for (i = 0; i + 8 <= text.n; i += 8) {
		memcpy(&word, text.p + i, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	for (size_t at = i; at < text.n; at++)
		last |= (uint64_t)(unsigned char)text.p[at] << 8 * (at - i);
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t strmap_hash(struct slice text)
{
	if (!seeded) {
		strmap_new_key(seed);
		seeded = true;
	}
	return strmap_hash_keyed(seed, text);
}

void strmap_init(struct strmap *m)
{
	*m = (struct strmap){0};
}

void strmap_fini(struct strmap *m)
{
	assert(m->n == 0);
	free(m->slots);
	strmap_init(m);
}

/* Keys of a slot that does not exist yet are in the slot that will be split into it. */
static inline struct strmap_node **slot_of(const struct strmap *m, uint64_t hash)
{
	size_t i = hash & m->mask;

	return &m->slots[i < m->n_slots ? i : i & m->mask >> 1];
}

struct strmap_node *strmap_get(const struct strmap *m, struct slice key)
{
	uint64_t hash;

	if (m->n == 0)
		return NULL;
	hash = strmap_hash(key);
	for (struct strmap_node *it = *slot_of(m, hash); it; it = it->next)
		if (it->hash == hash && slice_eq(it->key, key))
			return it;
	return NULL;
}

static int make_room(struct strmap *m)
{
	size_t room = m->room ? m->room * 2 : SLOTS_MIN;
	struct strmap_node **slots = realloc(m->slots, room * sizeof(struct strmap_node *));

	if (!slots)
		return -ENOMEM;
	m->slots = slots;
	m->room = room;
	return 0;
}

/* Adds one slot and moves the nodes that belong there from the slot it is split from. */
static int grow(struct strmap *m)
{
	struct strmap_node **from, **at;

	if (m->n_slots == m->room && make_room(m))
		return -ENOMEM;
	if (m->n_slots > m->mask)
		m->mask = m->mask * 2 + 1;
	at = &m->slots[m->n_slots];
	*at = NULL;
	if (m->n_slots++ == 0)
		return 0;
	from = &m->slots[(m->n_slots - 1) & m->mask >> 1];
	for (struct strmap_node *it; (it = *from);) {
		if (slot_of(m, it->hash) != at) {
			from = &it->next;
			continue;
		}
		*from = it->next;
		it->next = *at;
		*at = it;
	}
	return 0;
}

int strmap_put(struct strmap *m, struct slice key, struct strmap_node *node)
{
	struct strmap_node **slot;

	/* if the table cannot grow, the slots get fuller; this fails only if there is no slot at all */
	if (m->n >= m->n_slots && grow(m) && m->n_slots == 0)
		return -ENOMEM;
	node->key = key;
	node->hash = strmap_hash(key);
	slot = slot_of(m, node->hash);
	node->next = *slot;
	*slot = node;
	m->n++;
	return 0;
}

void strmap_remove(struct strmap *m, struct strmap_node *node)
{
	struct strmap_node **at = slot_of(m, node->hash);

	while (*at != node) {
		assert(*at);
		at = &(*at)->next;
	}
	*at = node->next;
	node->next = NULL;
	m->n--;
}

static struct strmap_node *first_from(const struct strmap *m, size_t slot)
{
	for (; slot < m->n_slots; slot++)
		if (m->slots[slot])
			return m->slots[slot];
	return NULL;
}

struct strmap_node *strmap_first(const struct strmap *m)
{
	return first_from(m, 0);
}

struct strmap_node *strmap_after(const struct strmap *m, const struct strmap_node *node)
{
	if (node->next)
		return node->next;
	return first_from(m, (size_t)(slot_of(m, node->hash) - m->slots) + 1);
}
