/*
 * Owns the HTTP connections of long-polling: one that the server holds, one for
 * commands, and a few for calls, so that no command waits for a held connect or
 * for the answer to another peer's call. A status other than 200 is a failure with
 * its reason.
 */
#include "upstream/transport.h"

#include "base/errors.h"
#include "base/fault.h"
#include "base/list.h"
#include "net/http_post.h"

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
	int next;                        /* the lane to ask first, so that no lane makes another wait */
	struct session_failure failure;
	char reason[64];
};

/* 413 is an answer to the size alone; any other status leaves open what happened */
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

static const struct session_failure *explain(struct longpoll *l, const struct http_result *r)
{
	l->failure = (struct session_failure){
		.kind = kind_of(r), .unreadable = r->unreadable, .http_status = status_of(r),
		.retry_after = r->retry_after, .reason = r->reason};
	if (r->reason.n == 0) {
		snprintf(l->reason, sizeof(l->reason), "HTTP status %u", r->status);
		l->failure.reason = slice_of(l->reason);
	}
	/* no such method: a server without long-polling, where WebSocket may work */
	l->failure.unsupported = r->status == 405 || r->status == 501;
	return &l->failure;
}

static void on_received(void *ctx)
{
	struct lane *lane = ctx;

	if (lane->batch)
		lane->owner->events.received(lane->owner->events.ctx, lane->batch);
}

static void on_ready(void *ctx)
{
	struct lane *lane = ctx;

	lane->owner->events.ready(lane->owner->events.ctx);
}

static int lane_next(struct lane *lane, struct transport_input *ret)
{
	struct http_result result;
	struct slice piece;
	int r = lane->batch ? http_post_next(lane->post, &piece, &result) : HTTP_E_NONE;

	if (r == HTTP_E_NONE)
		return TRANSPORT_E_NONE;
	*ret = (struct transport_input){.batch = lane->batch};
	if (r == 0) {
		ret->kind = TRANSPORT_PIECE;
		ret->piece = piece;
		return 0;
	}
	lane->batch = 0;
	if (result.outcome == HTTP_ANSWERED && result.status == 200) {
		ret->kind = TRANSPORT_END;
	} else {
		ret->kind = TRANSPORT_FAILED;
		ret->failure = explain(lane->owner, &result);
	}
	return 0;
}

static int longpoll_next(struct transport *t, struct transport_input *ret)
{
	struct longpoll *l = LIST_OF(t, struct longpoll, transport);

	for (int i = 0; i < LANES; i++) {
		struct lane *lane = &l->lanes[l->next];

		l->next = (l->next + 1) % LANES;
		if (lane_next(lane, ret) == 0)
			return 0;
	}
	return TRANSPORT_E_NONE;
}

static void longpoll_hold(struct transport *t)
{
	struct longpoll *l = LIST_OF(t, struct longpoll, transport);

	for (int i = 0; i < LANES; i++)
		if (http_post_holds(l->lanes[i].post))
			on_received(&l->lanes[i]);
}

static int longpoll_send(struct transport *t, const struct session_batch *batch, struct slice text,
			 struct fault *why)
{
	struct longpoll *l = LIST_OF(t, struct longpoll, transport);
	struct lane *lane = &l->lanes[batch->lane];
	int r = http_post_start(lane->post, endpoints_post(l->endpoints, batch)->http, text);

	if (r) {
		fault_set(why, "%s", http_post_reason(lane->post));
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

static const struct transport_type longpoll_type = {longpoll_send, longpoll_next, longpoll_hold,
						    longpoll_abort, longpoll_free};

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
		int r = http_post_new(parts->curl, parts->client, NULL, &l->lanes[i],
				      &l->lanes[i].post);
		if (r)
			return r;
		http_post_stream(l->lanes[i].post, on_ready);
		http_post_on_activity(l->lanes[i].post, on_received);
	}
	*ret = &TAKE(l)->transport;
	return 0;
}
