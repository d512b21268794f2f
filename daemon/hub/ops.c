/*
 * Requests of members: subscribe, unsubscribe, publish, call. A request is checked
 * completely before anything changes, is undone if memory runs out in the middle, and
 * each id gets one reply.
 */
#include "hub/hub.h"

#include "bayeux/channel.h"
#include "hub/consumer_ops.h"
#include "hub/internal.h"
#include "hub/kept.h"
#include "hub/past.h"
#include "hub/reader.h"
#include "hub/refusal.h"
#include "hub/request.h"
#include "hub/send.h"
#include "hub/subscription.h"

#include <errno.h>

/* ---- subscribe ---- */

/* whether the i-th is one of those before it: it will be held once */
static bool named_before(const struct hub_channels *c, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (slice_eq(c->names[j], c->names[i]))
			return true;
	return false;
}

static int check_patterns(const struct hub *h, const struct member *member,
			  const struct hub_server *server, const struct hub_channels *c,
			  struct refusal *no)
{
	size_t n = member->n_subscriptions;

	for (size_t i = 0; i < c->n; i++) {
		int fault = channel_check_pattern(c->names[i]);

		if (fault)
			return refusal_of_channel(no, c->names[i], fault);
		if (!subscription_find(member, server, c->names[i]) && !named_before(c, i))
			n++;
	}
	if (n > h->options.subscriptions_max)
		return refusal_set(no, PROTOCOL_E_TOO_MANY, "a connection may hold %zu subscriptions",
				   h->options.subscriptions_max);
	return 0;
}

/* what is to be undone when a later channel finds no memory */
struct joined {
	struct subscription *subscription;
	bool created, wants;
};

static bool asks_upstream(const struct hub_subscribe *s, struct slice channel)
{
	/* a service channel has no subscribers at the server; one that asked would be refused */
	return !s->local_only && !channel_is_service(channel);
}

static int join(const struct hub_subscribe *s, struct hub_server *server, struct member *member,
		struct slice channel, struct joined *j)
{
	int r;

	j->created = j->wants = false;
	j->subscription = subscription_find(member, server, channel);
	if (!j->subscription) {
		r = subscription_new(server, member, channel, &j->subscription);
		if (r)
			return r;
		j->created = true;
	}
	if (!asks_upstream(s, channel) || j->subscription->interest)
		return 0;
	r = subscription_want(j->subscription);
	if (r && j->created)
		subscription_free(j->subscription);
	j->wants = r == 0;
	return r;
}

static void leave(const struct joined *j)
{
	if (j->wants)
		subscription_unwant(j->subscription);
	if (j->created)
		subscription_free(j->subscription);
}

/* All of it or nothing. */
static int join_all(const struct hub_subscribe *s, struct hub_server *server,
		    struct member *member, struct joined *joined)
{
	for (size_t i = 0; i < s->channels.n; i++) {
		int r = join(s, server, member, s->channels.names[i], &joined[i]);

		if (r) {
			while (i-- > 0)
				leave(&joined[i]);
			return r;
		}
	}
	return 0;
}

/* From here nothing fails: the options are the new ones, and the item is answered or waits. */
static void settle(const struct hub_subscribe *s, struct subscription *sub,
		   struct request_item *item)
{
	const struct hub_outcome ok = {.result = HUB_OK, .seq = sub->server->seq};
	const struct hub_outcome pending = {.result = HUB_PENDING};
	struct session *session = sub->server->session;

	sub->overflow = s->overflow;
	if (sub->interest)
		kept_taken_over(sub->interest);
	if (!asks_upstream(s, sub->pattern)) {
		/* earlier requests for this subscription get no answer of the server any more */
		request_answer_all(sub, &ok);
		subscription_unwant(sub);
		sub->pending = false;
		request_answer(item, &ok);
	} else if (session_channel(session, sub->pattern) == SESSION_CHANNEL_ACTIVE) {
		request_answer(item, &ok);
	} else if (session_is_up(session) && !session_channel_is_deferred(session, sub->pattern)) {
		request_wait(item, sub);
	} else {
		sub->pending = true;
		request_answer(item, &pending);
	}
}

/* A member that joins while the server refuses the channel temporarily gets the reason at once. Without
   memory it gets it with the next refusal. */
static void explain_pending(struct hub *h, struct subscription *s)
{
	struct chunk_frame frame;

	if (!s->pending || s->postponed || !s->interest ||
	    s->interest->refusal.result != HUB_PENDING ||
	    !session_channel_is_deferred(s->server->session, s->pattern))
		return;
	if (send_encode_subscription(h, s->server, s->pattern, &s->interest->refusal, &frame))
		return;
	send_frame(s->member, 0, &frame);
	s->postponed = true;
}

/* ---- the past ---- */

/* Of a position: where to begin, and whether what the log dropped of it can be counted. */
static uint64_t begin_of_position(const struct hub_server *server, const struct hub_subscribe *s, bool *counted)
{
	bool known = s->epoch_known && s->epoch == server->epoch;

	*counted = known && s->seq <= server->seq && s->seq >= server->begin;
	if (*counted)
		return s->seq + 1;
	/* of an earlier run: all is after it */
	return known && s->seq > server->seq ? server->seq + 1 : hub_log_first(&server->log);
}

static uint64_t begin_of_time(const struct hub_server *server, uint64_t time)
{
	uint64_t at = hub_log_find_time(&server->log, time);

	return at < hub_log_end(&server->log) ? hub_log_at(&server->log, at)->seq : server->seq + 1;
}

/* Before any message of the past: with that, the member has a later position, at which there is no gap. */
static void report_gap(struct hub *h, const struct hub_server *server, struct member *member)
{
	struct chunk_frame frame;
	int r = send_encode_gap(h, server, SLICE_NULL, &frame);

	send_frame(member, r, &frame);
}

/* Only an interest that is active covers what comes, too. */
static void note_brought(struct subscription *s, uint64_t from)
{
	bool active = s->interest && s->interest->complete_from != INTEREST_INACTIVE;

	s->brought_from = active ? 0 : from;
}

/* The reader is to serve the subscriptions from where the request asks for. */
static void cover_past(struct hub *h, struct hub_server *server, const struct hub_subscribe *s,
		       const struct joined *joined, struct reader *reader, struct request *request)
{
	uint64_t begin[PROTOCOL_CHANNELS_MAX];
	bool counted = false, gap = false;

	if (s->past == HUB_PAST_HISTORY)
		past_of_history(h, server, &s->channels, s->n, begin);
	else if (s->past == HUB_PAST_TIME)
		begin[0] = begin_of_time(server, s->time);
	else
		begin[0] = begin_of_position(server, s, &counted);
	for (size_t i = 0; i < s->channels.n; i++) {
		if (s->past != HUB_PAST_HISTORY)
			begin[i] = begin[0];
		if (s->past == HUB_PAST_POSITION) {
			bool covered = counted && interest_covers(server, s->channels.names[i], s->seq);

			note_brought(joined[i].subscription, covered ? s->seq + 1 : 0);
			request->channels[i].gap = !covered;
			gap |= !covered;
		}
		reader_cover(reader, joined[i].subscription, begin[i], joined[i].created, counted);
	}
	if (gap)
		report_gap(h, server, request->member);
	reader_delay_answer(reader, request);
}

/* ---- the request ---- */

/* What can fail. `owner`: of the subscriptions, the member or the `self` of its consumer. */
static int begin_subscribe(struct hub *h, struct member *member, struct member *owner, struct hub_server *server,
			   const struct hub_subscribe *s, struct joined *joined, struct reader **ret_reader,
			   struct request **ret)
{
	bool reads = reader_find(member, server);
	int r = request_new(h, member, server, s->tag, s->channels.names, s->channels.n, ret);

	if (r)
		return r;
	*ret_reader = reader_find(member, server);
	if (s->past)
		r = reader_get(h, member, server, ret_reader);
	if (!r)
		r = join_all(s, server, owner, joined);
	if (!r)
		return 0;
	if (!reads)
		reader_free(*ret_reader);
	request_free(*ret);
	return r;
}

static int subscribe_checked(struct hub *h, struct member *member, struct consumer *consumer,
			     struct hub_server *server, const struct hub_subscribe *s)
{
	struct member *owner = consumer ? &consumer->self : member;
	struct joined joined[PROTOCOL_CHANNELS_MAX];
	struct request *request;
	struct reader *reader;
	int r = begin_subscribe(h, member, owner, server, s, joined, &reader, &request);

	if (r)
		return r;
	if (consumer)
		consumer_await(consumer, member, request);
	if (s->past)
		cover_past(h, server, s, joined, reader, request);
	for (size_t i = 0; i < s->channels.n; i++)
		settle(s, joined[i].subscription, &request->items[i]);
	/* the reason comes after the reply, and with the next refusal where the reply waits */
	bool replies = request->n_waiting == 0 && !s->past;
	request_finish(request);
	for (size_t i = 0; i < s->channels.n && replies; i++)
		explain_pending(h, joined[i].subscription);
	if (reader)
		reader_hold(reader, s->more);
	return 0;
}

int hub_subscribe(struct hub *h, struct member *member, const struct hub_subscribe *s)
{
	struct consumer *consumer = NULL;
	struct hub_server *server;
	struct refusal no;
	bool made = false;
	int r = refusal_check_request(h, member, &s->tag, s->server, &server, &no);

	if (!r)
		r = refusal_check_room(h, member, &no);
	if (!r)
		r = consumer_open(h, member, server, s->durable, &consumer, &made, &no);
	if (!r)
		r = check_patterns(h, consumer ? &consumer->self : member, server, &s->channels, &no);
	if (!r)
		r = subscribe_checked(h, member, consumer, server, s);
	if (r && made)
		consumer_free(consumer);
	return refusal_conclude(h, member, &s->tag, r, &no);
}

/* ---- unsubscribe ---- */

static int check_subscribed(const struct member *member, const struct hub_server *server,
			    const struct hub_channels *c, struct refusal *no)
{
	for (size_t i = 0; i < c->n; i++) {
		struct slice name = refusal_name(c->names[i]);

		if (!subscription_find(member, server, c->names[i]))
			return refusal_set(no, PROTOCOL_E_NOT_SUBSCRIBED, "not subscribed to \"%.*s\"",
				      SLICE_ARG(name));
	}
	return 0;
}

static void end_all(struct member *member, struct hub_server *server,
		    const struct hub_channels *c)
{
	const struct hub_outcome ended = {
		.result = HUB_FAILED, .code = PROTOCOL_E_NOT_SUBSCRIBED,
		.text = SLICE("unsubscribed before the server answered"),
	};

	for (size_t i = 0; i < c->n; i++) {
		struct subscription *s = subscription_find(member, server, c->names[i]);

		/* a channel listed twice in one request is already removed the second time */
		if (!s)
			continue;
		request_answer_all(s, &ended);
		reader_fail(s, &ended);
		subscription_free(s);
	}
}

int hub_unsubscribe(struct hub *h, struct member *member, uint64_t tag, struct slice name,
		    const struct hub_channels *c)
{
	struct member *owner = member;
	struct hub_server *server;
	struct refusal no;
	int r = refusal_check_request(h, member, &tag, name, &server, &no);

	if (!r && consumer_held(member, server))
		owner = &consumer_held(member, server)->self;
	if (!r)
		r = check_subscribed(owner, server, c, &no);
	if (!r) {
		end_all(owner, server, c);
		hub_reply(h, member, tag, &(struct hub_answer){0});
	}
	return refusal_conclude(h, member, &tag, r, &no);
}

/* ---- publish and call ---- */

/* Without an answer: cookie 0, which no outcome finds. */
static int new_publish(struct hub *h, struct member *member, struct hub_server *server,
		       const struct hub_publish *p, struct request **ret)
{
	struct request *request;
	int r;

	*ret = NULL;
	if (p->unanswered)
		return 0;
	r = request_new(h, member, server, p->tag, NULL, 0, &request);
	if (r)
		return r;
	request->call = p->call;
	r = request_cookie(request);
	if (r)
		request_free(request);
	else
		*ret = request;
	return r;
}

static int hand_over(struct hub *h, struct member *member, struct hub_server *server,
		     const struct hub_publish *p, uint64_t now, struct refusal *no)
{
	struct request *request;
	int r = new_publish(h, member, server, p, &request);

	if (!r)
		r = session_publish(server->session, now, p->channel, p->data, p->ext, p->call,
				    now + p->timeout, member->id, request ? request->cookie : 0);
	if (r)
		request_free(request);
	if (r == SESSION_E_FULL)
		return refusal_set(no, PROTOCOL_E_TOO_MANY, "too much waits to be sent to the server");
	if (r == SESSION_E_TOO_LARGE)
		return refusal_set(no, PROTOCOL_E_TOO_LARGE,
				   "larger than what is sent to this server (max-sent)");
	return r;
}

/* On other channels there are other publishers, so an event could not be distinguished from an answer. */
static int check_channel(struct slice channel, bool call, struct refusal *no)
{
	int fault = channel_check_name(channel);

	if (fault)
		return refusal_of_channel(no, channel, fault);
	if (call && !channel_is_service(channel))
		return refusal_set(no, PROTOCOL_E_BAD_CHANNEL,
				   "channel \"%.*s\" is not below /service/, where calls go",
				   SLICE_ARG(refusal_name(channel)));
	return 0;
}

int hub_publish(struct hub *h, struct member *member, const struct hub_publish *p, uint64_t now)
{
	const uint64_t *tag = p->unanswered ? NULL : &p->tag;
	struct hub_server *server;
	struct refusal no;
	int r = refusal_check_request(h, member, tag, p->server, &server, &no);

	if (!r && tag)
		r = refusal_check_room(h, member, &no);
	if (!r)
		r = check_channel(p->channel, p->call, &no);
	if (!r)
		r = hand_over(h, member, server, p, now, &no);
	return refusal_conclude(h, member, tag, r, &no);
}
