/*
 * Owns the order in which things are looked at and told: aborts first, then what
 * a reply led to, then the next message of the text. Guarantees that a text is
 * looked at message by message, each told before the next is looked at, and
 * that what was not looked at counts as never come. What any of it means is
 * decided in session_input.c, session_loss.c and session_life.c. Must never
 * know what goes out.
 */
#include "bayeux/session_core.h"

#include <errno.h>

/* ---- telling ---- */

static bool has_aborts(const struct session *s)
{
	return s->abort_all || s->aborts[0] || s->aborts[1];
}

static bool has_news(const struct session *s)
{
	return has_aborts(s) || s->state_news || s->unauthorized_news || s->notes_n ||
	       !list_empty(&s->publishes.done) || !list_empty(&s->wanted.news);
}

static bool has_text(const struct session *s)
{
	return s->in_at < s->in.n || s->in_settled;
}

static bool has_input(const struct session *s)
{
	return has_text(s) || s->release_due;
}

bool events_waiting(const struct session *s)
{
	return has_news(s) || has_input(s);
}

static int tell_abort(struct session *s, struct session_event *ret)
{
	*ret = (struct session_event){.kind = SESSION_EVENT_ABORT};
	if (s->abort_all) {
		s->abort_all = false;
		s->aborts[0] = s->aborts[1] = 0;
		return 0;
	}
	unsigned lane = s->aborts[0] ? 0 : 1;
	ret->batch = s->aborts[lane];
	s->aborts[lane] = 0;
	return 0;
}

static int tell_state(struct session *s, struct session_event *ret)
{
	s->state_news = false;
	*ret = (struct session_event){.kind = SESSION_EVENT_STATE, .envelope = s->state_envelope};
	s->state_envelope = NULL;
	return 0;
}

static int tell_outcome(struct session *s, struct session_event *ret)
{
	const struct publish *pub = publishes_next_done(&s->publishes);
	*ret = (struct session_event){
		.kind = SESSION_EVENT_OUTCOME, .cookie = pub->cookie, .outcome = pub->outcome,
		.envelope = pub->envelope, .channel = pub->channel, .text = slice_of(pub->text),
		.binary = s->o.binary};
	return 0;
}

static int tell_channel(struct session *s, struct session_event *ret)
{
	const struct wanted *w = wanted_next_news(&s->wanted);
	*ret = (struct session_event){
		.kind = SESSION_EVENT_CHANNEL, .channel = w->node.key, .status = w->told,
		.envelope = w->envelope, .text = slice_of(w->text)};
	return 0;
}

static int tell_note(struct session *s, struct session_event *ret)
{
	*ret = (struct session_event){.kind = SESSION_EVENT_NOTE,
				      .text = slice_of(s->notes[s->notes_first])};
	s->notes_first = (s->notes_first + 1) % SESSION_NOTES;
	s->notes_n--;
	return 0;
}

static int tell_unauthorized(struct session *s, struct session_event *ret)
{
	*ret = (struct session_event){.kind = SESSION_EVENT_UNAUTHORIZED,
				      .text = slice_of(s->rejected ? s->reason : "")};
	s->unauthorized_news = false;
	return 0;
}

static int tell(struct session *s, struct session_event *ret)
{
	if (has_aborts(s))
		return tell_abort(s, ret);
	if (s->state_news)
		return tell_state(s, ret);
	if (s->unauthorized_news)
		return tell_unauthorized(s, ret);
	if (!list_empty(&s->publishes.done))
		return tell_outcome(s, ret);
	if (!list_empty(&s->wanted.news))
		return tell_channel(s, ret);
	return s->notes_n ? tell_note(s, ret) : SESSION_E_NONE;
}

/* ---- input ---- */

static void end_exchange(struct session *s, uint64_t now, struct exchange *x)
{
	/* it came whole: what CometD's clients call 204 */
	static const struct session_failure nothing = {
		.kind = SESSION_BROKEN, .http_status = 204,
		.reason = {"the response had no reply", 25}};
	if (list_empty(&x->requests))
		exchange_free(x);
	else
		loss_of_exchange(s, now, x, &nothing);
}

/* The text is looked through: extensions may count it as handed over. */
static void settle_input(struct session *s, uint64_t now)
{
	struct exchange *x = s->in_batch ? exchange_find(&s->exchanges, s->in_batch) : NULL;
	s->in_settled = false;
	s->in_batch = 0;
	s->in.n = s->in_at = s->in_told = 0;
	if (s->in_released) {
		s->in_released = false;
		buf_clear(&s->released);
		return;
	}
	if (x && exchange_of_commands(x))
		ext_busy(&s->exts, false);
	ext_settled(&s->exts);
	s->release_due = true;
	if (x && x->ended)
		end_exchange(s, now, x);
}

/* Its bytes may go any moment. What was not looked at must not be acknowledged. */
void session_forget_text(struct session *s)
{
	/* what was released is no text of the driver's */
	if (!has_text(s) || s->in_released)
		return;
	s->in_kept = s->in_settled = false;
	s->in_batch = 0;
	s->in.n = s->in_at = s->in_told = 0;
	ext_lost(&s->exts);
}

/* Who asks for the next event has done with the one before. 0, or -ENOMEM and to be tried again. */
static int count_told(struct session *s)
{
	if (s->in_told == s->in_at)
		return 0;
	const struct envelope *e = &s->in.items[s->in_told];
	int r = e->kind == ENVELOPE_EVENT && !s->in_kept ? ext_delivered(&s->exts, e) : 0;
	if (r == 0) {
		s->in_told++;
		s->in_kept = false;
	}
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
	r = envelope_parse(&s->in, buf_slice(&s->released));
	if (r < 0)
		return r;
	s->in_at = s->in_told = 0;
	s->in_released = s->in_settled = true;
	return 0;
}

/* One message, or the end of the text. 0, SESSION_E_NONE, -ENOMEM: then it is still to come. */
static int look_at_input(struct session *s, uint64_t now, struct session_event *ret)
{
	int r = has_text(s) ? count_told(s) : take_released(s);
	if (r)
		return r;
	if (!has_text(s))
		return SESSION_E_NONE;
	if (s->in_at == s->in.n) {
		settle_input(s, now);
		return SESSION_E_NONE;
	}
	r = input_message(s, now, &s->in.items[s->in_at], ret);
	if (r >= 0)
		s->in_at++;
	return r;
}

int session_next(struct session *s, uint64_t now, struct session_event *ret)
{
	publishes_forget(&s->publishes, now);
	int r = tell(s, ret);
	while (r == SESSION_E_NONE && has_input(s)) {
		r = look_at_input(s, now, ret);
		if (r == SESSION_E_NONE)
			r = tell(s, ret);
	}
	if (r == SESSION_E_NONE && due_ripen(s, now))
		r = tell(s, ret);
	return r;
}

/* whether a text from there is still to be listened to */
static bool is_awaited(const struct session *s, uint64_t batch)
{
	if (s->state == SESSION_OFF)
		return false;
	return batch ? exchange_find(&s->exchanges, batch) != NULL : s->websocket;
}

static void feed_fault(struct session *s, uint64_t now, uint64_t batch, int fault)
{
	struct session_failure f = {.kind = SESSION_BROKEN, .unreadable = true,
				    .reason = slice_of(json_fault_text(fault))};
	struct exchange *x = exchange_find(&s->exchanges, batch);
	state_note(s, "what the server sent is no Bayeux: %s", json_fault_text(fault));
	if (x)
		loss_of_exchange(s, now, x, &f);
	else
		loss_by_fault(s, now, &f);
}

/* Our client id must not be seen, nor the channels that begin with it change with each session. */
static int hide_client_id(struct session *s, struct slice *text)
{
	struct slice id = buf_slice(&s->client_id);
	if (!s->o.expand_client_id || !own_segment_possible(id) || !own_segment_found(*text, id))
		return 0;
	buf_fini(&s->in_hidden);
	/* at the worst a text of four bytes grows to thirteen */
	buf_init(&s->in_hidden, 4 * text->n);
	int r = own_segment_replace(*text, id, OWN_SEGMENT, &s->in_hidden);
	if (r == 0)
		*text = buf_slice(&s->in_hidden);
	return r;
}

int session_feed(struct session *s, uint64_t now, uint64_t batch, struct slice text)
{
	if (has_text(s))
		return -EBUSY;
	if (!is_awaited(s, batch))
		return 0;
	/* keep-alives of Faye; as an HTTP body it has no reply, which its end will notice */
	if (text.n == 0)
		return 0;
	int r = hide_client_id(s, &text);
	if (r == 0)
		r = envelope_parse(&s->in, text);
	s->in_at = s->in_told = 0;
	if (r < 0)
		return r;
	if (r > 0) {
		feed_fault(s, now, batch, r);
	} else {
		if (s->in.skipped)
			state_note(s, "%u elements of a batch were no Bayeux messages",
				  s->in.skipped);
		s->in_batch = batch;
		s->in_settled = true;
	}
	wake_up(&s->wake);
	return 0;
}

void session_batch_end(struct session *s, uint64_t now, uint64_t batch)
{
	struct exchange *x = exchange_find(&s->exchanges, batch);
	if (!x)
		return;
	if (has_text(s) && s->in_batch == batch)
		x->ended = true;
	else
		end_exchange(s, now, x);
	wake_up(&s->wake);
}

void session_batch_failed(struct session *s, uint64_t now, uint64_t batch,
			  const struct session_failure *f)
{
	struct exchange *x = exchange_find(&s->exchanges, batch);
	/* it failed while its text was read */
	if (s->in_batch == batch)
		session_forget_text(s);
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
	if (s->in_batch == 0)
		session_forget_text(s);
	if (s->websocket && credentials_are_rejected(s, NULL, f))
		loss_by_rejection(s, now, NULL, f);
	else
		loss_of_websocket(s, now, f);
	wake_up(&s->wake);
}
