/*
 * The order of reports: aborts first, then the results of replies, then the next message
 * of the current piece of text. Each message is reported before the next one is read, an
 * unreadable message affects only itself, and a message that was not read counts as not
 * received.
 */
#include "bayeux/session_core.h"

#include <stdio.h>

#include "base/errors.h"
#include "bayeux/channel.h"
#include "protocol/utf8.h"

#include <errno.h>

/* ---- reporting ---- */

static bool has_news(const struct session *s)
{
	return report_waits(&s->report) || s->unauthorized_news ||
	       !list_empty(&s->publishes.done) || !list_empty(&s->wanted.news);
}

static bool has_text(const struct session *s)
{
	return s->in_text != NULL;
}

static bool has_input(const struct session *s)
{
	return has_text(s) || s->release_due;
}

bool events_waiting(const struct session *s)
{
	return has_news(s) || has_input(s);
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
		.kind = SESSION_EVENT_CHANNEL, .channel = w->node.key, .status = w->told,
		.repeated = w->told == SESSION_CHANNEL_PENDING && w->deferred_before,
		.envelope = w->envelope, .text = slice_of(w->text)};
	return 0;
}

static int next_unauthorized(struct session *s, struct session_event *ret)
{
	const char *why = !s->unauthorized ? "HTTP status 401 to a request"
			: s->rejected	   ? report_reason(&s->report) : "";
	*ret = (struct session_event){.kind = SESSION_EVENT_UNAUTHORIZED,
				      .text = slice_of(why)};
	s->unauthorized_news = false;
	return 0;
}

static int next_report(struct session *s, struct session_event *ret)
{
	if (report_next_state(&s->report, ret))
		return 0;
	if (s->unauthorized_news)
		return next_unauthorized(s, ret);
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

/* Makes this text the current one. */
static void enter_text(struct session *s, struct text *t)
{
	s->in_text = t;
	s->in_state = INPUT_NEXT;
	s->in_kept = false;
	if (t != s->released_text)
		ext_text(&s->exts, t->number);
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
	text_free(t);
	/* handling a disconnect may have ended it */
	struct exchange *x = batch ? exchange_find(&s->exchanges, batch) : NULL;
	if (x && exchange_of_commands(x))
		exts_note_commands(s, now, x);
	ext_settled(&s->exts);
	s->release_due = true;
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
	text_free(t);
	ext_lost(&s->exts);
	if (x)
		loss_of_exchange(s, now, x, &f);
	else if (websocket && s->websocket)
		loss_by_fault(s, now, &f);
}

/* No further pieces of the text will be fed. */
static void end_text(struct session *s, uint64_t now, struct text *t)
{
	enter_text(s, t);
	s->in_text = NULL;
	if (elements_end(&t->elements))
		text_fault(s, now, t);
	else
		settle_text(s, now, t);
}

/* All messages that extensions released were read. */
static void end_released(struct session *s)
{
	s->in_text = NULL;
	buf_clear(&s->released);
}

static void end_piece(struct session *s, uint64_t now)
{
	struct text *t = s->in_text;
	s->in_text = NULL;
	text_note_piece(t, now);
	if (t == s->released_text)
		end_released(s);
	else if (t->ended)
		end_text(s, now, t);
}

/* A text that does not end: messages that were not read must not be acknowledged. */
static void forget(struct session *s, struct text *t)
{
	if (t == s->in_text)
		s->in_text = NULL;
	text_free(t);
	ext_lost(&s->exts);
}

static struct slice explain_stall(const struct session *s, uint64_t now, const struct text *t,
				  char text[REPORT_TEXT_MAX])
{
	if (text_must_go_on(s, t) && t->fed_at + s->o.network_delay <= now)
		return SLICE("the answer broke off in the middle");
	snprintf(text, REPORT_TEXT_MAX,
		 "the server sent bytes, but no complete message for %g s; if it holds a connect longer, "
		 "raise network-delay", (double)(now - t->message_at) / 1000);
	return slice_of(text);
}

void events_text_stalled(struct session *s, uint64_t now, struct text *t)
{
	char text[REPORT_TEXT_MAX];
	const struct session_failure stalled = {.kind = SESSION_BROKEN,
						.reason = explain_stall(s, now, t, text)};
	struct exchange *x = exchange_of(s, t);
	bool websocket = t->batch == 0;
	if (x)
		giveup_abort(s, x);
	forget(s, t);
	if (x)
		loss_of_exchange(s, now, x, &stalled);
	else if (websocket)
		loss_by_fault(s, now, &stalled);
}

bool session_has_text(const struct session *s)
{
	return s->in_text && s->in_text != s->released_text;
}

void session_discard_text(struct session *s)
{
	/* what was released is no text of the driver's */
	if (s->in_text && s->in_text != s->released_text)
		forget(s, s->in_text);
}

/* Who asks for the next event has done with the one before. 0, or -ENOMEM and to be tried again. */
static int count_delivered(struct session *s)
{
	const struct envelope *e = s->in_message;
	bool is_event = e->kind == ENVELOPE_EVENT || e->kind == ENVELOPE_UNREADABLE;
	int r = is_event && !s->in_kept ? ext_delivered(&s->exts, e) : 0;
	if (r == 0) {
		s->in_state = INPUT_NEXT;
		s->in_kept = false;
	}
	return r;
}

/* ---- one element ---- */

/* The client id must not be visible, and channels that begin with it must not change with each session. */
static int hide_client_id(struct session *s, struct slice *text)
{
	struct slice id = buf_slice(&s->client_id);
	if (!s->o.expand_client_id || !own_segment_possible(id) || !own_segment_found(*text, id))
		return 0;
	buf_fini(&s->in_hidden);
	/* in the worst case, four bytes grow to thirteen */
	buf_init(&s->in_hidden, 4 * text->n);
	int r = own_segment_replace(*text, id, OWN_SEGMENT, &s->in_hidden);
	if (r == 0)
		*text = buf_slice(&s->in_hidden);
	return r;
}

/* Replies of a server may repeat a secret; the data of events is passed on unchanged. */
static bool may_contain_secrets(const struct envelope *e)
{
	return e->kind != ENVELOPE_EVENT || e->successful == JSON_FALSE || e->error.n;
}

/* Reads a copy, for the bytes are the driver's. */
static int read_masked(struct session *s, struct slice raw)
{
	char *copy;
	buf_fini(&s->in_masked);
	buf_init(&s->in_masked, raw.n);
	int r = buf_room(&s->in_masked, raw.n, &copy);
	if (r)
		return r;
	memcpy(copy, raw.p, raw.n);
	buf_grown(&s->in_masked, raw.n);
	s->o.mask(s->o.mask_ctx, copy, raw.n);
	return envelope_parse(&s->in, buf_slice(&s->in_masked));
}

/* Stores its name, decoded, in s->in_channel if it is valid. 0, -ENOMEM. */
static int channel_of(struct session *s, const struct glimpse *g, struct slice *ret)
{
	struct json_value v = {JSON_STRING, glimpse_channel(g)};
	struct slice name = SLICE_NULL;
	char *copy;
	int r = v.raw.n ? hide_client_id(s, &v.raw) : 0;
	buf_clear(&s->in_channel);
	/* as written and decoded, so that nothing moves */
	if (r == 0)
		r = buf_room(&s->in_channel, 2 * v.raw.n, &copy);
	if (r)
		return r;
	if (v.raw.n)
		memcpy(copy, v.raw.p, v.raw.n);
	buf_grown(&s->in_channel, v.raw.n);
	v.raw = buf_slice(&s->in_channel);
	if (json_text(&v, &s->in_channel, &name))
		return 0;
	name = channel_normal(name);
	if (utf8_valid(name) && (channel_is_meta(name) || channel_check_name(name) == 0))
		*ret = name;
	return 0;
}

static int see_unreadable(struct session *s, const struct element *element, int fault)
{
	struct envelope *e = &s->in_unreadable;
	struct glimpse whole;
	const struct glimpse *g = element->glimpse;
	if (!g) {
		glimpse_init(&whole);
		glimpse_feed(&whole, element->raw);
		g = &whole;
	}
	struct slice id = glimpse_replay_id(g);
	*e = (struct envelope){.kind = ENVELOPE_UNREADABLE, .raw = element->raw,
			       .size = element->size,
			       .successful = g->successful ? JSON_TRUE : JSON_ABSENT};
	memcpy(s->in_replay_id, id.n ? id.p : "", id.n);
	e->replay_id = slice_make(s->in_replay_id, id.n);
	s->in_loss = element->glimpse ? SESSION_LOSS_TOO_LARGE : SESSION_LOSS_UNREADABLE;
	e->error = element->glimpse ? SLICE("larger than max-message")
				    : slice_of(json_fault_text(fault));
	s->in_message = e;
	return channel_of(s, g, &e->channel);
}

/* Reads the element. 0: s->in_message is set; SESSION_E_NONE: it is not a message; -ENOMEM. */
static int read_element(struct session *s, const struct element *element)
{
	struct slice raw = element->raw;
	/* a number or an array is no message, whether it is readable or not */
	if (raw.p[0] != '{') {
		s->in_text->skipped++;
		return SESSION_E_NONE;
	}
	if (element->glimpse)
		return see_unreadable(s, element, 0);
	int r = hide_client_id(s, &raw);
	if (r == 0)
		r = envelope_parse(&s->in, raw);
	if (r == 0 && s->o.mask && s->in.n && may_contain_secrets(s->in.items))
		r = read_masked(s, raw);
	if (r > 0)
		return see_unreadable(s, element, r);
	if (r < 0)
		return r;
	s->in_text->skipped += s->in.skipped;
	s->in_message = s->in.items;
	return s->in.n ? 0 : SESSION_E_NONE;
}

/* Finds and reads the next element of the piece, or ends it. 0: there is one; SESSION_E_NONE;
   -ENOMEM: to be tried again. */
static int next_element(struct session *s, uint64_t now)
{
	if (s->in_state == INPUT_NEXT) {
		int r = elements_next(&s->in_text->elements, &s->in_element);
		if (r == ELEMENTS_MORE)
			end_piece(s, now);
		if (r == ELEMENTS_FAULT)
			text_fault(s, now, TAKE(s->in_text));
		if (r)
			return r < 0 ? r : SESSION_E_NONE;
		s->in_state = INPUT_FOUND;
	}
	int r = read_element(s, &s->in_element);
	if (r == 0)
		text_note_message(s->in_text, now);
	if (r >= 0)
		s->in_state = r ? INPUT_NEXT : INPUT_READ;
	return r;
}

/* What extensions kept for a while becomes a text to be looked at. 0 or -errno. */
static int take_released(struct session *s)
{
	int r = buf_len(&s->released) ? 0 : ext_release(&s->exts, &s->released);
	if (r)
		return r;
	if (buf_len(&s->released) == 0) {
		s->release_due = false;
		return 0;
	}
	elements_begin(&s->released_text->elements);
	elements_feed(&s->released_text->elements, buf_slice(&s->released));
	enter_text(s, s->released_text);
	return 0;
}

/* Reports one message, or ends the piece. 0, SESSION_E_NONE, -ENOMEM: call again. */
static int look_at_input(struct session *s, uint64_t now, struct session_event *ret)
{
	int r = has_text(s) ? 0 : take_released(s);
	if (r || !has_text(s))
		return r ? r : SESSION_E_NONE;
	if (s->in_state == INPUT_LOOKED)
		r = count_delivered(s);
	if (r == 0 && s->in_state != INPUT_READ)
		r = next_element(s, now);
	if (r)
		return r;
	r = input_message(s, now, s->in_message, ret);
	if (r >= 0)
		s->in_state = INPUT_LOOKED;
	return r;
}

/* whether a text from there is still accepted */
static bool is_awaited(const struct session *s, uint64_t batch)
{
	if (report_state(&s->report) == SESSION_OFF)
		return false;
	return batch ? exchange_find(&s->exchanges, batch) != NULL : s->websocket;
}

/* Frees texts of exchanges that were aborted: their end is not reported. */
static void free_abandoned_texts(struct session *s)
{
	LIST_EACH_SAFE(t, &s->texts, struct text, link)
		if (t != s->in_text && !is_awaited(s, t->batch))
			text_free(t);
}

int session_next(struct session *s, uint64_t now, struct session_event *ret)
{
	publishes_free_done(&s->publishes, now);
	int r = next_report(s, ret);
	while (r == SESSION_E_NONE && has_input(s)) {
		r = look_at_input(s, now, ret);
		if (r == SESSION_E_NONE)
			r = next_report(s, ret);
	}
	if (r == SESSION_E_NONE && due_start_handshake(s, now))
		r = next_report(s, ret);
	if (r == SESSION_E_NONE)
		free_abandoned_texts(s);
	return r;
}

static int find_text(struct session *s, uint64_t now, uint64_t batch, struct text **ret)
{
	*ret = text_find(s, batch);
	if (*ret)
		return 0;
	int r = text_new(s->o.message_max, batch, ret);
	if (r)
		return r;
	(*ret)->number = s->next_text++;
	text_note_message(*ret, now);
	list_append(&s->texts, &(*ret)->link);
	return 0;
}

int session_feed(struct session *s, uint64_t now, uint64_t batch, struct slice piece)
{
	struct text *t;
	if (has_text(s))
		return -EBUSY;
	/* keep-alives of Faye; as an HTTP body it has no reply, which its end will notice */
	if (!is_awaited(s, batch) || piece.n == 0)
		return 0;
	int r = find_text(s, now, batch, &t);
	if (r)
		return r;
	elements_feed(&t->elements, piece);
	t->fed_at = now;
	enter_text(s, t);
	wake_up(&s->wake);
	return 0;
}

/* Ends the text of the batch, at once or after its last piece was read; false: it has none. */
static bool end_text_of(struct session *s, uint64_t now, uint64_t batch)
{
	struct text *t = text_find(s, batch);
	if (!t)
		return false;
	t->ended = true;
	if (t != s->in_text)
		end_text(s, now, t);
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
	struct text *t = batch ? text_find(s, batch) : NULL;
	/* it was cut in the middle */
	if (t)
		forget(s, t);
	if (!x)
		return;
	if (credentials_are_rejected(s, x, f))
		loss_by_rejection(s, now, x, f);
	else
		loss_of_exchange(s, now, x, f);
	wake_up(&s->wake);
}

void session_closed(struct session *s, uint64_t now, const struct session_failure *f)
{
	struct text *t = text_find(s, 0);
	if (t)
		forget(s, t);
	if (s->websocket && credentials_are_rejected(s, NULL, f))
		loss_by_rejection(s, now, NULL, f);
	else
		loss_of_websocket(s, now, f);
	wake_up(&s->wake);
}
