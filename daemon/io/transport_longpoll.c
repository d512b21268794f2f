/*
 * Owns the HTTP connections of long-polling: one that the server holds, one for
 * commands, and a few for calls, so that no command waits for a held connect or
 * for the answer to another peer's call. Guarantees
 * that a status other than 200 is a failure with its reason. Must never know
 * what a text says.
 */
#include "io/transport.h"

#include "base/errors.h"
#include "base/list.h"
#include "io/http_post.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define LANES SESSION_LANES

struct longpoll;

struct lane {
	struct longpoll *owner;
	struct http_post *post;
	uint64_t batch;         /* under way; 0 for none */
};

struct longpoll {
	struct transport transport;
	struct transport_events events;
	const struct endpoints *endpoints;
	struct lane lanes[LANES];
};

/* 413 is an answer to the size alone; any other status says nothing of what happened */
static enum session_failure_kind kind_of(const struct http_result *r)
{
	if (r->outcome == HTTP_NOT_SENT)
		return SESSION_NOT_SENT;
	return r->status == 413 ? SESSION_TOO_LARGE : SESSION_BROKEN;
}

/* A 200 that did not come whole is no answer: what it held is lost. */
static unsigned status_of(const struct http_result *r)
{
	return r->outcome == HTTP_BROKEN && r->status == 200 ? 0 : r->status;
}

static void tell_failure(struct longpoll *l, uint64_t batch, const struct http_result *r)
{
	char reason[64];
	struct session_failure f = {.kind = kind_of(r), .unreadable = r->unreadable,
				    .http_status = status_of(r),
				    .retry_after = r->retry_after, .reason = r->reason};

	if (r->reason.n == 0) {
		snprintf(reason, sizeof(reason), "HTTP status %u", r->status);
		f.reason = slice_of(reason);
	}
	/* where WebSocket may work: "no such method here", as a server without long-polling says */
	f.unsupported = r->status == 405 || r->status == 501;
	l->events.failed(l->events.ctx, batch, &f);
}

static void on_heard(void *ctx)
{
	struct lane *lane = ctx;

	lane->owner->events.heard(lane->owner->events.ctx, lane->batch);
}

static void on_done(void *ctx, const struct http_result *r)
{
	struct lane *lane = ctx;
	struct longpoll *l = lane->owner;
	uint64_t batch = lane->batch;

	if (r->outcome != HTTP_ANSWERED || r->status != 200) {
		lane->batch = 0;
		tell_failure(l, batch, r);
		return;
	}
	l->events.text(l->events.ctx, batch, r->body);
	/* the text itself may have led to an abort */
	if (lane->batch != batch)
		return;
	lane->batch = 0;
	l->events.end(l->events.ctx, batch);
}

static int longpoll_send(struct transport *t, const struct session_batch *batch, struct slice text,
			 char *why)
{
	struct longpoll *l = LIST_OF(t, struct longpoll, transport);
	struct lane *lane = &l->lanes[batch->lane];
	int r = http_post_start(lane->post, endpoints_post(l->endpoints, batch)->http, text);

	if (r) {
		snprintf(why, CURL_ERROR_SIZE, "%s", http_post_reason(lane->post));
		return r;
	}
	lane->batch = batch->id;
	return 0;
}

static bool longpoll_abort(struct transport *t, uint64_t batch)
{
	struct longpoll *l = LIST_OF(t, struct longpoll, transport);
	bool found = false;

	for (int i = 0; i < LANES; i++)
		if (l->lanes[i].batch && (batch == 0 || l->lanes[i].batch == batch)) {
			http_post_abort(l->lanes[i].post);
			l->lanes[i].batch = 0;
			found = true;
		}
	return found;
}

static void longpoll_free(struct transport *t)
{
	struct longpoll *l = LIST_OF(t, struct longpoll, transport);

	for (int i = 0; i < LANES; i++)
		http_post_free(l->lanes[i].post);
	free(l);
}

static const struct transport_type longpoll_type = {longpoll_send, longpoll_abort, longpoll_free};

static void longpoll_freep(struct longpoll **l)
{
	if (*l)
		longpoll_free(&(*l)->transport);
}

int transport_longpoll_new(const struct transport_parts *parts,
			   const struct transport_events *events, struct transport **ret)
{
	CLEANUP(longpoll_freep) struct longpoll *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->transport.type = &longpoll_type;
	l->events = *events;
	l->endpoints = parts->endpoints;
	for (int i = 0; i < LANES; i++) {
		l->lanes[i].owner = l;
		int r = http_post_new(parts->curl, parts->client, on_done, &l->lanes[i],
				      &l->lanes[i].post);
		if (r)
			return r;
		http_post_on_heard(l->lanes[i].post, on_heard);
	}
	*ret = &TAKE(l)->transport;
	return 0;
}
