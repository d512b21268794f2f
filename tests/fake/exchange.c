/*
 * Exchanges, and sending their answers: at once, delayed, parked until `release`, or
 * never.
 */
#include <stdlib.h>
#include "tests/fake/exchange.h"
#include "tests/fake/http.h"
#include "tests/fake/timesync.h"
#include "tests/fake/ws.h"

struct exchange *exchange_new(struct conn *c, struct slice text)
{
	struct exchange *x = xcalloc(1, sizeof(*x));

	x->server = c->server;
	x->conn = c;
	x->transport = c->transport;
	x->status = 200;
	text_slice(&x->text, text);
	list_append(&c->server->exchanges, &x->link);
	return x;
}

void request_free(struct request *q)
{
	if (!q)
		return;
	free(q->channel);
	free(q->about);
	free(q->id);
	free(q->client_id);
	session_unref(q->session);
	free(q);
}

void exchange_free(struct exchange *x)
{
	if (x->session && x->session->held == x)
		x->session->held = NULL;
	list_remove(&x->link);
	if (x->timer)
		event_free(x->timer);
	request_free(x->connect);
	session_unref(x->session);
	text_fini(&x->text);
	text_fini(&x->replies);
	text_fini(&x->body);
	text_fini(&x->out);
	free(x->headers);
	free(x->browser);
	free(x);
}

struct subject exchange_subject(const struct exchange *x, const struct request *q)
{
	return (struct subject){
		.transport = x->transport,
		.type = message_type_name(q->type),
		.channel = q->about,
		.client = q->session ? q->session->number : 0,
		.raw = q->raw,
		.client_id = q->session ? q->session->id : NULL,
	};
}

void exchange_answer(struct exchange *x, const struct request *q, const struct rule *rule,
		     struct object *reply)
{
	struct subject subject = exchange_subject(x, q);
	struct text own = {NULL, 0, 0};

	timesync_answer(x->server, q, reply);
	rule_edit(rule, reply);
	object_write(reply, &own);
	if (rule && !x->rule)
		x->rule = rule;
	if (rule && rule->send_options.body)
		rule_expand(rule->send_options.body, &subject, text_view(&own), &x->body);
	if (rule && rule->drop) {
		text_fini(&own);
		return;
	}
	text_comma(&x->replies);
	if (rule && rule->reply)
		rule_expand(rule->reply, &subject, text_view(&own), &x->replies);
	else
		text_slice(&x->replies, text_view(&own));
	if (rule && rule->twice)
		text_printf(&x->replies, ",%s", own.p);
	text_fini(&own);
}

/* the complete body of the answer */
static void render(struct exchange *x, struct slice events, bool events_first)
{
	if (x->body.p) {
		text_slice(&x->out, text_view(&x->body));
		return;
	}
	text_puts(&x->out, "[");
	if (events_first)
		text_slice(&x->out, events);
	if (events_first && events.n && x->replies.n)
		text_puts(&x->out, ",");
	text_slice(&x->out, text_view(&x->replies));
	if (!events_first && events.n && x->replies.n)
		text_puts(&x->out, ",");
	if (!events_first)
		text_slice(&x->out, events);
	text_puts(&x->out, "]");
}

static void transmit_http(struct exchange *x, const struct send_options *m)
{
	static const char json[] = "Content-Type: application/json;charset=utf-8\r\n";
	struct text headers = {NULL, 0, 0};
	struct conn *c = x->conn;
	bool as_meant = !m || !(m->status || m->raw || m->silent);

	/* a status of a rule, like an upgrade, comes with its own body or with none */
	if ((m && m->status && !m->body) || x->sent)
		text_clear(&x->out);
	text_puts(&headers, x->headers ? x->headers : "");
	if (x->out.n && (!m || !m->headers || !strstr(m->headers, "Content-Type:")))
		text_puts(&headers, json);
	http_respond(c, x->status, headers.p, text_view(&x->out), m);
	text_fini(&headers);
	if (x->sent && as_meant && c->bev && !c->closing)
		x->sent(c);
}

static void transmit(struct exchange *x)
{
	const struct send_options *m = x->rule ? &x->rule->send_options : NULL;

	if (x->conn && x->transport == TRANSPORT_WS && x->rule && x->rule->drop &&
	    slice_eq(text_view(&x->out), SLICE("[]")))
		;	/* an empty answer is no frame */
	else if (x->conn && x->transport == TRANSPORT_WS)
		ws_send(x->conn, text_view(&x->out), m);
	else if (x->conn)
		transmit_http(x, m);
	exchange_free(x);
}

static void on_delay_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	transmit(arg);
}

static void transmit_in(struct exchange *x, long ms)
{
	struct timeval tv = msec(ms);

	x->timer = event_new(x->server->base, -1, 0, on_delay_over, x);
	if (!x->timer)
		abort();
	event_add(x->timer, &tv);
}

void exchange_send(struct exchange *x, struct slice events, bool events_first)
{
	const struct send_options *m = x->rule ? &x->rule->send_options : NULL;

	if (x->session && x->session->held == x)
		x->session->held = NULL;
	render(x, events, events_first);
	if (x->timer)
		event_free(x->timer);
	x->timer = NULL;
	if (m && m->hold) {
		x->parked = true;
		journal_add(&x->server->journal, &(struct note){
			.kind = "parked", .transport = x->transport,
			.client = x->session ? x->session->number : 0,
		});
	} else if (m && m->delay) {
		transmit_in(x, m->delay);
	} else {
		transmit(x);
	}
}

void exchange_fail(struct exchange *x, int status, int ws_code, const char *reason)
{
	journal_add(&x->server->journal, &(struct note){
		.kind = "failed", .transport = x->transport, .text = reason,
	});
	if (x->conn && x->transport == TRANSPORT_WS) {
		if (ws_code)
			ws_close(x->conn, ws_code, reason);
	} else if (x->conn) {
		http_respond(x->conn, status, x->headers,
			     x->server->set.dialect == DIALECT_FAYE ? slice_of(reason) : SLICE_NULL,
			     NULL);
	}
	exchange_free(x);
}

unsigned exchange_release(struct server *s)
{
	unsigned n = 0;

	LIST_EACH(x, &s->exchanges, struct exchange, link) {
		if (x->parked) {
			x->parked = false;
			transmit_in(x, 0);
			n++;
		}
	}
	return n;
}
