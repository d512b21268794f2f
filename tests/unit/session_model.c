/*
 * A model of server, network and driver (see session_model.h). All decisions depend only
 * on the seed, so that a run can be repeated. Uses only the public interface of the
 * session.
 */
#include "tests/unit/session_model.h"

#include "tests/unit/testing.h"

#include "bayeux/channel.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define HOLD 5000
#define EXPIRY 8000

const char *const model_channels[MODEL_CHANNELS] = {
	"/steady", "/a", "/b", "/p/*", "/p/x", "/p/**", "/q/r/s", "/q/**"};

void model_init(struct model *m, uint64_t seed)
{
	memset(m, 0, sizeof(*m));
	m->now = 1000000;
	m->random = seed * 2654435769u + 88172645463325252u;
}

void model_disconnect(struct model *m)
{
	for (size_t i = 0; i < m->n_items; i++)
		free(m->items[i].text);
	m->n_items = 0;
	memset(m->open, 0, sizeof(m->open));
	m->socket = m->held_socket = 0;
	m->held = false;
}

void model_fini(struct model *m)
{
	model_disconnect(m);
}

uint64_t model_random(struct model *m, uint64_t below)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return (m->random >> 11) % below;
}

static bool goes_wrong(struct model *m)
{
	return model_random(m, 1000) < m->trouble;
}

/* SESSION_TRACE=1 shows every text and failure, with the time in front. */
static void trace(const struct model *m, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void trace(const struct model *m, const char *format, ...)
{
	va_list args;
	if (!getenv("SESSION_TRACE"))
		return;
	fprintf(stderr, "%9" PRIu64 " ", m->now - 1000000);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* ---- the network ---- */

static struct model_item *add_item(struct model *m, int kind, uint64_t delay)
{
	assert_true(m->n_items < MODEL_ITEMS);
	struct model_item *it = &m->items[m->n_items++];
	*it = (struct model_item){.at = m->now + delay, .order = m->order++, .socket = m->socket};
	it->kind = kind;
	return it;
}

static uint64_t latency(struct model *m)
{
	return 1 + model_random(m, model_random(m, 10) ? 20 : 300);
}

static struct session_failure failure_of(int kind)
{
	return (struct session_failure){.kind = kind, .reason = SLICE("fault")};
}

static void fail_exchange(struct model *m, uint64_t batch, enum session_failure_kind kind,
			  unsigned status)
{
	struct model_item *it = add_item(m, MODEL_FAILURE, latency(m));
	it->batch = batch;
	it->failure = failure_of(kind);
	it->failure.http_status = status;
}

static void close_later(struct model *m, enum session_failure_kind kind, bool unsupported)
{
	struct model_item *it = add_item(m, MODEL_CLOSE, latency(m));
	it->failure = failure_of(kind);
	it->failure.unsupported = unsupported;
}

void model_close_socket(struct model *m)
{
	if (m->socket)
		close_later(m, SESSION_BROKEN, false);
}

/* ---- messages of the server ---- */

/* to the HTTP exchange `batch`, or over WebSocket number `socket` when that is not 0 */
static void send_text(struct model *m, unsigned socket, uint64_t batch, struct buf *text,
		      uint64_t n_events)
{
	struct model_item *it;
	if (socket) {
		it = add_item(m, MODEL_FRAME, latency(m));
	} else if (goes_wrong(m)) {
		if (model_random(m, 2))
			fail_exchange(m, batch, SESSION_BROKEN, 0);
		return;
	} else {
		it = add_item(m, MODEL_RESPONSE, latency(m));
	}
	/* frames keep their order; so do responses with events, or numbers would prove nothing */
	if (socket || n_events) {
		if (it->at < m->last_frame_at)
			it->at = m->last_frame_at;
		m->last_frame_at = it->at;
	}
	it->batch = socket ? 0 : batch;
	it->socket = socket;
	it->n_events = n_events;
	buf_putc(text, '\0');
	it->text = strdup(buf_slice(text).p);
}

static void put_reply(struct buf *b, struct slice channel, struct slice id, const char *rest)
{
	buf_printf(b, "%s{\"channel\":\"%.*s\",\"id\":\"%.*s\",%s}", buf_len(b) > 1 ? "," : "",
		   SLICE_ARG(channel), SLICE_ARG(id), rest);
}

/* Moves what is queued into the text; with ack it stays in the queue until acknowledged. */
static uint64_t put_events(struct model *m, struct buf *b)
{
	uint64_t n = m->queued;
	for (size_t i = 0; i < m->queued; i++) {
		buf_printf(b, "%s{\"channel\":\"%s\",\"data\":%" PRIu64 "}",
			   buf_len(b) > 1 ? "," : "", m->queue[i].channel, m->queue[i].seq);
	}
	if (!m->session_ack)
		m->queued = 0;
	return n;
}

/* over a WebSocket events have a frame to themselves */
static void send_events(struct model *m, unsigned socket)
{
	struct buf b;
	if (!m->queued)
		return;
	buf_init(&b, 1 << 20);
	buf_putc(&b, '[');
	uint64_t n = put_events(m, &b);
	buf_putc(&b, ']');
	send_text(m, socket, 0, &b, n);
	buf_fini(&b);
}

static void answer_connect(struct model *m, unsigned socket, uint64_t batch, struct slice id)
{
	struct buf b;
	char rest[128];
	uint64_t n = 0;
	buf_init(&b, 1 << 20);
	buf_putc(&b, '[');
	if (socket)
		send_events(m, socket);
	else
		n = put_events(m, &b);
	snprintf(rest, sizeof(rest), "\"successful\":true");
	if (m->session_ack)
		snprintf(rest, sizeof(rest), "\"successful\":true,\"ext\":{\"ack\":%" PRIu64 "}",
			 m->ack_batch++);
	put_reply(&b, SLICE("/meta/connect"), id, rest);
	buf_putc(&b, ']');
	m->seen_at = m->now;
	send_text(m, socket, batch, &b, n);
	buf_fini(&b);
}

static void answer_held(struct model *m)
{
	if (!m->held)
		return;
	m->held = false;
	answer_connect(m, m->held_socket, m->held_batch, slice_of(m->held_id));
}

/* ---- what happens to it ---- */

static void forget_session(struct model *m)
{
	m->session = 0;
	m->queued = 0;
	m->held = false;
	m->held_socket = 0;
	memset(m->subscribed, 0, sizeof(m->subscribed));
}

void model_expire(struct model *m)
{
	struct slice id = slice_of(m->held_id);
	struct buf b;
	buf_init(&b, 4096);
	buf_putc(&b, '[');
	put_reply(&b, SLICE("/meta/connect"), id,
		  "\"successful\":false,\"error\":\"402::session_unknown\","
		  "\"advice\":{\"reconnect\":\"handshake\",\"interval\":0}");
	buf_putc(&b, ']');
	if (m->held)
		send_text(m, m->held_socket, m->held_batch, &b, 0);
	buf_fini(&b);
	forget_session(m);
}

void model_kick(struct model *m)
{
	struct buf b;
	if (!m->held)
		return;
	buf_init(&b, 4096);
	buf_put_str(&b, "[{\"channel\":\"/meta/disconnect\",\"successful\":true}");
	put_reply(&b, SLICE("/meta/connect"), slice_of(m->held_id),
		  "\"successful\":true,\"advice\":{\"reconnect\":\"none\"}");
	buf_putc(&b, ']');
	send_text(m, m->held_socket, m->held_batch, &b, 0);
	buf_fini(&b);
	forget_session(m);
}

/* a copy for each subscription, or one for all of them; none without a subscription */
static void queue_event(struct model *m, const char *channel, uint64_t seq)
{
	for (unsigned i = 0; i < MODEL_CHANNELS; i++) {
		if (!m->subscribed[i] || m->queued == MODEL_EVENTS ||
		    !channel_matches(slice_of(model_channels[i]), slice_of(channel)))
			continue;
		struct model_event *event = &m->queue[m->queued++];
		*event = (struct model_event){.seq = seq, .batch = m->ack_batch};
		snprintf(event->channel, sizeof(event->channel), "%s", channel);
		if (!m->copies)
			return;
	}
}

void model_publish(struct model *m, unsigned channel)
{
	/* a pattern is published to by one of its channels */
	const char *pattern = model_channels[channel];
	char name[16];
	snprintf(name, sizeof(name), "%.*s%s", (int)strcspn(pattern, "*"), pattern,
		 strchr(pattern, '*') ? "y" : "");
	uint64_t seq = channel ? 1000000000 + ++m->other : ++m->seq;
	size_t before = m->queued;
	if (m->session)
		queue_event(m, name, seq);
	if (m->queued == before)
		return;
	if (m->held && (!m->held_socket || m->session_ack)) {
		answer_held(m);
	} else if (m->held_socket && !m->session_ack) {
		send_events(m, m->held_socket);
	}
}

/* ---- requests to the server ---- */

static void hear_handshake(struct model *m, const struct envelope *e, struct buf *out)
{
	char rest[256];
	forget_session(m);
	m->session = ++m->sessions;
	m->session_ack = m->ack && e->ext.p;
	m->ack_batch = 1;
	m->seen_at = m->now;
	snprintf(rest, sizeof(rest),
		 "\"successful\":true,\"clientId\":\"c%u\",\"minimumVersion\":\"1.0\","
		 "\"supportedConnectionTypes\":[%s\"long-polling\"],\"advice\":{\"timeout\":%d,"
		 "\"interval\":0,\"reconnect\":\"retry\"}%s",
		 m->session, m->no_websocket ? "" : "\"websocket\",", HOLD,
		 m->session_ack ? ",\"ext\":{\"ack\":true}" : "");
	put_reply(out, e->channel, e->id, rest);
}

static void take_ack(struct model *m, const struct envelope *e)
{
	const char *ack = e->ext.p ? strstr(e->ext.p, "\"ack\":") : NULL;
	if (!ack)
		return;
	uint64_t n = strtoull(ack + 6, NULL, 10), kept = 0;
	assert_true(n < m->ack_batch);
	for (size_t i = 0; i < m->queued; i++)
		if (m->queue[i].batch > n)
			m->queue[kept++] = m->queue[i];
	m->queued = kept;
}

static void hear_connect(struct model *m, const struct model_item *it, const struct envelope *e)
{
	bool at_once = e->advice.p && strstr(e->advice.p, "\"timeout\":0") != NULL;
	if (m->held && !m->held_socket)
		fail_exchange(m, m->held_batch, SESSION_BROKEN, 500);
	m->held = false;
	if (m->session_ack)
		take_ack(m, e);
	if (at_once || m->queued) {
		answer_connect(m, it->socket, it->batch, e->id);
		m->held_socket = it->socket;
		return;
	}
	m->held = true;
	m->held_socket = it->socket;
	m->held_batch = it->batch;
	m->held_until = m->now + HOLD;
	snprintf(m->held_id, sizeof(m->held_id), "%.*s", SLICE_ARG(e->id));
}

static void hear_subscription(struct model *m, const struct envelope *e, struct buf *out)
{
	if (model_random(m, 1000) < m->trouble / 4) {
		put_reply(out, e->channel, e->id, "\"successful\":false,\"error\":\"503::busy\"");
		return;
	}
	for (unsigned i = 0; i < MODEL_CHANNELS; i++)
		if (slice_eq(e->subscription, slice_of(model_channels[i])))
			m->subscribed[i] = slice_eq(e->channel, SLICE("/meta/subscribe"));
	put_reply(out, e->channel, e->id, "\"successful\":true");
}

static void hear_publish(struct model *m, const struct model_item *it, const struct envelope *e,
			 struct buf *out)
{
	unsigned cookie = (unsigned)strtoul(e->data.p, NULL, 10);
	assert_true(cookie < MODEL_PUBLISHES);
	assert_int_equal(m->processed[cookie] + m->refused[cookie], 0);
	if (model_random(m, 20) == 0) {
		m->refused[cookie]++;
		put_reply(out, e->channel, e->id, "\"successful\":false,\"error\":\"403::no\"");
		return;
	}
	m->processed[cookie]++;
	/* over a WebSocket a server may swallow one reply */
	if (!it->socket || !goes_wrong(m))
		put_reply(out, e->channel, e->id, "\"successful\":true");
}

/* Whether it is of the living session. */
static bool hear_message(struct model *m, const struct model_item *it, const struct envelope *e,
			 struct buf *out)
{
	char client[16];
	int n = snprintf(client, sizeof(client), "c%u", m->session);
	bool connect = slice_eq(e->channel, SLICE("/meta/connect"));
	if (slice_eq(e->channel, SLICE("/meta/handshake"))) {
		hear_handshake(m, e, out);
	} else if (!m->session || !slice_eq(e->client_id, slice_make(client, (size_t)n))) {
		put_reply(out, e->channel, e->id, connect
			? "\"successful\":false,\"error\":\"402::session_unknown\","
			  "\"advice\":{\"reconnect\":\"handshake\",\"interval\":0}"
			: "\"successful\":false,\"error\":\"402::session_unknown\"");
		return false;
	} else if (connect) {
		hear_connect(m, it, e);
	} else if (slice_eq(e->channel, SLICE("/meta/disconnect"))) {
		forget_session(m);
		put_reply(out, e->channel, e->id, "\"successful\":true");
	} else if (e->kind == ENVELOPE_META) {
		hear_subscription(m, e, out);
	} else {
		hear_publish(m, it, e, out);
	}
	return true;
}

static void hear(struct model *m, const struct model_item *it)
{
	struct envelope_batch batch;
	struct buf out, replies;
	bool known = false;
	uint64_t n = 0;
	envelope_batch_init(&batch);
	buf_init(&out, 1 << 20);
	buf_init(&replies, 1 << 20);
	buf_putc(&out, '[');
	buf_putc(&replies, '[');
	assert_int_equal(envelope_parse(&batch, slice_of(it->text)), 0);
	for (size_t i = 0; i < batch.n; i++)
		known |= hear_message(m, it, &batch.items[i], &replies);
	if (buf_len(&replies) > 1) {
		/* events ride on any HTTP response to the session, in front of the replies, unless
		   acknowledged ones must wait for the connect */
		if (known && !it->socket && !m->session_ack)
			n = put_events(m, &out);
		if (n)
			buf_putc(&out, ',');
		buf_put(&out, slice_drop(buf_slice(&replies), 1));
		buf_putc(&out, ']');
		send_text(m, it->socket, it->batch, &out, n);
	}
	buf_fini(&replies);
	buf_fini(&out);
	envelope_batch_fini(&batch);
}

/* ---- the driver ---- */

static uint64_t *find_open(struct model *m, uint64_t batch)
{
	for (size_t i = 0; i < 64; i++)
		if (m->open[i] == batch)
			return &m->open[i];
	return NULL;
}

static void abort_batch(struct model *m, uint64_t batch)
{
	uint64_t *open = find_open(m, batch);
	if (batch == 0) {
		memset(m->open, 0, sizeof(m->open));
		m->socket = 0;
	} else if (open) {
		*open = 0;
	} else {
		m->socket = 0;
	}
}

static void trace_event(const struct model *m, const struct session_event *e)
{
	static const char *const kinds[] = {"message", "outcome", "channel", "state", "abort",
	"note"};
	struct session_info info;
	session_info(m->s, &info);
	trace(m, "  %s %.*s%.*s batch=%u cookie=%u outcome=%d state=%s%s", kinds[e->kind],
	      SLICE_ARG(e->channel), e->envelope ? (int)e->envelope->data.n : 0,
	      e->envelope ? e->envelope->data.p : "", (unsigned)e->batch, (unsigned)e->cookie,
	      e->outcome, session_state_name(info.state), info.gap ? " gap" : "");
}

static void tell_all(struct model *m)
{
	struct session_event e;
	while (session_next(m->s, m->now, &e) == 0) {
		if (e.kind == SESSION_EVENT_ABORT)
			abort_batch(m, e.batch);
		trace_event(m, &e);
		m->tell(m, &e);
	}
}

static void send_websocket(struct model *m, struct slice text)
{
	if (!m->socket) {
		m->socket = ++m->sockets;
		if (m->no_websocket || goes_wrong(m)) {
			close_later(m, SESSION_NOT_SENT, m->no_websocket);
			return;
		}
	}
	/* nothing arrives after a refused upgrade */
	for (size_t i = 0; i < m->n_items; i++)
		if (m->items[i].kind == MODEL_CLOSE && m->items[i].socket == m->socket &&
		    m->items[i].failure.kind == SESSION_NOT_SENT)
			return;
	if (goes_wrong(m)) {
		close_later(m, SESSION_BROKEN, false);
		if (model_random(m, 2))
			return;
	}
	struct model_item *it = add_item(m, MODEL_ARRIVES, 5);
	it->text = strndup(text.p, text.n);
}

static void send_http(struct model *m, uint64_t batch, struct slice text)
{
	*find_open(m, 0) = batch;
	if (goes_wrong(m)) {
		unsigned how = (unsigned)model_random(m, 4);
		if (how < 2)
			fail_exchange(m, batch, SESSION_NOT_SENT, 0);
		else if (how < 3)
			fail_exchange(m, batch, SESSION_BROKEN, 503);
		return;
	}
	struct model_item *it = add_item(m, MODEL_ARRIVES, latency(m));
	it->batch = batch;
	it->socket = 0;
	it->text = strndup(text.p, text.n);
}

void model_pull(struct model *m)
{
	struct session_batch b;
	struct buf out;
	buf_init(&out, 1 << 20);
	tell_all(m);
	while (session_take_batch(m->s, m->now, &out, &b) == 0) {
		m->batches += !memmem(buf_slice(&out).p, buf_len(&out), "\"/pub\"", 6);
		trace(m, "> %u %s %.*s", (unsigned)b.id, session_transport_name(b.transport),
		      SLICE_ARG(buf_slice(&out)));
		if (b.transport == SESSION_WEBSOCKET)
			send_websocket(m, buf_slice(&out));
		else
			send_http(m, b.id, buf_slice(&out));
		buf_clear(&out);
		tell_all(m);
	}
	buf_fini(&out);
}

/* A text comes in up to three pieces, and between them the session goes on. */
static void feed(struct model *m, const struct model_item *it)
{
	struct slice rest = slice_of(it->text);
	for (int left = 2; rest.n; left--) {
		size_t n = left > 0 ? 1 + model_random(m, rest.n) : rest.n;
		char *piece = strndup(rest.p, n);
		if (it->batch && !find_open(m, it->batch)) {
			free(piece);
			return;
		}
		assert_int_equal(session_feed(m->s, m->now, it->batch, slice_make(piece, n)), 0);
		model_pull(m);
		free(piece);
		rest = slice_drop(rest, n);
	}
	if (!it->batch) {
		session_text_end(m->s, m->now);
		return;
	}
	uint64_t *open = find_open(m, it->batch);
	if (!open)
		return;
	*open = 0;
	session_batch_end(m->s, m->now, it->batch);
}

static void happen(struct model *m, const struct model_item *it)
{
	uint64_t *open = it->batch ? find_open(m, it->batch) : NULL;
	static const char *const kinds[] = {"arrives", "<", "failure", "< frame", "close"};
	trace(m, "%s %u%s socket %u/%u %s", kinds[it->kind], (unsigned)it->batch,
	      it->batch && !open ? " (late)" : "", it->socket, m->socket, it->text ? it->text : "");
	switch (it->kind) {
	case MODEL_ARRIVES:
		hear(m, it);
		break;
	case MODEL_RESPONSE:
		if (!open)
			break;
		m->fed_events += it->n_events;
		feed(m, it);
		break;
	case MODEL_FAILURE:
		if (!open)
			break;
		*open = 0;
		session_batch_failed(m->s, m->now, it->batch, &it->failure);
		break;
	case MODEL_FRAME:
		if (!m->socket || it->socket != m->socket)
			break;
		m->fed_events += it->n_events;
		feed(m, it);
		break;
	case MODEL_CLOSE:
		if (!m->socket || it->socket != m->socket)
			break;
		m->socket = 0;
		session_closed(m->s, m->now, &it->failure);
		break;
	}
	/* the text of a feed must stay until it is looked through */
	tell_all(m);
}

static size_t first_item(const struct model *m)
{
	size_t first = 0;
	for (size_t i = 1; i < m->n_items; i++)
		if (m->items[i].at < m->items[first].at ||
		    (m->items[i].at == m->items[first].at &&
		     m->items[i].order < m->items[first].order))
			first = i;
	return first;
}

uint64_t model_next(const struct model *m)
{
	uint64_t at = session_deadline(m->s);
	if (m->n_items && m->items[first_item(m)].at < at)
		at = m->items[first_item(m)].at;
	if (m->held && m->held_until < at)
		at = m->held_until;
	return at;
}

void model_step(struct model *m, uint64_t to)
{
	if (to > m->now)
		m->now = to;
	if (m->session && !m->held && m->now - m->seen_at > EXPIRY)
		forget_session(m);
	if (m->held && m->held_until <= m->now)
		answer_held(m);
	while (m->n_items && m->items[first_item(m)].at <= m->now) {
		size_t i = first_item(m);
		struct model_item it = m->items[i];
		m->items[i] = m->items[--m->n_items];
		happen(m, &it);
		free(it.text);
		model_pull(m);
	}
	if (session_deadline(m->s) <= m->now)
		session_tick(m->s, m->now);
	model_pull(m);
}
