/*
 * Failed exchanges: which publishes go back to the queue, which are refused, which end
 * as "unknown", and whether the link itself is affected. Only what was certainly not
 * sent is sent again. The pauses are decided in session_course.c.
 */
#include "bayeux/ext_replay.h"
#include "bayeux/session_core.h"

#include "base/errors.h"

#include <stdio.h>

/* ---- commands ---- */

static bool is_unsent(const struct exchange *x, const struct session_failure *f)
{
	return f->kind == SESSION_NOT_SENT || (f->kind == SESSION_TOO_LARGE && x->n_sent > 1);
}

/* These statuses mean that nothing was applied: RFC 9110, 15.5.2 and 15.5.4; RFC 6585, 4. */
static bool is_denied(const struct exchange *x, const struct session_failure *f)
{
	return x->batch.transport == SESSION_LONG_POLLING && f->kind == SESSION_BROKEN &&
	       (f->http_status == 401 || f->http_status == 403 || f->http_status == 429);
}

/* Back to the front, the last one first, so that their order stays; channels by themselves. */
static void requeue(struct session *s, struct exchange *x)
{
	while (!list_empty(&x->requests)) {
		struct request *r = LIST_OF(x->requests.prev, struct request, link);
		if (r->kind == REQUEST_PUBLISH)
			publish_unsent(&s->publishes, publish_of(r));
		else
			wanted_broken(&s->wanted, wanted_of(r), false);
	}
}

static void refuse(struct session *s, struct request *r, const char *text)
{
	if (r->kind == REQUEST_PUBLISH)
		publish_done(&s->publishes, publish_of(r), SESSION_REFUSED, NULL, text);
	else
		wanted_refused(&s->wanted, wanted_of(r), NULL, text);
}

/* It is sent again; only its owner waits for that. */
static void try_later(struct session *s, uint64_t now, struct request *r, uint64_t until,
		      enum share_back why)
{
	if (r->kind == REQUEST_PUBLISH) {
		publish_unsent(&s->publishes, publish_of(r));
		publish_keep_back(&s->publishes, publish_of(r), until, why);
	} else {
		wanted_deferred(&s->wanted, wanted_of(r), now, NULL,
				why == SHARE_BACK_TIME ? "the server is busy (HTTP status 429)"
						       : "HTTP status 401");
	}
}

/*
 * A request that got a 401 may succeed with another credential. When it gets a 401 with that one too, the
 * request itself is refused, provided that another request succeeded with the same credential; else a connect
 * decides.
 */
static void rejected(struct session *s, uint64_t now, struct request *r, uint64_t shown)
{
	static const char text[] = "refused with HTTP status 401";
	if (!s->o.credentials) {
		refuse(s, r, text);
	} else if (!r->rejected_with || r->rejected_with == shown) {
		r->rejected_with = shown;
		try_later(s, now, r, login_renew(&s->login, now, &s->jitter), SHARE_BACK_CREDENTIAL);
	} else if (login_is_proven(&s->login, shown - 1)) {
		refuse(s, r, text);
	} else {
		try_later(s, now, r, now + s->o.network_delay, SHARE_BACK_CONNECT);
		course_suspect(s, now);
	}
}

/* The requests of the batch are sent again one by one, to find the rejected one; the others continue at
   once. */
static void commands_denied(struct session *s, uint64_t now, struct exchange *x,
			    const struct session_failure *f)
{
	bool renewed = f->http_status == 401 && x->credential != login_credential(&s->login);
	if (x->n_sent > 1 || renewed) {
		batch_isolate(s, renewed ? 0 : x->n_sent);
		requeue(s, x);
		return;
	}
	/* its own reply may have come before the failure */
	if (list_empty(&x->requests))
		return;
	struct request *r = LIST_OF(x->requests.next, struct request, link);
	bool first;
	uint64_t pause = batch_failed(s, &first);
	if (f->http_status == 401)
		rejected(s, now, r, x->credential + 1);
	else if (f->http_status == 403)
		refuse(s, r, "refused with HTTP status 403");
	else
		try_later(s, now, r, now + later_of(pause, course_retry_after(f)), SHARE_BACK_TIME);
}

static void refuse_too_large(struct session *s, struct exchange *x)
{
	LIST_EACH_SAFE(r, &x->requests, struct request, link)
		refuse(s, r, "too large for the server");
}

static void report_loss_to_extensions(struct session *s, const struct exchange *x)
{
	LIST_EACH(r, &x->requests, struct request, link)
		if (r->kind == REQUEST_SUBSCRIBE)
			ext_replay_subscribe_lost(s->exts.replay, wanted_of(r)->node.key, false);
	inbox_release(&s->inbox);
}

/* The server, or a gateway, answered: with an error, without a reply, or with what is no Bayeux. So the fault
   may be in what was asked, not in the connection. */
static bool is_answer_bad(const struct exchange *x, const struct session_failure *f)
{
	return x->batch.transport == SESSION_LONG_POLLING && f->kind == SESSION_BROKEN &&
	       (f->http_status >= 300 || f->http_status == 204 || f->unreadable);
}

/* The owner of the request waits, longer each time. A server that fails all commands is asked for
   channels slowly; each peer may find out for itself with one publish. */
static void fault_of_one(struct session *s, uint64_t now, struct exchange *x,
			 const struct session_failure *f, uint64_t pause)
{
	struct request *r = LIST_OF(x->requests.next, struct request, link);
	if (r->kind == REQUEST_PUBLISH) {
		publishes_suspect_alone(&s->publishes, publish_of(r), now, course_retry_after(f),
					&s->jitter);
		giveup_requests(s, x, true, "sent, but the reply was lost");
	} else {
		batch_pause_channels(s, now + pause);
		wanted_failed(&s->wanted, wanted_of(r), now,
			      f->http_status >= 300 ? "the server answers with an HTTP error"
						    : "the server does not answer the subscribe");
	}
}

static void fault_of_several(struct session *s, uint64_t now, struct exchange *x, uint64_t pause)
{
	LIST_EACH(r, &x->requests, struct request, link)
		if (r->kind == REQUEST_PUBLISH)
			publishes_suspect(&s->publishes, publish_of(r)->share->peer);
	batch_isolate(s, x->n_sent);
	batch_pause(s, now + pause);
	giveup_requests(s, x, true, "sent, but the reply was lost");
}

/*
 * One request may have made the server fail them all (bayeux.md 2.1). What was in the exchange waits, or is
 * sent one by one; for everything else there is a short pause at most, when no command succeeded
 * since the last failure.
 */
static void commands_failed(struct session *s, uint64_t now, struct exchange *x,
			     const struct session_failure *f)
{
	bool first;
	batch_failed(s, &first);
	uint64_t pause = first ? 0 : jitter_apply(&s->jitter, s->o.backoff_min);
	if (x->n_sent > 1)
		fault_of_several(s, now, x, pause);
	else if (!list_empty(&x->requests))
		fault_of_one(s, now, x, f, pause);
	/* lost events are asked for again by subscribes */
	if (f->unreadable)
		batch_pause_channels(s, later_of(batch_channels_at(s), now + course_unreadable_pause(s, now)));
}

static void commands_lost(struct session *s, uint64_t now, struct exchange *x,
			  const struct session_failure *f)
{
	report_loss_to_extensions(s, x);
	if (is_denied(x, f)) {
		commands_denied(s, now, x, f);
		return;
	}
	if (is_answer_bad(x, f)) {
		commands_failed(s, now, x, f);
		return;
	}
	bool first;
	uint64_t pause = batch_failed(s, &first);
	bool unsent = is_unsent(x, f);
	batch_pause(s, f->kind == SESSION_TOO_LARGE ? now : now + later_of(pause, course_retry_after(f)));
	if (f->kind == SESSION_TOO_LARGE && x->n_sent > 1)
		batch_too_large(s, x);
	if (unsent)
		requeue(s, x);
	else if (f->kind == SESSION_TOO_LARGE)
		refuse_too_large(s, x);
	else
		giveup_requests(s, x, true, "sent, but the reply was lost");
}

/* ---- exchanges ---- */

static void reason_of_failure(struct session *s, const struct session_failure *f)
{
	if (f->reason.n)
		report_set_reason(&s->report, "%.*s", SLICE_ARG(f->reason));
	else if (f->http_status)
		report_set_reason(&s->report, "HTTP status %u%s", f->http_status,
			     f->http_status == 404 || f->http_status == 405 ?
				     ": there may be no Bayeux service at this url" : "");
	else
		report_set_reason(&s->report, "the connection failed");
}

/*
 * Whether an answer, with events in it, may have been lost: cut off, also after a success status, or
 * lost by a gateway (502, 504; 503 without Retry-After). Any other error status is the server's answer.
 */
static bool is_answer_lost(const struct exchange *x, const struct session_failure *f)
{
	bool cut = f->http_status == 0 || f->http_status == 200 || f->http_status == 502 ||
		   f->http_status == 504 || (f->http_status == 503 && !f->retry_after);
	return x->batch.transport == SESSION_LONG_POLLING && f->kind == SESSION_BROKEN && cut;
}

void loss_of_exchange(struct session *s, uint64_t now, struct exchange *x,
			const struct session_failure *f)
{
	struct session_batch batch = x->batch;
	x->kept = true;
	if (exchange_of_commands(x)) {
		commands_lost(s, now, x, f);
		if (is_answer_lost(x, f))
			exts_lost_messages(s);
		exts_note_commands(s, now, x);
		exchange_free(x);
		return;
	}
	bool awaited = !list_empty(&x->requests);
	giveup_requests(s, x, true, "");
	exchange_free(x);
	if (report_state(&s->report) == SESSION_OFF)
		return;
	if (!awaited) {
		if (batch.kind == SESSION_BATCH_CONNECT && f->kind == SESSION_BROKEN)
			course_connect_cut(s, now, f);
		return;
	}
	if (batch.kind == SESSION_BATCH_DISCONNECT) {
		course_off(s, now);
	} else if (report_state(&s->report) != SESSION_DISCONNECTING) {
		reason_of_failure(s, f);
		if (batch.kind == SESSION_BATCH_CONNECT) {
			course_connect_lost(s, now, batch.transport, f);
		} else {
			s->counts.failures++;
			course_handshake_lost(s, now, batch.transport, f);
		}
	}
}

/* Names the option that set the deadline. */
static struct slice explain_silence(const struct session *s, const struct exchange *x,
				    char text[REPORT_TEXT_MAX])
{
	uint64_t delay = s->o.network_delay;
	if (x->batch.kind == SESSION_BATCH_CONNECT && !link_probes(&s->link))
		snprintf(text, REPORT_TEXT_MAX,
			 "the server did not answer in time: it sent nothing for %g s after the %g s "
			 "that it may hold a connect; if it holds longer, raise network-delay",
			 (double)delay / 1000, (double)connect_hold(s) / 1000);
	else
		snprintf(text, REPORT_TEXT_MAX,
			 "the server did not answer in time: it sent nothing for %g s (%s)",
			 (double)(x->batch.kind == SESSION_BATCH_CONNECT ? delay : request_time(s)) / 1000,
			 x->batch.kind == SESSION_BATCH_CONNECT || !s->o.request_timeout
				 ? "network-delay" : "request-timeout");
	return slice_of(text);
}

void loss_by_deadline(struct session *s, uint64_t now, struct exchange *x)
{
	char text[REPORT_TEXT_MAX];
	const struct session_failure no_reply = {.kind = SESSION_BROKEN,
						 .reason = explain_silence(s, x, text)};
	giveup_abort(s, x);
	if (x->batch.transport == SESSION_WEBSOCKET)
		loss_of_websocket(s, now, &no_reply);
	else
		loss_of_exchange(s, now, x, &no_reply);
}

/* Which of the batches on the WebSocket was too large: the largest that nothing came back of. It
   may not be the only one, and then not the first. */
static struct exchange *find_culprit(struct session *s)
{
	struct exchange *largest = NULL;
	LIST_EACH(x, &s->exchanges.list, struct exchange, link)
		if (x->batch.transport == SESSION_WEBSOCKET && !x->answered &&
		    exchange_of_commands(x) &&
		    (!largest || x->bytes > largest->bytes))
			largest = x;
	return largest;
}

/*
 * Handles all commands on the WebSocket, newest first, so that what goes back to the
 * queue keeps its order. A server reads nothing after a message that is too large for it
 * (RFC 6455, 7.1.7): what was sent after the `culprit` (may be NULL) had no effect.
 * Returns the handshake or connect on the WebSocket, or NULL.
 */
static struct exchange *lose_commands(struct session *s, uint64_t now, struct exchange *culprit,
				      const struct session_failure *f)
{
	struct session_failure unread = *f, lost = *f;
	struct exchange *link = NULL;
	struct list *head = &s->exchanges.list;
	bool after_culprit = culprit;
	unread.kind = SESSION_NOT_SENT;
	if (f->kind == SESSION_TOO_LARGE)
		lost.kind = SESSION_BROKEN;
	for (struct list *at = head->prev, *before; at != head; at = before) {
		struct exchange *x = LIST_OF(at, struct exchange, link);
		before = at->prev;
		if (x->batch.transport != SESSION_WEBSOCKET)
			continue;
		after_culprit &= x != culprit;
		if (exchange_of_commands(x))
			loss_of_exchange(s, now, x, x == culprit ? f : after_culprit ? &unread : &lost);
		else if (x->batch.lane == SESSION_LANE_CONNECT)
			link = x;
	}
	return link;
}

void loss_of_websocket(struct session *s, uint64_t now, const struct session_failure *f)
{
	struct session_failure rest = *f;
	struct exchange *culprit = NULL;
	if (!link_close_websocket(&s->link))
		return;
	link_forget_stale(&s->link);
	if (f->kind == SESSION_TOO_LARGE) {
		culprit = find_culprit(s);
		rest.kind = SESSION_BROKEN;
	}
	struct exchange *link = lose_commands(s, now, culprit, f);
	batch_pause(s, now);
	if (report_state(&s->report) == SESSION_DISCONNECTING && link_transport(&s->link) == SESSION_WEBSOCKET) {
		course_off(s, now);
	} else if (link) {
		loss_of_exchange(s, now, link, &rest);
	} else if (link_transport(&s->link) == SESSION_WEBSOCKET && report_is_up(&s->report)) {
		/* between two connects */
		reason_of_failure(s, f);
		course_connect_lost(s, now, SESSION_WEBSOCKET, &rest);
	}
}

/* A proxy's 403 to each upgrade means that this server has no WebSocket for us: it counts. */
void loss_by_rejection(struct session *s, uint64_t now, struct exchange *x,
		       const struct session_failure *f)
{
	reason_of_failure(s, f);
	if (!x) {
		link_close_websocket(&s->link);
		course_upgrade_refused(s, now, f);
		x = lose_commands(s, now, NULL, f);
	}
	if (x) {
		x->kept = true;
		giveup_requests(s, x, true, "");
		exchange_free(x);
	}
	/* what comes first then makes the pause */
	batch_pause(s, now);
	course_rejected(s, now);
}

void loss_by_fault(struct session *s, uint64_t now, const struct session_failure *f)
{
	struct exchange *of_websocket = NULL;
	LIST_EACH(x, &s->exchanges.list, struct exchange, link)
		if (!of_websocket && x->batch.transport == SESSION_WEBSOCKET)
			of_websocket = x;
	if (of_websocket)
		giveup_abort(s, of_websocket);
	else
		report_abort_all(&s->report);
	loss_of_websocket(s, now, f);
}

/* ---- deadlines ---- */

static void publish_expired(struct session *s, struct publish *pub)
{
	if (pub->delivered)
		publish_done(&s->publishes, pub, SESSION_OUTCOME_TIMEOUT, NULL,
			     "the server acknowledged it, but did not answer it in time");
	else if (pub->request.exchange)
		publish_done(&s->publishes, pub, SESSION_OUTCOME_UNKNOWN, NULL,
			     "sent, but the server did not reply in time");
	else
		publish_done(&s->publishes, pub, SESSION_OUTCOME_NOT_SENT, NULL,
			     "there was no session with the server in time");
}

void loss_of_request(struct session *s, uint64_t now, struct request *r)
{
	switch (r->kind) {
	case REQUEST_PUBLISH:
		publish_expired(s, publish_of(r));
		break;
	case REQUEST_SUBSCRIBE:
		ext_replay_subscribe_lost(s->exts.replay, wanted_of(r)->node.key, false);
		inbox_release(&s->inbox);
		wanted_unanswered(&s->wanted, wanted_of(r), now);
		break;
	case REQUEST_UNSUBSCRIBE:
		wanted_unanswered(&s->wanted, wanted_of(r), now);
		break;
	default:
		loss_by_deadline(s, now, r->exchange);
	}
}
