/*
 * An asynchronous source of credentials: a program or a token endpoint. One fetch at a
 * time; a callback reports the result.
 */
#ifndef AUTH_SOURCE_H
#define AUTH_SOURCE_H

#include "auth/answer.h"
#include "base/fault.h"
#include "base/loop.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

struct auth_source;

/* The result of a fetch: `secret` (valid during the callback only), or why there is none. */
struct auth_fetched {
	const struct auth_secret *secret;
	const char *why;                /* for people; contains no secret */
	uint64_t retry_after;           /* ms the source asked to wait before a retry, 0 for none */
};

struct auth_source_type {
	/* Starts a fetch. The loop calls fetched() once, within the timeout of the source. 0; or a
	   negative number, with the reason in *why and no callback. */
	int (*fetch)(struct auth_source *s, struct fault *why);
	/* Ends a running fetch; no callback follows. */
	void (*free)(struct auth_source *s);
};

struct auth_source {
	const struct auth_source_type *type;
	void (*fetched)(void *ctx, const struct auth_fetched *f);
	void *ctx;
};

static inline int auth_source_fetch(struct auth_source *s, struct fault *why)
{
	return s->type->fetch(s, why);
}

/* Accepts NULL. */
static inline void auth_source_free(struct auth_source *s)
{
	if (s)
		s->type->free(s);
}

/* Copies `from`, which may be NULL. 0 or -ENOMEM. */
static inline int auth_copy(const char *from, char **to)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -ENOMEM : 0;
}

/* A source that runs a program: its path and arguments, separated by blanks; copied. 0 or -ENOMEM. */
int auth_command_new(struct loop *loop, const char *words, uint64_t timeout,
		     struct auth_source **ret);

#endif
