/*
 * Reads what the server sends, handles each message, and reports what follows: aborts first, then the results of
 * replies, then the next message. A reply that answers no request changes nothing; an event is delivered once; each
 * message is reported before the next one is read.
 */
#include "base/errors.h"
#include "bayeux/channel.h"
#include "bayeux/ext_replay.h"
#include "bayeux/reply.h"
#include "bayeux/session_core.h"
#include "protocol/json_read.h"

#include <errno.h>

/* a publish answered with 402 this often, although connects are good, counts as refused */
#define SESSION_UNKNOWN_MAX 3u

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
		r->exchange->answered = true, login_prove(&s->login, r->exchange->credential);
	pending_remove(&s->pending, &r->pending);
	request_leave(r);
}

/* ---- handshake ---- */

struct types {
	unsigned ours;          /* bit per transport of ours that is in the list */
	bool faye;              /* the list has types that only Faye supports */
};

static int note_connection_type(void *ctx, const struct json_value *v)
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

/* CometD Java sends minimumVersion, and Faye's list has its own types: both send one copy per event. */
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
	int r = e->connection_types.p ? json_read_array(e->connection_types, note_connection_type, types) : 0;
	if (r < 0)
		return r;
	if (!e->connection_types.p)
		types->ours = ~0u;
	buf_clear(&s->client_id);
	r = buf_put(&s->client_id, e->client_id);
	return r;
}

static int handshake_done(struct session *s, uint64_t now, const struct envelope *e)
{
	enum advice_reconnect reconnect = ADVICE_ABSENT;
	struct types types = {0};
	int r = read_handshake(s, e, &types);
	if (r == 0)
		r = course_advise(s, e, &reconnect);
	if (r == 0)
		r = ext_incoming(&s->exts.chain, EXT_HANDSHAKE_REPLY, e, session_time(s, now));
	if (r < 0)
		return r;
	settle(s, link_request(&s->link, REQUEST_HANDSHAKE));
	if (reconnect == ADVICE_NONE) {
		report_set_reason(&s->report, "the server forbids to connect");
		course_handshake_forbidden(s, now, e);
	} else if (!course_negotiate(s, now, types.ours)) {
		report_set_reason(&s->report, "no transport in common: the server offers %.*s",
			    SLICE_ARG(slice_take(e->connection_types, 150)));
		course_halt(s, now, e);
	} else {
		wanted_reset(&s->wanted, is_covering(s, e, &types));
		course_handshake_done(s, now, e);
	}
	return 0;
}

/* Whether the credentials were rejected and the session has a source of others. */
static bool is_rejection(const struct session *s, const struct envelope *e, struct slice why)
{
	return s->o.credentials && reply_rejects_credentials(e, why);
}

/* The reason and the advice of a reply that is not successful. */
static int read_refusal(struct session *s, const struct envelope *e, struct slice *why,
			enum advice_reconnect *reconnect)
{
	int r = reply_failure_reason(e, why);

	return r ? r : course_advise(s, e, reconnect);
}

static int handshake_refused(struct session *s, uint64_t now, const struct envelope *e)
{
	enum advice_reconnect reconnect;
	struct slice why;
	int r = read_refusal(s, e, &why, &reconnect);
	if (r)
		return r;
	settle(s, link_request(&s->link, REQUEST_HANDSHAKE));
	report_set_reason_of_reply(&s->report, e, "handshake refused");
	if (why.n)
		report_set_reason(&s->report, "handshake refused: %.*s", SLICE_ARG(why));
	course_handshake_refused(s, now, e, is_rejection(s, e, why), reconnect);
	return 0;
}

static int handshake_reply(struct session *s, uint64_t now, const struct envelope *e)
{
	if (!answered(s, link_request(&s->link, REQUEST_HANDSHAKE), e))
		return 0;
	if (reply_is_ok(e) && e->client_id.n && e->client_id.n <= s->client_id.max)
		return handshake_done(s, now, e);
	return handshake_refused(s, now, e);
}

/* ---- connect ---- */

static int connect_done(struct session *s, uint64_t now, const struct envelope *e)
{
	enum advice_reconnect reconnect;
	int r = course_advise(s, e, &reconnect);
	if (r == 0)
		r = ext_incoming(&s->exts.chain, EXT_CONNECT_REPLY, e, session_time(s, now));
	if (r < 0)
		return r;
	settle(s, link_request(&s->link, REQUEST_CONNECT));
	if (report_state(&s->report) == SESSION_DISCONNECTING)
		return 0;
	if (reconnect == ADVICE_NONE) {
		report_set_reason(&s->report, "the server ended the session");
		course_kicked(s, now, e);
	} else {
		course_connect_done(s, now, e, reconnect);
	}
	return 0;
}

static int connect_refused(struct session *s, uint64_t now, const struct envelope *e)
{
	enum advice_reconnect reconnect;
	struct slice why;
	int r = read_refusal(s, e, &why, &reconnect);
	if (r)
		return r;
	settle(s, link_request(&s->link, REQUEST_CONNECT));
	if (report_state(&s->report) == SESSION_DISCONNECTING)
		return 0;
	report_set_reason_of_reply(&s->report, e, "connect refused");
	bool rejected = is_rejection(s, e, why);
	if (!rejected && report_state(&s->report) == SESSION_CONNECTING && reply_is_session_unknown(e))
		report_note(&s->report, "the server forgot the session right after the handshake: do its "
			    "cookies get lost, or does a balancer lead elsewhere?");
	course_connect_refused(s, now, e, rejected, reconnect != ADVICE_ABSENT ? reconnect : reply_reconnect(e));
	return 0;
}

/*
 * The server's disconnect is handled once: it comes with one response, and the connect gets "none" in
 * another. Salesforce sends it before the reply with the reason, so the rest of the text is read first.
 */
static void server_disconnects(struct session *s, const struct envelope *e)
{
	struct text *t = inbox_text(&s->inbox);
	if (!t->kicked)
		report_write_reason(t->kick_reason, e, "the server ended the session");
	t->kicked = true;
}

/* A text was read to its end: a disconnect of the server in it takes effect. */
static void handle_kick(struct session *s, uint64_t now, struct text *t)
{
	if (!t->kicked)
		return;
	t->kicked = false;
	if (report_state(&s->report) == SESSION_OFF || report_state(&s->report) == SESSION_DISCONNECTING ||
	    !course_has_session(s))
		return;
	report_set_reason(&s->report, "%s", t->kick_reason);
	course_kicked(s, now, NULL);
}

/* Whether the server's disconnect before this reply is valid; it is not if the reply rejects the
   credentials. 0 or 1, -ENOMEM. */
static int is_kicked(struct session *s, const struct envelope *e)
{
	struct slice why = SLICE_NULL;
	if (!inbox_text(&s->inbox)->kicked)
		return 0;
	int r = reply_is_ok(e) ? 0 : reply_failure_reason(e, &why);
	if (r < 0)
		return r;
	if (!reply_is_ok(e) && is_rejection(s, e, why)) {
		inbox_text(&s->inbox)->kicked = false;
		return 0;
	}
	return 1;
}

static int connect_reply(struct session *s, uint64_t now, const struct envelope *e)
{
	if (link_is_stale(&s->link, e->id)) {
		int r = ext_incoming(&s->exts.chain, EXT_STALE_REPLY, e, session_time(s, now));
		if (r >= 0)
			link_forget_stale(&s->link);
		return r < 0 ? r : 0;
	}
	if (!answered(s, link_request(&s->link, REQUEST_CONNECT), e))
		return 0;
	int kicked = is_kicked(s, e);
	if (kicked < 0)
		return kicked;
	if (kicked) {
		handle_kick(s, now, inbox_text(&s->inbox));
		return 0;
	}
	int r = reply_is_ok(e) ? connect_done(s, now, e) : connect_refused(s, now, e);
	inbox_text(&s->inbox)->replied |= r == 0;
	return r;
}

/* ---- disconnect ---- */

static int disconnect_reply(struct session *s, uint64_t now, const struct envelope *e)
{
	if (report_state(&s->report) == SESSION_DISCONNECTING) {
		if (answered(s, link_request(&s->link, REQUEST_DISCONNECT), e)) {
			settle(s, link_request(&s->link, REQUEST_DISCONNECT));
			course_off(s, now);
		}
	} else if (e->id.n == 0 && course_has_session(s)) {
		server_disconnects(s, e);
	}
	return 0;
}

/* ---- replies to commands ---- */

/* The first publish on this channel in the exchange whose answer is being read, or NULL. */
static struct publish *publish_of_text(const struct session *s, struct slice channel)
{
	struct exchange *x = exchange_find(&s->exchanges, inbox_text(&s->inbox)->batch);
	if (x)
		LIST_EACH(r, &x->requests, struct request, link)
			if (r->kind == REQUEST_PUBLISH && slice_eq(publish_of(r)->channel, channel))
				return publish_of(r);
	return NULL;
}

/* The request that a reply answers, by its id, or by the channel where servers leave the id out; or
   NULL. */
static struct request *find_command(struct session *s, const struct envelope *e)
{
	struct pending_node *node = pending_find_text(&s->pending, e->id);
	if (e->id.n)
		return node ? PENDING_OF(node, struct request, pending) : NULL;
	if (e->kind == ENVELOPE_REPLY) {
		/* several exchanges may have publishes on one channel */
		struct publish *pub = publish_of_text(s, e->channel);
		if (!pub)
			pub = publish_in_flight(&s->publishes, e->channel);
		return pub ? &pub->request : NULL;
	}
	struct wanted *w = e->subscription.n ? wanted_find(&s->wanted, e->subscription) : NULL;
	return w ? &w->request : NULL;
}

/* The exchange of this request was answered: what doubted its size or its credential is over. */
static void note_answer(struct session *s, struct request *r)
{
	batch_answered(s, r->exchange);
	r->exchange->answered = true;
	login_prove(&s->login, r->exchange->credential);
	if (r->kind == REQUEST_PUBLISH && r->exchange->n_sent == 1)
		publishes_prove(&s->publishes, publish_of(r)->share->peer);
	if (r->rejected_with)
		login_renewal_helped(&s->login);
	r->rejected_with = 0;
}

/* The server no longer retains the place to go on from: messages since then may be missed. */
static void begin_elsewhere(struct session *s, struct wanted *w, const struct envelope *e)
{
	report_note(&s->report, "%.*s starts at another position: %.*s", SLICE_ARG(slice_take(w->node.key, 100)),
		  SLICE_ARG(slice_take(e->error, 120)));
	exts_missed(s);
	wanted_broken(&s->wanted, w, false);
}

/* Reports the reply to the extensions. 0, EXT_REPLAY_AGAIN, -errno */
static int notify_extensions(struct session *s, struct slice channel, const struct envelope *e,
			   bool later)
{
	int r = reply_is_ok(e) ? 0 : ext_replay_refused(s->exts.replay, channel, e);
	if (r == 0 && !later)
		r = ext_replay_answered(s->exts.replay, channel);
	else if (r == 0)
		ext_replay_subscribe_lost(s->exts.replay, channel, true);
	return r;
}

static int subscription_reply(struct session *s, uint64_t now, const struct envelope *e)
{
	struct request *r = find_command(s, e);
	struct slice why;
	bool subscribe = slice_eq(e->channel, SLICE("/meta/subscribe"));
	if (!r || !r->exchange || r->kind != (subscribe ? REQUEST_SUBSCRIBE : REQUEST_UNSUBSCRIBE))
		return 0;
	int result = reply_failure_reason(e, &why);
	bool forgotten = !reply_is_ok(e) && reply_is_session_unknown(e) &&
			 !wanted_session_is_known(wanted_of(r), s->counts.connects);
	bool later = forgotten || (!reply_is_ok(e) && reply_is_temporary(e, why));
	if (result == 0 && subscribe)
		result = notify_extensions(s, wanted_of(r)->node.key, e, later);
	if (result < 0)
		return result;
	note_answer(s, r);
	if (result == EXT_REPLAY_AGAIN) {
		begin_elsewhere(s, wanted_of(r), e);
	} else if (reply_is_ok(e)) {
		wanted_accepted(&s->wanted, wanted_of(r), e);
	} else if (forgotten) {
		wanted_session_unknown(&s->wanted, wanted_of(r), now, s->counts.connects, e);
		course_suspect(s, now);
	} else if (later) {
		wanted_deferred(&s->wanted, wanted_of(r), now, e,
				"the server refuses it for now");
	} else {
		wanted_refused(&s->wanted, wanted_of(r), e, "refused by the server");
	}
	return 0;
}

/*
 * Whether the server did not accept the publish because it does not know the session: then it is sent
 * again in the next session, or in this one when a connect proves that the session exists. The same error
 * after that is a refusal. A 402 is repeated more often before it counts as one; other codes count
 * as one at once soon after a suspicion that a connect disproved.
 */
static bool is_session_unknown(const struct session *s, const struct publish *pub, uint64_t now,
			const struct envelope *e)
{
	bool clear = envelope_error_parse(e->error).code == 402;
	bool unfounded = course_suspicion_is_unfounded(s, now);
	bool is_alive = pub->unknown_replies && pub->unknown_in == pub->session && s->counts.connects > pub->unknown_after;
	bool again = is_alive && pub->unknown_replies >= (clear ? SESSION_UNKNOWN_MAX : 1);
	return reply_is_session_unknown(e) && !again && (clear || !unfounded);
}

static void publish_session_unknown(struct session *s, struct publish *pub, uint64_t now)
{
	if (pub->unknown_in != pub->session)
		pub->unknown_replies = 0;
	pub->unknown_replies += pub->unknown_replies == 0 || s->counts.connects > pub->unknown_after;
	pub->unknown_in = pub->session;
	pub->unknown_after = s->counts.connects;
	publish_unsent(&s->publishes, pub);
	publish_keep_back(&s->publishes, pub, now + s->o.backoff_min, SHARE_BACK_CONNECT);
	course_suspect(s, now);
}

static int publish_reply(struct session *s, uint64_t now, const struct envelope *e)
{
	struct request *r = find_command(s, e);
	if (!r || r->kind != REQUEST_PUBLISH || !r->exchange)
		return 0;
	struct publish *pub = publish_of(r);
	note_answer(s, r);
	if (!reply_is_ok(e) && is_session_unknown(s, pub, now, e)) {
		publish_session_unknown(s, pub, now);
	} else if (!reply_is_ok(e)) {
		publish_done(&s->publishes, pub, SESSION_REFUSED, e, "refused by the server");
		if (reply_is_session_unknown(e))
			course_suspect(s, now);
	} else if (pub->call) {
		publish_delivered(&s->publishes, pub);
	} else {
		s->counts.published++;
		publish_done(&s->publishes, pub, SESSION_OK, e, "");
	}
	return 0;
}

/* A remote call of CometD that failed is answered by data and successful:false. */
static void end_call(struct session *s, struct publish *call, const struct envelope *e, bool deleted)
{
	bool failed = e->successful == JSON_FALSE;
	if (call->request.exchange)
		note_answer(s, &call->request);
	s->counts.published += !failed;
	if (deleted)
		publish_done(&s->publishes, call, SESSION_REFUSED, NULL, HOOK_DELETED);
	else
		publish_done(&s->publishes, call, failed ? SESSION_REFUSED : SESSION_OK, e,
			     failed ? "the service answered with a failure" : "");
}

static void late_answer(struct session *s, const struct envelope *e)
{
	s->counts.late_answers++;
	report_note(&s->report, "an answer on %.*s came when its call was over",
		  SLICE_ARG(slice_take(e->channel, 150)));
}

/* Whether an event is the answer to a call, which then ends, or came after the end of one; `deleted` when an extension
   left it out. */
static bool is_call_answer(struct session *s, uint64_t now, const struct envelope *e, bool deleted)
{
	struct publish *call;
	switch (calls_match(&s->publishes.calls, &s->publishes, e, now, &call)) {
	case CALLS_ANSWER:
		end_call(s, call, e, deleted);
		return true;
	case CALLS_LATE:
		late_answer(s, e);
		return true;
	case CALLS_NONE:
		break;
	}
	return false;
}

/* ---- events ---- */

/*
 * A server that sends a copy for each subscription sends the copies one after the other.
 * Only in covering mode, and only while one pattern replaces another. A response that
 * arrives after that change still has duplicates.
 */
static bool is_copy(const struct session *s, const struct envelope *e, unsigned copies)
{
	return copies > 0 && copies % wanted_copies(&s->wanted, e->channel) != 0;
}

/* A hash that distinguishes an event from the previous one; 0 if that is not needed. */
static uint64_t mark_of(const struct session *s, const struct envelope *e)
{
	return s->wanted.covering ? strmap_hash(e->raw) | 1 : 0;
}

/* how many events right before this one are its very copies */
static unsigned copies_before(const struct session *s, uint64_t mark)
{
	const struct text *t = inbox_text(&s->inbox);
	return mark && t->last_event == mark ? t->copies + 1 : 0;
}

/* An event that no extension held back is the answer to a call, or for the subscribers. */
static int pass_on(struct session *s, uint64_t now, const struct envelope *e, bool deleted,
		   struct session_event *ret)
{
	s->counts.deleted += deleted;
	if (is_call_answer(s, now, e, deleted))
		return SESSION_E_NONE;
	if (deleted)
		return SESSION_E_NONE;
	s->counts.received++;
	*ret = (struct session_event){.kind = SESSION_EVENT_MESSAGE, .envelope = e,
				      .channel = e->channel, .binary = s->o.binary};
	return 0;
}

/* Over the wire, it is new to the extensions; from one that kept it, only to the hooks. */
static int event(struct session *s, uint64_t now, const struct envelope *e,
		 struct session_event *ret)
{
	const struct envelope *was = e;
	struct text *t = inbox_text(&s->inbox);
	bool wire = !inbox_is_released(&s->inbox);
	uint64_t mark = mark_of(s, e);
	unsigned copies = copies_before(s, mark);
	int r = wire ? ext_look(&s->exts.chain, EXT_EVENT, e, session_time(s, now)) : 0;
	bool dropped = r == EXT_DROP, copy = !dropped && is_copy(s, e, copies);
	if (r == 0 && !copy)
		r = hooks_incoming(s, &e);
	/* it was not counted yet, so it can be handled again */
	if (r < 0)
		return r;
	if (wire) {
		ext_accepted(&s->exts.chain, EXT_EVENT, was);
		course_event(s, now);
		if (dropped)
			inbox_keep(&s->inbox);
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
	if (e->kind != ENVELOPE_EVENT || e->successful == JSON_ABSENT || inbox_is_released(&s->inbox))
		return false;
	const struct pending_node *node = pending_find_text(&s->pending, e->id);
	if (!node)
		return calls_is_late_reply(&s->publishes.calls, e);
	struct request *r = PENDING_OF(node, struct request, pending);
	return r->kind == REQUEST_PUBLISH && r->exchange && !publish_of(r)->call &&
	       slice_eq(publish_of(r)->channel, e->channel);
}

/* An unreadable reply does not count as a reply: its request ends as unanswered. */
static int unreadable_reply(struct session *s, const struct envelope *e)
{
	inbox_text(&s->inbox)->reply_unreadable = true;
	inbox_keep(&s->inbox);
	report_note(&s->report, "a reply on %.*s cannot be read, and is left out",
		   SLICE_ARG(slice_take(e->channel, 100)));
	return SESSION_E_NONE;
}

/* For the server it is an event, so extensions must count it, or it would be requested again. */
static int unreadable(struct session *s, uint64_t now, const struct envelope *e,
		      struct session_event *ret)
{
	if (channel_is_meta(e->channel) || e->successful != JSON_ABSENT)
		return unreadable_reply(s, e);
	int r = ext_incoming(&s->exts.chain, EXT_UNREADABLE, e, session_time(s, now));
	if (r < 0)
		return r;
	course_event(s, now);
	inbox_text(&s->inbox)->last_event = 0;
	if (r == EXT_DROP) {
		inbox_keep(&s->inbox);
		return SESSION_E_NONE;
	}
	*ret = (struct session_event){.kind = SESSION_EVENT_LOST, .channel = e->channel,
				      .loss = inbox_loss(&s->inbox), .text = e->error};
	return 0;
}

/* Handles one message, whose kind it corrects where data misled. 0, SESSION_E_NONE (nothing for the caller in it),
   -ENOMEM (call again). */
static int handle_message(struct session *s, uint64_t now, struct envelope *message,
		  struct session_event *ret)
{
	const struct envelope *e = message;
	if (is_reply_with_data(s, message))
		message->kind = ENVELOPE_REPLY;
	if (e->kind == ENVELOPE_EVENT)
		return event(s, now, e, ret);
	if (e->kind == ENVELOPE_UNREADABLE)
		return unreadable(s, now, e, ret);
	inbox_text(&s->inbox)->last_event = 0;
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
		report_note(&s->report, "message without data on %.*s left out", SLICE_ARG(e->channel));
		break;
	}
	return r < 0 ? r : SESSION_E_NONE;
}

/* ---- reporting ---- */

static bool has_news(const struct session *s)
{
	return report_waits(&s->report) || login_has_news(&s->login) ||
	       !list_empty(&s->publishes.done) || !list_empty(&s->wanted.news);
}

bool input_waits(const struct session *s)
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

/* ---- texts ---- */

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
	handle_kick(s, now, t);
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

void input_text_stalled(struct session *s, uint64_t now, struct text *t)
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
	r = handle_message(s, now, message, ret);
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
