/*
 * The URL of each operation: a server that routes by path gets no request on a wrong
 * path, with the URL styles of other clients, over both transports. Also the
 * subprotocol of the WebSocket.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUICK "backoff = 50ms 200ms\n"

/* a fake with these routes, "TYPE PATH" each, and a daemon with these lines for it */
static struct world *route(const char *dialect, const char *const *routes, const char *lines)
{
	const char *const options[] = {"--dialect", dialect, "--timeout", "60000", NULL};
	struct world *w = world_new(options);
	char server[1024];

	for (; *routes; routes++)
		fake_command(w->fake, "route %s", *routes);
	snprintf(server, sizeof(server), QUICK "%s", lines);
	world_configure(w, NULL, server, NULL);
	world_start(w);
	return w;
}

static void receive(struct wire *a, const char *text)
{
	const struct message *m = wire_expect(a, PROTOCOL_OP_MESSAGE);

	assert_non_null(memmem(m->message.p, m->message.n, text, strlen(text)));
}

/* Every operation once, and some at once; nothing came to a wrong place. */
static void live(struct world *w)
{
	struct wire *a = world_peer(w, "a");

	wire_ok(a, "subscribe", ",\"channel\":\"/a\"");
	fake_await(w->fake, "held", NULL, 1);
	fake_command(w->fake, "publish /a \"from the server\"");
	receive(a, "from the server");
	wire_ok(a, "publish", ",\"channel\":\"/a\",\"data\":\"lone\"");
	receive(a, "lone");
	/* while a subscribe has no reply, publishes and another subscribe queue after it */
	fake_command(w->fake, "rule type=subscribe channel=/b hold");
	wire_request(a, "subscribe", ",\"channel\":\"/b\"");
	fake_await(w->fake, "parked", NULL, 1);
	wire_request(a, "publish", ",\"channel\":\"/c\",\"data\":1");
	wire_request(a, "subscribe", ",\"channel\":\"/c\"");
	wire_request(a, "unsubscribe", ",\"channel\":\"/a\"");
	wire_request(a, "publish", ",\"channel\":\"/c\",\"data\":2");
	wire_ok(a, "ping", "%s", "");
	fake_command(w->fake, "release");
	fake_await(w->fake, "unsubscribe", "/a", 1);
	fake_await(w->fake, "publish", "/c", 2);
	/* a new session begins at the same place */
	fake_command(w->fake, "expire");
	fake_await(w->fake, "session", NULL, 2);
	fake_await(w->fake, "subscribe", "/c", 2);
	wire_close(a);
	assert_int_equal(world_stop(w), 0);
	fake_await(w->fake, "disconnect", NULL, 1);
	assert_int_equal(fake_count(w->fake, "refused", NULL), 0);
}

#define POLLING "transports = long-polling\n"

static void each_at_its_own(void **state)
{
	static const char *const routes[] = {
		"handshake /h?k=v", "connect /cometd/c", "subscribe /cometd/s", "unsubscribe /cometd/s",
		"publish /p", "disconnect /d/", NULL,
	};
	struct world *w = route("cometd", routes, POLLING
				"url-for = handshake /h?k=v\nurl-for = connect c\nurl-for = subscribe s\n"
				"url-for = publish ../p\nurl-for = disconnect /d/\n");

	(void)state;
	live(w);
	world_free(w);
}

/* as Genesys has it; what has no path of its own goes to the base */
static void genesys(void **state)
{
	static const char *const routes[] = {
		"handshake /notifications/handshake", "connect /notifications/connect",
		"disconnect /notifications/disconnect", "subscribe /notifications/subscribe",
		"unsubscribe /notifications/subscribe", "publish /cometd", NULL,
	};
	struct world *w = route("cometd", routes, POLLING
				"url-for = handshake /notifications/handshake\n"
				"url-for = connect /notifications/connect\n"
				"url-for = disconnect /notifications/disconnect\n"
				"url-for = subscribe /notifications/subscribe\n");

	(void)state;
	live(w);
	world_free(w);
}

static void appended_as_by_javascript(void **state)
{
	static const char *const routes[] = {
		"handshake /cometd/handshake", "connect /cometd/connect", "disconnect /cometd/disconnect",
		"subscribe /cometd/", "unsubscribe /cometd/", "publish /cometd/", NULL,
	};
	struct world *w = route("cometd", routes, POLLING "url-append-type = js\n");

	(void)state;
	live(w);
	world_free(w);
}

/* Which batches are of one message is a matter of time: so both places take them here. */
static void appended_as_by_java(void **state)
{
	static const char *const routes[] = {
		"handshake /cometd/handshake", "connect /cometd/connect", "disconnect /cometd/disconnect",
		"subscribe /cometd/subscribe", "subscribe /cometd", "unsubscribe /cometd/unsubscribe",
		"unsubscribe /cometd", "publish /cometd", NULL,
	};
	struct world *w = route("cometd", routes, POLLING "url-append-type = java\n");

	(void)state;
	live(w);
	assert_true(fake_count(w->fake, "request", "/cometd/subscribe") >= 2);
	assert_true(fake_count(w->fake, "request", "/cometd") >= 2);
	world_free(w);
}

static void the_websocket_elsewhere(void **state)
{
	static const char *const routes[] = {"upgrade /ws?k=v", NULL};
	struct world *w = route("cometd", routes, "transports = websocket\nurl-for = websocket /ws?k=v\n"
				/* of no use to a WebSocket */
				"url-append-type = js\nurl-for = publish /p\n");

	(void)state;
	live(w);
	assert_int_equal(fake_count(w->fake, "request", "/ws?k=v"),
			 fake_count(w->fake, "request", NULL));
	world_free(w);
}

/* Another host is served as well, with the credential; this server knows no cookie. */
static void another_host(void **state)
{
	const char *const options[] = {"--dialect", "faye", "--timeout", "60000", NULL};
	struct world *w = world_new(options);
	char lines[512];

	(void)state;
	fake_command(w->fake, "route publish /elsewhere");
	fake_command(w->fake, "require-header X-Key secret");
	snprintf(lines, sizeof(lines), QUICK POLLING "header = X-Key: secret\n"
		 "url-for = publish http://localhost:%u/elsewhere\n", fake_port(w->fake));
	world_configure(w, NULL, lines, NULL);
	world_start(w);
	live(w);
	world_free(w);
}

/* What is misrouted is tried again, and at no other place. */
static void a_wrong_path(void **state)
{
	static const char *const routes[] = {"handshake /somewhere/else", NULL};
	struct world *w = route("cometd", routes, POLLING);
	struct wire *a;

	(void)state;
	fake_await(w->fake, "refused", NULL, 2);
	assert_int_equal(fake_count(w->fake, "handshake", NULL), 0);
	/* peers get the reason, and no request went to another path */
	a = wire_hello(w->socket, "a");
	const struct message *m = wire_state(a, "demo", "unconnected");
	assert_non_null(memmem(m->reason.p, m->reason.n, "404", 3));
	assert_int_equal(fake_count(w->fake, "request", "/somewhere/else"), 0);
	wire_close(a);
	world_free(w);
}

/* A server that answers with another subprotocol is not used; one that answers with none is. */
static void the_subprotocol(void **state)
{
	struct world *w = world_new(NULL);
	struct wire *a;

	(void)state;
	fake_command(w->fake, "require-header Sec-WebSocket-Protocol bayeux");
	fake_command(w->fake, "rule type=upgrade times=2 header \"Sec-WebSocket-Protocol: chat\"");
	fake_command(w->fake, "rule type=upgrade header \"Sec-WebSocket-Protocol: bayeux\"");
	world_configure(w, NULL, QUICK "transports = websocket\nwebsocket-protocol = bayeux\n", NULL);
	world_start(w);
	a = world_peer(w, "a");
	assert_true(world_log_has(w, "a WebSocket subprotocol that was not offered"));
	assert_int_equal(fake_count(w->fake, "request", NULL), 3);
	assert_int_equal(fake_count(w->fake, "session", NULL), 1);
	fake_command(w->fake, "cut");
	fake_await(w->fake, "upgrade", NULL, 4);
	wire_ok(a, "publish", ",\"channel\":\"/a\",\"data\":1");
	assert_int_equal(fake_count(w->fake, "session", NULL), 1);
	wire_close(a);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_at_its_own),
		cmocka_unit_test(genesys),
		cmocka_unit_test(appended_as_by_javascript),
		cmocka_unit_test(appended_as_by_java),
		cmocka_unit_test(the_websocket_elsewhere),
		cmocka_unit_test(another_host),
		cmocka_unit_test(a_wrong_path),
		cmocka_unit_test(the_subprotocol),
	};

	return scenario_run("urls", tests, NULL, NULL);
}
