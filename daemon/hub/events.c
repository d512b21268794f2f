/*
 * Handles the events of a session: delivers messages, answers requests, notifies the
 * holders of a channel, reports states. A message is encoded once, and only if it has a
 * receiver, or a channel that is kept and a log. Each member gets it once, however many of its patterns match. A message
 * that cannot be encoded is reported as lost.
 */
#include "hub/crowd.h"
#include "hub/consumer.h"
#include "hub/hub.h"

#include "hub/history.h"
#include "hub/internal.h"
#include "hub/kept.h"
#include "hub/reader.h"
#include "hub/request.h"
#include "hub/send.h"
#include "hub/subscription.h"

#include <errno.h>

/* A longer reason is not kept for members that join later. */
#define POSTPONED_MAX 16384u

/* ---- messages ---- */

/* Where a message goes. */
struct hits {
	struct list members;            /* member::hit: at once */
	bool logged;                    /* into the log, also if there is no such member */
	bool durable;                   /* it is for consumers */
	bool filtered;                  /* subscriptions to the channel with a filter match */
};

#define HITS_INIT(hits) {.members = LIST_INIT((hits).members)}

/* Whether the message is to be encoded: not for a log alone that keeps nothing, from which it is missing then. */
static bool is_hit(struct hub_server *server, struct slice channel, const struct hits *hits, uint64_t now)
{
	if (!list_empty(&hits->members))
		return true;
	if (hits->durable)
		return true;
	if (!hits->logged)
		return false;
	if (!hub_log_is_off(&server->log))
		return true;
	history_append(server, channel, hits->filtered, NULL, now);
	return false;
}

static inline void note_member(struct hits *hits, struct member *m, enum outbox_overflow overflow)
{
	if (!list_linked(&m->hit)) {
		m->hit_overflow = overflow;
		list_append(&hits->members, &m->hit);
	} else if (overflow > m->hit_overflow) {
		m->hit_overflow = overflow;
	}
}

/* A subscription without a member, or of one that reads the past of some server. These are rare: not inline, so
   that each receiver of a message costs less. */
__attribute__((noinline))
static void note_apart(struct hits *hits, const struct subscription *s)
{
	if (s->member && s->member->consumer)
		hits->durable = true;
	else if (!s->member || reader_find(s->member, s->server))
		hits->logged = true;
	else
		note_member(hits, s->member, s->overflow);
}

/* Notes the member of a matching subscription, once. */
static void note_hit(struct hits *hits, const struct subscription *s)
{
	if (s->member && !s->member->is_apart)
		note_member(hits, s->member, s->overflow);
	else
		note_apart(hits, s);
}

static void collect(void *ctx, struct trie_entry *e)
{
	note_hit(ctx, LIST_OF(e, struct subscription, entry));
}

static void collect_by_channel(void *ctx, struct trie_entry *e)
{
	note_hit(ctx, LIST_OF(e, struct subscription, by_channel));
}

/*
 * A message on the channel without filter, while no member subscribed exactly that, was
 * sent because of a filter. The server does not report which of several.
 */
static void collect_filtered(const struct hub_server *server, struct slice channel,
			     struct hits *hits)
{
	hits->filtered = !trie_empty(server->filtered) && !interest_find(server, channel);
	if (hits->filtered)
		trie_collect(server->filtered, channel, collect_by_channel, hits);
}

static void collect_channel(struct hub_server *server, struct slice channel, struct hits *hits)
{
	trie_collect(server->trie, channel, collect, hits);
	collect_filtered(server, channel, hits);
}

/* Logs the frame and queues it in place of the message; `failed`: it could not be made. */
static void push(struct hub *h, struct hub_server *server, struct slice channel, struct hits *hits,
		 int failed, const struct chunk_frame *frame, uint64_t now)
{
	struct slice name = server->by_name.key;

	history_append(server, channel, hits->filtered, failed ? NULL : frame, now);
	if (hits->durable)
		consumers_append(server, channel, hits->filtered, failed ? NULL : frame, now);
	LIST_EACH_SAFE(m, &hits->members, struct member, hit) {
		list_remove(&m->hit);
		if (failed) {
			outbox_push_lost(&m->outbox, name, server->seq);
			continue;
		}
		outbox_push_message(&m->outbox, frame->blob, frame->offset, frame->n, name,
				    server->seq, m->hit_overflow);
		crowd_note(server, m);
		h->stats.delivered_frames++;
	}
}

static void deliver(struct hub *h, struct hub_server *server, const struct session_event *event,
		    uint64_t now)
{
	struct slice channel = event->envelope->channel;
	struct hits hits = HITS_INIT(hits);
	struct chunk_frame frame;
	int r;

	server->seq++;
	h->stats.received++;
	collect_channel(server, channel, &hits);
	if (!is_hit(server, channel, &hits, now))
		return;
	h->stats.matched++;
	r = send_encode_event(h, server, event, &frame);
	server->left_out += r == -EMSGSIZE;
	if (r == -EMSGSIZE)
		r = send_encode_lost(h, server, channel, PROTOCOL_E_TOO_LARGE, &frame);
	push(h, server, channel, &hits, r, &frame, now);
}

static void collect_all(struct hub *h, const struct hub_server *server, struct hits *hits)
{
	LIST_EACH(m, &h->member_list, struct member, link)
		LIST_EACH(s, &m->subscriptions, struct subscription, of_member)
			if (s->server == server)
				note_hit(hits, s);
	hits->logged |= !list_empty(&server->kept) || !list_empty(&server->lingering);
	hits->durable |= !list_empty(&server->consumers);
}

/* A message that the session could not read still uses a sequence number; without its channel it may have
   been for any subscription. */
static void report_lost(struct hub *h, struct hub_server *server,
			const struct session_event *event, uint64_t now)
{
	enum protocol_error code = event->loss == SESSION_LOSS_TOO_LARGE ? PROTOCOL_E_TOO_LARGE
									  : PROTOCOL_E_UNREADABLE;
	struct hits hits = HITS_INIT(hits);
	struct chunk_frame frame;
	int r;

	server->seq++;
	server->left_out++;
	if (event->channel.n)
		collect_channel(server, event->channel, &hits);
	else
		collect_all(h, server, &hits);
	if (!is_hit(server, event->channel, &hits, now))
		return;
	r = send_encode_lost(h, server, event->channel, code, &frame);
	push(h, server, event->channel, &hits, r, &frame, now);
}

/* ---- outcomes ---- */

/* With the server's message, and its error text or else our own. */
static struct hub_outcome outcome_of(const struct session_event *event, enum hub_result result,
				     enum protocol_error code, struct slice text)
{
	struct hub_outcome o = {.result = result, .code = code, .text = text};

	if (event->text.n > 0)
		o.text = event->text;
	if (event->envelope && event->envelope->error.n > 0)
		o.text = event->envelope->error;
	if (event->envelope && (result == HUB_OK || code == PROTOCOL_E_REFUSED))
		memcpy(o.bayeux, event->envelope->pieces, sizeof(o.bayeux));
	return o;
}

static struct hub_outcome refusal(const struct session_event *event, enum hub_result result)
{
	return outcome_of(event, result, PROTOCOL_E_REFUSED, SLICE("the server refused"));
}

static struct hub_outcome outcome_of_publish(const struct session_event *event)
{
	switch (event->outcome) {
	case SESSION_OK:
		return outcome_of(event, HUB_OK, 0, SLICE_NULL);
	case SESSION_OUTCOME_NOT_SENT:
		return outcome_of(event, HUB_FAILED, PROTOCOL_E_NOT_SENT,
				  SLICE("never left the daemon"));
	case SESSION_OUTCOME_TOO_LARGE:
		return outcome_of(event, HUB_FAILED, PROTOCOL_E_TOO_LARGE, SLICE("too large"));
	case SESSION_OUTCOME_TIMEOUT:
		return outcome_of(event, HUB_FAILED, PROTOCOL_E_TIMEOUT, SLICE("no answer in time"));
	case SESSION_REFUSED:
		return refusal(event, HUB_FAILED);
	case SESSION_OUTCOME_UNKNOWN:
		break;
	}
	return outcome_of(event, HUB_FAILED, PROTOCOL_E_UNKNOWN_OUTCOME,
			  SLICE("sent, but not answered"));
}

static void complete(struct hub *h, const struct session_event *event)
{
	struct request *request = request_by_cookie(h, event->cookie);
	struct hub_answer answer = {.outcome = outcome_of_publish(event)};

	/* its member was removed, or the publish had no id */
	if (!request)
		return;
	answer.call = request->call;
	answer.binary = event->binary ? event->envelope : NULL;
	request_reply(request, &answer);
}

/* ---- channels ---- */

/* Whether this holder needs an event because no reply reports the status to it. */
static bool needs_event(const struct subscription *s, enum session_channel_status status)
{
	if (!s->member || !list_empty(&s->waiting))
		return false;
	if (status == SESSION_CHANNEL_ACTIVE)
		return s->pending;
	return status != SESSION_CHANNEL_PENDING || !s->postponed;
}

/* Sends an event to the holders that no reply informs. Encoded once, when the first one needs it. */
static void notify_holders(struct hub *h, const struct hub_server *server, struct interest *interest,
			 enum session_channel_status status, const struct hub_outcome *outcome)
{
	struct chunk_frame frame = {0};
	int r = 0;

	LIST_EACH(s, &interest->holders, struct subscription, of_interest) {
		if (!needs_event(s, status))
			continue;
		if (!r && !frame.blob)
			r = send_encode_subscription(h, server, interest->by_pattern.key, outcome,
						     &frame);
		send_frame(s->member, r, &frame);
	}
}

/* Other interests brought what came since the position of a member; if one has ended meanwhile, messages may be
   missing. */
static void check_brought(struct hub *h, const struct hub_server *server, struct interest *interest)
{
	LIST_EACH(s, &interest->holders, struct subscription, of_interest) {
		struct chunk_frame frame;

		if (s->member && s->brought_from && !interest_covers(server, s->pattern, s->brought_from - 1)) {
			int r = send_encode_gap(h, server, s->pattern, &frame);

			send_frame(s->member, r, &frame);
		}
		s->brought_from = 0;
	}
}

static void confirm(struct hub *h, struct hub_server *server, struct interest *interest,
		    const struct session_event *event)
{
	struct hub_outcome ok = outcome_of(event, HUB_OK, 0, SLICE_NULL);
	bool waited = false;

	outcome_forget(&interest->refusal);
	LIST_EACH(s, &interest->holders, struct subscription, of_interest)
		waited |= s->pending;
	check_brought(h, server, interest);
	interest_confirmed(server, interest, waited);
	ok.seq = server->seq;
	notify_holders(h, server, interest, SESSION_CHANNEL_ACTIVE, &ok);
	LIST_EACH(s, &interest->holders, struct subscription, of_interest) {
		s->pending = s->postponed = s->refused = false;
		request_answer_all(s, &ok);
	}
}

/* The first holder that has a member; there is one. */
static struct subscription *first_of_member(const struct interest *interest)
{
	struct subscription *s = LIST_OF(interest->holders.next, struct subscription, of_interest);

	return s->member ? s : LIST_OF(s->of_interest.next, struct subscription, of_interest);
}

/* A final refusal ends all members' subscriptions of the channel; to try again, a member must subscribe again.
   The reason is kept for status, if the configuration keeps the channel. */
static void end_rejected(struct hub *h, struct hub_server *server, struct interest *interest,
		   const struct session_event *event)
{
	const struct hub_outcome refused = refusal(event, HUB_FAILED);

	notify_holders(h, server, interest, SESSION_CHANNEL_REFUSED, &refused);
	struct subscription *kept = interest->kept;

	if (kept && kept->lingers) {
		/* it is the only holder */
		kept_end(kept);
		return;
	}
	if (kept) {
		interest_interrupted(server, interest);
		kept->refused = true;
		outcome_forget(&interest->refusal);
		outcome_keep(&refused, POSTPONED_MAX, &interest->refusal);
	}
	/* the last holder frees the interest */
	for (size_t n = interest->n_holders - (kept != NULL); n > 0; n--) {
		struct subscription *s = first_of_member(interest);

		request_answer_all(s, &refused);
		reader_fail(s, &refused);
		subscription_free(s);
	}
}

/* The server refuses temporarily, or does not answer. The subscribe is sent again after a pause; no
   request waits for that. The reason is sent to each holder once, until the channel is confirmed, and
   kept for members that join before the next try. */
static void postpone(struct hub *h, struct hub_server *server, struct interest *interest,
		     const struct session_event *event)
{
	const struct hub_outcome pending = {.result = HUB_PENDING};
	const struct hub_outcome refused = refusal(event, HUB_PENDING);

	interest_interrupted(server, interest);
	outcome_forget(&interest->refusal);
	if (!outcome_keep(&refused, POSTPONED_MAX, &interest->refusal))
		outcome_forget(&interest->refusal);
	LIST_EACH(s, &interest->holders, struct subscription, of_interest)
		request_answer_all(s, &pending);
	notify_holders(h, server, interest, SESSION_CHANNEL_PENDING, &refused);
	LIST_EACH(s, &interest->holders, struct subscription, of_interest)
		s->pending = s->postponed = true;
}

static void channel_changed(struct hub *h, struct hub_server *server,
			    const struct session_event *event)
{
	struct interest *interest = interest_find(server, event->channel);

	if (!interest)
		return;
	if (event->status == SESSION_CHANNEL_ACTIVE)
		confirm(h, server, interest, event);
	else if (event->status == SESSION_CHANNEL_REFUSED)
		end_rejected(h, server, interest, event);
	else
		postpone(h, server, interest, event);
}

/* ---- state ---- */

/* Sends the state to the members with these ids; encoded once, and only if there is a receiver. */
static void send_state(struct hub *h, struct hub_server *server, uint64_t first, uint64_t last,
		       uint64_t now, uint64_t unix_ms)
{
	struct chunk_frame frame = {0};
	int r = 0;

	LIST_EACH(m, &h->member_list, struct member, link) {
		if (m->id < first || m->id > last)
			continue;
		if (!r && !frame.blob)
			r = send_encode_state(h, server, now, unix_ms, &frame);
		send_frame(m, r, &frame);
	}
}

static void state_changed(struct hub *h, struct hub_server *server, uint64_t now, uint64_t unix_ms)
{
	struct grace *p = &server->grace;
	struct session_info info;

	session_info(server->session, &info);
	interest_state_changed(server, &info);
	if (info.state == SESSION_CONNECTED && info.gap)
		consumers_note_gap(h, server, now);
	bool kept = grace_defers(p, &info, now, h->last_member);
	send_state(h, server, kept ? p->last_member + 1 : 0, UINT64_MAX, now, unix_ms);
	if (session_is_up(server->session))
		return;
	LIST_EACH_SAFE(request, &server->requests, struct request, of_server)
		request_postpone(request);
}

uint64_t hub_deadline(const struct hub_server *server)
{
	uint64_t at = grace_deadline(&server->grace), log = hub_log_deadline(&server->log);
	uint64_t linger = kept_deadline(server);

	if (log < at)
		at = log;
	log = hub_log_deadline(&server->durable);
	if (log < at)
		at = log;
	return linger < at ? linger : at;
}

void hub_tick(struct hub *h, struct hub_server *server, uint64_t now, uint64_t unix_ms)
{
	history_trim(server, now);
	consumers_trim(server, now);
	kept_tick(server, now);
	if (grace_is_over(&server->grace, now))
		send_state(h, server, 0, server->grace.last_member, now, unix_ms);
}

void hub_handle_event(struct hub *h, struct hub_server *server, const struct session_event *event,
	      uint64_t now, uint64_t unix_ms)
{
	switch (event->kind) {
	case SESSION_EVENT_MESSAGE:
		deliver(h, server, event, now);
		break;
	case SESSION_EVENT_OUTCOME:
		complete(h, event);
		break;
	case SESSION_EVENT_CHANNEL:
		channel_changed(h, server, event);
		break;
	case SESSION_EVENT_STATE:
		state_changed(h, server, now, unix_ms);
		break;
	case SESSION_EVENT_LOST:
		report_lost(h, server, event, now);
		break;
	case SESSION_EVENT_ABORT:
	case SESSION_EVENT_NOTE:
	case SESSION_EVENT_UNAUTHORIZED:
		/* for the driver of the session */
		break;
	}
}
