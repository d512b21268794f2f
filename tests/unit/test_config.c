/*
 * config: each option's text reaches its member, one that is not there its
 * default; the example of every row is valid; memory that is short is an error.
 */
#include "tests/unit/config_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIN "sha256//YhKJKSzoTt2b5FP18fvpHo7fJYqQCjAa3HWY3tvRMwE="

static void test_defaults(void **state)
{
	struct config *c = load_text(MINIMAL);
	struct config_server *s = server(c);

	(void)state;
	assert_string_equal(c->listener.path, "/run/cometd-bridge/bridge.sock");
	assert_int_equal(c->listener.mode, 0660);
	assert_int_equal(c->listener.group, (gid_t)-1);
	assert_int_equal(c->peer.outbox_max, 16 << 20);
	assert_int_equal(c->peer.hello_timeout, PROTOCOL_HELLO_TIMEOUT_MS);
	assert_int_equal(c->hub.subscriptions_max, 1024);
	assert_int_equal(c->hub.requests_max, 1024);
	assert_true(c->hub.message_max > 15 << 20 && c->hub.message_max < PROTOCOL_FRAME_MAX);
	assert_int_equal(c->peers_max, 1024);
	assert_int_equal(c->log_level, LOG_L_INFO);
	assert_string_equal(s->name, "demo");
	assert_true(s->upstream.is_default);
	assert_int_equal(s->upstream.urls.n, 1);
	assert_string_equal(s->upstream.urls.v[0], "http://127.0.0.1:8080/cometd");
	for (int i = 0; i < ENDPOINTS; i++)
		assert_null(s->upstream.endpoints.urls[i]);
	assert_int_equal(s->upstream.endpoints.append, ENDPOINT_APPEND_NOTHING);
	assert_int_equal(s->upstream.session.n_transports, 2);
	assert_int_equal(s->upstream.session.transports[0], SESSION_WEBSOCKET);
	assert_int_equal(s->upstream.session.transports[1], SESSION_LONG_POLLING);
	assert_int_equal(s->upstream.session.overlap, SESSION_OVERLAP_AUTO);
	assert_int_equal(s->upstream.session.replay, SESSION_REPLAY_NEW);
	assert_int_equal(s->upstream.session.replay_fallback, SESSION_REPLAY_FALLBACK_ALL);
	assert_true(s->upstream.session.ack);
	assert_false(s->upstream.session.binary);
	assert_false(s->upstream.session.timesync);
	assert_int_equal(s->upstream.session.keep_alive, 0);
	assert_string_equal(s->upstream.session.keep_alive_channel, "/service/keep-alive");
	assert_false(s->upstream.session.timestamp);
	assert_int_equal(s->upstream.session.network_delay, 10000);
	assert_int_equal(s->upstream.session.backoff_min, 1000);
	assert_int_equal(s->upstream.session.backoff_max, 60000);
	assert_int_equal(s->upstream.http.headers.n, 0);
	assert_null(s->upstream.http.header_file);
	assert_null(s->upstream.http.ca_file);
	assert_false(s->upstream.http.insecure);
	assert_null(s->upstream.http.cert_file);
	assert_null(s->upstream.http.key_file);
	assert_null(s->upstream.http.pin);
	assert_int_equal(s->upstream.http.tls_min, HTTP_TLS_1_2);
	assert_int_equal(s->upstream.http.redirects, HTTP_REDIRECTS_NEVER);
	assert_int_equal(s->upstream.http.body_max, 16 << 20);
	assert_int_equal(s->upstream.http.connect_timeout, 10000);
	assert_int_equal(s->upstream.websocket_ping, 30000);
	assert_int_equal(s->upstream.linger, 10000);
	assert_null(s->upstream.websocket_protocol);
	config_free(c);
}

static void test_every_option(void **state)
{
	struct config *c = load_text("# a comment\n"
				     "[bridge]\n"
				     "socket = /tmp/here\n"
				     "  socket-mode=0606\n"
				     "socket-group = 12345\n"
				     "outbox-max = 64K\n"
				     "subscriptions-max = 2\n"
				     "requests-max = 3\n"
				     "peers-max = unlimited\n"
				     "log-level = debug\n"
				     "; another\n"
				     "\n"
				     "[ server  one ]\n"
				     "url = ws://one.example/cometd\n"
				     "url = ws://three.example/\n"
				     "subscribe = /data/ChangeEvents\n"
				     "subscribe = /topic/X?a=b c\n"
				     "subscribe = /a/**\n"
				     "linger = off\n"
				     "url-return = break 1h\n"
				     "url-shared = yes\n"
				     "connection-timeout = unlimited\n"
				     "history-bytes = off\n"
				     "history-count = 7\n"
				     "history-age = unlimited\n"
				     "durable-bytes = 1G\n"
				     "durable-count = 8\n"
				     "durable-age = 72h\n"
				     "max-sent = 64K\n"
				     "request-timeout = 3s\n"
				     "wanted-timeout = 25s\n"
				     "wanted-interval = 500ms\n"
				     "on-disconnect = stop\n"
				     "on-none = refresh\n"
				     "credential-file = systemd:token\n"
				     "[server two.2]\n"
				     "url = https://two.example:8443/cometd?a=b:c\n"
				     "default = yes\n"
				     "url-for = handshake handshake\n"
				     "url-for = connect /c?d=e\n"
				     "url-for = subscribe ../s\n"
				     "url-for = publish https://p/\n"
				     "url-for = disconnect d\n"
				     "url-for = websocket wss://w/\n"
				     "url-append-type = java\n"
				     "transports = long-polling, websocket\n"
				     "header = X-One: 1\n"
				     "header = X-Two: a=b; c\n"
				     "cookie = a=b\n"
				     "cookie = c=d;Path=/x\n"
				     "cookie-jar = /tmp/jar\n"
				     "tls-ca = /dev/null\n"
				     "tls-insecure = yes\n"
				     "tls-pin = " PIN ";" PIN "\n"
				     "tls-min-version = 1.3\n"
				     "proxy = https://[::1]:3128\n"
				     "no-proxy = a, b\n"
				     "proxy-tls-ca = /dev/null\n"
				     "redirects = same-host\n"
				     "max-message = 1M\n"
				     "connect-timeout = 500ms\n"
				     "network-delay = 2s\n"
				     "backoff = 10ms 1h\n"
				     "websocket-ping = off\n"
				     "websocket-protocol = x.bayeux-1\n"
				     "replay = resume\n"
				     "ext = handshake {\"a\": {\"b\":[1]}}\n"
				     "ext = connect {\"c\":1}\n"
				     "ext = subscribe {\"s\":1}\n"
				     "ext = publish {}\n"
				     "fields = handshake {\"a\":1}\n"
				     "fields = connect {\"b\":1}\n"
				     "fields = subscribe {\"c\":{\"id\":2}}\n"
				     "fields = publish {\"d\":1}\n"
				     "replay-fallback = stop\n"
				     "ack = no\n"
				     "binary = yes\n"
				     "timesync = yes\n"
				     "keep-alive = 2m\n"
				     "timestamp = yes\n"
				     "overlap = covering");
	static const char *const endpoints[] = {
		[ENDPOINT_HANDSHAKE] = "handshake", [ENDPOINT_CONNECT] = "/c?d=e",
		[ENDPOINT_SUBSCRIBE] = "../s", [ENDPOINT_PUBLISH] = "https://p/",
		[ENDPOINT_DISCONNECT] = "d", [ENDPOINT_WEBSOCKET] = "wss://w/",
	};
	struct config_server *s = server(c);

	(void)state;
	assert_string_equal(c->listener.path, "/tmp/here");
	assert_int_equal(c->listener.mode, 0606);
	assert_int_equal(c->listener.group, 12345);
	assert_int_equal(c->peer.outbox_max, 65536);
	assert_int_equal(c->hub.subscriptions_max, 2);
	assert_int_equal(c->hub.requests_max, 3);
	assert_true(c->peers_max > 1u << 30 && c->peers_max + 1000 > c->peers_max);
	assert_int_equal(c->log_level, LOG_L_DEBUG);
	assert_string_equal(s->name, "one");
	assert_int_equal(s->upstream.urls.n, 2);
	assert_string_equal(s->upstream.urls.v[1], "ws://three.example/");
	assert_int_equal(s->upstream.linger, 0);
	assert_int_equal(s->upstream.subscribe.n, 3);
	assert_string_equal(s->upstream.subscribe.v[1], "/topic/X?a=b c");
	assert_int_equal(s->upstream.session.url_retry, 3600000);
	assert_int_equal(s->upstream.session.url_return, SESSION_URL_BREAK);
	assert_true(s->upstream.session.url_shared);
	assert_true(s->upstream.grace == UINT64_MAX);
	assert_int_equal(s->upstream.history.bytes, 0);
	assert_int_equal(s->upstream.history.count, 7);
	assert_true(s->upstream.history.age == UINT64_MAX);
	assert_int_equal(s->upstream.durable.bytes, 1u << 30);
	assert_int_equal(s->upstream.durable.count, 8);
	assert_int_equal(s->upstream.durable.age, 72 * 3600000u);
	assert_int_equal(s->upstream.session.sent_max, 65536);
	assert_int_equal(s->upstream.session.request_timeout, 3000);
	assert_int_equal(s->upstream.session.wanted_timeout, 25000);
	assert_int_equal(s->upstream.session.wanted_interval, 500);
	assert_int_equal(s->upstream.session.on_disconnect, SESSION_STOP);
	assert_int_equal(s->upstream.session.on_none, SESSION_REFRESH);
	assert_false(s->upstream.is_default);
	s = LIST_OF(s->link.next, struct config_server, link);
	assert_string_equal(s->name, "two.2");
	assert_true(s->upstream.is_default);
	assert_string_equal(s->upstream.urls.v[0], "https://two.example:8443/cometd?a=b:c");
	for (int i = 0; i < ENDPOINTS; i++)
		assert_string_equal(s->upstream.endpoints.urls[i], endpoints[i]);
	assert_int_equal(s->upstream.endpoints.append, ENDPOINT_APPEND_JAVA);
	assert_int_equal(s->upstream.session.n_transports, 2);
	assert_int_equal(s->upstream.session.transports[0], SESSION_LONG_POLLING);
	assert_int_equal(s->upstream.http.headers.n, 2);
	assert_string_equal(s->upstream.http.headers.v[0], "X-One: 1");
	assert_string_equal(s->upstream.http.headers.v[1], "X-Two: a=b; c");
	assert_int_equal(s->upstream.cookies.presets.n, 2);
	assert_string_equal(s->upstream.cookies.presets.v[0], "a=b");
	assert_string_equal(s->upstream.cookies.presets.v[1], "c=d;Path=/x");
	assert_null(s->upstream.cookies.preset_file);
	assert_string_equal(s->upstream.cookies.path, "/tmp/jar");
	assert_string_equal(s->upstream.http.ca_file, "/dev/null");
	assert_true(s->upstream.http.insecure);
	assert_string_equal(s->upstream.http.pin, PIN ";" PIN);
	assert_int_equal(s->upstream.http.tls_min, HTTP_TLS_1_3);
	assert_string_equal(s->upstream.http.proxy, "https://[::1]:3128");
	assert_string_equal(s->upstream.http.no_proxy, "a, b");
	assert_string_equal(s->upstream.http.proxy_ca_file, "/dev/null");
	assert_null(s->upstream.http.proxy_login_file);
	assert_int_equal(s->upstream.http.redirects, HTTP_REDIRECTS_SAME_HOST);
	assert_int_equal(s->upstream.http.body_max, 1 << 20);
	assert_int_equal(s->upstream.http.connect_timeout, 500);
	assert_int_equal(s->upstream.session.network_delay, 2000);
	assert_int_equal(s->upstream.session.backoff_min, 10);
	assert_int_equal(s->upstream.session.backoff_max, 3600000);
	assert_int_equal(s->upstream.websocket_ping, 0);
	assert_string_equal(s->upstream.websocket_protocol, "x.bayeux-1");
	assert_int_equal(s->upstream.session.overlap, SESSION_OVERLAP_COVERING);
	assert_string_equal(s->upstream.ext[SESSION_EXT_HANDSHAKE], "{\"a\": {\"b\":[1]}}");
	assert_string_equal(s->upstream.ext[SESSION_EXT_CONNECT], "{\"c\":1}");
	assert_string_equal(s->upstream.ext[SESSION_EXT_SUBSCRIBE], "{\"s\":1}");
	assert_string_equal(s->upstream.ext[SESSION_EXT_PUBLISH], "{}");
	assert_string_equal(s->upstream.fields[SESSION_EXT_HANDSHAKE], "{\"a\":1}");
	assert_string_equal(s->upstream.fields[SESSION_EXT_CONNECT], "{\"b\":1}");
	assert_string_equal(s->upstream.fields[SESSION_EXT_SUBSCRIBE], "{\"c\":{\"id\":2}}");
	assert_string_equal(s->upstream.fields[SESSION_EXT_PUBLISH], "{\"d\":1}");
	for (int i = 0; i < SESSION_EXTS; i++)
		assert_null(s->upstream.ext_files[i]);
	assert_int_equal(s->upstream.session.replay, SESSION_REPLAY_RESUME);
	assert_int_equal(s->upstream.session.replay_fallback, SESSION_REPLAY_STOP);
	assert_false(s->upstream.session.ack);
	assert_true(s->upstream.session.binary);
	assert_true(s->upstream.session.timesync);
	assert_int_equal(s->upstream.session.keep_alive, 120000);
	assert_true(s->upstream.session.timestamp);
	config_free(c);
}

static void test_credentials_of_systemd(void **state)
{
	(void)state;
	struct config *c = load_text(MINIMAL "credential-file = systemd:token\n");
	assert_string_equal(server(c)->auth.file, "/run/credentials/cometd-bridge.service/token");
	config_free(c);
	put_text("token", "secret");
	put_text("main.conf", MINIMAL "header = @systemd:token\ncredential-file = systemd:token\n");
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", directory, 1), 0);
	struct config_report report;
	char path[128];
	config_report_init(&report);
	assert_int_equal(config_load(main_file, &report, &c), 0);
	snprintf(path, sizeof(path), "%s/token", directory);
	assert_string_equal(server(c)->auth.file, path);
	assert_string_equal(server(c)->upstream.http.header_file, path);
	config_report_fini(&report);
	config_free(c);
	assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
}

/* --- the table --- */

/* Without these, an option of [oauth NAME] is not complete. */
static void put_oauth(char *text, size_t size, const char *name)
{
	static const char *const lines[] = {"token-url = http://127.0.0.1/t", "client-id = a",
					    "client-secret-file = /etc/hostname", "jwt-key = /etc/hostname"};
	size_t n = strncmp(name, "jwt-", 4) == 0 ? 4 : 3;

	for (size_t i = 0; i < n; i++) {
		size_t used = strlen(text), len = strcspn(lines[i], " ");

		if (strlen(name) != len || memcmp(lines[i], name, len) != 0)
			snprintf(text + used, size - used, "%s\n", lines[i]);
	}
}

static void test_examples_are_valid(void **state)
{
	struct config_option o;
	size_t n = 0;

	(void)state;
	for (; config_describe(n, &o); n++) {
		char text[512];
		struct config_report report;
		struct config *c = NULL;
		int r;

		/* this group may not exist here */
		if (strcmp(o.name, "socket-group") == 0)
			o.example = "0";
		snprintf(text, sizeof(text), "%s[%s]\n%s = %s\n%s",
			 strcmp(o.name, "url") ? MINIMAL : "",
			 strcmp(o.section, "server") == 0 ? "server demo" : strcmp(o.section, "oauth") ? "bridge" : "oauth demo", o.name, o.example,
			 /* alone these mean nothing */
			 strcmp(o.name, "credential") == 0 ? "credential-file = /etc/hostname\n"
			 : strcmp(o.name, "credential-extension") == 0 ? "extension = /x/tenant.so\n"
			 : strcmp(o.name, "tls-key") == 0 ? "tls-cert = /etc/hostname\n"
			 : strcmp(o.name, "no-proxy") == 0 || strncmp(o.name, "proxy-", 6) == 0
				 ? "proxy = https://x:1\n" : "");
		if (strcmp(o.section, "oauth") == 0)
			put_oauth(text, sizeof(text), o.name);
		if (strcmp(o.name, "oauth") == 0)
			put_oauth(strcat(text, "[oauth demo]\n"), sizeof(text), o.name);
		put_text("main.conf", text);
		config_report_init(&report);
		r = config_load(main_file, &report, &c);
		if (r)
			fail_msg("%s: %s", text, report.n_errors ? report.errors[0] : "");
		config_report_fini(&report);
		config_free(c);
	}
	assert_true(n > 15);
}

static void test_failed_allocations(void **state)
{
	(void)state;
	put_text("main.conf", MINIMAL "header = A: 1\ntls-ca = /x\n[bridge]\nsocket = /tmp/x\n");
	FAIL_EACH_ALLOCATION {
		struct config_report report;
		struct config *c = NULL;
		int r;

		config_report_init(&report);
		r = config_load(main_file, &report, &c);
		assert_true(r == 0 || r == -ENOMEM);
		assert_int_equal(r == 0, c != NULL);
		config_free(c);
		config_report_fini(&report);
	}
	/* an error that cannot be written down is an error still */
	put_text("main.conf", MINIMAL "wrong = 1\n");
	FAIL_EACH_ALLOCATION {
		struct config_report report;
		struct config *c = NULL;

		config_report_init(&report);
		assert_int_not_equal(config_load(main_file, &report, &c), 0);
		config_report_fini(&report);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONFIG_TEST(test_defaults),
		CONFIG_TEST(test_every_option),
		CONFIG_TEST(test_credentials_of_systemd),
		CONFIG_TEST(test_examples_are_valid),
		CONFIG_TEST(test_failed_allocations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
