/*
 * Plain values of the hub as frames. What a server wrote is passed on byte for byte, without its clientId.
 * A text that is no UTF-8 is left out, rather than the frame.
 */
#include "local/wire_out.h"

#include "base/clock.h"
#include "bayeux/binary.h"
#include "protocol/message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* room for the prefix, the member names and an id */
#define REPLY_HEAD_MAX 128
/* more than the frame of a reply takes around an answer with bytes */
#define ANSWER_EXTRA 256

/* ---- events ---- */

/* The binary data of the message in base64, up to `max` bytes; empty if there is none or it does not fit.
   0 or -ENOMEM. */
static int put_binary(const struct envelope *e, size_t max, struct buf *ret)
{
	int r = BINARY_E_NONE;

	buf_init(ret, max);
	if (e && max)
		r = binary_to_wire(e, ret);
	return r == -ENOMEM ? r : 0;
}

static int encode_event(struct buf *out, struct slice server, uint64_t seq,
			const struct envelope *e, size_t binary_max)
{
	struct buf binary;
	int r;

	if (!binary_max)
		return message_encode_event(out, server, seq, e->pieces, e->n_pieces, SLICE_NULL);
	r = put_binary(e, binary_max, &binary);
	if (!r)
		r = message_encode_event(out, server, seq, e->pieces, e->n_pieces,
					 buf_slice(&binary));
	buf_fini(&binary);
	return r;
}

int wire_out_lost(struct buf *out, struct slice server, const struct hub_loss *loss,
		  enum protocol_error code, struct slice channel)
{
	struct message m;
	int r;

	message_init(&m, PROTOCOL_OP_LOST);
	m.server = server;
	m.count = loss->count;
	m.first = loss->first;
	m.last = loss->last;
	m.code = slice_of(protocol_error_code(code));
	m.channel = channel;
	m.has = PROTOCOL_F(SERVER) | PROTOCOL_F(COUNT) | PROTOCOL_F(FIRST) | PROTOCOL_F(LAST) |
		PROTOCOL_F(CODE) | (channel.n ? PROTOCOL_F(CHANNEL) : 0);
	r = message_encode(&m, out);
	message_fini(&m);
	return r;
}

/* ---- outcomes ---- */

/* The server's message in one piece; where it has two, a copy in `scratch`. */
static int whole(const struct hub_outcome *o, struct buf *scratch, struct slice *ret)
{
	int r = 0;

	*ret = o->bayeux[0];
	if (o->bayeux[1].n) {
		r = buf_put(scratch, o->bayeux[0]);
		if (!r)
			r = buf_put(scratch, o->bayeux[1]);
		*ret = buf_slice(scratch);
	}
	return r;
}

/* {"code":…,"message":…}, with "bayeux":… where there is a message of the server */
static int put_error(struct buf *out, const struct hub_outcome *o)
{
	struct slice bayeux;
	struct buf scratch;
	int r;

	buf_init(&scratch, PROTOCOL_FRAME_MAX);
	r = whole(o, &scratch, &bayeux);
	if (!r)
		r = message_put_error(out, o->code, o->text, bayeux);
	if (r == -EINVAL)
		r = message_put_error(out, o->code, SLICE(""), bayeux);
	buf_fini(&scratch);
	return r;
}

static int encode_subscription(struct buf *out, struct slice server, struct slice pattern,
			       const struct hub_outcome *outcome)
{
	struct message m;
	struct buf error;
	int r = 0;

	buf_init(&error, PROTOCOL_FRAME_MAX);
	if (outcome->result != HUB_OK)
		r = put_error(&error, outcome);
	message_init(&m, PROTOCOL_OP_SUBSCRIPTION);
	m.server = server;
	m.channel = pattern;
	m.ok = outcome->result != HUB_FAILED;
	m.pending = outcome->result == HUB_PENDING;
	m.seq = outcome->seq;
	m.error = buf_slice(&error);
	m.has = PROTOCOL_F(SERVER) | PROTOCOL_F(CHANNEL) | PROTOCOL_F(OK) |
		(m.error.n ? PROTOCOL_F(ERROR) : 0) | (m.pending ? PROTOCOL_F(PENDING) : 0) |
		(outcome->result == HUB_OK ? PROTOCOL_F(SEQ) : 0);
	if (!r)
		r = message_encode(&m, out);
	message_fini(&m);
	buf_fini(&error);
	return r;
}

/* ---- replies ---- */

static int put_channel(struct json_write *w, const struct hub_channel_outcome *c)
{
	const struct hub_outcome *o = &c->outcome;
	struct slice bayeux = SLICE_NULL;
	struct buf text;
	int r;

	buf_init(&text, PROTOCOL_FRAME_MAX);
	json_object_begin(w);
	json_key(w, "channel");
	json_put_text(w, c->channel);
	if (o->result == HUB_FAILED) {
		r = put_error(&text, o);
		json_key(w, "error");
		if (!r)
			json_put_raw(w, buf_slice(&text));
	} else {
		r = whole(o, &text, &bayeux);
		json_key(w, o->result == HUB_OK ? "ok" : "pending");
		json_put_bool(w, true);
		if (o->result == HUB_OK)
			json_key(w, "seq"), json_put_u64(w, o->seq);
		if (!r && bayeux.n)
			json_key(w, "bayeux"), json_put_raw(w, bayeux);
		if (c->gap)
			json_key(w, protocol_field_name(PROTOCOL_FIELD_GAP)), json_put_bool(w, true);
	}
	json_object_end(w);
	buf_fini(&text);
	return r;
}

/* {"channels":[…]} */
static int put_channels(struct buf *out, const struct hub_answer *a)
{
	struct json_write w;
	int r = 0, done;

	json_write_init(&w, out);
	json_object_begin(&w);
	json_key(&w, "channels");
	json_array_begin(&w);
	for (size_t i = 0; i < a->n_channels && !r; i++)
		r = put_channel(&w, &a->channels[i]);
	json_array_end(&w);
	if (a->durable) {
		json_key(&w, "acked"), json_put_u64(&w, a->acked);
		json_key(&w, "redelivered"), json_put_u64(&w, a->redelivered);
	}
	json_object_end(&w);
	done = json_write_done(&w);
	return r ? r : done;
}

/* {"message":…} or {"bayeux":…}, without the closing brace */
static int put_message(struct buf *out, const char *key, const struct hub_outcome *o)
{
	int r = buf_printf(out, "{\"%s\":", key);

	if (!r)
		r = buf_put(out, o->bayeux[0]);
	return r ? r : buf_put(out, o->bayeux[1]);
}

/* With "binary":… where there are bytes in it that fit. */
static int put_call(struct buf *out, const struct hub_answer *a)
{
	struct buf binary;
	int r = put_message(out, "message", &a->outcome);

	if (r)
		return r;
	r = put_binary(a->binary, out->max - buf_len(out), &binary);
	if (!r && buf_len(&binary) && buf_len(out) + buf_len(&binary) + ANSWER_EXTRA < out->max)
		r = buf_printf(out, ",\"binary\":%.*s", SLICE_ARG(buf_slice(&binary)));
	buf_fini(&binary);
	return r ? r : buf_putc(out, '}');
}

/* The server's own reply to a publish. It is left out when there is no memory or no room for it: the publish
   has succeeded anyway. */
static void put_publish(struct buf *out, const struct hub_answer *a)
{
	int r = put_message(out, "bayeux", &a->outcome);

	if (!r)
		r = buf_putc(out, '}');
	if (r || buf_len(out) + ANSWER_EXTRA > out->max)
		buf_clear(out);
}

static int put_result(struct buf *out, const struct hub_answer *a)
{
	if (a->n_channels)
		return put_channels(out, a);
	if (a->outcome.result == HUB_FAILED || !a->outcome.bayeux[0].n)
		return 0;
	if (a->call)
		return put_call(out, a);
	put_publish(out, a);
	return 0;
}

static int encode_reply(struct buf *out, uint64_t id, const struct hub_answer *a)
{
	struct buf result, error;
	struct message m;
	int r;

	buf_init(&result, PROTOCOL_FRAME_MAX);
	buf_init(&error, PROTOCOL_FRAME_MAX);
	r = put_result(&result, a);
	if (!r && a->outcome.result == HUB_FAILED)
		r = put_error(&error, &a->outcome);
	message_init(&m, PROTOCOL_OP_REPLY);
	m.id = id;
	m.ok = a->outcome.result != HUB_FAILED;
	m.result = a->result.n ? a->result : buf_slice(&result);
	m.error = buf_slice(&error);
	m.has = PROTOCOL_F(ID) | PROTOCOL_F(OK) | (m.result.n ? PROTOCOL_F(RESULT) : 0) |
		(m.error.n ? PROTOCOL_F(ERROR) : 0);
	if (!r)
		r = message_encode(&m, out);
	message_fini(&m);
	buf_fini(&error);
	buf_fini(&result);
	return r;
}

void wire_out_shared_reply(struct hub *h, struct member *member, uint64_t id, struct blob *rest)
{
	struct blob *head;
	int r = blob_new(REPLY_HEAD_MAX, &head);

	if (r == 0) {
		r = message_encode_reply_head(&head->buf, id, buf_len(&rest->buf));
		if (r == 0)
			outbox_push_reply(&member->outbox, head, rest);
		blob_unref(head);
	}
	if (r == -EMSGSIZE)
		hub_refuse(h, member, id, PROTOCOL_E_TOO_LARGE, SLICE("the answer is too large"));
	else if (r)
		outbox_overrun(&member->outbox);
}

/* ---- the state of a server ---- */

/* an epoch as text */
struct epoch_text {
	char digits[17];
};

/* Times leave as the protocol needs them: since 1970, or from now. The message views `epoch`. */
static void state_message(struct slice server, const struct session_info *info,
			  const struct hub_position *position, uint64_t now, uint64_t unix_ms,
			  struct epoch_text *epoch, struct message *ret)
{
	snprintf(epoch->digits, sizeof(epoch->digits), "%016" PRIx64, position->epoch);
	message_init(ret, PROTOCOL_OP_STATE);
	ret->server = server;
	ret->state = slice_of(session_state_name(info->state));
	ret->since = clock_before(unix_ms, now - info->since);
	ret->gap = info->gap;
	ret->generation = info->generation;
	ret->epoch = slice_of(epoch->digits);
	ret->first = position->first;
	ret->seq = position->seq;
	ret->reason = info->reason;
	ret->url = info->url;
	ret->retry_in = info->retry_at > now ? info->retry_at - now : 0;
	if (info->state != SESSION_OFF)
		ret->transport = slice_of(session_transport_name(info->transport));
	ret->has = PROTOCOL_F(SERVER) | PROTOCOL_F(STATE) | PROTOCOL_F(SINCE) | PROTOCOL_F(GAP) |
		PROTOCOL_F(GENERATION) | PROTOCOL_F(EPOCH) | PROTOCOL_F(FIRST) | PROTOCOL_F(SEQ) |
		(ret->reason.n ? PROTOCOL_F(REASON) : 0) |
		(ret->url.n ? PROTOCOL_F(URL) : 0) |
		(info->retry_at != UINT64_MAX ? PROTOCOL_F(RETRY_IN) : 0) |
		(ret->transport.n ? PROTOCOL_F(TRANSPORT) : 0);
}

static int encode_state(struct buf *out, struct slice server, const struct session_info *info,
			const struct hub_position *position, uint64_t now, uint64_t unix_ms)
{
	struct epoch_text epoch;
	struct message m;
	int r;

	state_message(server, info, position, now, unix_ms, &epoch, &m);
	r = message_encode(&m, out);
	if (r == -EINVAL) {
		/* the reason from the server is not UTF-8: send the state without it */
		m.has &= ~PROTOCOL_F(REASON);
		r = message_encode(&m, out);
	}
	message_fini(&m);
	return r;
}

static void put_text(struct json_write *w, const struct message *m, enum protocol_field f,
		     struct slice text)
{
	if (message_has(m, f))
		json_key(w, protocol_field_name(f)), json_put_text(w, text);
}

static void put_u64(struct json_write *w, const struct message *m, enum protocol_field f, uint64_t n)
{
	if (message_has(m, f))
		json_key(w, protocol_field_name(f)), json_put_u64(w, n);
}

void wire_out_server(const struct hub_server *server, bool greeting, uint64_t now, uint64_t unix_ms,
		     struct json_write *w)
{
	struct hub_position position;
	struct epoch_text epoch;
	struct session_info info;
	struct message m;

	session_info(hub_server_session(server), &info);
	hub_server_position(server, &position);
	state_message(hub_server_name(server), &info, &position, now, unix_ms, &epoch, &m);
	put_text(w, &m, PROTOCOL_FIELD_SERVER, m.server);
	json_key(w, "default");
	json_put_bool(w, hub_server_is_default(server));
	put_text(w, &m, PROTOCOL_FIELD_STATE, m.state);
	put_u64(w, &m, PROTOCOL_FIELD_SINCE, m.since);
	json_key(w, protocol_field_name(PROTOCOL_FIELD_GAP));
	json_put_bool(w, m.gap && !greeting);
	put_u64(w, &m, PROTOCOL_FIELD_GENERATION, m.generation);
	put_text(w, &m, PROTOCOL_FIELD_EPOCH, m.epoch);
	put_u64(w, &m, PROTOCOL_FIELD_FIRST, m.first);
	put_u64(w, &m, PROTOCOL_FIELD_SEQ, m.seq);
	put_text(w, &m, PROTOCOL_FIELD_REASON, m.reason);
	put_u64(w, &m, PROTOCOL_FIELD_RETRY_IN, m.retry_in);
	put_text(w, &m, PROTOCOL_FIELD_TRANSPORT, m.transport);
	put_text(w, &m, PROTOCOL_FIELD_URL, m.url);
	message_fini(&m);
}

const struct hub_encoder wire_out_encoder = {
	.event = encode_event,
	.lost = wire_out_lost,
	.subscription = encode_subscription,
	.state = encode_state,
	.reply = encode_reply,
};
