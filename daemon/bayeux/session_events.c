/*
 * The order of reports: aborts first, then the results of replies, then the next message.
 * Each message is reported before the next one is read.
 */
#include "bayeux/session_core.h"

#include "base/errors.h"
#include "protocol/json_read.h"

#include <errno.h>

/* ---- reporting ---- */

static bool has_news(const struct session *s)
{
	return report_waits(&s->report) || login_has_news(&s->login) ||
	       !list_empty(&s->publishes.done) || !list_empty(&s->wanted.news);
}

bool events_waiting(const struct session *s)
{
	return has_news(s) || inbox_waits(&s->inbox);
}

static int next_outcome(struct session *s, struct session_event *ret)
{
	const struct publish *pub = publishes_next_done(&s->publishes);
	*ret = (struct session_event){
		.kind = SESSION_EVENT_OUTCOME, .cookie = pub->cookie, .outcome = pub->outcome,
		.envelope = pub->envelope, .channel = pub->channel, .text = slice_of(pub->text),
		.binary = s->o.binary};
	return 0;
}

static int next_channel(struct session *s, struct session_event *ret)
{
	const struct wanted *w = wanted_next_news(&s->wanted);
	*ret = (struct session_event){
		.kind = SESSION_EVENT_CHANNEL, .channel = w->node.key, .status = w->reported,
		.repeated = w->reported == SESSION_CHANNEL_PENDING && w->deferred_before,
		.envelope = w->envelope, .text = slice_of(w->text)};
	return 0;
}

static int next_report(struct session *s, struct session_event *ret)
{
	if (report_next_state(&s->report, ret))
		return 0;
	if (login_next(&s->login, report_reason(&s->report), ret))
		return 0;
	if (!list_empty(&s->publishes.done))
		return next_outcome(s, ret);
	if (!list_empty(&s->wanted.news))
		return next_channel(s, ret);
	return report_next_note(&s->report, ret) ? 0 : SESSION_E_NONE;
}

/* ---- input ---- */

static void end_exchange(struct session *s, uint64_t now, struct exchange *x, bool unreadable)
{
	/* it came whole: what CometD's clients call 204 */
	const struct session_failure nothing = {
		.kind = SESSION_BROKEN, .http_status = 204, .unreadable = unreadable,
		.reason = unreadable ? SLICE("the reply could not be read")
				     : SLICE("the response contains no reply")};
	if (list_empty(&x->requests))
		exchange_free(x);
	else
		loss_of_exchange(s, now, x, &nothing);
}

static struct exchange *exchange_of(const struct session *s, const struct text *t)
{
	return t->batch ? exchange_find(&s->exchanges, t->batch) : NULL;
}

/* All messages of the text were read, and it was complete: extensions may count it as delivered. */
static void settle_text(struct session *s, uint64_t now, struct text *t)
{
	bool reply_unreadable = t->reply_unreadable;
	uint64_t batch = t->batch;
	if (t->skipped)
		report_note(&s->report, "left out of an answer, because it is not Bayeux: %u element%s",
			   t->skipped, t->skipped == 1 ? "" : "s");
	input_text_end(s, now, t);
	inbox_remove(&s->inbox, t);
	/* handling a disconnect may have ended it */
	struct exchange *x = batch ? exchange_find(&s->exchanges, batch) : NULL;
	if (x && exchange_of_commands(x))
		exts_note_commands(s, now, x);
	ext_settled(&s->exts.chain);
	inbox_release(&s->inbox);
	if (x)
		end_exchange(s, now, x, reply_unreadable);
}

/* Anything that is not Bayeux ends the text; the messages before it remain valid. */
static void text_fault(struct session *s, uint64_t now, struct text *t)
{
	const char *why = t->elements.markup
				  ? "HTML instead of JSON: a login page or a proxy answers, or url "
				    "is not that of the Bayeux service"
				  : json_fault_text(JSON_E_SYNTAX);
	struct session_failure f = {.kind = SESSION_BROKEN, .unreadable = true,
				    .reason = slice_of(why)};
	struct exchange *x = exchange_of(s, t);
	bool websocket = t->batch == 0;
	report_note(&s->report, "left out of an answer, because it is not Bayeux: all from here on (%s)", json_fault_text(JSON_E_SYNTAX));
	if (x)
		giveup_abort(s, x);
	inbox_forget(&s->inbox, t);
	if (x)
		loss_of_exchange(s, now, x, &f);
	else if (websocket && link_has_websocket(&s->link))
		loss_by_fault(s, now, &f);
}

/* No further pieces of the text will be fed, or it ends here; `result`: of inbox_end(). */
static void end_text(struct session *s, uint64_t now, struct text *t, int result)
{
	if (result == INBOX_TEXT_FAULT)
		text_fault(s, now, t);
	else
		settle_text(s, now, t);
}

void events_text_stalled(struct session *s, uint64_t now, struct text *t)
{
	char text[REPORT_TEXT_MAX];
	const struct session_failure stalled = {.kind = SESSION_BROKEN,
						.reason = inbox_explain_stall(&s->inbox, now, t, text)};
	struct exchange *x = exchange_of(s, t);
	bool websocket = t->batch == 0;
	if (x)
		giveup_abort(s, x);
	inbox_forget(&s->inbox, t);
	if (x)
		loss_of_exchange(s, now, x, &stalled);
	else if (websocket)
		loss_by_fault(s, now, &stalled);
}

bool session_has_text(const struct session *s)
{
	return inbox_has_piece(&s->inbox);
}

void session_discard_text(struct session *s)
{
	if (inbox_has_piece(&s->inbox))
		inbox_forget(&s->inbox, inbox_text(&s->inbox));
}

/* Reads the next message and reports it, or ends a text. 0, SESSION_E_NONE, -ENOMEM: call again. */
static int read_input(struct session *s, uint64_t now, struct session_event *ret)
{
	struct envelope *message;
	struct text *text;
	int r = inbox_next(&s->inbox, now, &message, &text);
	if (r == INBOX_TEXT_END || r == INBOX_TEXT_FAULT)
		end_text(s, now, text, r);
	if (r)
		return r < 0 ? r : SESSION_E_NONE;
	r = input_message(s, now, message, ret);
	if (r >= 0)
		inbox_handled(&s->inbox);
	return r;
}

/* whether a text from there is still accepted */
static bool is_awaited(const void *session, uint64_t batch)
{
	const struct session *s = session;
	if (report_state(&s->report) == SESSION_OFF)
		return false;
	return batch ? exchange_find(&s->exchanges, batch) != NULL : link_has_websocket(&s->link);
}

int session_next(struct session *s, uint64_t now, struct session_event *ret)
{
	publishes_free_done(&s->publishes, now);
	int r = next_report(s, ret);
	while (r == SESSION_E_NONE && inbox_waits(&s->inbox)) {
		r = read_input(s, now, ret);
		if (r == SESSION_E_NONE)
			r = next_report(s, ret);
	}
	if (r == SESSION_E_NONE && course_start_handshake(s, now))
		r = next_report(s, ret);
	if (r == SESSION_E_NONE)
		inbox_remove_abandoned(&s->inbox, is_awaited, s);
	return r;
}

int session_feed(struct session *s, uint64_t now, uint64_t batch, struct slice piece)
{
	if (inbox_text(&s->inbox))
		return -EBUSY;
	/* keep-alives of Faye; as an HTTP body it has no reply, which its end will notice */
	if (!is_awaited(s, batch) || piece.n == 0)
		return 0;
	const struct exchange *x = batch ? exchange_find(&s->exchanges, batch) : NULL;
	int r = inbox_feed(&s->inbox, now, batch, !x || x->batch.lane == SESSION_LANE_CONNECT, piece);
	if (r == 0)
		wake_up(&s->wake);
	return r;
}

/* Ends the text of the batch, at once or after its last piece was read; false: it has none. */
static bool end_text_of(struct session *s, uint64_t now, uint64_t batch)
{
	struct text *t = inbox_find(&s->inbox, batch);
	if (!t)
		return false;
	t->ended = true;
	if (t != inbox_text(&s->inbox))
		end_text(s, now, t, inbox_end(&s->inbox, t));
	return true;
}

void session_text_end(struct session *s, uint64_t now)
{
	if (end_text_of(s, now, 0))
		wake_up(&s->wake);
}

void session_batch_end(struct session *s, uint64_t now, uint64_t batch)
{
	struct exchange *x = exchange_find(&s->exchanges, batch);
	if (!end_text_of(s, now, batch) && x)
		end_exchange(s, now, x, false);
	wake_up(&s->wake);
}

void session_batch_failed(struct session *s, uint64_t now, uint64_t batch,
			  const struct session_failure *f)
{
	struct exchange *x = exchange_find(&s->exchanges, batch);
	struct text *t = batch ? inbox_find(&s->inbox, batch) : NULL;
	/* it was cut in the middle */
	if (t)
		inbox_forget(&s->inbox, t);
	if (!x)
		return;
	if (course_is_rejection(s, x, f))
		loss_by_rejection(s, now, x, f);
	else
		loss_of_exchange(s, now, x, f);
	wake_up(&s->wake);
}

void session_closed(struct session *s, uint64_t now, const struct session_failure *f)
{
	struct text *t = inbox_find(&s->inbox, 0);
	if (t)
		inbox_forget(&s->inbox, t);
	if (link_has_websocket(&s->link) && course_is_rejection(s, NULL, f))
		loss_by_rejection(s, now, NULL, f);
	else
		loss_of_websocket(s, now, f);
	wake_up(&s->wake);
}
