/*
 * Owns the URLs of one server and the transports to them. Guarantees that a
 * batch meets the transport of its own URL, and that what is shown of a URL has
 * no query. Must never know why one is used and not another.
 */
#include "upstream/sites.h"

#include "base/errors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct site {
	struct endpoints endpoints;
	struct transport *transports[SESSION_TRANSPORTS];
};

struct sites {
	size_t n;
	size_t next;                    /* the transport to ask first */
	char **shown;
	struct site v[];
};

static int make_site(struct sites *s, const char *url, const struct endpoint_options *o)
{
	struct site *site = &s->v[s->n];
	int r = endpoints_resolve(url, o, &site->endpoints);

	if (r)
		return r;
	const char *whole = site->endpoints.base.http;
	s->shown[s->n++] = strndup(whole, strcspn(whole, "?#"));
	return s->shown[s->n - 1] ? 0 : -ENOMEM;
}

DEFINE_FREEP(sites, sites_free)

int sites_new(const char *const *urls, size_t n, const struct endpoint_options *o,
	      struct sites **ret)
{
	CLEANUP(sites_freep) struct sites *s = calloc(1, sizeof(*s) + n * sizeof(s->v[0]));
	int r;

	if (!s)
		return -ENOMEM;
	s->shown = calloc(n, sizeof(*s->shown));
	r = s->shown ? 0 : -ENOMEM;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = make_site(s, urls[i], o);
	if (r)
		return r;
	*ret = TAKE(s);
	return 0;
}

int sites_open(struct sites *s, const struct transport_parts *parts,
	       const struct transport_events *events)
{
	struct transport_parts own = *parts;
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->n; i++) {
		struct transport **t = s->v[i].transports;

		own.endpoints = &s->v[i].endpoints;
		r = transport_longpoll_new(&own, events, &t[SESSION_LONG_POLLING]);
		if (r == 0)
			r = transport_websocket_new(&own, events, &t[SESSION_WEBSOCKET]);
	}
	return r;
}

void sites_close(struct sites *s)
{
	for (size_t i = 0; i < s->n; i++)
		for (int t = 0; t < SESSION_TRANSPORTS; t++)
			transport_free(TAKE(s->v[i].transports[t]));
}

void sites_free(struct sites *s)
{
	if (!s)
		return;
	sites_close(s);
	for (size_t i = 0; i < s->n; i++) {
		endpoints_fini(&s->v[i].endpoints);
		free(s->shown[i]);
	}
	free(s->shown);
	free(s);
}

size_t sites_count(const struct sites *s)
{
	return s->n;
}

const char *const *sites_shown(const struct sites *s)
{
	return (const char *const *)s->shown;
}

static int each_of(const struct endpoints *e, int (*each)(void *ctx, const struct url *url),
		   void *ctx)
{
	int r = each(ctx, &e->base);

	for (int k = 0; !r && k < SESSION_BATCH_KINDS; k++)
		r = e->posts[k].url.http ? each(ctx, &e->posts[k].url) : 0;
	return !r && e->websocket.http ? each(ctx, &e->websocket) : r;
}

int sites_each_url(const struct sites *s, int (*each)(void *ctx, const struct url *url), void *ctx)
{
	int r = 0;

	for (size_t i = 0; !r && i < s->n; i++)
		r = each_of(&s->v[i].endpoints, each, ctx);
	return r;
}

struct transport *sites_transport(struct sites *s, const struct session_batch *batch)
{
	return s->v[batch->url].transports[batch->transport];
}

int sites_next(struct sites *s, struct transport_input *ret)
{
	size_t all = s->n * SESSION_TRANSPORTS;

	for (size_t i = 0; i < all; i++) {
		size_t at = s->next;

		s->next = (at + 1) % all;
		if (transport_next(s->v[at / SESSION_TRANSPORTS].transports[at % SESSION_TRANSPORTS],
				   ret) == 0)
			return 0;
	}
	return TRANSPORT_E_NONE;
}

void sites_hold(struct sites *s)
{
	for (size_t i = 0; i < s->n; i++)
		for (int t = 0; t < SESSION_TRANSPORTS; t++)
			transport_hold(s->v[i].transports[t]);
}

void sites_abort_websocket(struct sites *s)
{
	for (size_t i = 0; i < s->n; i++)
		transport_abort(s->v[i].transports[SESSION_WEBSOCKET], 0);
}

/* On long-polling a batch has an exchange of its own; what is not there went over a WebSocket. */
void sites_abort(struct sites *s, uint64_t batch)
{
	bool found = false;

	for (size_t i = 0; i < s->n; i++)
		found |= transport_abort(s->v[i].transports[SESSION_LONG_POLLING], batch);
	if (!found || batch == 0)
		sites_abort_websocket(s);
}
