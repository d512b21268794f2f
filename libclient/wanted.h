/*
 * The channels this program has subscribed. They outlive connections: each new
 * connection subscribes them again.
 */
#ifndef LIBCLIENT_WANTED_H
#define LIBCLIENT_WANTED_H

#include "libclient/position.h"
#include "protocol/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wanted_channel {
	struct wanted_channel *next;
	uint64_t serial;          /* differs from that of an earlier entry of the same name */
	uint64_t asked;           /* id of the repeated subscribe that has no reply yet; 0: none */
	bool replay;              /* not subscribed yet on this connection */
	bool unconfirmed;         /* as far as the application knows: an event reports the confirmation */
	uint64_t complete_from;         /* the seq that its confirmation named, until it is accepted; 0: none */
	bool held;                /* the daemon accepted it, on this or an earlier connection */
	bool repeated;            /* its past was interrupted: some of it may be received twice */
	struct past past;         /* still to be given before its live messages */
	struct position start;    /* held: what is older was not asked for */
	struct position from;     /* held: where it continues on the next connection */
	unsigned flags;
	struct slice server;      /* SLICE_NULL: the default */
	struct slice channel;
	struct slice durable;     /* the consumer that it belongs to; SLICE_NULL: none */
	char mem[];
};

struct wanted_set {
	struct wanted_channel *first, **last;
	size_t n;
	size_t n_past;                   /* channels whose past is not given completely */
	size_t n_durable;                /* channels of a consumer */
	uint64_t serial;
	struct wanted_channel *cursor;   /* none before it has `replay` set; NULL: none at all */
};

void wanted_init(struct wanted_set *w);
void wanted_fini(struct wanted_set *w);
/* Adds the channel, of the consumer `durable` if that is not SLICE_NULL. There must be none of this name. 0 or
   -ENOMEM. */
int wanted_add(struct wanted_set *w, struct slice server, struct slice channel, struct slice durable,
	       struct wanted_channel **ret);
/* or NULL */
struct wanted_channel *wanted_find(const struct wanted_set *w, struct slice server,
				   struct slice channel);
/* Sets the past that is still to be given. */
void wanted_set_past(struct wanted_set *w, struct wanted_channel *wanted, const struct past *past);
/* Removes the channel; does nothing when it is not there or has another serial (0: any). */
void wanted_remove(struct wanted_set *w, struct slice server, struct slice channel, uint64_t serial);
/* For a new connection: marks all channels to be subscribed again. */
void wanted_replay_all(struct wanted_set *w);
/* Marks this channel to be subscribed again. */
void wanted_replay(struct wanted_set *w, struct wanted_channel *wanted);
/* The next channel with `replay` set, or NULL. */
struct wanted_channel *wanted_next(struct wanted_set *w);

#endif
