/*
 * A look at every message from outside the engine, which may change or delete
 * it: how extensions that are not part of this daemon join a session. The
 * session calls one function; how many stand behind it is not its business.
 *
 * Outgoing messages are shown before the built-in extensions add what is theirs
 * to `ext`, incoming ones behind them, so that an event which a server repeats is
 * seen once, and counts as received whatever is made of it here.
 */
#ifndef BAYEUX_HOOKS_H
#define BAYEUX_HOOKS_H

#include "base/list.h"
#include "protocol/slice.h"

#include <stdbool.h>
#include <stddef.h>

enum hook_kind {
	HOOK_HANDSHAKE,         /* the first six in the order of enum request_kind */
	HOOK_CONNECT,
	HOOK_DISCONNECT,
	HOOK_SUBSCRIBE,
	HOOK_UNSUBSCRIBE,
	HOOK_PUBLISH,           /* incoming: the reply to one */
	HOOK_EVENT,
};

/* Views that live as long as the call. Absent ones are SLICE_NULL. */
struct hook_message {
	enum hook_kind kind;
	bool incoming;
	bool may_change;        /* ext; where there is data, data too */
	bool may_delete;
	struct slice channel, subscription, id;         /* decoded */
	struct slice data, ext;         /* raw */
	struct slice text;      /* the whole message; outgoing: without its ext */
	const struct list *reserved;    /* ext_has_key(): these names in ext are taken */
};

/* what is other than it was; SLICE_NULL: is not. Views that live until the next call. */
struct hook_change {
	struct slice data, ext;         /* raw; ext: the whole object */
};

enum { HOOK_CHANGED = 1, HOOK_DELETE = 2 };

struct session_hooks {
	/* 0: it goes on as it is; HOOK_CHANGED, where allowed, with *ret, which was empty before;
	   HOOK_DELETE, where allowed; -ENOMEM: the same message is shown again later. Must not
	   call the session. NULL: there are no hooks. */
	int (*see)(void *ctx, const struct hook_message *m, struct hook_change *ret);
	void *ctx;
	/* For status: the name of the i-th, from 0, of those behind it that failed so often that they
	   are asked no more; NULL: there are no more of them. May be NULL. */
	const char *(*disabled)(void *ctx, size_t i);
};

/* how a message that was deleted here is answered, as CometD's clients do */
#define HOOK_DELETED "404::message_deleted"

#endif
