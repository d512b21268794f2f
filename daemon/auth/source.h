/*
 * A place that credentials come from and that takes its time: a program, a token
 * endpoint. One fetch at a time; the answer comes by a callback.
 */
#ifndef AUTH_SOURCE_H
#define AUTH_SOURCE_H

#include "auth/answer.h"
#include "base/loop.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#define AUTH_WHY_MAX 256

struct auth_source;

/* What a fetch came to: `secret` (to be copied), or why there is none. */
struct auth_fetched {
	const struct auth_secret *secret;
	const char *why;                /* for people, and without secrets */
	uint64_t retry_after;           /* ms that the source asked to be left alone, 0 for none */
};

struct auth_source_type {
	/* Begins; the callback follows from the loop, once, within the timeout of the source. 0, or
	   a negative errno with words in `why` (AUTH_WHY_MAX bytes) and no callback. */
	int (*fetch)(struct auth_source *s, char *why);
	/* Ends everything under way; no callback follows. */
	void (*free)(struct auth_source *s);
};

struct auth_source {
	const struct auth_source_type *type;
	void (*fetched)(void *ctx, const struct auth_fetched *f);
	void *ctx;
};

static inline int auth_source_fetch(struct auth_source *s, char *why)
{
	return s->type->fetch(s, why);
}

/* NULL is fine */
static inline void auth_source_free(struct auth_source *s)
{
	if (s)
		s->type->free(s);
}

/* A copy of `from` in *to; NULL is copied, too. 0 or -ENOMEM. */
static inline int auth_copy(const char *from, char **to)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -ENOMEM : 0;
}

/* A program and its arguments, separated by blanks; copied. 0 or -ENOMEM. */
int auth_command_new(struct loop *loop, const char *words, uint64_t timeout,
		     struct auth_source **ret);

#endif
