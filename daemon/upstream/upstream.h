/*
 * Drives one server: its session, its transports, its timer. Events of the session go to the hub; its batches go
 * to the transport that it names, once a turn. The content of messages is never logged.
 */
#ifndef UPSTREAM_UPSTREAM_H
#define UPSTREAM_UPSTREAM_H

#include "auth/auth.h"
#include "base/fault.h"
#include "base/loop.h"
#include "base/wake.h"
#include "hub/hub.h"
#include "net/cookie_jar.h"
#include "net/curl_loop.h"
#include "net/http_client.h"
#include "store/store.h"
#include "upstream/endpoints.h"

#include <stdbool.h>
#include <stdint.h>

struct upstream;

struct upstream_options {
	const char *name;
	bool is_default;                /* of the hub */
	/* http(s):// or ws(s)://, for both transports, in order of preference; at least one */
	struct strings urls;
	struct endpoint_options endpoints;   /* where not all goes there */
	struct session_options session;
	const char *ext[SESSION_EXTS];  /* JSON objects for session_set_ext(); NULL: none */
	const char *fields[SESSION_EXTS];   /* and for session_set_fields() */
	const char *ext_files[SESSION_EXTS];   /* files with such an object in place of `ext`, or NULL */
	struct http_options http;
	struct cookie_jar_options cookies;   /* all NULL: those of the session alone */
	struct auth *auth;              /* NULL: none. Taken over, also on failure */
	bool websocket_compression;
	const char *websocket_protocol; /* ws_subprotocol_valid(); NULL: none is offered */
	uint64_t websocket_ping;        /* ms of silence before a ping is sent (25 s); 0: never */
	/* how long a lost link is kept from local programs, as hub_set_grace() has it */
	uint64_t grace;
	struct hub_log_limits history;  /* what is kept of its messages, as hub_set_history() has it */
	struct hub_log_limits durable;  /* what is kept for consumers, as hub_set_durable() has it (64 MiB, any age) */
	struct strings subscribe;       /* patterns to keep subscribed, as hub_set_kept() has it */
	uint64_t linger;                /* ms, as hub_set_linger() has it */
	uint64_t fingerprint;           /* of these options: a session goes on in a later process with the same one */
	struct wake changed;            /* the state of the session changed */
	/* must outlive the upstream; NULL: nothing is kept */
	struct store *store;
};
void upstream_options_default(struct upstream_options *o);

/*
 * Makes the session and puts its server into the hub; nothing is sent before upstream_start(). Peers that are
 * connected already may use the server at once, and receive its first `state` after the start.
 * Copies what it needs of `o`. 0; -ENOMEM; -EEXIST for a name that is taken; -EINVAL for a URL or
 * a header that is none; with words in `why` when it is not 0.
 */
int upstream_new(struct loop *loop, struct curl_loop *curl, struct hub *hub,
		 const struct upstream_options *o, struct fault *why,
		 struct upstream **ret);
void upstream_start(struct upstream *u);
/*
 * Ends the session with a disconnect; stopped(ctx) is called once, when that is done or given up (the session sees to it
 * within 2 seconds), never from within this call. An exchange that has not taken place yet is cancelled, and its
 * callback is not called.
 */
void upstream_stop(struct upstream *u, void (*stopped)(void *ctx), void *ctx);
/* The same, but the session stays at the server, without a disconnect, for the next process, which goes on with what
   is in the store. If that is not possible, it ends with a disconnect. */
void upstream_leave(struct upstream *u, void (*stopped)(void *ctx), void *ctx);
/* The same for a server that is taken out of the configuration: peers see that as the reason of its last states.
   upstream_free() follows, and ends their subscriptions (unknown-server). */
void upstream_remove(struct upstream *u, void (*stopped)(void *ctx), void *ctx);
/* Ends everything at once; takes the server out of the hub. NULL is fine. May be called from stopped(), but from
   no other callback. */
void upstream_free(struct upstream *u);

/* ---- changes at run time ---- */

/* These hold at once and need no other session. */
void upstream_set_default(struct upstream *u, bool is_default);
void upstream_set_grace(struct upstream *u, uint64_t ms);
void upstream_set_history(struct upstream *u, const struct hub_log_limits *limits);
void upstream_set_durable(struct upstream *u, const struct hub_log_limits *limits);
void upstream_set_linger(struct upstream *u, uint64_t ms);
/* 0; -ENOMEM: what was kept stays. */
int upstream_set_subscribe(struct upstream *u, const struct strings *patterns);

/*
 * Exchanges the options, except name and `changed`, which stay. The present session ends with a disconnect, within 2
 * seconds; then all that is made of the options is replaced, and another session begins if this one was started.
 * The server stays in the hub: its peers keep their subscriptions, a publish or call that waits is answered, and
 * the first `connected` reports a gap. May be called in any state, also again before it has taken place: then the
 * options of the last call are used, and the callback of the earlier call is not called.
 *
 * Copies what it needs of `o`, and takes o->auth over, also on failure. 0; -ENOMEM or -EINVAL, with words in
 * `why`: nothing has changed, and the present session goes on.
 *
 * exchanged(ctx) is called once, from the loop, when nothing uses the old options, their hooks and credentials any
 * more; it must not free `u`, and may be NULL. When this returns 0, nothing uses those of an earlier call that was replaced.
 */
int upstream_exchange(struct upstream *u, const struct upstream_options *o,
		      void (*exchanged)(void *ctx), void *ctx, struct fault *why);

const char *upstream_name(const struct upstream *u);
/* The present one: valid until the next turn of the loop. */
const struct session *upstream_session(const struct upstream *u);

#endif
