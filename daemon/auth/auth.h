/*
 * A credential for one server: where it comes from, how long it is good, and
 * the header that it becomes. Fetched when somebody needs it, again some time
 * before it ends, and again when the server rejected it; one fetch however many
 * wait for it. A source that fails is tried again, less and less often.
 *
 * The secret is nowhere but in the header: no log line, no reason told by this
 * module holds a byte of it, and its memory is wiped.
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
	const char *file;               /* read again at each use when it has changed */
	struct auth_source *source;     /* taken over, also when auth_new() fails */
	uint64_t lifetime;              /* of what names none itself; 0: until it is rejected */
	uint64_t backoff_min, backoff_max;
};

/* Copies what it needs of `o`. Nothing is fetched before somebody asks. 0 or -ENOMEM. */
int auth_new(struct loop *loop, const struct auth_options *o, struct auth **ret);
/* Nobody may wait any more. NULL is fine. */
void auth_free(struct auth *a);

struct auth_waiter {
	struct list link;
	/* From the loop, never from within a function below: NULL, once, when there is a credential;
	   before that, each time a fetch failed, why. May cancel, get and invalidate. */
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
/* Waits for a credential that is good as far as we know; fine when it waits already. */
void auth_get(struct auth *a, struct auth_waiter *w);
static inline void auth_cancel(struct auth_waiter *w) { list_remove(&w->link); }

/* The server rejected what it was sent: the next auth_get() fetches. */
void auth_invalidate(struct auth *a);

/* The header line "Name: value" of the newest credential there is, for one request, or NULL, as
   always of AUTH_EXT. Valid until the next call. `ctx` is a struct auth (a http_credential, net/http_client.h). */
const char *auth_header(void *ctx);

/* Whether it goes out with the handshake instead. */
bool auth_is_ext(const struct auth *a);
/* Appends `object` with the credential at its place (ext_place(), auth/ext_place.h); nothing when it
   is none for an ext, or there is none yet. 0, or why it could not. */
int auth_put_ext(struct auth *a, struct slice object, struct buf *out);

#endif
