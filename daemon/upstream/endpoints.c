/*
 * The URLs of one server. A configured URL is used as it was written; a batch of several kinds of messages goes to
 * the base URL.
 */
#include "upstream/endpoints.h"

#include "base/errors.h"

#include <string.h>

/* Which option a kind of batch follows; without it, what is appended: NULL: nothing. */
static const struct {
	enum endpoint endpoint;
	const char *js, *java;
} kinds[] = {
	[SESSION_BATCH_HANDSHAKE] = {ENDPOINT_HANDSHAKE, "handshake", "handshake"},
	[SESSION_BATCH_CONNECT] = {ENDPOINT_CONNECT, "connect", "connect"},
	[SESSION_BATCH_DISCONNECT] = {ENDPOINT_DISCONNECT, "disconnect", "disconnect"},
	[SESSION_BATCH_SUBSCRIBE] = {ENDPOINT_SUBSCRIBE, "", "subscribe"},
	[SESSION_BATCH_UNSUBSCRIBE] = {ENDPOINT_SUBSCRIBE, "", "unsubscribe"},
	[SESSION_BATCH_CHANNELS] = {ENDPOINT_SUBSCRIBE, "", NULL},
	[SESSION_BATCH_PUBLISH] = {ENDPOINT_PUBLISH, "", NULL},
	/* only where both go to one place */
	[SESSION_BATCH_MIXED] = {ENDPOINT_PUBLISH, "", NULL},
};
_Static_assert(sizeof(kinds) / sizeof(kinds[0]) == SESSION_BATCH_KINDS, "a kind is missing");

void endpoints_fini(struct endpoints *e)
{
	url_fini(&e->base);
	for (int k = 0; k < SESSION_BATCH_KINDS; k++)
		url_fini(&e->posts[k].url);
	url_fini(&e->websocket);
}

static int resolve_post(const struct endpoint_options *o, int kind, struct endpoints *e)
{
	const char *own = o->urls[kinds[kind].endpoint], *suffix = NULL;

	if (own)
		return url_resolve(&e->base, own, &e->posts[kind].url);
	if (o->append == ENDPOINT_APPEND_JS)
		suffix = kinds[kind].js;
	else if (o->append == ENDPOINT_APPEND_JAVA)
		suffix = kinds[kind].java;
	if (!suffix)
		return 0;
	e->posts[kind].lone = o->append == ENDPOINT_APPEND_JAVA;
	return url_append(&e->base, suffix, &e->posts[kind].url);
}

int endpoints_resolve(const char *base, const struct endpoint_options *o, struct endpoints *ret)
{
	CLEANUP(endpoints_fini) struct endpoints e = {0};
	const char *websocket = o->urls[ENDPOINT_WEBSOCKET];
	int r = url_parse(base, &e.base);

	for (int k = 0; r == 0 && k < SESSION_BATCH_KINDS; k++)
		r = resolve_post(o, k, &e);
	if (r == 0 && websocket)
		r = url_resolve(&e.base, websocket, &e.websocket);
	if (r)
		return r;
	*ret = e;
	e = (struct endpoints){0};
	return 0;
}

const struct url *endpoints_post(const struct endpoints *e, const struct session_batch *batch)
{
	const struct url *own = &e->posts[batch->kind].url;

	if (!own->http || (e->posts[batch->kind].lone && batch->requests > 1))
		return &e->base;
	return own;
}

const struct url *endpoints_websocket(const struct endpoints *e)
{
	return e->websocket.http ? &e->websocket : &e->base;
}

bool endpoints_publish_apart(const struct endpoint_options *o)
{
	const char *subscribe = o->urls[ENDPOINT_SUBSCRIBE], *publish = o->urls[ENDPOINT_PUBLISH];

	if (!subscribe || !publish)
		return subscribe != publish;
	return strcmp(subscribe, publish) != 0;
}
