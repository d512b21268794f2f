/*
 * Drives one server: its session, its transports, its timer. The only place
 * that pairs them. What the session tells goes to the hub; what it wants sent
 * goes to the transport it names, once a turn.
 *
 * Knows no peer. Logs what happens to the session, never what is said in it.
 */
#ifndef UPSTREAM_UPSTREAM_H
#define UPSTREAM_UPSTREAM_H

#include "auth/auth.h"
#include "base/loop.h"
#include "base/wake.h"
#include "hub/hub.h"
#include "net/cookie_jar.h"
#include "net/curl_loop.h"
#include "net/http_client.h"
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
	uint64_t patience;
	struct wake changed;            /* the state of the session changed */
};
void upstream_options_default(struct upstream_options *o);

/*
 * Makes the session and puts its server into the hub; nothing is sent before upstream_start().
 * Copies what it needs of `o`. 0; -ENOMEM; -EEXIST for a name that is taken; -EINVAL for a URL or
 * a header that is none; with words in `why` when it is not 0.
 */
int upstream_new(struct loop *loop, struct curl_loop *curl, struct hub *hub,
		 const struct upstream_options *o, char *why, size_t why_size,
		 struct upstream **ret);
void upstream_start(struct upstream *u);
/* Says goodbye to the server; stopped(ctx) is called once, when that is done or given up (the
   session sees to it within 2 seconds), never from within this call. */
void upstream_stop(struct upstream *u, void (*stopped)(void *ctx), void *ctx);
/* Ends everything at once; takes the server out of the hub. NULL is fine. Not from its own
   callbacks. */
void upstream_free(struct upstream *u);

const char *upstream_name(const struct upstream *u);
const struct session *upstream_session(const struct upstream *u);

#endif
