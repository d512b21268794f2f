/*
 * Where each operation of one server goes: most to the one URL that was
 * configured, some to another, or to that URL with the type of the message at
 * the end of its path, as proxies and some servers route it. The session
 * declares which kinds of messages a batch has.
 */
#ifndef UPSTREAM_ENDPOINTS_H
#define UPSTREAM_ENDPOINTS_H

#include "bayeux/session.h"
#include "net/url.h"

/* what can have a URL of its own */
enum endpoint {
	ENDPOINT_HANDSHAKE,
	ENDPOINT_CONNECT,
	ENDPOINT_SUBSCRIBE,     /* and unsubscribe */
	ENDPOINT_PUBLISH,
	ENDPOINT_DISCONNECT,
	ENDPOINT_WEBSOCKET,
	ENDPOINTS,
};

/* how the type of a message is appended to the path, over long-polling */
enum endpoint_append {
	ENDPOINT_APPEND_NOTHING,
	/* handshake, connect, disconnect; all else ends in "/" (CometD's JavaScript client) */
	ENDPOINT_APPEND_JS,
	/* also subscribe, unsubscribe; of a message that travels alone (CometD's Java client) */
	ENDPOINT_APPEND_JAVA,
};

struct endpoint_options {
	/* each absolute, or as url_resolve() has it; NULL: the base, with what is appended */
	const char *urls[ENDPOINTS];
	enum endpoint_append append;
};

struct endpoints {
	struct url base;
	struct {
		struct url url;         /* zeroed: the base */
		bool lone;              /* only for a batch of one request, else the base */
	} posts[SESSION_BATCH_KINDS];
	struct url websocket;           /* zeroed: the base */
};

/* Where things go on the server at `base`. 0, a url_fault, -ENOMEM. On success endpoints_fini() is
   due. */
int endpoints_resolve(const char *base, const struct endpoint_options *o, struct endpoints *ret);
/* A zeroed one is fine. */
void endpoints_fini(struct endpoints *e);

/* where this batch is POSTed */
const struct url *endpoints_post(const struct endpoints *e, const struct session_batch *batch);
const struct url *endpoints_websocket(const struct endpoints *e);
/* Whether publishes and subscribes go to different places, and cannot share a batch. */
bool endpoints_publish_apart(const struct endpoint_options *o);

#endif
