/*
 * Gives up requests in flight whose replies are no longer awaited: each publish gets its
 * outcome, each channel is subscribed again, the driver is asked to abort. A request that
 * may have taken effect is never reported as not sent.
 */
#include "bayeux/session_core.h"

static void give_up_publish(struct session *s, struct publish *pub, const char *text)
{
	enum session_outcome outcome =
		pub->delivered ? SESSION_OUTCOME_TIMEOUT : SESSION_OUTCOME_UNKNOWN;
	publish_done(&s->publishes, pub, outcome, NULL, text);
}

void giveup_requests(struct session *s, struct exchange *x, bool sent, const char *text)
{
	LIST_EACH_SAFE(r, &x->requests, struct request, link) {
		if (r->kind == REQUEST_SUBSCRIBE || r->kind == REQUEST_UNSUBSCRIBE) {
			wanted_broken(&s->wanted, wanted_of(r), sent);
		} else if (r->kind == REQUEST_PUBLISH) {
			give_up_publish(s, publish_of(r), text);
		} else {
			pending_remove(&s->pending, &r->pending);
			request_leave(r);
		}
	}
}

static void give_up_exchange(struct session *s, struct exchange *x, bool sent, const char *text)
{
	x->kept = true;
	giveup_requests(s, x, sent, text);
	exchange_free(x);
}

static void give_up_all(struct session *s, const char *text)
{
	struct exchange *x;
	while ((x = LIST_FIRST(&s->exchanges.list, struct exchange, link)))
		give_up_exchange(s, x, true, text);
	link_forget_stale(&s->link);
}

void giveup_abort(struct session *s, const struct exchange *x)
{
	const struct text *t = inbox_find(&s->inbox, x->batch.id);
	/* a complete answer needs no ending */
	if (!t || !t->ended)
		report_abort(&s->report, &x->batch);
}

static bool is_anything_open(const struct session *s)
{
	LIST_EACH(x, &s->exchanges.list, struct exchange, link)
		if (!list_empty(&x->requests))
			return true;
	return link_has_websocket(&s->link);
}

void giveup_connect(struct session *s)
{
	struct exchange *x = link_connect(&s->link);
	if (!x)
		return;
	if (x->batch.transport == SESSION_LONG_POLLING) {
		giveup_abort(s, x);
		/* its answer may be on the way, with older events than other answers brought */
		exts_lost_answer(s);
	}
	give_up_exchange(s, x, true, "");
}

void giveup_session(struct session *s)
{
	if (is_anything_open(s))
		report_abort_all(&s->report);
	giveup_connect(s);
	link_close_websocket(&s->link);
	link_expect_events(&s->link, 0);
	give_up_all(s, "the session was lost before the reply");
	LIST_EACH_SAFE(pub, &s->publishes.sent, struct publish, link)
		give_up_publish(s, pub, "the session was lost before the answer");
	calls_reset(&s->publishes.calls);
	publishes_go_on(&s->publishes, SHARE_BACK_CONNECT);
	wanted_reset(&s->wanted, s->wanted.covering);
	buf_clear(&s->client_id);
}

void giveup_waiting(struct session *s, const char *text)
{
	publishes_end_waiting(&s->publishes, text);
}
