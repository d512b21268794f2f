/*
 * Where in the messages of a server a subscription begins.
 */
#ifndef LIBCLIENT_POSITION_H
#define LIBCLIENT_POSITION_H

#include "protocol/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* the daemon uses 16; a longer one counts as none */
#define EPOCH_MAX 64

/* The message `seq` in the run of numbers `epoch`; "": no position. */
struct position {
	char epoch[EPOCH_MAX + 1];
	uint64_t seq;
};

static inline struct position position_of(struct slice epoch, uint64_t seq)
{
	struct position p = {.seq = seq};

	if (epoch.n > 0 && epoch.n <= EPOCH_MAX)
		memcpy(p.epoch, epoch.p, epoch.n);
	return p;
}

static inline bool position_known(const struct position *p)
{
	return p->epoch[0] != '\0';
}

static inline bool same_epoch(const struct position *a, const struct position *b)
{
	return strcmp(a->epoch, b->epoch) == 0;
}

/* What a subscribe asks for besides the messages from now on. */
enum past_kind {
	PAST_NONE,
	PAST_HISTORY,           /* the last `history` messages */
	PAST_SINCE,             /* all after `since` */
	PAST_TIME,              /* all that the daemon received at `time` or later */
};

struct past {
	enum past_kind kind;
	uint64_t history;
	uint64_t time;          /* milliseconds since 1970 */
	struct position since;
};

static inline bool same_past(const struct past *a, const struct past *b)
{
	return a->kind == b->kind && a->history == b->history && a->time == b->time && a->since.seq == b->since.seq &&
	       same_epoch(&a->since, &b->since);
}

#endif
