/*
 * The credential of one server. It is fetched when it is first needed, some time
 * before it expires, and after the server rejected it. All waiters share one fetch. A
 * failed fetch is repeated after a growing pause.
 *
 * No log line and no reason contains a part of the secret, and its memory is wiped.
 */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include "auth/answer.h"
#include "auth/source.h"
#include "base/list.h"
#include "base/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct auth;

/* Times in milliseconds. Of file and source exactly one is set. */
struct auth_options {
	const char *name;               /* of the server, for the log */
	enum auth_kind kind;
	const char *header;             /* the name of AUTH_HEADER; the path of AUTH_EXT */
	const char *file;               /* read again at each use if it has changed */
	struct auth_source *source;     /* auth_new() takes ownership, also when it fails */
	uint64_t lifetime;              /* if the source reports none; 0: until it is rejected */
	uint64_t backoff_min, backoff_max;
};

/* Copies what it needs of `o`. Nothing is fetched before the first auth_get(). 0 or -ENOMEM. */
int auth_new(struct loop *loop, const struct auth_options *o, struct auth **ret);
/* All waiters must have been cancelled. Accepts NULL. */
void auth_free(struct auth *a);

struct auth_waiter {
	struct list link;
	/* Called by the loop, never from within the functions below: once with NULL when there is a
	   credential; before that, with the reason each time a fetch fails. It may call auth_get(),
	   auth_cancel() and auth_invalidate(). */
	void (*fn)(void *ctx, const char *why);
	void *ctx;
};
static inline void auth_waiter_init(struct auth_waiter *w, void (*fn)(void *ctx, const char *why),
				    void *ctx)
{
	list_init(&w->link);
	w->fn = fn;
	w->ctx = ctx;
}
/* Waits for a credential that has neither expired nor been rejected. Does nothing if `w` waits already. */
void auth_get(struct auth *a, struct auth_waiter *w);
static inline void auth_cancel(struct auth_waiter *w) { list_remove(&w->link); }

/* Call it when the server has rejected the credential: the next auth_get() fetches a new one. */
void auth_invalidate(struct auth *a);

/* The header line "Name: value" of the newest credential, for one request; NULL if there is none, and for
   AUTH_EXT. Valid until the next call. `ctx` is a struct auth (see http_credential in net/http_client.h). */
const char *auth_header(void *ctx);

/* Whether the credential is sent in the ext field of the handshake. */
bool auth_is_ext(const struct auth *a);
/* Appends `object` with the credential inserted (see ext_place() in auth/ext_place.h). Appends nothing if it is
   not of AUTH_EXT or there is none yet. 0, or the error of ext_place(). */
int auth_put_ext(struct auth *a, struct slice object, struct buf *out);

#endif
