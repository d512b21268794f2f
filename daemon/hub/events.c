/*
 * Handles the events of a session: delivers messages, answers requests, notifies the
 * holders of a channel, reports states. A message is encoded once, and only if it has a
 * receiver. Each member gets it once, however many of its patterns match. A message
 * that cannot be encoded is reported as lost.
 */
#include "hub/crowd.h"
#include "hub/hub.h"

#include "bayeux/binary.h"

#include "bayeux/channel.h"
#include "hub/internal.h"
#include "hub/request.h"
#include "hub/send.h"
#include "hub/state.h"
#include "hub/subscription.h"

#include <errno.h>

/* more than the frame of a reply takes around an answer with bytes */
#define ANSWER_EXTRA 256
/* The server's reply to a subscribe is passed on up to this size: PROTOCOL_CHANNELS_MAX of them
   fit into one frame. */
#define SUBSCRIBED_MAX (64u << 10)

/* ---- messages ---- */

/* Notes the member of a matching subscription, once. */
static void collect(void *ctx, struct trie_entry *e)
{
	struct subscription *s = LIST_OF(e, struct subscription, entry);
	struct member *m = s->member;

	if (!list_linked(&m->hit)) {
		m->hit_overflow = s->overflow;
		list_append(ctx, &m->hit);
	} else if (s->overflow > m->hit_overflow) {
		m->hit_overflow = s->overflow;
	}
}

/*
 * A message on the channel without filter, while no member subscribed exactly that, was
 * sent because of a filter. The server does not report which of several.
 */
static void collect_filtered(const struct hub_server *server, struct slice channel,
			     struct list *hits)
{
	if (list_empty(&server->filtered) || interest_find(server, channel))
		return;
	LIST_EACH(s, &server->filtered, struct subscription, of_filtered)
		if (slice_eq(channel_bare(s->pattern), channel))
			collect(hits, &s->entry);
}

/* The binary data of the event in base64, up to `max` bytes; empty if there is none or it does not fit.
   0 or -ENOMEM. */
static int put_binary(const struct session_event *event, size_t max, struct buf *ret)
{
	int r = BINARY_E_NONE;

	buf_init(ret, max);
	if (event->binary)
		r = binary_to_wire(event->envelope, ret);
	return r == -ENOMEM ? r : 0;
}

static int encode_event(struct hub *h, struct hub_server *server, const struct session_event *event,
			struct chunk_frame *ret)
{
	const struct envelope *e = event->envelope;
	struct buf binary;
	size_t n = 0;
	int r;

	for (size_t i = 0; i < e->n_pieces; i++)
		n += e->pieces[i].n;
	if (n > h->options.message_max)
		return -EMSGSIZE;
	r = put_binary(event, h->options.message_max - n, &binary);
	if (r == 0)
		r = chunk_event(&h->chunk, server->by_name.key, server->seq, e->pieces,
				e->n_pieces, buf_slice(&binary), ret);
	buf_fini(&binary);
	if (r == 0)
		h->stats.encoded_bytes += ret->n;
	return r;
}

/* Encodes the `lost` frame of one message that cannot be delivered. */
static int encode_lost(struct hub *h, const struct hub_server *server, struct slice channel,
		       enum protocol_error code, struct chunk_frame *ret)
{
	struct message m;
	int r;

	message_init(&m, PROTOCOL_OP_LOST);
	m.server = server->by_name.key;
	m.count = 1;
	m.first = m.last = server->seq;
	m.code = slice_of(protocol_error_code(code));
	m.channel = channel;
	m.has = PROTOCOL_F(SERVER) | PROTOCOL_F(COUNT) | PROTOCOL_F(FIRST) | PROTOCOL_F(LAST) |
		PROTOCOL_F(CODE) | (channel.n ? PROTOCOL_F(CHANNEL) : 0);
	r = chunk_message(&h->chunk, &m, ret);
	message_fini(&m);
	if (r == 0)
		h->stats.encoded_bytes += ret->n;
	return r;
}

/* Queues the frame in place of the message; `failed`: it could not be made. */
static void push(struct hub *h, struct hub_server *server, struct list *hits, int failed,
		 const struct chunk_frame *frame)
{
	struct slice name = server->by_name.key;

	LIST_EACH_SAFE(m, hits, struct member, hit) {
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

static void collect_channel(struct hub_server *server, struct slice channel, struct list *hits)
{
	trie_collect(server->trie, channel, collect, hits);
	collect_filtered(server, channel, hits);
}

static void deliver(struct hub *h, struct hub_server *server, const struct session_event *event)
{
	struct slice channel = event->envelope->channel;
	struct list hits = LIST_INIT(hits);
	struct chunk_frame frame;
	int r;

	server->seq++;
	h->stats.received++;
	collect_channel(server, channel, &hits);
	if (list_empty(&hits))
		return;
	h->stats.matched++;
	r = encode_event(h, server, event, &frame);
	server->left_out += r == -EMSGSIZE;
	if (r == -EMSGSIZE)
		r = encode_lost(h, server, channel, PROTOCOL_E_TOO_LARGE, &frame);
	push(h, server, &hits, r, &frame);
}

/* A message that the session could not read still uses a sequence number; without its channel it may have
   been for any subscription. */
static void report_lost(struct hub *h, struct hub_server *server,
			const struct session_event *event)
{
	enum protocol_error code = event->loss == SESSION_LOSS_TOO_LARGE ? PROTOCOL_E_TOO_LARGE
									  : PROTOCOL_E_UNREADABLE;
	struct list hits = LIST_INIT(hits);
	struct chunk_frame frame;

	server->seq++;
	server->left_out++;
	if (event->channel.n)
		collect_channel(server, event->channel, &hits);
	else
		LIST_EACH(m, &h->member_list, struct member, link)
			LIST_EACH(s, &m->subscriptions, struct subscription, of_member)
				if (s->server == server)
					collect(&hits, &s->entry);
	if (!list_empty(&hits))
		push(h, server, &hits, encode_lost(h, server, event->channel, code, &frame), &frame);
}

/* ---- outcomes ---- */

/* The message as it is passed on: without its clientId. */
static int put_envelope(struct buf *out, const struct envelope *e)
{
	int r = 0;

	for (size_t i = 0; i < e->n_pieces && !r; i++)
		r = buf_put(out, e->pieces[i]);
	return r;
}

/* the server's error text, else our own */
static struct slice words(const struct session_event *event, struct slice otherwise)
{
	if (event->envelope && event->envelope->error.n > 0)
		return event->envelope->error;
	return event->text.n > 0 ? event->text : otherwise;
}

/* {"code":"refused",…}, with the server's message where there is one */
static int put_refusal(struct buf *out, const struct session_event *event)
{
	struct buf bayeux;
	int r = 0;

	buf_init(&bayeux, PROTOCOL_FRAME_MAX);
	if (event->envelope)
		r = put_envelope(&bayeux, event->envelope);
	if (!r)
		r = message_put_error(out, PROTOCOL_E_REFUSED,
				      words(event, SLICE("the server refused")),
				      buf_slice(&bayeux));
	buf_fini(&bayeux);
	return r;
}

/* {"message":…}, with "binary":… where there are bytes in it that fit */
static int put_answer(struct buf *out, const struct session_event *event)
{
	struct buf binary;
	int r = buf_put_str(out, "{\"message\":");

	if (!r)
		r = put_envelope(out, event->envelope);
	if (r)
		return r;
	r = put_binary(event, out->max - buf_len(out), &binary);
	if (!r && buf_len(&binary) && buf_len(out) + buf_len(&binary) + ANSWER_EXTRA < out->max)
		r = buf_printf(out, ",\"binary\":%.*s", SLICE_ARG(buf_slice(&binary)));
	buf_fini(&binary);
	return r ? r : buf_putc(out, '}');
}

static int put_failure(struct buf *out, const struct session_event *event)
{
	switch (event->outcome) {
	case SESSION_OUTCOME_NOT_SENT:
		return message_put_error(out, PROTOCOL_E_NOT_SENT,
					 words(event, SLICE("never left the daemon")), SLICE_NULL);
	case SESSION_OUTCOME_TOO_LARGE:
		return message_put_error(out, PROTOCOL_E_TOO_LARGE,
					 words(event, SLICE("too large")), SLICE_NULL);
	case SESSION_OUTCOME_TIMEOUT:
		return message_put_error(out, PROTOCOL_E_TIMEOUT,
					 words(event, SLICE("no answer in time")), SLICE_NULL);
	case SESSION_REFUSED:
		return put_refusal(out, event);
	case SESSION_OUTCOME_UNKNOWN:
	case SESSION_OK:
		break;
	}
	return message_put_error(out, PROTOCOL_E_UNKNOWN_OUTCOME,
				 words(event, SLICE("sent, but not answered")), SLICE_NULL);
}

/* {"bayeux":…}: the server's own reply to a publish. It is left out when there is no memory or no room for
   it: the publish has succeeded anyway. */
static void put_reply(struct buf *out, const struct session_event *event)
{
	int r = buf_put_str(out, "{\"bayeux\":");

	if (!r)
		r = put_envelope(out, event->envelope);
	if (!r)
		r = buf_putc(out, '}');
	if (r || buf_len(out) + ANSWER_EXTRA > out->max)
		buf_clear(out);
}

static void complete(struct hub *h, const struct session_event *event)
{
	struct request *request = request_by_cookie(h, event->cookie);
	struct buf result, error;
	int r = 0;

	/* its member was removed, or the publish had no id */
	if (!request)
		return;
	buf_init(&result, PROTOCOL_FRAME_MAX);
	buf_init(&error, PROTOCOL_FRAME_MAX);
	if (event->outcome != SESSION_OK)
		r = put_failure(&error, event);
	else if (request->call && event->envelope)
		r = put_answer(&result, event);
	else if (event->envelope)
		put_reply(&result, event);
	request_reply(request, r, buf_slice(&result), buf_slice(&error));
	buf_fini(&error);
	buf_fini(&result);
}

/* ---- channels ---- */

/* Whether this holder needs an event because no reply reports the status to it. */
static bool needs_event(const struct subscription *s, enum session_channel_status status)
{
	if (!list_empty(&s->waiting))
		return false;
	if (status == SESSION_CHANNEL_ACTIVE)
		return s->pending;
	return status != SESSION_CHANNEL_PENDING || !s->postponed;
}

/* Sends an event to the holders that no reply informs. Encoded once, when the first one needs it;
   `failed`: encoding failed. */
static void notify_holders(struct hub *h, const struct hub_server *server, struct interest *interest,
			 enum session_channel_status status, struct slice error, int failed)
{
	struct chunk_frame frame = {0};

	LIST_EACH(s, &interest->holders, struct subscription, of_interest) {
		if (!needs_event(s, status))
			continue;
		if (!failed && !frame.blob)
			failed = send_encode_subscription(h, server, interest->by_pattern.key, status,
							  error, &frame);
		send_frame(s->member, failed, &frame);
	}
}

static void confirm(struct hub *h, const struct hub_server *server, struct interest *interest,
		    const struct session_event *event)
{
	struct buf bayeux;

	buf_init(&bayeux, SUBSCRIBED_MAX);
	if (event->envelope && put_envelope(&bayeux, event->envelope))
		buf_clear(&bayeux);
	buf_clear(&interest->postponed);
	notify_holders(h, server, interest, SESSION_CHANNEL_ACTIVE, SLICE_NULL, 0);
	LIST_EACH(s, &interest->holders, struct subscription, of_interest) {
		s->pending = s->postponed = false;
		request_answer_all(s, REQUEST_OK, 0, buf_slice(&bayeux));
	}
	buf_fini(&bayeux);
}

/* A final refusal ends all subscriptions of the channel; to try again, a member must subscribe again. */
static void end_rejected(struct hub *h, const struct hub_server *server, struct interest *interest,
		   const struct session_event *event)
{
	struct buf error;
	int r;

	buf_init(&error, PROTOCOL_FRAME_MAX);
	r = put_refusal(&error, event);
	notify_holders(h, server, interest, SESSION_CHANNEL_REFUSED, buf_slice(&error), r);
	/* the last holder frees the interest */
	for (size_t n = interest->n_holders; n > 0; n--) {
		struct subscription *s = LIST_OF(interest->holders.next, struct subscription, of_interest);

		request_answer_all(s, REQUEST_FAILED, PROTOCOL_E_REFUSED, buf_slice(&error));
		subscription_free(s);
	}
	buf_fini(&error);
}

/* The server refuses temporarily, or does not answer. The subscribe is sent again after a pause; no
   request waits for that. The reason is sent to each holder once, until the channel is confirmed, and
   kept for members that join before the next try. */
static void postpone(struct hub *h, const struct hub_server *server, struct interest *interest,
		     const struct session_event *event)
{
	struct buf error;
	int r;

	buf_init(&error, PROTOCOL_FRAME_MAX);
	r = put_refusal(&error, event);
	buf_clear(&interest->postponed);
	if (!r && buf_put(&interest->postponed, buf_slice(&error)))
		buf_clear(&interest->postponed);
	LIST_EACH(s, &interest->holders, struct subscription, of_interest)
		request_answer_all(s, REQUEST_PENDING, 0, SLICE_NULL);
	notify_holders(h, server, interest, SESSION_CHANNEL_PENDING, buf_slice(&error), r);
	LIST_EACH(s, &interest->holders, struct subscription, of_interest)
		s->pending = s->postponed = true;
	buf_fini(&error);
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

static int encode_state(struct hub *h, const struct hub_server *server, uint64_t now,
			uint64_t unix_ms, struct chunk_frame *ret)
{
	struct message m;
	int r;

	state_message(server, now, unix_ms, &m);
	r = chunk_message(&h->chunk, &m, ret);
	if (r == -EINVAL) {
		/* the reason from the server is not UTF-8: send the state without it */
		m.has &= ~PROTOCOL_F(REASON);
		r = chunk_message(&h->chunk, &m, ret);
	}
	message_fini(&m);
	if (r == 0)
		h->stats.encoded_bytes += ret->n;
	return r;
}

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
			r = encode_state(h, server, now, unix_ms, &frame);
		send_frame(m, r, &frame);
	}
}

static void state_changed(struct hub *h, struct hub_server *server, uint64_t now, uint64_t unix_ms)
{
	struct grace *p = &server->grace;
	struct session_info info;

	session_info(server->session, &info);
	bool kept = grace_defers(p, &info, now, h->last_member);
	send_state(h, server, kept ? p->last_member + 1 : 0, UINT64_MAX, now, unix_ms);
	if (session_is_up(server->session))
		return;
	LIST_EACH_SAFE(request, &server->requests, struct request, of_server)
		request_postpone(request);
}

uint64_t hub_deadline(const struct hub_server *server)
{
	return grace_deadline(&server->grace);
}

void hub_tick(struct hub *h, struct hub_server *server, uint64_t now, uint64_t unix_ms)
{
	if (grace_is_over(&server->grace, now))
		send_state(h, server, 0, server->grace.last_member, now, unix_ms);
}

void hub_handle_event(struct hub *h, struct hub_server *server, const struct session_event *event,
	      uint64_t now, uint64_t unix_ms)
{
	switch (event->kind) {
	case SESSION_EVENT_MESSAGE:
		deliver(h, server, event);
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
		report_lost(h, server, event);
		break;
	case SESSION_EVENT_ABORT:
	case SESSION_EVENT_NOTE:
	case SESSION_EVENT_UNAUTHORIZED:
		/* for the driver of the session */
		break;
	}
}
