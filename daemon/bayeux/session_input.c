/*
 * Owns the reading of messages: whose reply it is, whether it is one at all,
 * and what it says. Guarantees that a reply nobody waits for changes nothing,
 * and that an event reaches its hearers once. Must never know what state comes
 * next: that is for session_life.c.
 */
#include "bayeux/session_core.h"

#include "bayeux/channel.h"
#include "protocol/json_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

/* a publish is answered so often with 402, although connects are good, until it counts as refused */
#define DISOWNED_MAX 3u

/* ---- telling replies apart ---- */

/* Some servers leave "successful" out; then an error says that it failed. */
static bool is_ok(const struct envelope *e)
{
	return e->successful == JSON_TRUE || (e->successful == JSON_ABSENT && e->error.n == 0);
}

static bool contains(struct slice s, const char *word)
{
	size_t n = strlen(word);
	for (; s.n >= n; s = slice_drop(s, 1))
		if (strncasecmp(s.p, word, n) == 0)
			return true;
	return false;
}

/*
 * Whether an error says that the server does not know our session: 402 of
 * CometD, 401 of Faye (whose 402 is a missing parameter), 403 of Salesforce, words of Lyrion.
 */
static bool is_session_unknown(const struct envelope *e)
{
	struct envelope_error error = envelope_error_parse(e->error);
	if (error.code == 402)
		return !contains(error.text, "parameter");
	/* Lyrion has no codes */
	if (error.code == 0)
		return contains(error.text, "invalid clientid");
	return error.code == 401 || (error.code == 403 && contains(error.text, "unknown client"));
}

/* The request of that kind which this answers, or NULL. Servers may leave the id out. */
static struct request *answered(struct session *s, struct request *r, const struct envelope *e)
{
	if (!r->exchange || (e->id.n && pending_find_text(&s->pending, e->id) != &r->pending))
		return NULL;
	return r;
}

static void settle(struct session *s, struct request *r)
{
	if (r->exchange)
		r->exchange->answered = true, s->proven = r->exchange->credential + 1;
	pending_remove(&s->pending, &r->pending);
	request_leave(r);
}

/* Takes the advice of a reply; `ret` says what this one, and none before it, wants done next. */
static int take_advice(struct session *s, const struct envelope *e, enum advice_reconnect *ret)
{
	struct advice advice = s->advice;
	*ret = ADVICE_ABSENT;
	if (!e->advice.p || s->state == SESSION_DISCONNECTING)
		return 0;
	advice.reconnect = ADVICE_ABSENT;
	int r = advice_read(&advice, e->advice, session_transport_name(s->link_transport));
	if (r)
		return r;
	if (advice.multiple_clients && !s->advice.multiple_clients)
		state_note(s, "the server holds another session with the same cookie instead of "
			     "this one (multiple-clients)");
	if (advice.hosts && !s->hosts_noted) {
		s->hosts_noted = true;
		state_note(s, "the server advises other hosts (hosts); only those named by url are "
			     "gone to");
	}
	s->advice = advice;
	*ret = advice.reconnect;
	return 0;
}

/* ---- handshake ---- */

struct types {
	unsigned ours;          /* bit per transport of ours that is in the list */
	bool faye;              /* the list has types that only Faye knows */
};

static int take_type(void *ctx, const struct json_value *v)
{
	struct types *types = ctx;
	struct slice name = slice_make(v->raw.p + 1, v->raw.n > 2 ? v->raw.n - 2 : 0);
	if (v->kind != JSON_STRING)
		return 0;
	for (int t = 0; t < SESSION_TRANSPORTS; t++)
		if (slice_eq(name, slice_of(session_transport_name((enum session_transport)t))))
			types->ours |= 1u << t;
	if (slice_eq(name, SLICE("in-process")) || slice_eq(name, SLICE("eventsource")))
		types->faye = true;
	return 0;
}

/* CometD Java says minimumVersion and Faye lists its types: both send one copy per event. */
static bool is_covering(const struct session *s, const struct envelope *e,
			const struct types *types)
{
	if (s->o.overlap == SESSION_OVERLAP_AUTO)
		return e->minimum_version.n == 0 && !types->faye;
	return s->o.overlap == SESSION_OVERLAP_COVERING;
}

/* Everything that may fail, before anything has changed. */
static int read_handshake(struct session *s, const struct envelope *e, struct types *types)
{
	int r = e->connection_types.p ? json_read_array(e->connection_types, take_type, types) : 0;
	if (r < 0)
		return r;
	if (!e->connection_types.p)
		types->ours = ~0u;
	buf_clear(&s->client_id);
	r = buf_put(&s->client_id, e->client_id);
	return r;
}

/* Servers that do not share their sessions share no more than that. */
static void come_home(struct session *s)
{
	if (s->generation && s->home != s->urls.current && !s->o.url_shared)
		ext_moved(&s->exts);
	s->home = s->urls.current;
}

static int handshake_done(struct session *s, uint64_t now, const struct envelope *e)
{
	enum advice_reconnect reconnect = ADVICE_ABSENT;
	struct types types = {0};
	int r = read_handshake(s, e, &types);
	if (r == 0)
		r = take_advice(s, e, &reconnect);
	if (r == 0)
		r = ext_incoming(&s->exts, EXT_HANDSHAKE_REPLY, e, session_time(s, now));
	if (r < 0)
		return r;
	settle(s, &s->handshake);
	if (reconnect == ADVICE_NONE) {
		state_reason(s, "the server forbids to connect");
		life_handshake_forbidden(s, now, e);
	} else if (!types.ours ||
		   !transports_negotiate(&s->transports, types.ours, now, &s->transport)) {
		state_reason(s, "no transport in common: the server offers %.*s",
			    SLICE_ARG(slice_take(e->connection_types, 150)));
		life_halt(s, now, e);
	} else {
		come_home(s);
		wanted_reset(&s->wanted, is_covering(s, e, &types));
		life_handshake_done(s, now, e);
	}
	return 0;
}

/* "401::Authentication invalid" of Salesforce, who hides it in ext.sfdc.failureReason */
static int failure_reason(const struct envelope *e, struct slice *ret)
{
	struct json_field sfdc = {.name = "sfdc"}, reason = {.name = "failureReason"};
	*ret = SLICE_NULL;
	int r = e->ext.p ? json_read_object(e->ext, &sfdc, 1, false, NULL) : 0;
	if (r == 0 && sfdc.value.kind == JSON_OBJECT)
		r = json_read_object(sfdc.value.raw, &reason, 1, false, NULL);
	if (r == 0 && reason.value.kind == JSON_STRING)
		*ret = slice_make(reason.value.raw.p + 1, reason.value.raw.n - 2);
	return r < 0 ? r : 0;
}

/*
 * Whether a handshake or connect was refused because of our credentials, and somebody has others.
 * Not for what looks alike: a session that is unknown, a quota that is used up.
 */
static bool is_rejection(const struct session *s, const struct envelope *e, struct slice why)
{
	struct envelope_error error = envelope_error_parse(why.n ? why : e->error);
	if (!s->o.credentials || (error.code != 401 && error.code != 403))
		return false;
	return !contains(error.text, "unknown client") && !contains(error.text, "limit exceeded");
}

static int handshake_refused(struct session *s, uint64_t now, const struct envelope *e)
{
	enum advice_reconnect reconnect;
	struct slice why;
	int r = failure_reason(e, &why);
	if (r == 0)
		r = take_advice(s, e, &reconnect);
	if (r)
		return r;
	settle(s, &s->handshake);
	state_reason_of_reply(s, e, "handshake refused");
	if (why.n)
		state_reason(s, "handshake refused: %.*s", SLICE_ARG(why));
	if (is_rejection(s, e, why))
		credentials_await(s, now, e, true);
	else if (reconnect == ADVICE_NONE)
		life_handshake_forbidden(s, now, e);
	else
		life_handshake_refused(s, now, e);
	return 0;
}

static int handshake_reply(struct session *s, uint64_t now, const struct envelope *e)
{
	if (!answered(s, &s->handshake, e))
		return 0;
	if (is_ok(e) && e->client_id.n && e->client_id.n <= s->client_id.max)
		return handshake_done(s, now, e);
	return handshake_refused(s, now, e);
}

/* ---- connect ---- */

static int connect_done(struct session *s, uint64_t now, const struct envelope *e)
{
	enum advice_reconnect reconnect;
	int r = take_advice(s, e, &reconnect);
	if (r == 0)
		r = ext_incoming(&s->exts, EXT_CONNECT_REPLY, e, session_time(s, now));
	if (r < 0)
		return r;
	settle(s, &s->connect);
	if (s->state == SESSION_DISCONNECTING)
		return 0;
	if (reconnect == ADVICE_NONE) {
		state_reason(s, "the server ended the session");
		life_kicked(s, now, e);
	} else {
		life_connect_done(s, now, e, reconnect);
	}
	return 0;
}

/* Without advice an error that may mean an unknown session means that, and not "try again". */
static enum advice_reconnect reconnect_by_error(const struct envelope *e)
{
	unsigned code = envelope_error_parse(e->error).code;
	return code == 401 || code == 402 || code == 403 ? ADVICE_HANDSHAKE : ADVICE_RETRY;
}

static int connect_refused(struct session *s, uint64_t now, const struct envelope *e)
{
	enum advice_reconnect reconnect;
	struct slice why;
	int r = failure_reason(e, &why);
	if (r == 0)
		r = take_advice(s, e, &reconnect);
	if (r)
		return r;
	settle(s, &s->connect);
	if (s->state == SESSION_DISCONNECTING)
		return 0;
	state_reason_of_reply(s, e, "connect refused");
	if (is_rejection(s, e, why)) {
		credentials_await(s, now, e, true);
		return 0;
	}
	if (s->state == SESSION_CONNECTING && is_session_unknown(e))
		state_note(s, "the server forgot the session right after the handshake: do its "
			     "cookies get lost, or does a balancer lead elsewhere?");
	if (reconnect == ADVICE_ABSENT)
		reconnect = reconnect_by_error(e);
	if (reconnect == ADVICE_NONE)
		life_connect_forbidden(s, now, e);
	else
		life_connect_refused(s, now, e, reconnect);
	return 0;
}

/*
 * The server's own disconnect, once: it comes with one response, and the connect says "none" in
 * another. Salesforce says goodbye in front of the reply that tells why it does not know us any
 * more, so the rest of the text is waited for.
 */
static void server_disconnects(struct session *s, const struct envelope *e)
{
	struct text *t = s->in_text;
	if (!t->kicked)
		state_write_reason(t->kick_reason, e, "the server ended the session");
	t->kicked = true;
}

void input_text_end(struct session *s, uint64_t now, struct text *t)
{
	if (!t->kicked)
		return;
	t->kicked = false;
	if (s->state == SESSION_OFF || s->state == SESSION_DISCONNECTING ||
	    buf_len(&s->client_id) == 0 || s->due == DUE_HANDSHAKE)
		return;
	state_reason(s, "%s", t->kick_reason);
	life_kicked(s, now, NULL);
}

/* Whether the server's disconnect in front of this reply stands; it does not when the reply tells of
   credentials. 0 or 1, -ENOMEM. */
static int is_kicked(struct session *s, const struct envelope *e)
{
	struct slice why = SLICE_NULL;
	if (!s->in_text->kicked)
		return 0;
	int r = is_ok(e) ? 0 : failure_reason(e, &why);
	if (r < 0)
		return r;
	if (!is_ok(e) && is_rejection(s, e, why)) {
		s->in_text->kicked = false;
		return 0;
	}
	return 1;
}

static int connect_reply(struct session *s, uint64_t now, const struct envelope *e)
{
	if (s->stale_connect) {
		char digits[24];
		int n = snprintf(digits, sizeof(digits), "%" PRIu64, s->stale_connect);
		if (slice_eq(e->id, slice_make(digits, (size_t)n))) {
			int r = ext_incoming(&s->exts, EXT_STALE_REPLY, e, session_time(s, now));
			if (r < 0)
				return r;
			s->stale_connect = 0;
			return 0;
		}
	}
	if (!answered(s, &s->connect, e))
		return 0;
	int kicked = is_kicked(s, e);
	if (kicked < 0)
		return kicked;
	if (kicked) {
		input_text_end(s, now, s->in_text);
		return 0;
	}
	int r = is_ok(e) ? connect_done(s, now, e) : connect_refused(s, now, e);
	s->in_text->replied |= r == 0;
	return r;
}

/* ---- disconnect ---- */

static int disconnect_reply(struct session *s, uint64_t now, const struct envelope *e)
{
	if (s->state == SESSION_DISCONNECTING) {
		if (answered(s, &s->disconnect, e)) {
			settle(s, &s->disconnect);
			life_off(s, now);
		}
	} else if (e->id.n == 0 && buf_len(&s->client_id) && s->due != DUE_HANDSHAKE) {
		server_disconnects(s, e);
	}
	return 0;
}

/* ---- commands ---- */

/* An id says it; without one, the channel of whatever is in flight. */
static struct request *find_command(struct session *s, const struct envelope *e)
{
	struct pending_node *node = pending_find_text(&s->pending, e->id);
	if (e->id.n)
		return node ? PENDING_OF(node, struct request, pending) : NULL;
	if (e->kind == ENVELOPE_REPLY) {
		struct publish *pub = publish_in_flight(&s->publishes, e->channel);
		return pub ? &pub->request : NULL;
	}
	struct wanted *w = e->subscription.n ? wanted_find(&s->wanted, e->subscription) : NULL;
	return w ? &w->request : NULL;
}

static void all_is_well(struct session *s, struct request *r)
{
	/* nearly as large as they are made: the guess was right */
	if (r->exchange->bytes >= s->batch_max - s->batch_max / 4)
		s->batch_doubt = false;
	r->exchange->answered = true;
	s->proven = r->exchange->credential + 1;
	if (r->rejected_with)
		backoff_reset(&s->renewal);
	r->rejected_with = 0;
	backoff_reset(&s->command_backoff);
}

/* whether `word` is at the front of `s`, and no part of a longer word but its plural; a space in
   it also stands for "_" and "-" */
static bool starts_with_word(struct slice s, const char *word)
{
	size_t n = strlen(word);
	if (s.n < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		bool separator = word[i] == ' ' && (s.p[i] == '_' || s.p[i] == '-');
		if (!separator && strncasecmp(s.p + i, word + i, 1) != 0)
			return false;
	}
	s = slice_drop(s, n);
	if (s.n && s.p[0] == 's')
		s = slice_drop(s, 1);
	return s.n == 0 || s.p[0] < 'a' || s.p[0] > 'z';
}

/* the words of a limit, or of a server that is not ready */
static bool asks_to_come_later(struct slice text)
{
	static const char *const words[] = {
		"limit", "quota", "exceeded", "too many", "rate limited", "throttled", "busy",
		"overloaded", "later", "try again", "retry", "temporary", "temporarily",
		"unavailable", "not ready", "starting",
	};
	bool inside = false;
	for (; text.n; text = slice_drop(text, 1)) {
		bool letter = (text.p[0] >= 'a' && text.p[0] <= 'z') ||
			      (text.p[0] >= 'A' && text.p[0] <= 'Z');
		for (size_t i = 0; !inside && i < sizeof(words) / sizeof(words[0]); i++)
			if (starts_with_word(text, words[i]))
				return true;
		inside = letter;
	}
	return false;
}

static bool is_temporary_error(struct slice error)
{
	struct envelope_error e = envelope_error_parse(error);
	if (e.code >= 500 || e.code == 408 || e.code == 429)
		return true;
	return e.code != 400 && e.code != 404 && asks_to_come_later(e.text);
}

/*
 * The one rule for a refused subscribe (PROTOCOL.md, "Refusals"). It is temporary, and asked again
 * after growing pauses, when the code of the error or of Salesforce's ext.sfdc.failureReason is
 * 408, 429 or 5xx, or when its text speaks of a limit or asks to come later; 400 and 404 are final
 * whatever the text. All else is final too: the holders of the channel lose it.
 */
static bool is_temporary(const struct envelope *e, struct slice why)
{
	return is_temporary_error(e->error) || is_temporary_error(why);
}

/* The server does not retain what we would have gone on behind: what came since may be missed. */
static void begin_elsewhere(struct session *s, struct wanted *w, const struct envelope *e)
{
	state_note(s, "%.*s begins anew: %.*s", SLICE_ARG(slice_take(w->node.key, 100)),
		  SLICE_ARG(slice_take(e->error, 120)));
	state_missed(s);
	wanted_broken(&s->wanted, w, false);
}

/* 0, EXT_AGAIN, -errno */
static int tell_extensions(struct session *s, struct slice channel, const struct envelope *e,
			   bool later)
{
	int r = is_ok(e) ? 0 : ext_refused(&s->exts, channel, e);
	if (r == 0 && !later)
		r = ext_answered(&s->exts, channel);
	else if (r == 0)
		ext_unheard(&s->exts, channel, true);
	return r;
}

static int subscription_reply(struct session *s, uint64_t now, const struct envelope *e)
{
	struct request *r = find_command(s, e);
	struct slice why;
	bool subscribe = slice_eq(e->channel, SLICE("/meta/subscribe"));
	if (!r || !r->exchange || r->kind != (subscribe ? REQUEST_SUBSCRIBE : REQUEST_UNSUBSCRIBE))
		return 0;
	int result = failure_reason(e, &why);
	bool forgotten = !is_ok(e) && is_session_unknown(e) &&
			 !wanted_disowned(wanted_of(r), s->connects);
	bool later = forgotten || (!is_ok(e) && is_temporary(e, why));
	if (result == 0 && subscribe)
		result = tell_extensions(s, wanted_of(r)->node.key, e, later);
	if (result < 0)
		return result;
	all_is_well(s, r);
	if (result == EXT_AGAIN) {
		begin_elsewhere(s, wanted_of(r), e);
	} else if (is_ok(e)) {
		wanted_accepted(&s->wanted, wanted_of(r), e);
	} else if (forgotten) {
		wanted_forgotten(&s->wanted, wanted_of(r), now, s->connects, e);
		life_suspect(s, now);
	} else if (later) {
		wanted_deferred(&s->wanted, wanted_of(r), now, e,
				"the server refuses it for now");
	} else {
		wanted_refused(&s->wanted, wanted_of(r), e, "refused by the server");
	}
	return 0;
}

/*
 * Whether the server has not taken the publish because it does not know the session: then it goes
 * out again in the next session, or in this one when a connect proves that it lives. Said again after
 * that it is a refusal in the same words. A 402 is hardly a refusal; other codes are one also soon
 * after a doubt that turned out to be unfounded.
 */
static bool is_disowned(const struct session *s, const struct publish *pub, uint64_t now,
			const struct envelope *e)
{
	bool clear = envelope_error_parse(e->error).code == 402;
	bool unfounded = s->suspected && s->connects > s->suspected_after && now < s->suspect_at;
	bool lives = pub->disowned && s->connects > pub->disowned_after;
	bool again = lives && pub->disowned >= (clear ? DISOWNED_MAX : 1);
	return is_session_unknown(e) && !again && (clear || !unfounded);
}

static void publish_disowned(struct session *s, struct publish *pub, uint64_t now)
{
	pub->disowned += pub->disowned == 0 || s->connects > pub->disowned_after;
	pub->disowned_after = s->connects;
	publish_unsent(&s->publishes, pub);
	publish_keep_back(&s->publishes, pub, now + s->o.backoff_min, SHARE_BACK_CONNECT);
	life_suspect(s, now);
}

static int publish_reply(struct session *s, uint64_t now, const struct envelope *e)
{
	struct request *r = find_command(s, e);
	if (!r || r->kind != REQUEST_PUBLISH || !r->exchange)
		return 0;
	struct publish *pub = publish_of(r);
	all_is_well(s, r);
	if (!is_ok(e) && is_disowned(s, pub, now, e)) {
		publish_disowned(s, pub, now);
	} else if (!is_ok(e)) {
		publish_done(&s->publishes, pub, SESSION_REFUSED, e, "refused by the server");
		if (is_session_unknown(e))
			life_suspect(s, now);
	} else if (pub->call) {
		publish_delivered(pub);
	} else {
		s->published++;
		publish_done(&s->publishes, pub, SESSION_OK, e, "");
	}
	return 0;
}

/* ---- events ---- */

/*
 * A server that sends a copy for each subscription sends them one behind the
 * other. Only in covering mode, and only while two patterns change places. A
 * response that is overtaken by the end of that change still doubles.
 */
static bool is_copy(const struct session *s, const struct envelope *e, unsigned copies)
{
	return copies > 0 && copies % wanted_copies(&s->wanted, e->channel) != 0;
}

/* What tells an event from the one in front of it; 0 where nobody asks. */
static uint64_t mark_of(const struct session *s, const struct envelope *e)
{
	return s->wanted.covering ? strmap_hash(e->raw) | 1 : 0;
}

/* how many events right before this one are its very copies */
static unsigned copies_before(const struct session *s, uint64_t mark)
{
	const struct text *t = s->in_text;
	return mark && t->last_event == mark ? t->copies + 1 : 0;
}

/* A remote call of CometD that failed is answered by data and successful:false. */
static void answer_call(struct session *s, struct publish *call, const struct envelope *e,
			bool deleted)
{
	bool failed = e->successful == JSON_FALSE;
	if (call->request.exchange)
		all_is_well(s, &call->request);
	s->published += !failed;
	if (deleted)
		publish_done(&s->publishes, call, SESSION_REFUSED, NULL, HOOK_DELETED);
	else
		publish_done(&s->publishes, call, failed ? SESSION_REFUSED : SESSION_OK, e,
			     failed ? "the service answered with a failure" : "");
}

static void late_answer(struct session *s, const struct envelope *e)
{
	s->late_answers++;
	state_note(s, "an answer on %.*s came when its call was over",
		  SLICE_ARG(slice_take(e->channel, 150)));
}

/* An event that nobody has held back is the answer to a call, or for whoever subscribed. */
static int pass_on(struct session *s, uint64_t now, const struct envelope *e, bool deleted,
		   struct session_event *ret)
{
	struct publish *call;
	s->deleted += deleted;
	switch (calls_match(&s->publishes.calls, &s->publishes, e, now, &call)) {
	case CALLS_ANSWER:
		answer_call(s, call, e, deleted);
		return SESSION_E_NONE;
	case CALLS_LATE:
		late_answer(s, e);
		return SESSION_E_NONE;
	case CALLS_NONE:
		break;
	}
	if (deleted)
		return SESSION_E_NONE;
	s->received++;
	*ret = (struct session_event){.kind = SESSION_EVENT_MESSAGE, .envelope = e,
				      .channel = e->channel, .binary = s->o.binary};
	return 0;
}

/* Over the wire, it is new to the extensions; from one that kept it, only to the hooks. */
static int event(struct session *s, uint64_t now, const struct envelope *e,
		 struct session_event *ret)
{
	const struct envelope *was = e;
	struct text *t = s->in_text;
	bool wire = t != s->released_text;
	uint64_t mark = mark_of(s, e);
	unsigned copies = copies_before(s, mark);
	int r = wire ? ext_look(&s->exts, EXT_EVENT, e, session_time(s, now)) : 0;
	bool dropped = r == EXT_DROP, copy = !dropped && is_copy(s, e, copies);
	if (r == 0 && !copy)
		r = hooks_incoming(s, &e);
	/* nobody has counted it as yet, so it can come again */
	if (r < 0)
		return r;
	if (wire) {
		ext_taken(&s->exts, EXT_EVENT, was);
		life_event(s, now);
		s->in_kept = dropped;
	}
	t->last_event = mark;
	if (!dropped)
		t->copies = copies;
	if (dropped || copy)
		return SESSION_E_NONE;
	return pass_on(s, now, e, r == HOOK_DELETE, ret);
}

static int meta(struct session *s, uint64_t now, const struct envelope *e)
{
	static const struct {
		struct slice channel;
		int (*take)(struct session *s, uint64_t now, const struct envelope *e);
	} replies[] = {
		{SLICE("/meta/connect"), connect_reply},
		{SLICE("/meta/handshake"), handshake_reply},
		{SLICE("/meta/subscribe"), subscription_reply},
		{SLICE("/meta/unsubscribe"), subscription_reply},
		{SLICE("/meta/disconnect"), disconnect_reply},
	};
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++)
		if (slice_eq(e->channel, replies[i].channel))
			return replies[i].take(s, now, e);
	return 0;
}

/*
 * Servers add data to their replies, and it may be meant for the publisher alone. A message with
 * `successful` is a reply when its id and channel are those of a publish that waits for one, or of
 * one that ended without. The answer to a call looks the same and is found by calls_match(). What
 * an extension kept was looked at before.
 */
static bool is_reply_with_data(const struct session *s, const struct envelope *e)
{
	if (e->kind != ENVELOPE_EVENT || e->successful == JSON_ABSENT || s->in_text == s->released_text)
		return false;
	const struct pending_node *node = pending_find_text(&s->pending, e->id);
	if (!node)
		return calls_is_late_reply(&s->publishes.calls, e);
	struct request *r = PENDING_OF(node, struct request, pending);
	return r->kind == REQUEST_PUBLISH && r->exchange && !publish_of(r)->call &&
	       slice_eq(publish_of(r)->channel, e->channel);
}

/* A reply of which nothing can be read is none: its request ends as one that was not answered. */
static int unreadable_reply(struct session *s, const struct envelope *e)
{
	s->in_text->reply_unreadable = true;
	s->in_kept = true;
	state_note(s, "a reply on %.*s cannot be read, and is left out",
		   SLICE_ARG(slice_take(e->channel, 100)));
	return SESSION_E_NONE;
}

/* Extensions count it as the event that it is for the server, or it would be asked for again. */
static int unreadable(struct session *s, uint64_t now, const struct envelope *e,
		      struct session_event *ret)
{
	if (channel_is_meta(e->channel) || e->successful != JSON_ABSENT)
		return unreadable_reply(s, e);
	int r = ext_incoming(&s->exts, EXT_UNREADABLE, e, session_time(s, now));
	if (r < 0)
		return r;
	life_event(s, now);
	s->in_kept = r == EXT_DROP;
	s->in_text->last_event = 0;
	if (r == EXT_DROP)
		return SESSION_E_NONE;
	s->left_out++;
	*ret = (struct session_event){.kind = SESSION_EVENT_LOST, .channel = e->channel,
				      .loss = s->in_loss, .text = e->error};
	return 0;
}

int input_message(struct session *s, uint64_t now, struct envelope *message,
		  struct session_event *ret)
{
	const struct envelope *e = message;
	if (is_reply_with_data(s, message))
		message->kind = ENVELOPE_REPLY;
	if (e->kind == ENVELOPE_EVENT)
		return event(s, now, e, ret);
	if (e->kind == ENVELOPE_UNREADABLE)
		return unreadable(s, now, e, ret);
	s->in_text->last_event = 0;
	int r = hooks_incoming(s, &e);
	if (r < 0)
		return r;
	switch (e->kind) {
	case ENVELOPE_EVENT:
	case ENVELOPE_UNREADABLE:
		break;
	case ENVELOPE_META:
		r = meta(s, now, e);
		break;
	case ENVELOPE_REPLY:
		r = publish_reply(s, now, e);
		break;
	case ENVELOPE_UNKNOWN:
		state_note(s, "message without data on %.*s left out", SLICE_ARG(e->channel));
		break;
	}
	return r < 0 ? r : SESSION_E_NONE;
}
