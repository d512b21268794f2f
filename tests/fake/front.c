/*
 * Passes requests to the protocol: POSTs and upgrades, and refusals before any
 * message is read.
 */
#include <stdlib.h>
#include <strings.h>
#include "tests/fake/bayeux.h"
#include "tests/fake/codec.h"
#include "tests/fake/deliver.h"
#include "tests/fake/front.h"
#include "tests/fake/http.h"
#include "tests/fake/route.h"
#include "tests/fake/ws.h"

static void refuse(struct conn *c, int status)
{
	journal_add(&c->server->journal, &(struct note){
		.kind = "refused", .transport = c->transport,
	});
	http_respond(c, status, NULL, SLICE_NULL, NULL);
}

static bool header_missing(const struct server *s, const struct http_request *r)
{
	return s->set.header_name &&
	       !slice_eq(http_header(r, s->set.header_name), slice_of(s->set.header_value));
}

static void on_ws_message(struct conn *c, struct slice text)
{
	bayeux_receive(exchange_new(c, text));
}

static void on_upgraded(struct conn *c)
{
	static const struct ws_handler handler = {on_ws_message, deliver_conn_closed};

	http_detach(c);
	ws_attach(c, &handler);
	journal_add(&c->server->journal, &(struct note){
		.kind = "upgrade", .transport = TRANSPORT_WS,
	});
}

static void upgrade(struct conn *c, const struct http_request *r)
{
	struct subject subject = {
		.transport = TRANSPORT_WS, .type = "upgrade", .raw = SLICE("{}"),
	};
	const struct rule *rule = rule_match(c->server, &subject);
	struct slice key = http_header(r, "Sec-WebSocket-Key");
	struct exchange *x = exchange_new(c, SLICE_NULL);
	struct text t = {NULL, 0, 0};

	text_puts(&t, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ");
	codec_accept_key(rule && rule->send_options.wrong_key ? SLICE("another") : key, &t);
	text_puts(&t, "\r\n");
	x->rule = rule;
	if (rule && rule->send_options.body)
		text_puts(&x->body, rule->send_options.body);
	if (rule && rule->send_options.status) {
		text_clear(&t);
		journal_add(&c->server->journal, &(struct note){
			.kind = "refused", .transport = TRANSPORT_WS,
		});
	} else {
		x->status = 101;
		x->sent = on_upgraded;
	}
	x->headers = t.p;
	exchange_send(x, SLICE_NULL, false);
}

static bool is_upgrade(const struct http_request *r)
{
	struct slice s = http_header(r, "Upgrade");

	return s.n == 9 && strncasecmp(s.p, "websocket", 9) == 0;
}

static bool is_json(const struct http_request *r)
{
	return slice_starts(http_header(r, "Content-Type"), SLICE("application/json"));
}

static void serve(struct conn *c, const struct http_request *r)
{
	struct server *s = c->server;
	bool salesforce = s->set.dialect == DIALECT_SALESFORCE;
	char *path = xslicedup(r->path);
	struct exchange *x;

	journal_add(&s->journal, &(struct note){
		.kind = "request", .channel = path, .transport = c->transport,
	});
	free(path);
	if (header_missing(s, r)) {
		refuse(c, 401);
	} else if (is_upgrade(r)) {
		if (s->set.ws_off || salesforce)
			refuse(c, salesforce ? 405 : s->set.ws_off);
		else if (!route_allows_upgrade(s, r->path))
			refuse(c, 404);
		else
			upgrade(c, r);
	} else if (s->set.lp_off) {
		refuse(c, s->set.lp_off);
	} else if (!slice_eq(r->method, SLICE("POST"))) {
		refuse(c, salesforce ? 405 : 400);
	} else if (s->set.dialect == DIALECT_FAYE && !is_json(r)) {
		refuse(c, 400);
	} else if (!route_allows(s, r->path, r->body)) {
		refuse(c, 404);
	} else {
		x = exchange_new(c, r->body);
		x->browser = xslicedup(http_cookie(r, "BAYEUX_BROWSER"));
		bayeux_receive(x);
	}
}

void front_accept(struct conn *c)
{
	http_attach(c, serve, deliver_conn_closed);
}
