/*
 * Handles the replies to commands: subscribe, unsubscribe, publish and call. Finds the request that
 * a reply belongs to, and decides what follows; a reply that belongs to none changes nothing.
 */
#include "bayeux/ext_replay.h"
#include "bayeux/session_core.h"

#include "bayeux/reply.h"

/* a publish answered with 402 this often, although connects are good, counts as refused */
#define SESSION_UNKNOWN_MAX 3u

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

int commands_subscription_reply(struct session *s, uint64_t now, const struct envelope *e)
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

int commands_publish_reply(struct session *s, uint64_t now, const struct envelope *e)
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

bool commands_call_answer(struct session *s, uint64_t now, const struct envelope *e, bool deleted)
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
