/*
 * Replies, events, advice and errors of each dialect, with the order of fields as
 * recorded from the real servers.
 */
#include <stdio.h>
#include <stdlib.h>
#include "tests/fake/dialect.h"

const char *message_type_name(enum message_type t)
{
	static const char *const names[] = {
		"handshake", "connect", "subscribe", "unsubscribe", "disconnect", "publish",
	};

	return names[t];
}

enum message_type message_type_of(const char *channel)
{
	for (int t = MESSAGE_HANDSHAKE; t < MESSAGE_PUBLISH; t++)
		if (strncmp(channel, "/meta/", 6) == 0 &&
		    strcmp(channel + 6, message_type_name((enum message_type)t)) == 0)
			return (enum message_type)t;
	return MESSAGE_PUBLISH;
}

static void true_advice(const struct server *s, const struct session *session,
			enum advice advice, struct text *ret)
{
	long interval = session && session->interval >= 0 ? session->interval : s->set.interval;
	bool faye = s->set.dialect == DIALECT_FAYE;

	if (advice == ADVICE_STOP)
		text_puts(ret, "{\"reconnect\":\"none\"}");
	else if (advice == ADVICE_MULTIPLE)
		text_puts(ret, "{\"multiple-clients\":true,\"interval\":2000,"
			       "\"reconnect\":\"retry\"}");
	else if (advice == ADVICE_HANDSHAKE)
		text_puts(ret, faye ? "{\"reconnect\":\"handshake\"}"
				    : "{\"interval\":0,\"reconnect\":\"handshake\"}");
	else if (faye)
		text_printf(ret, "{\"reconnect\":\"retry\",\"interval\":%ld,\"timeout\":%ld}",
			    interval, s->set.timeout);
	else
		text_printf(ret, "{\"interval\":%ld,\"timeout\":%ld,", interval, s->set.timeout);
	if (advice == ADVICE_RETRY && !faye && s->set.advise_max_interval)
		text_printf(ret, "\"maxInterval\":%ld,", s->set.max_interval);
	if (advice == ADVICE_RETRY && !faye)
		text_puts(ret, "\"reconnect\":\"retry\"}");
}

static void set_advice(const struct server *s, const struct session *session, enum advice advice,
		       struct object *ret)
{
	struct text t = {NULL, 0, 0};

	if (advice == ADVICE_NONE)
		return;
	if (advice == ADVICE_RETRY && s->set.advice)
		text_puts(&t, s->set.advice);
	else
		true_advice(s, session, advice, &t);
	object_set(ret, "advice", text_view(&t));
	text_fini(&t);
}

static void faye_reply(const struct server *s, const struct request *q, const char *error,
		       enum advice advice, struct object *ret)
{
	object_set(ret, "id", json_member(q->raw, "id"));
	object_set_text(ret, "clientId", q->session ? q->session->id : NULL);
	object_set_text(ret, "channel", q->channel);
	object_set_raw(ret, "successful", error ? "false" : "true");
	object_set_text(ret, "error", error);
	if (q->type == MESSAGE_SUBSCRIBE || q->type == MESSAGE_UNSUBSCRIBE)
		object_set(ret, "subscription", json_member(q->raw, "subscription"));
	set_advice(s, q->session, advice, ret);
}

void dialect_reply(const struct server *s, const struct request *q, const char *error,
		   enum advice advice, const char *ext, struct object *ret)
{
	if (s->set.dialect == DIALECT_FAYE) {
		faye_reply(s, q, error, advice, ret);
		return;
	}
	if (s->set.dialect == DIALECT_SALESFORCE && q->session)
		object_set_text(ret, "clientId", q->session->id);
	object_set_raw(ret, "ext", ext);
	set_advice(s, q->session, advice, ret);
	object_set_text(ret, "channel", q->channel);
	object_set_text(ret, "id", q->id);
	if (q->type == MESSAGE_SUBSCRIBE || q->type == MESSAGE_UNSUBSCRIBE)
		object_set(ret, "subscription", json_member(q->raw, "subscription"));
	object_set_text(ret, "error", error);
	object_set_raw(ret, "successful", error ? "false" : "true");
}

static const char *types_of(const struct server *s)
{
	if (s->set.types)
		return s->set.types;
	if (s->set.dialect == DIALECT_FAYE)
		return "[\"long-polling\",\"cross-origin-long-polling\",\"callback-polling\","
		       "\"websocket\",\"eventsource\",\"in-process\"]";
	if (s->set.dialect == DIALECT_SALESFORCE || s->set.ws_off)
		return "[\"long-polling\"]";
	return s->set.lp_off ? "[\"websocket\"]" : "[\"websocket\",\"long-polling\"]";
}

static void faye_handshake(const struct server *s, const struct request *q, struct object *ret)
{
	object_set(ret, "id", json_member(q->raw, "id"));
	object_set_text(ret, "channel", q->channel);
	object_set_raw(ret, "successful", "true");
	object_set_raw(ret, "version", "\"1.0\"");
	object_set_raw(ret, "supportedConnectionTypes", types_of(s));
	object_set_text(ret, "clientId", q->session->id);
	set_advice(s, q->session, ADVICE_RETRY, ret);
}

void dialect_handshake(const struct server *s, const struct request *q, bool ack, size_t messages,
		       struct object *ret)
{
	bool salesforce = s->set.dialect == DIALECT_SALESFORCE;
	char count[24];

	if (s->set.dialect == DIALECT_FAYE) {
		faye_handshake(s, q, ret);
		return;
	}
	if (salesforce)
		object_set_raw(ret, "ext", "{\"replay\":true,\"payload.format\":true}");
	else if (ack)
		object_set_raw(ret, "ext", messages ? "{\"ack\":{\"batch\":1,\"enabled\":true}}"
						    : "{\"ack\":true}");
	object_set_raw(ret, "minimumVersion", "\"1.0\"");
	object_set_text(ret, "clientId", q->session->id);
	object_set_raw(ret, "supportedConnectionTypes", types_of(s));
	if (!salesforce)
		set_advice(s, q->session, ADVICE_RETRY, ret);
	snprintf(count, sizeof(count), "%zu", messages);
	if (messages)
		object_set_raw(ret, "x-messages", count);
	object_set_text(ret, "channel", q->channel);
	object_set_text(ret, "id", q->id);
	object_set_raw(ret, "version", "\"1.0\"");
	object_set_raw(ret, "successful", "true");
}

static bool name_among(const char *name, const char *const *names, size_t n)
{
	while (n--)
		if (strcmp(names[n], name) == 0)
			return true;
	return false;
}

void dialect_event(const struct session *s, const char *channel, struct slice message,
		   struct object *ret)
{
	static const char *const taken[] = {"id", "clientId", "channel", "data"};
	const struct settings *set = &s->server->set;
	struct slice rest = message, name, value;

	if (set->dialect == DIALECT_FAYE) {
		object_set_text(ret, "channel", channel);
		object_set(ret, "data", json_member(message, "data"));
		object_set(ret, "id", json_member(message, "id"));
		object_set(ret, "ext", json_member(message, "ext"));
		return;
	}
	if (set->dialect == DIALECT_SALESFORCE)
		object_set_text(ret, "clientId", s->id);
	/* CometD removes two fields and passes on all others */
	while (json_next_member(&rest, &name, &value)) {
		char *key = json_text(name);

		if (!name_among(key, taken, sizeof(taken) / sizeof(taken[0])))
			object_set(ret, key, value);
		free(key);
	}
	object_set(ret, "data", json_member(message, "data"));
	object_set_text(ret, "channel", channel);
}

const char *dialect_unknown_client(const struct server *s, const struct request *q)
{
	static char text[128];

	if (s->set.dialect == DIALECT_SALESFORCE)
		return "403::Unknown client";
	if (s->set.dialect == DIALECT_COMETD)
		return "402::session_unknown";
	if (!q->client_id)
		return "402:clientId:Missing required parameter";
	snprintf(text, sizeof(text), "401:%.80s:Unknown client", q->client_id);
	return text;
}

const char *dialect_refusal(const struct server *s, const struct request *q)
{
	static char text[512];

	if (q->type == MESSAGE_CONNECT || q->type == MESSAGE_DISCONNECT)
		return dialect_unknown_client(s, q);
	if (s->set.dialect == DIALECT_FAYE) {
		char *channel = q->type == MESSAGE_PUBLISH
			      ? NULL : json_text(json_member(q->raw, "subscription"));

		snprintf(text, sizeof(text), "403:%.400s:Forbidden channel",
			 channel ? channel : q->channel);
		free(channel);
		return text;
	}
	if (q->type == MESSAGE_HANDSHAKE)
		return s->set.dialect == DIALECT_SALESFORCE ? "403::Handshake denied"
							    : "403::handshake_denied";
	if (q->type == MESSAGE_UNSUBSCRIBE)
		return "403::unsubscribe_failed";
	return q->type == MESSAGE_SUBSCRIBE ? "403:denied_by_security_policy:subscribe_denied"
					    : "403:denied_by_security_policy:publish_denied";
}
