/*
 * The channels this program wants to hear: state that outlives connections,
 * and what is replayed to each new one.
 */
#ifndef LIBCLIENT_WANT_H
#define LIBCLIENT_WANT_H

#include "protocol/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct want {
	struct want *next;
	uint64_t serial;          /* tells it from an earlier want of the same name */
	uint64_t asked;           /* id of the replay that waits for its reply; 0: none */
	bool replay;              /* this connection has not been asked for it yet */
	bool unconfirmed;         /* the application waits for an event that says yes or no */
	unsigned flags;
	struct slice server;      /* SLICE_NULL: the default */
	struct slice channel;
	char mem[];
};

struct wants {
	struct want *first, **last;
	size_t n;
	uint64_t serial;
	struct want *cursor;      /* none in front of it has replay set; NULL: none at all */
};

void wants_init(struct wants *w);
void wants_fini(struct wants *w);
/* The want of this name, made when there is none (flags follow the last asker). 0 or -ENOMEM. */
int wants_add(struct wants *w, struct slice server, struct slice channel, unsigned flags,
	      struct want **ret);
/* or NULL */
struct want *wants_find(const struct wants *w, struct slice server, struct slice channel);
/* Forgets it; does nothing when it is not there, or (serial not 0) is not that one any more. */
void wants_remove(struct wants *w, struct slice server, struct slice channel, uint64_t serial);
/* A new connection: each want is to be asked for again. */
void wants_replay_all(struct wants *w);
/* This want is to be asked for again. */
void wants_replay(struct wants *w, struct want *want);
/* The next want with `replay` set, or NULL. */
struct want *wants_next(struct wants *w);
/* The want whose replay has this id, or NULL. */
struct want *wants_asked(const struct wants *w, uint64_t id);

#endif
