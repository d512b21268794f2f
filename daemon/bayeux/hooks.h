/*
 * A hook for extensions that are not part of the daemon: it sees every message of a
 * session and may change or delete it. The session calls one function for all of them.
 *
 * Outgoing messages are shown before the built-in extensions add to `ext`, incoming
 * ones after them, so that an event which a server repeats is seen once, and counts as
 * received even if it is deleted here.
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
	/* 0: unchanged; HOOK_CHANGED, where allowed, with *ret, which was empty before;
	   HOOK_DELETE, where allowed; -ENOMEM: the same message is shown again later. Must not
	   call the session. NULL: there are no hooks. */
	int (*see)(void *ctx, const struct hook_message *m, struct hook_change *ret);
	void *ctx;
	/* For status: the name of the i-th extension, from 0, that is disabled after repeated failures;
	   NULL: there are no more. May be NULL. */
	const char *(*disabled)(void *ctx, size_t i);
};

/* how a message that was deleted here is answered, as CometD's clients do */
#define HOOK_DELETED "404::message_deleted"

#endif
