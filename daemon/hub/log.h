/*
 * The log of one server: its recent messages in order of seq, as the frames that members
 * get. Frames are not copied: the log refers to the blobs in which they were encoded.
 * The messages of a channel are linked with each other, so that the last N of a channel
 * are found in N steps, however many other messages are between them.
 *
 * Bounded by bytes, number and age. The bytes are the memory held: whole blobs, entries
 * and names of channels. What exceeds a bound is not dropped here: the caller drops the
 * oldest entries, because it may have to report them to members that have not read them.
 *
 * An entry has a number: 0 for the first one ever, and so on without holes. It is used
 * again after hub_log_fini() only.
 */
#ifndef HUB_LOG_H
#define HUB_LOG_H

#include "base/blob.h"
#include "base/strmap.h"
#include "protocol/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* slots of hub_log::recent */
#define HUB_LOG_RECENT 64

struct hub_log_limits {
	size_t bytes;                   /* 0: nothing is kept */
	size_t count;                   /* of messages; at most HUB_LOG_COUNT_MAX */
	uint64_t age;                   /* ms; UINT64_MAX: no limit */
};
#define HUB_LOG_COUNT_MAX 100000000u

/* A channel that has entries. Private to hub/. */
struct hub_log_channel {
	struct strmap_node by_name;     /* hub_log::channels */
	uint64_t oldest, newest;        /* numbers of its entries */
	size_t n;
	size_t recent;                  /* its slot of hub_log::recent */
	uint64_t walk;                  /* the walk over entries that found it of no use, see hub_log_walk() */
	char name[];                    /* the key of by_name */
};

/* Private to hub/. */
struct hub_log_entry {
	uint64_t seq;
	uint64_t time;
	struct blob *blob;              /* NULL: the message could not be encoded */
	struct hub_log_channel *channel;        /* NULL: unknown */
	uint32_t offset;                /* of the frame in the blob */
	uint32_t n : 31;                /* its bytes */
	uint32_t filtered : 1;          /* subscriptions to the channel with a filter match */
	/* how many numbers before and after this one its channel has another entry; 0: none */
	uint32_t previous, next;
};

/* Private to log.c. */
struct hub_log {
	struct hub_log_limits limits;
	struct hub_log_entry *ring;     /* by number modulo room */
	size_t room;                    /* a power of two, or 0 */
	uint64_t oldest, next;          /* numbers: of the oldest entry, of the one to come */
	size_t unknown;                 /* entries without a channel */
	size_t bytes;
	size_t newest_cap;              /* counted for the blob of the newest entry */
	uint64_t first;                 /* see hub_log_first() */
	uint64_t walk;
	struct strmap channels;         /* hub_log_channel::by_name */
	struct hub_log_channel *recent[HUB_LOG_RECENT];  /* the last found of each slot, or NULL */
};

/* Empty, and limited to nothing. */
void hub_log_init(struct hub_log *log);
void hub_log_fini(struct hub_log *log);
/* What exceeds them now is to be dropped by the caller. */
void hub_log_set_limits(struct hub_log *log, const struct hub_log_limits *limits);
static inline bool hub_log_is_off(const struct hub_log *log) { return log->limits.bytes == 0; }

/* The frame of a message; `blob` NULL: it could not be encoded. `channel` empty: unknown. */
struct hub_log_item {
	uint64_t seq;                   /* higher than all before */
	struct slice channel;
	struct blob *blob;
	size_t offset, n;
	bool filtered;                  /* subscriptions to the channel with a filter match */
};
/* 0 or -ENOMEM. `now`: loop time. */
int hub_log_append(struct hub_log *log, const struct hub_log_item *item, uint64_t now);
/* Whether the oldest entry exceeds a limit. */
bool hub_log_exceeds(const struct hub_log *log, uint64_t now);
void hub_log_drop_oldest(struct hub_log *log);
/* Messages up to this seq are not, or no longer, in the log. There must be no entry up to it. */
void hub_log_forget(struct hub_log *log, uint64_t seq);
/* When the oldest entry will be too old; UINT64_MAX: never. */
uint64_t hub_log_deadline(const struct hub_log *log);

static inline bool hub_log_empty(const struct hub_log *log) { return log->oldest == log->next; }
/* The lowest seq that can be had: nothing from it on was dropped. */
static inline uint64_t hub_log_first(const struct hub_log *log) { return log->first; }
/* The numbers of the entries are from hub_log_oldest() to hub_log_end() - 1. */
static inline uint64_t hub_log_oldest(const struct hub_log *log) { return log->oldest; }
static inline uint64_t hub_log_end(const struct hub_log *log) { return log->next; }
static inline struct hub_log_entry *hub_log_at(const struct hub_log *log, uint64_t number)
{
	return &log->ring[number & (log->room - 1)];
}
/* The number of the first entry with this seq or a higher one; hub_log_end() when there is none. */
uint64_t hub_log_find(const struct hub_log *log, uint64_t seq);
/* The same for the first entry that was appended at this loop time or later. */
uint64_t hub_log_find_time(const struct hub_log *log, uint64_t time);
/* Whether the channel of an entry is unknown. */
static inline bool hub_log_has_unknown(const struct hub_log *log) { return log->unknown > 0; }
/* Empty if it is unknown. */
static inline struct slice hub_log_channel_of(const struct hub_log_entry *e)
{
	return e->channel ? e->channel->by_name.key : slice_make(NULL, 0);
}
/* NULL when it has no entry. */
struct hub_log_channel *hub_log_channel(const struct hub_log *log, struct slice name);
/* For hub_log_channel::walk: a number that no channel has yet. */
static inline uint64_t hub_log_walk(struct hub_log *log) { return ++log->walk; }

#endif
