/*
 * Sends queued events. Reproduces the orders recorded from the real servers, and
 * their losses: events written to a connection that the client no longer reads are
 * lost, unless the ack extension keeps them.
 */
#include <stdio.h>
#include <stdlib.h>
#include "tests/fake/deliver.h"
#include "tests/fake/ws.h"

static bool faye(const struct session *s)
{
	return s->server->set.dialect == DIALECT_FAYE;
}

/* events are sent with connect replies only */
static bool on_connect_only(const struct session *s)
{
	return s->ack || (faye(s) && s->transport == TRANSPORT_LP);
}

static void note_event(const struct session *s, const struct queued *q, bool lost)
{
	journal_add(&s->server->journal, &(struct note){
		.kind = lost ? "lost" : "event", .channel = q->channel, .client = s->number,
		.transport = s->transport, .batch = (unsigned)q->batch, .text = q->text,
	});
}

void deliver_to(struct session *s, const char *channel, struct object *event)
{
	struct text own = {NULL, 0, 0}, t = {NULL, 0, 0}, raw = {NULL, 0, 0};
	const struct rule *rule;
	struct subject subject = {
		.transport = s->transport, .type = "event", .channel = channel,
		.client = s->number, .client_id = s->id,
	};

	object_write(event, &raw);
	subject.raw = text_view(&raw);
	rule = rule_match(s->server, &subject);
	rule_edit(rule, event);
	object_write(event, &own);
	if (rule && rule->reply)
		rule_expand(rule->reply, &subject, text_view(&own), &t);
	else
		text_slice(&t, text_view(&own));
	if (rule && rule->twice)
		session_queue(s, channel, xstrdup(t.p), rule);
	if (rule && rule->drop)
		text_fini(&t);
	else
		session_queue(s, channel, t.p, rule);
	text_fini(&own);
	text_fini(&raw);
}

/* Salesforce keeps events for subscribes with a replay id */
static void keep_for_replay(struct server *s, const char *channel, struct slice message,
			    struct text *ret)
{
	struct slice data = json_member(message, "data");

	s->last_replay++;
	if (json_member(data, "event").p)
		text_slice(ret, message);
	else
		text_printf(ret, "{\"data\":{\"event\":{"
				 "\"createdDate\":\"2026-11-21T03:54:36.000Z\","
				 "\"replayId\":%ld},\"payload\":%.*s}}",
			    s->last_replay, SLICE_ARG(data.p ? data : SLICE("null")));
	name_list_add(&s->replay_channels, channel);
	name_list_add(&s->replay_events, ret->p);
}

void deliver_broadcast(struct server *s, const char *channel, struct slice message,
		       const struct session *from)
{
	struct text kept = {NULL, 0, 0};

	if (s->set.dialect == DIALECT_SALESFORCE) {
		keep_for_replay(s, channel, message, &kept);
		message = text_view(&kept);
	}
	LIST_EACH(to, &s->sessions, struct session, link) {
		unsigned copies = session_matches(to, channel);

		if (to == from && !s->set.echo)
			continue;
		if (copies && !s->set.duplicates)
			copies = 1;
		for (; copies; copies--) {
			struct object event = {NULL, 0};

			dialect_event(to, channel, message, &event);
			deliver_to(to, channel, &event);
			object_fini(&event);
		}
	}
	text_fini(&kept);
}

void deliver_replay(struct session *s, const char *channel, long after)
{
	struct server *server = s->server;

	for (size_t i = 0; i < server->replay_channels.n && after != -1; i++) {
		struct slice message = slice_of(server->replay_events.names[i]);
		struct object event = {NULL, 0};
		long id = 0;

		json_number(json_member(json_member(json_member(message, "data"), "event"),
					"replayId"), &id);
		if (strcmp(server->replay_channels.names[i], channel) != 0 || id <= after)
			continue;
		dialect_event(s, channel, message, &event);
		deliver_to(s, channel, &event);
		object_fini(&event);
	}
}

/* the queue as a list of messages; without the ack extension it is emptied */
static void drain_queue(struct session *s, bool lost, struct text *ret)
{
	LIST_EACH_SAFE(q, &s->queue, struct queued, link) {
		text_comma(ret);
		text_puts(ret, q->text);
		note_event(s, q, lost);
		if (!s->ack)
			queued_free(q);
	}
}

/* one frame an event, as CometD and Faye do */
static void push_queue(struct session *s)
{
	struct text frame = {NULL, 0, 0};

	LIST_EACH_SAFE(q, &s->queue, struct queued, link) {
		text_clear(&frame);
		text_printf(&frame, "[%s]", q->text);
		note_event(s, q, !s->ws);
		if (s->ws)
			ws_send(s->ws, text_view(&frame), q->rule ? &q->rule->send_options : NULL);
		if (!s->ack)
			queued_free(q);
	}
	text_fini(&frame);
}

void deliver_connect_reply(struct exchange *x, const char *error, enum advice advice)
{
	struct session *s = session_ref(x->session);
	struct object reply = {NULL, 0};
	struct text events = {NULL, 0, 0};
	char ext[40];

	/* from here on, closing its connection must not free it */
	if (s->held == x)
		s->held = NULL;
	snprintf(ext, sizeof(ext), "{\"ack\":%lu}", s->batch);
	dialect_reply(x->server, x->connect, error, advice, s->ack ? ext : NULL, &reply);
	exchange_answer(x, x->connect, x->connect_rule, &reply);
	object_fini(&reply);
	/* the last events of a session that ends are sent with the answer that ended it */
	if (s->busy && s->removed)
		;
	else if (x->transport == TRANSPORT_LP)
		drain_queue(s, !x->conn, &events);
	else if (on_connect_only(s))
		push_queue(s);
	s->batch++;
	exchange_send(x, text_view(&events), !faye(s));
	text_fini(&events);
	session_start_expiry(s);
	session_unref(s);
}

void deliver_replies(struct exchange *x)
{
	struct session *s = x->session;
	struct text events = {NULL, 0, 0};
	bool ride = s && (x->has_handshake || s->removed || !on_connect_only(s));

	if (x->transport == TRANSPORT_LP) {
		if (ride)
			drain_queue(s, false, &events);
		exchange_send(x, text_view(&events), !x->has_handshake);
	} else if (x->has_handshake) {
		/* only here the reply precedes the events */
		s = s ? session_ref(s) : NULL;
		exchange_send(x, SLICE_NULL, false);
		if (ride)
			push_queue(s);
		session_unref(s);
	} else {
		if (ride && s->transport == TRANSPORT_WS)
			push_queue(s);
		exchange_send(x, SLICE_NULL, false);
	}
	text_fini(&events);
}

void deliver_flush(struct session *s)
{
	if (s->busy || list_empty(&s->queue))
		return;
	if (on_connect_only(s) || s->transport == TRANSPORT_LP) {
		if (s->held)
			deliver_connect_reply(s->held, NULL,
					      s->held->advise || faye(s) ? ADVICE_RETRY
									 : ADVICE_NONE);
	} else if (s->ws || !faye(s)) {
		push_queue(s);
	}
}

void deliver_flush_all(struct server *server)
{
	LIST_EACH(s, &server->sessions, struct session, link)
		deliver_flush(s);
}

/* answers the held connect of a session that ends */
static void answer_held_connect(struct session *s, const char *kind)
{
	struct exchange *x = s->held;
	bool expired = strcmp(kind, "expired") == 0;

	if (!x)
		return;
	if (expired)
		deliver_connect_reply(x, dialect_unknown_client(s->server, x->connect),
				      ADVICE_HANDSHAKE);
	else if (!faye(s))
		deliver_connect_reply(x, NULL, ADVICE_STOP);
	else if (s->transport == TRANSPORT_LP)
		deliver_connect_reply(x, NULL, ADVICE_RETRY);
	else
		exchange_free(x);
}

void deliver_end_session(struct session *s, const char *kind)
{
	static const char disconnect[] = "{\"channel\":\"/meta/disconnect\",\"successful\":true}";
	bool kicked = strcmp(kind, "kicked") == 0;

	if (s->removed)
		return;
	session_ref(s);
	session_remove(s);
	journal_add(&s->server->journal, &(struct note){
		.kind = kind, .client = s->number, .transport = s->transport,
	});
	if (kicked) {
		session_queue(s, "/meta/disconnect",
			      xstrdup(s->server->set.dialect == DIALECT_SALESFORCE
				      ? "{\"channel\":\"/meta/disconnect\"}" : disconnect), NULL);
		if (s->transport == TRANSPORT_WS && !s->ack)
			push_queue(s);
	}
	answer_held_connect(s, kind);
	if (faye(s) && s->ws && !s->busy)
		ws_close(s->ws, 1000, "");
	session_unref(s);
}

static void session_lost_socket(struct session *s)
{
	s->ws = NULL;
	if (s->held)
		exchange_free(s->held);
	if (!s->removed)
		session_start_expiry(s);
}

void deliver_conn_closed(struct conn *c)
{
	LIST_EACH(x, &c->server->exchanges, struct exchange, link)
		if (x->conn == c)
			x->conn = NULL;
	LIST_EACH(s, &c->server->sessions, struct session, link)
		if (s->ws == c)
			session_lost_socket(s);
}
