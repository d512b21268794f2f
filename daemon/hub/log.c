/*
 * A ring of entries that grows by doubling, and the channels they are of. An entry refers
 * to its blob by the first entry of that blob in the ring: entries of a blob follow each
 * other, so the blob is released with its last entry. Memory is counted by what the blobs
 * occupy, which only changes for the newest one.
 */
#include "hub/log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define ROOM_MIN 64
/* an empty log keeps a ring of at most this size */
#define ROOM_KEPT 1024

void hub_log_init(struct hub_log *log)
{
	*log = (struct hub_log){.first = 1};
	strmap_init(&log->channels);
}

void hub_log_fini(struct hub_log *log)
{
	while (!hub_log_empty(log))
		hub_log_drop_oldest(log);
	strmap_fini(&log->channels);
	free(log->ring);
	hub_log_init(log);
}

void hub_log_set_limits(struct hub_log *log, const struct hub_log_limits *limits)
{
	log->limits = *limits;
}

/* ---- channels ---- */

/* A cheap function of the name: many channels of a server differ at the end. */
static size_t slot_of(struct slice name)
{
	uint64_t end = 0;
	size_t n = name.n < sizeof(end) ? name.n : sizeof(end);

	memcpy(&end, name.p + name.n - n, n);
	return (size_t)((end + name.n) * UINT64_C(0x9e3779b97f4a7c15) >> 58) % HUB_LOG_RECENT;
}

struct hub_log_channel *hub_log_channel(const struct hub_log *log, struct slice name)
{
	struct strmap_node *found = strmap_get(&log->channels, name);

	return found ? STRMAP_OF(found, struct hub_log_channel, by_name) : NULL;
}

static int channel_new(struct hub_log *log, struct slice name, struct hub_log_channel **ret)
{
	struct hub_log_channel *c = calloc(1, sizeof(*c) + name.n);
	int r;

	if (!c)
		return -ENOMEM;
	memcpy(c->name, name.p, name.n);
	r = strmap_put(&log->channels, slice_make(c->name, name.n), &c->by_name);
	if (r) {
		free(c);
		return r;
	}
	log->bytes += sizeof(*c) + name.n;
	*ret = c;
	return 0;
}

static void channel_free(struct hub_log *log, struct hub_log_channel *c)
{
	if (log->recent[c->recent] == c)
		log->recent[c->recent] = NULL;
	log->bytes -= sizeof(*c) + c->by_name.key.n;
	strmap_remove(&log->channels, &c->by_name);
	free(c);
}

/* The channel, found or made. 0 or -ENOMEM. */
static int get_channel(struct hub_log *log, struct slice name, struct hub_log_channel **ret)
{
	size_t slot = slot_of(name);
	struct hub_log_channel *c = log->recent[slot];
	int r;

	if (!c || !slice_eq(c->by_name.key, name)) {
		c = hub_log_channel(log, name);
		r = c ? 0 : channel_new(log, name, &c);
		if (r)
			return r;
		c->recent = slot;
		log->recent[slot] = c;
	}
	*ret = c;
	return 0;
}

static void link_newest(struct hub_log *log, struct hub_log_channel *c, struct hub_log_entry *e)
{
	if (c->n++ == 0) {
		c->oldest = log->next;
	} else {
		e->previous = (uint32_t)(log->next - c->newest);
		hub_log_at(log, c->newest)->next = e->previous;
	}
	c->newest = log->next;
}

static void unlink_oldest(struct hub_log *log, const struct hub_log_entry *e)
{
	struct hub_log_channel *c = e->channel;

	if (--c->n == 0) {
		channel_free(log, c);
		return;
	}
	c->oldest += e->next;
	hub_log_at(log, c->oldest)->previous = 0;
}

/* ---- blobs ---- */

static size_t memory_of(const struct blob *blob)
{
	return blob ? sizeof(*blob) + blob->buf.cap : 0;
}

/* Counts what the blob of the newest entry has grown by. */
static void count_newest(struct hub_log *log, const struct blob *blob)
{
	size_t cap = memory_of(blob);

	log->bytes += cap - log->newest_cap;
	log->newest_cap = cap;
}

static void hold_blob(struct hub_log *log, struct blob *blob)
{
	struct blob *before = hub_log_empty(log) ? NULL : hub_log_at(log, log->next - 1)->blob;

	if (before != blob) {
		count_newest(log, before);
		log->newest_cap = 0;
		if (blob)
			blob_ref(blob);
	}
	count_newest(log, blob);
}

static void release_blob(struct hub_log *log, struct blob *blob)
{
	bool last = log->next - log->oldest == 1;

	if (!last && hub_log_at(log, log->oldest + 1)->blob == blob)
		return;
	log->bytes -= last ? log->newest_cap : memory_of(blob);
	if (last)
		log->newest_cap = 0;
	blob_unref(blob);
}

/* ---- entries ---- */

static int grow(struct hub_log *log)
{
	size_t room = log->room ? log->room * 2 : ROOM_MIN;
	struct hub_log_entry *ring = calloc(room, sizeof(*ring));

	if (!ring)
		return -ENOMEM;
	for (uint64_t i = log->oldest; i < log->next; i++)
		ring[i & (room - 1)] = *hub_log_at(log, i);
	free(log->ring);
	log->ring = ring;
	log->room = room;
	return 0;
}

int hub_log_append(struct hub_log *log, const struct hub_log_item *item, uint64_t now)
{
	struct hub_log_channel *c = NULL;
	struct hub_log_entry *e;
	int r = log->next - log->oldest == log->room ? grow(log) : 0;

	if (!r && item->channel.n)
		r = get_channel(log, item->channel, &c);
	if (r)
		return r;
	hold_blob(log, item->blob);
	e = hub_log_at(log, log->next);
	*e = (struct hub_log_entry){
		.seq = item->seq, .time = now, .blob = item->blob, .channel = c,
		.offset = (uint32_t)item->offset, .n = (uint32_t)item->n & 0x7fffffff,
		.filtered = item->filtered,
	};
	if (c)
		link_newest(log, c, e);
	else
		log->unknown++;
	log->bytes += sizeof(*e);
	log->next++;
	return 0;
}

void hub_log_drop_oldest(struct hub_log *log)
{
	const struct hub_log_entry *e = hub_log_at(log, log->oldest);

	assert(!hub_log_empty(log));
	release_blob(log, e->blob);
	if (e->channel)
		unlink_oldest(log, e);
	else
		log->unknown--;
	log->first = e->seq + 1;
	log->bytes -= sizeof(*e);
	log->oldest++;
	if (hub_log_empty(log) && log->room > ROOM_KEPT) {
		free(log->ring);
		log->ring = NULL;
		log->room = 0;
	}
}

void hub_log_forget(struct hub_log *log, uint64_t seq)
{
	assert(hub_log_empty(log) || hub_log_at(log, log->oldest)->seq > seq);
	if (log->first <= seq)
		log->first = seq + 1;
}

bool hub_log_exceeds(const struct hub_log *log, uint64_t now)
{
	if (hub_log_empty(log))
		return false;
	return log->bytes > log->limits.bytes || log->next - log->oldest > log->limits.count ||
		now - hub_log_at(log, log->oldest)->time > log->limits.age;
}

/* Not at once: messages that arrive shortly after each other are dropped together. */
uint64_t hub_log_deadline(const struct hub_log *log)
{
	uint64_t age = log->limits.age, time, pause;

	if (hub_log_empty(log))
		return UINT64_MAX;
	time = hub_log_at(log, log->oldest)->time;
	pause = 1 + (age < 10000 ? age / 10 : 1000);
	return age < UINT64_MAX - time - pause ? time + age + pause : UINT64_MAX;
}

uint64_t hub_log_find(const struct hub_log *log, uint64_t seq)
{
	uint64_t low = log->oldest, high = log->next;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (hub_log_at(log, middle)->seq < seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint64_t hub_log_find_time(const struct hub_log *log, uint64_t time)
{
	uint64_t low = log->oldest, high = log->next;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (hub_log_at(log, middle)->time < time)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
