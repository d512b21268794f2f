/*
 * Writes subscribe frames. A single channel is written in the form that every daemon
 * knows.
 */
#include "libclient/subscribe.h"

#include "protocol/json_write.h"
#include "protocol/message.h"

#include <cometd-bridge.h>

static void set_text(struct message *m, enum protocol_field f, struct slice *member, struct slice s)
{
	if (!s.p)
		return;
	*member = s;
	m->has |= 1ull << f;
}

static void set_past(struct message *m, const struct subscribe *s)
{
	if (s->past.kind == PAST_NONE)
		return;
	if (s->past.kind == PAST_HISTORY) {
		m->history = s->past.history;
		m->has |= PROTOCOL_F(HISTORY);
	} else if (s->past.kind == PAST_TIME) {
		m->since = s->past.time;
		m->has |= PROTOCOL_F(SINCE);
	} else {
		set_text(m, PROTOCOL_FIELD_EPOCH, &m->epoch, slice_of(s->past.since.epoch));
		m->seq = s->past.since.seq;
		m->has |= PROTOCOL_F(SEQ);
	}
	if (s->more) {
		m->more = true;
		m->has |= PROTOCOL_F(MORE);
	}
}

static int put_channels(const struct subscribe *s, struct buf *names)
{
	struct json_write w;

	json_write_init(&w, names);
	json_array_begin(&w);
	for (size_t i = 0; i < s->n; i++)
		json_put_text(&w, s->channels[i]);
	json_array_end(&w);
	return json_write_done(&w);
}

int subscribe_encode(const struct subscribe *s, struct buf *out)
{
	struct message m;
	struct buf names;

	buf_init(&names, PROTOCOL_REQUEST_MAX);
	message_init(&m, PROTOCOL_OP_SUBSCRIBE);
	m.id = s->id;
	m.has |= PROTOCOL_F(ID);
	set_text(&m, PROTOCOL_FIELD_SERVER, &m.server, s->server);
	if (s->flags & COMETD_LISTEN_ONLY) {
		m.upstream = false;
		m.has |= PROTOCOL_F(UPSTREAM);
	}
	if (s->flags & COMETD_DISCONNECT_IF_SLOW)
		set_text(&m, PROTOCOL_FIELD_OVERFLOW, &m.overflow, SLICE("disconnect"));
	set_text(&m, PROTOCOL_FIELD_DURABLE, &m.durable, s->durable);
	set_past(&m, s);
	int r = s->n == 1 ? 0 : put_channels(s, &names);
	if (s->n == 1)
		set_text(&m, PROTOCOL_FIELD_CHANNEL, &m.channel, s->channels[0]);
	else if (!r)
		set_text(&m, PROTOCOL_FIELD_CHANNELS, &m.channels, buf_slice(&names));
	if (!r)
		r = message_encode(&m, out);
	message_fini(&m);
	buf_fini(&names);
	return r;
}
