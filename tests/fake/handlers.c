/*
 * The effect of each message type and its reply, with the special cases of the real
 * servers: a connect in a batch with other messages is not held, and one invalid
 * channel fails the whole request.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include "tests/fake/channel.h"
#include "tests/fake/deliver.h"
#include "tests/fake/handlers.h"

static void on_expired(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	deliver_end_session(arg, "expired");
}

static bool is_faye(const struct exchange *x)
{
	return x->server->set.dialect == DIALECT_FAYE;
}

static enum outcome reply(struct exchange *x, const struct request *q, const struct rule *rule,
			  const char *error, enum advice advice)
{
	bool ack = q->session && q->session->ack && q->type != MESSAGE_CONNECT;
	struct object o = {NULL, 0};

	dialect_reply(x->server, q, error, advice, ack ? "{}" : NULL, &o);
	exchange_answer(x, q, rule, &o);
	object_fini(&o);
	return ANSWERED;
}

static enum outcome reply_unknown(struct exchange *x, const struct request *q,
				  const struct rule *rule)
{
	return reply(x, q, rule, dialect_unknown_client(x->server, q),
		     q->type == MESSAGE_CONNECT ? ADVICE_HANDSHAKE : ADVICE_NONE);
}

static enum outcome refuse(struct exchange *x, const struct request *q, const struct rule *rule)
{
	const char *error = rule->refused && rule->error ? rule->error
							 : dialect_refusal(x->server, q);
	enum advice advice = ADVICE_NONE;

	if (q->type == MESSAGE_CONNECT || (q->type == MESSAGE_HANDSHAKE && is_faye(x)))
		advice = ADVICE_HANDSHAKE;
	else if (q->type == MESSAGE_HANDSHAKE)
		advice = ADVICE_STOP;
	return reply(x, q, rule, error, advice);
}

void handlers_ride_with(struct exchange *x, struct session *s)
{
	if (!x->session)
		x->session = session_ref(s);
}

/* ---- handshake ---- */

static const char *faye_handshake_error(const struct request *q)
{
	struct slice types = json_member(q->raw, "supportedConnectionTypes"), one;

	if (!json_member(q->raw, "version").p)
		return "402:version:Missing required parameter";
	if (!json_is_array(types))
		return "402:supportedConnectionTypes:Missing required parameter";
	while (json_next(&types, &one))
		if (slice_eq(one, SLICE("\"long-polling\"")) ||
		    slice_eq(one, SLICE("\"websocket\"")) ||
		    slice_eq(one, SLICE("\"callback-polling\"")))
			return NULL;
	return "301::Connection types not supported";
}

static void give_welcome(struct session *s)
{
	const struct name_list *w = &s->server->welcome;

	for (size_t i = 0; i < w->n; i++) {
		struct slice message = slice_of(w->names[i]);
		char *channel = json_text(json_member(message, "channel"));
		struct object event = {NULL, 0};

		dialect_event(s, channel, message, &event);
		deliver_to(s, channel, &event);
		object_fini(&event);
		free(channel);
	}
}

static void start_session(struct exchange *x, struct request *q)
{
	struct session *s = session_new(x->server, on_expired);

	q->session = s;
	s->transport = x->transport;
	s->readvise = x->server->set.dialect == DIALECT_SALESFORCE;
	s->ack = x->server->set.ack && x->server->set.dialect == DIALECT_COMETD &&
		 slice_eq(json_member(json_member(q->raw, "ext"), "ack"), SLICE("true"));
	if (x->transport == TRANSPORT_WS)
		s->ws = x->conn;
	else if (x->browser)
		s->browser = xstrdup(x->browser);
	session_start_expiry(s);
	journal_add(&x->server->journal, &(struct note){
		.kind = "session", .client = s->number, .transport = x->transport,
	});
}

/* a browser without the cookie gets one, which identifies its sessions */
static void set_cookie(struct exchange *x)
{
	struct text t = {NULL, 0, 0};
	char name[33];

	if (x->transport != TRANSPORT_LP || x->browser || is_faye(x))
		return;
	random_name(name, 25);
	text_printf(&t, "Set-Cookie: BAYEUX_BROWSER=%s; Path=/; HttpOnly\r\n", name);
	x->headers = t.p;
	x->browser = xstrdup(name);
}

static enum outcome on_handshake(struct exchange *x, struct request *q, const struct rule *rule)
{
	const char *error = is_faye(x) ? faye_handshake_error(q) : NULL;
	struct object o = {NULL, 0};

	if (error)
		return reply(x, q, rule, error, ADVICE_HANDSHAKE);
	set_cookie(x);
	start_session(x, q);
	give_welcome(q->session);
	dialect_handshake(x->server, q, q->session->ack, x->server->welcome.n, &o);
	exchange_answer(x, q, rule, &o);
	object_fini(&o);
	x->has_handshake = true;
	/* the handshake's reply closes the first batch when events go with it */
	if (q->session->ack && x->server->welcome.n)
		q->session->batch++;
	if (x->server->welcome.n)
		handlers_ride_with(x, q->session);
	return ANSWERED;
}

/* ---- connect ---- */

static void on_hold_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct exchange *x = arg;

	(void)fd;
	(void)what;
	deliver_connect_reply(x, NULL, x->advise || is_faye(x) ? ADVICE_RETRY : ADVICE_NONE);
}

/* A newer connect replaces the held one. */
static void supersede(struct session *s)
{
	struct exchange *old = s->held;
	unsigned outstanding = 1 + (old && old->conn);

	if (outstanding > s->server->max_connects)
		s->server->max_connects = outstanding;
	if (!old)
		return;
	if (s->server->set.dialect != DIALECT_FAYE && old->transport == TRANSPORT_LP)
		exchange_fail(old, 500, 0, "superseded");
	else
		exchange_free(old);
}

/* the advice that the client sent; returns how long its connect may be held */
static long read_advice(struct session *s, const struct request *q, bool *ret_advise)
{
	struct slice advice = json_member(q->raw, "advice");
	long timeout = s->server->set.timeout;

	*ret_advise = advice.p || s->readvise;
	s->readvise = false;
	s->interval = -1;
	json_number(json_member(advice, "interval"), &s->interval);
	json_number(json_member(advice, "timeout"), &timeout);
	return timeout;
}

/* true when the client has not received all that was sent */
static bool read_ack(struct session *s, const struct request *q)
{
	long batch = 0;

	if (!s->ack)
		return false;
	if (json_number(json_member(json_member(q->raw, "ext"), "ack"), &batch) && batch > 0)
		session_acknowledge(s, (unsigned long)batch);
	return !list_empty(&s->queue);
}

/* another session of the same browser has its connect held */
static bool browser_has_held_connect(const struct session *s)
{
	LIST_EACH(other, &s->server->sessions, struct session, link)
		if (other != s && other->held && other->browser && s->browser &&
		    strcmp(other->browser, s->browser) == 0)
			return true;
	return false;
}

/* the rules of CometD and Faye for holding a connect */
static bool may_hold(struct exchange *x, struct session *s, bool first, unsigned batch)
{
	bool waiting = !list_empty(&s->queue) && (s->transport == TRANSPORT_LP || s->ack);

	if (waiting)
		return false;
	return is_faye(x) || (!first && batch == 1);
}

static void hold(struct exchange *x, struct request *q, const struct rule *rule, long timeout)
{
	struct timeval tv = msec(timeout);
	struct session *s = q->session;

	x->connect_rule = rule;
	x->timer = event_new(x->server->base, -1, 0, on_hold_timeout, x);
	if (!x->timer)
		abort();
	event_add(x->timer, &tv);
	s->held = x;
	journal_add(&x->server->journal, &(struct note){
		.kind = "held", .client = s->number, .transport = x->transport, .id = q->id,
	});
}

/* a copy of the request that outlives this call */
static struct request *keep(const struct request *q)
{
	struct request *copy = xcalloc(1, sizeof(*copy));

	copy->raw = q->raw;
	copy->type = q->type;
	copy->channel = xstrdup(q->channel);
	copy->about = xstrdup(q->about);
	copy->id = q->id ? xstrdup(q->id) : NULL;
	copy->client_id = q->client_id ? xstrdup(q->client_id) : NULL;
	copy->session = q->session ? session_ref(q->session) : NULL;
	copy->came = q->came;
	return copy;
}

static enum outcome on_connect(struct exchange *x, struct request *q, const struct rule *rule,
			       unsigned batch)
{
	struct session *s = q->session;
	bool first, holdable;
	long timeout;

	if (is_faye(x) && !json_member(q->raw, "connectionType").p)
		return reply(x, q, rule, "402:connectionType:Missing required parameter",
			     ADVICE_HANDSHAKE);
	supersede(s);
	s->transport = x->transport;
	s->ws = x->transport == TRANSPORT_WS ? x->conn : NULL;
	first = !s->connected;
	s->connected = true;
	session_stop_expiry(s);
	timeout = read_advice(s, q, &x->advise);
	if (read_ack(s, q)) {
		timeout = 0;
		x->advise = true;
	}
	x->multiple = x->transport == TRANSPORT_LP && browser_has_held_connect(s);
	holdable = timeout > 0 && !x->multiple && may_hold(x, s, first, batch);
	session_unref(x->session);
	x->session = session_ref(s);
	x->connect = keep(q);
	if (holdable) {
		hold(x, q, rule, timeout);
		/* over WebSocket queued events are sent while the connect is held */
		return HELD;
	}
	x->connect_rule = rule;
	return ANSWERED;
}

/* ---- subscribe, unsubscribe ---- */

static const char *bad_subscription(struct exchange *x, const char *name, bool subscribing,
				    enum outcome *ret_outcome)
{
	static char text[512];

	if (x->server->set.dialect == DIALECT_SALESFORCE)
		return NULL;
	if (is_faye(x)) {
		const char *what = !channel_faye_ok(name, true) ? "405:%.400s:Invalid channel"
				 : channel_is_meta(name) || channel_is_service(name)
				 ? "403:%.400s:Forbidden channel" : NULL;

		if (what)
			snprintf(text, sizeof(text), what, name);
		return what ? text : NULL;
	}
	if (!channel_chars_ok(name))
		return "403::subscription_invalid";
	if (!channel_structure_ok(name))
		*ret_outcome = BROKEN;
	else if (subscribing && channel_is_meta(name))
		return "403:denied_by_security_policy:subscribe_denied";
	else if (!subscribing && !name_list_has(&x->server->channels, name))
		return "400::channel_missing";
	return NULL;
}

static void replay(struct request *q, const char *name)
{
	struct slice map = json_member(json_member(q->raw, "ext"), "replay");
	size_t n = strcspn(name, "?");
	char *plain = xslicedup(slice_make(name, n));
	long after = -1;

	if (json_number(json_member(map, plain), &after))
		deliver_replay(q->session, plain, after);
	free(plain);
}

static const char *subscribe_one(struct exchange *x, struct request *q, struct slice raw,
				 enum outcome *ret_outcome)
{
	struct session *s = q->session;
	char *name = json_text(raw);
	bool subscribing = q->type == MESSAGE_SUBSCRIBE;
	const char *error = bad_subscription(x, name, subscribing, ret_outcome);

	if (!error && *ret_outcome == ANSWERED) {
		if (!subscribing)
			name_list_remove(&s->subscriptions, name);
		else if (!name_list_has(&s->subscriptions, name))
			name_list_add(&s->subscriptions, name);
		if (!name_list_has(&x->server->channels, name))
			name_list_add(&x->server->channels, name);
		if (subscribing && x->server->set.dialect == DIALECT_SALESFORCE)
			replay(q, name);
	}
	free(name);
	return error;
}

static enum outcome on_subscribe(struct exchange *x, struct request *q, const struct rule *rule)
{
	struct slice list = json_member(q->raw, "subscription"), one;
	enum outcome outcome = ANSWERED;
	const char *error = NULL;

	if (!list.p)
		error = is_faye(x) ? "402:subscription:Missing required parameter"
				   : "403::subscription_missing";
	else if (!json_is_array(list))
		error = subscribe_one(x, q, list, &outcome);
	else
		while (!error && outcome == ANSWERED && json_next(&list, &one))
			error = subscribe_one(x, q, one, &outcome);
	if (outcome == BROKEN)
		return BROKEN;
	return reply(x, q, rule, error, ADVICE_NONE);
}

/* ---- disconnect, publish ---- */

static enum outcome on_disconnect(struct exchange *x, struct request *q, const struct rule *rule)
{
	reply(x, q, rule, NULL, ADVICE_NONE);
	/* events are repeated only to a session that goes on */
	if (q->session->ack && q->session->batch > 0)
		session_acknowledge(q->session, q->session->batch - 1);
	deliver_end_session(q->session, "gone");
	return ANSWERED;
}

/* Lyrion's: answers on the channel named by `response` with the content of `request`. */
static void serve_slim(struct request *q)
{
	struct slice data = json_member(q->raw, "data");
	char *channel = json_text(json_member(data, "response"));
	struct object event = {NULL, 0};

	if (channel) {
		object_set_text(&event, "channel", channel);
		object_set(&event, "id", json_member(q->raw, "id"));
		object_set(&event, "data", json_member(data, "request"));
		deliver_to(q->session, channel, &event);
	}
	object_fini(&event);
	free(channel);
}

/* /service/echo answers, /service/kick throws the caller out */
static void serve(struct request *q)
{
	bool echo = strcmp(q->channel, "/service/echo") == 0;
	struct object event = {NULL, 0};

	if (strcmp(q->channel, "/service/kick") == 0) {
		deliver_end_session(q->session, "kicked");
	} else if (echo || strcmp(q->channel, "/service/echo-noid") == 0) {
		object_set(&event, "data", json_member(q->raw, "data"));
		object_set_text(&event, "channel", q->channel);
		if (echo)
			object_set(&event, "id", json_member(q->raw, "id"));
		/* binary data is answered as binary data */
		if (json_member(json_member(q->raw, "ext"), "binary").p)
			object_set_raw(&event, "ext", "{\"binary\":{}}");
		deliver_to(q->session, q->channel, &event);
		object_fini(&event);
	}
}

static const char *bad_publish(struct exchange *x, struct request *q, enum outcome *ret_outcome)
{
	static char text[512];

	if (is_faye(x)) {
		const char *what = !channel_faye_ok(q->channel, false)
				 ? "405:%.400s:Invalid channel"
				 : channel_is_meta(q->channel) ? "403:%.400s:Forbidden channel"
				 : !json_member(q->raw, "data").p
				 ? "402:data:Missing required parameter" : NULL;

		if (what)
			snprintf(text, sizeof(text), what, q->channel);
		return what ? text : NULL;
	}
	if (!channel_chars_ok(q->channel))
		return "405::channel_invalid";
	if (!channel_structure_ok(q->channel))
		*ret_outcome = BROKEN;
	else if (channel_is_meta(q->channel))
		return "403:denied_by_security_policy:channel_create_denied";
	return NULL;
}

static enum outcome on_publish(struct exchange *x, struct request *q, const struct rule *rule)
{
	enum outcome outcome = ANSWERED;
	const char *error = bad_publish(x, q, &outcome);

	if (outcome == BROKEN)
		return BROKEN;
	if (!error && channel_is_service(q->channel)) {
		if (q->session)
			serve(q);
	} else if (!error && strcmp(q->channel, "/slim/request") == 0) {
		if (q->session)
			serve_slim(q);
	} else if (!error) {
		deliver_broadcast(x->server, q->channel, q->raw, q->session);
	}
	return reply(x, q, rule, error, ADVICE_NONE);
}

/* ---- any message ---- */

static bool id_ok(const char *id)
{
	for (; id && *id; id++)
		if (!isalnum((unsigned char)*id))
			return false;
	return true;
}

enum outcome handlers_run(struct exchange *x, struct request *q, unsigned batch,
			  const struct rule *rule)
{
	bool anonymous = q->type == MESSAGE_HANDSHAKE || (q->type == MESSAGE_PUBLISH && is_faye(x));

	if (rule && !rule->effect)
		return refuse(x, q, rule);
	if (!is_faye(x) && !id_ok(q->id))
		return reply(x, q, rule, "405::message_id_invalid", ADVICE_NONE);
	if (!anonymous && !q->session)
		return reply_unknown(x, q, rule);
	switch (q->type) {
	case MESSAGE_HANDSHAKE:
		return on_handshake(x, q, rule);
	case MESSAGE_CONNECT:
		return on_connect(x, q, rule, batch);
	case MESSAGE_SUBSCRIBE:
	case MESSAGE_UNSUBSCRIBE:
		return on_subscribe(x, q, rule);
	case MESSAGE_DISCONNECT:
		return on_disconnect(x, q, rule);
	default:
		return on_publish(x, q, rule);
	}
}
