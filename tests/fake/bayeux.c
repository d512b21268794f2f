/*
 * Parses requests: one text with many messages, each with or without a session. All
 * of them are answered together, or the whole request fails, as with the real
 * servers.
 */
#include <stdlib.h>
#include "tests/fake/bayeux.h"
#include "tests/fake/deliver.h"
#include "tests/fake/handlers.h"
#include "tests/fake/timesync.h"
#include "tests/fake/ws.h"

static bool is_faye(const struct exchange *x)
{
	return x->server->set.dialect == DIALECT_FAYE;
}

/* ---- one message ---- */

/* CometD over HTTP identifies a session by its cookie, too */
static struct session *session_of(const struct exchange *x, const struct request *q)
{
	struct session *s = session_find(x->server, q->client_id);

	if (!s || q->type == MESSAGE_HANDSHAKE)
		return NULL;
	if (x->transport == TRANSPORT_LP && !is_faye(x) &&
	    (!x->browser || !s->browser || strcmp(x->browser, s->browser) != 0))
		return NULL;
	return session_ref(s);
}

static void note_request(const struct exchange *x, const struct request *q, unsigned batch)
{
	char *text = xslicedup(q->raw);

	journal_add(&x->server->journal, &(struct note){
		.kind = message_type_name(q->type),
		.channel = q->about,
		.transport = x->transport, .client = q->session ? q->session->number : 0,
		.id = q->id, .batch = batch, .text = text,
	});
	free(text);
}

/* the reply to a message without a channel can only carry its id */
static void reply_without_channel(struct exchange *x, const struct request *q)
{
	struct object o = {NULL, 0};

	object_set_text(&o, "id", q->id);
	object_set_raw(&o, "error", is_faye(x) ? "\"402:data:Missing required parameter\""
					       : "\"400::channel_missing\"");
	object_set_raw(&o, "successful", "false");
	exchange_answer(x, q, NULL, &o);
	object_fini(&o);
}

static enum outcome process(struct exchange *x, struct slice raw, unsigned batch)
{
	struct request *q = xcalloc(1, sizeof(*q));
	struct slice channel = json_member(raw, "channel");
	enum outcome outcome = ANSWERED;
	struct subject subject;
	const struct rule *rule;

	q->raw = raw;
	q->came = timesync_clock(x->server);
	q->channel = json_is_string(channel) ? json_text(channel) : xstrdup("");
	q->type = message_type_of(q->channel);
	if (q->type == MESSAGE_SUBSCRIBE || q->type == MESSAGE_UNSUBSCRIBE)
		q->about = json_text(json_member(raw, "subscription"));
	if (!q->about)
		q->about = xstrdup(q->channel);
	q->id = json_text(json_member(raw, "id"));
	q->client_id = json_text(json_member(raw, "clientId"));
	q->session = session_of(x, q);
	note_request(x, q, batch);
	if (!q->channel[0]) {
		reply_without_channel(x, q);
	} else {
		if (q->session) {
			q->session->busy = true;
			handlers_ride_with(x, q->session);
		}
		subject = exchange_subject(x, q);
		rule = rule_match(x->server, &subject);
		outcome = handlers_run(x, q, batch, rule);
	}
	request_free(q);
	return outcome;
}

/* ---- a batch of messages ---- */

static void malformed(struct exchange *x, const char *why)
{
	journal_add(&x->server->journal, &(struct note){
		.kind = "bad", .transport = x->transport, .text = x->text.p,
	});
	if (!is_faye(x))
		exchange_fail(x, 500, 1011, why);
	else if (x->transport == TRANSPORT_LP)
		exchange_fail(x, 400, 0, "Bad request");
	else
		exchange_free(x);
}

static unsigned count_messages(struct slice list, bool *ret_objects, bool *ret_handshake)
{
	struct slice one;
	unsigned n = 0;

	while (json_next(&list, &one)) {
		n++;
		*ret_objects = *ret_objects && json_is_object(one);
		*ret_handshake = *ret_handshake ||
			slice_eq(json_member(one, "channel"), SLICE("\"/meta/handshake\""));
	}
	return n;
}

static void end_request(struct server *server)
{
	LIST_EACH(s, &server->sessions, struct session, link)
		s->busy = false;
	deliver_flush_all(server);
}

static enum advice connect_advice(const struct exchange *x)
{
	if (x->multiple)
		return ADVICE_MULTIPLE;
	return x->advise || is_faye(x) ? ADVICE_RETRY : ADVICE_NONE;
}

static void finish(struct exchange *x, bool held)
{
	struct server *server = x->server;
	struct session *s = x->session ? session_ref(x->session) : NULL;
	struct conn *c = x->conn;
	bool faye_over = s && s->removed && is_faye(x) && x->transport == TRANSPORT_WS;

	if (!held && x->connect)
		deliver_connect_reply(x, NULL, connect_advice(x));
	else if (!held)
		deliver_replies(x);
	if (faye_over && c)
		ws_close(c, 1000, "");
	session_unref(s);
	end_request(server);
}

static void broken(struct exchange *x)
{
	struct server *server = x->server;

	malformed(x, "java.lang.IllegalArgumentException");
	end_request(server);
}

void bayeux_receive(struct exchange *x)
{
	struct slice list = text_view(&x->text), one;
	bool objects = true, handshake = false, held = false;
	enum outcome outcome = ANSWERED;
	struct text array = {NULL, 0, 0};
	unsigned n;

	if (!json_valid(list)) {
		malformed(x, "Invalid JSON");
		return;
	}
	if (json_is_object(list)) {
		text_printf(&array, "[%.*s]", SLICE_ARG(list));
		text_fini(&x->text);
		x->text = array;
		list = text_view(&x->text);
	}
	n = json_is_array(list) ? count_messages(list, &objects, &handshake) : 0;
	if (!objects || (n == 0 && !(is_faye(x) && json_is_array(list)))) {
		malformed(x, "Invalid message");
		return;
	}
	if (handshake && n > 1 && !is_faye(x)) {
		malformed(x, "Invalid batch");
		return;
	}
	while (outcome != BROKEN && json_next(&list, &one)) {
		outcome = process(x, one, n);
		held = held || outcome == HELD;
	}
	if (outcome == BROKEN)
		broken(x);
	else
		finish(x, held);
}
