/*
 * Fields of requests as arguments of the hub. Each request that is refused here gets its reply, if it has
 * an id.
 */
#include "local/wire_in.h"

#include "bayeux/binary.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* Replies with bad-request. Returns 0: the request is done. */
__attribute__((format(printf, 4, 5)))
static int refuse(struct hub *h, struct member *member, const struct message *m,
		  const char *format, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (message_has(m, PROTOCOL_FIELD_ID))
		hub_refuse(h, member, m->id, PROTOCOL_E_BAD_REQUEST, slice_of(text));
	return 0;
}

static int fail(struct hub *h, struct member *member, const struct message *m, int r)
{
	if (message_has(m, PROTOCOL_FIELD_ID))
		hub_refuse(h, member, m->id, PROTOCOL_E_INTERNAL, SLICE("out of memory"));
	return r;
}

static struct slice server_of(const struct message *m)
{
	return message_has(m, PROTOCOL_FIELD_SERVER) ? m->server : SLICE_NULL;
}

/* ---- subscribe and unsubscribe ---- */

/* False: not 16 hexadecimal digits, so no epoch of a daemon. */
static bool parse_epoch(struct slice text, uint64_t *ret)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		const char *digit = memchr(digits, text.p[i], 16);

		if (!digit)
			return false;
		n = n << 4 | (uint64_t)(digit - digits);
	}
	*ret = n;
	return text.n == 16;
}

/* The clock of the day may have been set since: a time is as long ago as it is now. */
static uint64_t loop_time_of(uint64_t unix_time, uint64_t now, uint64_t unix_now)
{
	uint64_t ago = unix_now - unix_time;

	if (unix_time > unix_now)
		return UINT64_MAX;
	return ago < now ? now - ago : 0;
}

/* The past that the request asks for. NULL, or what is wrong. */
static const char *read_past(const struct message *m, const struct wire_in_time *now,
			     struct hub_subscribe *s)
{
	bool history = message_has(m, PROTOCOL_FIELD_HISTORY), since = message_has(m, PROTOCOL_FIELD_SINCE);
	bool epoch = message_has(m, PROTOCOL_FIELD_EPOCH), seq = message_has(m, PROTOCOL_FIELD_SEQ);

	if (epoch != seq)
		return "a position has both \"epoch\" and \"seq\"";
	if (history + epoch + since > 1)
		return "only one of \"history\", \"since\" and a position (\"epoch\" and \"seq\")";
	s->more = message_has(m, PROTOCOL_FIELD_MORE) && m->more;
	if (s->more && !history && !epoch && !since)
		return "\"more\" needs \"history\", \"since\" or a position (\"epoch\" and \"seq\")";
	s->n = m->history;
	s->seq = m->seq;
	if (history)
		s->past = HUB_PAST_HISTORY;
	if (since) {
		s->past = HUB_PAST_TIME;
		s->time = loop_time_of(m->since, now->loop, now->unix_ms);
	}
	if (epoch) {
		s->past = HUB_PAST_POSITION;
		s->epoch_known = parse_epoch(m->epoch, &s->epoch);
	}
	return NULL;
}

static int subscribe(struct hub *h, struct member *member, const struct message *m,
		     struct hub_channels channels, const struct wire_in_time *now)
{
	struct hub_subscribe s = {
		.tag = m->id, .server = server_of(m), .channels = channels,
		.local_only = message_has(m, PROTOCOL_FIELD_UPSTREAM) && !m->upstream,
	};

	if (message_has(m, PROTOCOL_FIELD_OVERFLOW)) {
		if (slice_eq(m->overflow, SLICE("disconnect")))
			s.overflow = OUTBOX_DISCONNECT;
		else if (!slice_eq(m->overflow, SLICE("drop-oldest")))
			return refuse(h, member, m, "\"overflow\" must be drop-oldest or disconnect");
	}
	const char *fault = read_past(m, now, &s);
	if (message_has(m, PROTOCOL_FIELD_DURABLE)) {
		s.durable = m->durable;
		if (!fault && (s.past || message_has(m, PROTOCOL_FIELD_UPSTREAM) || message_has(m, PROTOCOL_FIELD_OVERFLOW)))
			fault = "\"durable\" goes together with none of \"history\", \"since\", a position, \"upstream\" "
				"and \"overflow\"";
	}

	return fault ? refuse(h, member, m, "%s", fault) : hub_subscribe(h, member, &s);
}

/* One channel, or the texts of an array; those that had escapes are in `scratch`. */
static int on_channels(struct hub *h, struct member *member, const struct message *m,
		       struct buf *scratch, const struct wire_in_time *now)
{
	struct slice names[PROTOCOL_CHANNELS_MAX] = {m->channel};
	bool one = message_has(m, PROTOCOL_FIELD_CHANNEL);
	size_t n = 1;
	int r = 0;

	if (one == message_has(m, PROTOCOL_FIELD_CHANNELS))
		return refuse(h, member, m, "either \"channel\" or \"channels\"");
	if (!one)
		r = message_strings(m->channels, scratch, names, PROTOCOL_CHANNELS_MAX, &n);
	if (r < 0)
		return fail(h, member, m, r);
	if (r || n == 0)
		return refuse(h, member, m, "\"channels\" must hold 1 to %d texts",
			      PROTOCOL_CHANNELS_MAX);
	const struct hub_channels channels = {names, n};

	if (m->op == PROTOCOL_OP_SUBSCRIBE)
		return subscribe(h, member, m, channels, now);
	return hub_unsubscribe(h, member, m->id, server_of(m), &channels);
}

/* ---- publish and call ---- */

/*
 * Exactly one of data, which is passed on unchanged, and binary, from which `data` and `ext` are made.
 * BINARY_E_OBJECT with a description; 0 or -ENOMEM. Z85 is shorter than the base64 it is made from, so the
 * limit of the frame is sufficient.
 */
static int read_payload(const struct message *m, struct hub_publish *p, struct buf *data,
			struct buf *ext, const char **ret_why)
{
	bool json = message_has(m, PROTOCOL_FIELD_DATA);
	int r;

	p->data = m->data;
	if (message_has(m, PROTOCOL_FIELD_EXT))
		p->ext = m->ext;
	*ret_why = json ? "data and binary; a message carries one of them"
			: "data is missing, and so is binary";
	if (json == message_has(m, PROTOCOL_FIELD_BINARY))
		return BINARY_E_OBJECT;
	if (json)
		return 0;
	r = binary_from_wire(m->binary, p->ext, data, ext, ret_why);
	p->data = buf_slice(data);
	p->ext = buf_slice(ext);
	return r;
}

static int on_publish(struct hub *h, struct member *member, const struct message *m,
		      struct buf *data, struct buf *ext, uint64_t now)
{
	struct hub_publish p = {
		.tag = m->id, .unanswered = !message_has(m, PROTOCOL_FIELD_ID),
		.call = m->op == PROTOCOL_OP_CALL, .server = server_of(m), .channel = m->channel,
		.timeout = message_has(m, PROTOCOL_FIELD_TIMEOUT) ? m->timeout
								  : PROTOCOL_TIMEOUT_DEFAULT_MS,
	};
	const char *why;
	int r;

	if (p.timeout > PROTOCOL_TIMEOUT_MAX_MS)
		return refuse(h, member, m, "\"timeout\" may be %d at most", PROTOCOL_TIMEOUT_MAX_MS);
	r = read_payload(m, &p, data, ext, &why);
	if (r == BINARY_E_OBJECT)
		return refuse(h, member, m, "%s", why);
	return r ? fail(h, member, m, r) : hub_publish(h, member, &p, now);
}

int wire_in_request(struct hub *h, struct member *member, const struct message *m,
		    const struct wire_in_time *now)
{
	struct buf made[2];
	int r;

	buf_init(&made[0], PROTOCOL_REQUEST_MAX);
	buf_init(&made[1], PROTOCOL_REQUEST_MAX);
	if (m->op == PROTOCOL_OP_SUBSCRIBE || m->op == PROTOCOL_OP_UNSUBSCRIBE)
		r = on_channels(h, member, m, &made[0], now);
	else if (m->op == PROTOCOL_OP_ACK)
		r = hub_ack(h, member, message_has(m, PROTOCOL_FIELD_ID) ? &m->id : NULL, server_of(m), m->durable, m->seq);
	else if (m->op == PROTOCOL_OP_FORGET)
		r = hub_forget(h, member, m->id, server_of(m), m->durable);
	else
		r = on_publish(h, member, m, &made[0], &made[1], now->loop);
	buf_fini(&made[0]);
	buf_fini(&made[1]);
	return r;
}
