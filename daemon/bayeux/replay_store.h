/*
 * The store of replay markers: for each channel the id of the last event delivered. It
 * is an interface, so that markers can be stored on disk; this file has the one in
 * memory. Ids are text, as sent by the server, of up to 64 bits; they are only compared.
 */
#ifndef BAYEUX_REPLAY_STORE_H
#define BAYEUX_REPLAY_STORE_H

#include "protocol/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* digits of an id, or "-1" (only new events), "-2" (all retained) */
struct replay_id {
	char text[24];
};

/* whether it is an id, and not "-1", "-2" or empty */
static inline bool replay_id_is(const struct replay_id *id)
{
	return id->text[0] >= '0' && id->text[0] <= '9';
}
/* Compares two ids as numbers of any length: negative, 0 or positive. */
int replay_id_compare(const struct replay_id *a, const struct replay_id *b);

enum { REPLAY_STORE_NONE = 1 };

struct replay_store {
	/* The marker of this channel. 0, REPLAY_STORE_NONE, -errno. */
	int (*get)(struct replay_store *s, struct slice channel, struct replay_id *ret);
	/* Keeps or replaces it. 0 or -errno; after -ENOMEM it is tried once more. */
	int (*put)(struct replay_store *s, struct slice channel, const struct replay_id *id);
	/* All markers become this one. */
	void (*reset)(struct replay_store *s, const struct replay_id *id);
	void (*forget)(struct replay_store *s, struct slice channel);
	/* Calls `fn` for each marker, the one that was not changed for the longest time first. */
	void (*each)(struct replay_store *s,
		     void (*fn)(void *ctx, struct slice channel, const struct replay_id *id), void *ctx);
	void (*free)(struct replay_store *s);
};

/* In memory, at most `max` channels: the one longest without an event makes room. 0, -ENOMEM. */
int replay_store_new(size_t max, struct replay_store **ret);
/* NULL is fine. */
void replay_store_free(struct replay_store *s);

#endif
