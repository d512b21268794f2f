/*
 * config: each option's text reaches its member; what is wrong is an error at
 * its line, and never a default; drop-ins; the odd files of S25; the example
 * of every row is valid, and cometd-bridge.conf(5) says what the table says.
 */
#include "config.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIN "sha256//YhKJKSzoTt2b5FP18fvpHo7fJYqQCjAa3HWY3tvRMwE="
#define MINIMAL "[server demo]\nurl = http://127.0.0.1:8080/cometd\n"

static char directory[64], main_file[96];

static int setup(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/test-config-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(main_file, sizeof(main_file), "%s/main.conf", directory);
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", directory);
	return system(command);
}

static void put_bytes(const char *name, const void *bytes, size_t n)
{
	char path[160];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
	chmod(path, 0644);
}

static void put_text(const char *name, const char *text)
{
	put_bytes(name, text, strlen(text));
}

/* Loads main.conf, which must be right and deserve no warning. */
static struct config *load(void)
{
	struct config_report report;
	struct config *c = NULL;
	int r;

	config_report_init(&report);
	r = config_load(main_file, &report, &c);
	if (r)
		fail_msg("%d: %s", r, report.n_errors ? report.errors[0] : "no word");
	assert_int_equal(report.n_warnings, 0);
	config_report_fini(&report);
	return c;
}

static struct config *load_text(const char *text)
{
	put_text("main.conf", text);
	return load();
}

static struct config_server *server(struct config *c)
{
	return LIST_FIRST(&c->servers, struct config_server, link);
}

/* Loads main.conf, which must be wrong: the first error is "FILE[:LINE]: …words…". */
static void assert_wrong(unsigned line, const char *words)
{
	struct config_report report;
	struct config *c = NULL;
	char place[160];

	config_report_init(&report);
	assert_int_equal(config_load(main_file, &report, &c), CONFIG_E_INVALID);
	assert_null(c);
	assert_true(report.n_errors > 0);
	if (line)
		snprintf(place, sizeof(place), "%s:%u: ", main_file, line);
	else
		snprintf(place, sizeof(place), "%s: ", main_file);
	if (strncmp(report.errors[0], place, strlen(place)) != 0 ||
	    !strstr(report.errors[0], words))
		fail_msg("\"%s\" is not \"%s…%s\"", report.errors[0], place, words);
	config_report_fini(&report);
}

static void assert_text_wrong(const char *text, unsigned line, const char *words)
{
	put_text("main.conf", text);
	assert_wrong(line, words);
}

/* --- right --- */

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
	assert_true(s->is_default);
	assert_int_equal(s->urls.n, 1);
	assert_string_equal(s->urls.v[0], "http://127.0.0.1:8080/cometd");
	for (int i = 0; i < ENDPOINTS; i++)
		assert_null(s->endpoints[i]);
	assert_int_equal(s->append, ENDPOINT_APPEND_NOTHING);
	assert_int_equal(s->session.n_transports, 2);
	assert_int_equal(s->session.transports[0], SESSION_WEBSOCKET);
	assert_int_equal(s->session.transports[1], SESSION_LONG_POLLING);
	assert_int_equal(s->session.overlap, SESSION_OVERLAP_AUTO);
	assert_int_equal(s->session.replay, SESSION_REPLAY_NEW);
	assert_int_equal(s->session.replay_fallback, SESSION_REPLAY_FALLBACK_ALL);
	assert_true(s->session.ack);
	assert_false(s->session.binary);
	assert_false(s->session.timesync);
	assert_int_equal(s->session.keep_alive, 0);
	assert_string_equal(s->session.keep_alive_channel, "/service/keep-alive");
	assert_false(s->session.timestamp);
	assert_int_equal(s->session.network_delay, 10000);
	assert_int_equal(s->session.backoff_min, 1000);
	assert_int_equal(s->session.backoff_max, 60000);
	assert_int_equal(s->headers.n, 0);
	assert_null(s->header_file);
	assert_null(s->tls_ca);
	assert_false(s->tls_insecure);
	assert_null(s->tls_cert);
	assert_null(s->tls_key);
	assert_null(s->tls_pin);
	assert_int_equal(s->tls_min, HTTP_TLS_1_2);
	assert_int_equal(s->redirects, HTTP_REDIRECTS_NEVER);
	assert_int_equal(s->max_message, 16 << 20);
	assert_int_equal(s->connect_timeout, 10000);
	assert_int_equal(s->websocket_ping, 30000);
	assert_null(s->websocket_protocol);
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
				     "url-failures = 7\n"
				     "url-retry = never\n"
				     "url-return = break\n"
				     "url-shared = yes\n"
				     "connection-timeout = unlimited\n"
				     "max-sent = 64K\n"
				     "request-timeout = 3s\n"
				     "wanted-timeout = 25s\n"
				     "wanted-interval = 500ms\n"
				     "on-disconnect = stop\n"
				     "on-none = refresh\n"
				     "credential-systemd = token\n"
				     "[server two.2]\n"
				     "url = https://two.example:8443/cometd?a=b:c\n"
				     "default = yes\n"
				     "url-handshake = handshake\n"
				     "url-connect = /c?d=e\n"
				     "url-subscribe = ../s\n"
				     "url-publish = https://p/\n"
				     "url-disconnect = d\n"
				     "url-websocket = wss://w/\n"
				     "url-append-type = java\n"
				     "transports = long-polling, websocket\n"
				     "header = X-One: 1\n"
				     "header = X-Two: a=b; c\n"
				     "cookie = a=b\n"
				     "cookie = c=d;Path=/x\n"
				     "cookie-jar = /tmp/jar\n"
				     "tls-ca = /etc/ca.pem\n"
				     "tls-insecure = yes\n"
				     "tls-pin = " PIN ";" PIN "\n"
				     "tls-min-version = 1.3\n"
				     "proxy = https://[::1]:3128\n"
				     "no-proxy = a, b\n"
				     "proxy-tls-ca = /etc/proxy.pem\n"
				     "redirects = same-host\n"
				     "max-message = 1M\n"
				     "connect-timeout = 500ms\n"
				     "network-delay = 2s\n"
				     "backoff-min = 10ms\n"
				     "backoff-max = 1h\n"
				     "websocket-ping = off\n"
				     "websocket-protocol = x.bayeux-1\n"
				     "replay = resume\n"
				     "handshake-ext = {\"a\": {\"b\":[1]}}\n"
				     "connect-ext = {\"c\":1}\n"
				     "subscribe-ext = {\"s\":1}\n"
				     "publish-ext = {}\n"
				     "handshake-fields = {\"a\":1}\n"
				     "connect-fields = {\"b\":1}\n"
				     "subscribe-fields = {\"c\":{\"id\":2}}\n"
				     "publish-fields = {\"d\":1}\n"
				     "replay-fallback = stop\n"
				     "ack = no\n"
				     "binary = yes\n"
				     "timesync = yes\n"
				     "keep-alive = 2m\n"
				     "keep-alive-channel = /service/a/b\n"
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
	assert_int_equal(s->urls.n, 2);
	assert_string_equal(s->urls.v[1], "ws://three.example/");
	assert_int_equal(s->session.url_failures, 7);
	assert_true(s->session.url_retry == UINT64_MAX);
	assert_int_equal(s->session.url_return, SESSION_URL_BREAK);
	assert_true(s->session.url_shared);
	assert_true(s->connection_timeout == UINT64_MAX);
	assert_int_equal(s->session.sent_max, 65536);
	assert_int_equal(s->session.request_timeout, 3000);
	assert_int_equal(s->session.wanted_timeout, 25000);
	assert_int_equal(s->session.wanted_interval, 500);
	assert_int_equal(s->session.on_disconnect, SESSION_STOP);
	assert_int_equal(s->session.on_none, SESSION_REFRESH);
	assert_false(s->is_default);
	s = LIST_OF(s->link.next, struct config_server, link);
	assert_string_equal(s->name, "two.2");
	assert_true(s->is_default);
	assert_string_equal(s->urls.v[0], "https://two.example:8443/cometd?a=b:c");
	for (int i = 0; i < ENDPOINTS; i++)
		assert_string_equal(s->endpoints[i], endpoints[i]);
	assert_int_equal(s->append, ENDPOINT_APPEND_JAVA);
	assert_int_equal(s->session.n_transports, 2);
	assert_int_equal(s->session.transports[0], SESSION_LONG_POLLING);
	assert_int_equal(s->headers.n, 2);
	assert_string_equal(s->headers.v[0], "X-One: 1");
	assert_string_equal(s->headers.v[1], "X-Two: a=b; c");
	assert_int_equal(s->cookies.n, 2);
	assert_string_equal(s->cookies.v[0], "a=b");
	assert_string_equal(s->cookies.v[1], "c=d;Path=/x");
	assert_null(s->cookie_file);
	assert_string_equal(s->cookie_jar, "/tmp/jar");
	assert_string_equal(s->tls_ca, "/etc/ca.pem");
	assert_true(s->tls_insecure);
	assert_string_equal(s->tls_pin, PIN ";" PIN);
	assert_int_equal(s->tls_min, HTTP_TLS_1_3);
	assert_string_equal(s->proxy, "https://[::1]:3128");
	assert_string_equal(s->no_proxy, "a, b");
	assert_string_equal(s->proxy_ca, "/etc/proxy.pem");
	assert_null(s->proxy_credential_file);
	assert_int_equal(s->redirects, HTTP_REDIRECTS_SAME_HOST);
	assert_int_equal(s->max_message, 1 << 20);
	assert_int_equal(s->connect_timeout, 500);
	assert_int_equal(s->session.network_delay, 2000);
	assert_int_equal(s->session.backoff_min, 10);
	assert_int_equal(s->session.backoff_max, 3600000);
	assert_int_equal(s->websocket_ping, 0);
	assert_string_equal(s->websocket_protocol, "x.bayeux-1");
	assert_int_equal(s->session.overlap, SESSION_OVERLAP_COVERING);
	assert_string_equal(s->ext[SESSION_EXT_HANDSHAKE], "{\"a\": {\"b\":[1]}}");
	assert_string_equal(s->ext[SESSION_EXT_CONNECT], "{\"c\":1}");
	assert_string_equal(s->ext[SESSION_EXT_SUBSCRIBE], "{\"s\":1}");
	assert_string_equal(s->ext[SESSION_EXT_PUBLISH], "{}");
	assert_string_equal(s->fields[SESSION_EXT_HANDSHAKE], "{\"a\":1}");
	assert_string_equal(s->fields[SESSION_EXT_CONNECT], "{\"b\":1}");
	assert_string_equal(s->fields[SESSION_EXT_SUBSCRIBE], "{\"c\":{\"id\":2}}");
	assert_string_equal(s->fields[SESSION_EXT_PUBLISH], "{\"d\":1}");
	for (int i = 0; i < SESSION_EXTS; i++)
		assert_null(s->ext_files[i]);
	assert_int_equal(s->session.replay, SESSION_REPLAY_RESUME);
	assert_int_equal(s->session.replay_fallback, SESSION_REPLAY_STOP);
	assert_false(s->session.ack);
	assert_true(s->session.binary);
	assert_true(s->session.timesync);
	assert_int_equal(s->session.keep_alive, 120000);
	assert_string_equal(s->session.keep_alive_channel, "/service/a/b");
	assert_true(s->session.timestamp);
	config_free(c);
}

/* --- wrong: one bad option in an otherwise good file --- */

static void test_bad_values(void **state)
{
	static const struct { const char *section, *option, *words; } table[] = {
		{"bridge", "socket = relative/path", "no absolute path"},
		{"bridge", "socket = @abstract", "abstract"},
		{"bridge", "socket-mode = rw", "octal mode"},
		{"bridge", "socket-mode = 1777", "out of range"},
		{"bridge", "socket-group = no-such-group", "no group"},
		{"bridge", "outbox-max = lots", "no size"},
		{"bridge", "outbox-max = 63K", "64K to 1G"},
		{"bridge", "outbox-max = 2G", "64K to 1G"},
		{"bridge", "outbox-max = unlimited", "no size"},
		{"bridge", "subscriptions-max = 0", "out of range"},
		{"bridge", "requests-max = -1", "no number"},
		{"bridge", "peers-max = 0", "or unlimited"},
		{"bridge", "peers-max = many", "nor unlimited"},
		{"bridge", "log-level = chatty", "error, warning"},
		{"bridge", "log-level =", "no value"},
		{"server x", "url = ftp://there", "http://"},
		{"server x", "url = nonsense", "http://"},
		{"server x", "url = http://me:hunter2@there/", "password"},
		{"server x", "url-handshake = //there/path", "no path begins with \"//\""},
		{"server x", "url-connect = ftp://there", "must begin with http://"},
		{"server x", "url-publish = a b", "is no URL; for example: publish"},
		{"server x", "url-websocket = ws://me:hunter2@there/", "password"},
		{"server x", "url-append-type = yes", "off, js, java"},
		{"server x", "url-failures = 0", "out of range: 1 to 1000"},
		{"server x", "url-retry = 0s", "1s to 24h, or never"},
		{"server x", "url-return = soon", "none of: wait, break"},
		{"server x", "connection-timeout = ever", "no duration nor unlimited"},
		{"server x", "max-sent = 10", "1K to 4M, or unlimited"},
		{"server x", "request-timeout = 0s", "out of range"},
		{"server x", "wanted-timeout = none", "no duration"},
		{"server x", "wanted-interval = 2h", "out of range"},
		{"server x", "on-disconnect = halt", "none of: retry, stop, refresh"},
		{"server x", "on-none = 0", "none of: retry, stop, refresh"},
		{"server x", "default = maybe", "yes nor no"},
		{"server x", "transports = carrier-pigeon", "no transport"},
		{"server x", "transports = websocket, websocket", "twice"},
		{"server x", "transports = websocket long-polling", "commas"},
		{"server x", "transports = websocket,", "no transport"},
		{"server x", "header = no colon", "Name: value"},
		{"server x", "header = Host: other", "only the daemon"},
		{"server x", "header-file = here", "no absolute path"},
		{"server x", "cookie = name", "no NAME=VALUE"},
		{"server x", "cookie = a b=c", "no NAME=VALUE"},
		{"server x", "cookie = a=b; Domain=x", "may stand \"; Path=/x\""},
		{"server x", "cookie-file = here", "no absolute path"},
		{"server x", "cookie-jar = here", "no absolute path"},
		{"server x", "credential = token", "none of: bearer, basic, header NAME or ext"},
		{"server x", "credential = header", "none of: bearer, basic, header NAME or ext"},
		{"server x", "credential = header Host", "no name of a header"},
		{"server x", "credential = header X: y", "no name of a header"},
		{"server x", "credential = ext", "none of: bearer, basic, header NAME or ext"},
		{"server x", "credential = ext a//b", "separated by \"/\""},
		{"server x", "credential = ext a/", "separated by \"/\""},
		{"server x", "credential = ext a\"b", "without quotation marks"},
		{"server x", "credential-file = token", "no absolute path"},
		{"server x", "credential-systemd = a/b", "no name of a credential"},
		{"server x", "credential-command = get-token", "absolute path"},
		{"server x", "credential-command = /bin/a | /bin/b", "no shell"},
		{"server x", "credential-extension = /x.so", "no name of an extension; for example: tenant"},
		{"server x", "extension = ../x", "neither the name of an extension nor an absolute path"},
		{"server x", "extension = /x/", "the file's name is none"},
		{"server x", "extension = x @secret", "absolute path of a file with its configuration"},
		{"server x", "credential-lifetime = 10", "no duration nor unlimited"},
		{"server x", "credential-timeout = 10ms", "100ms to 10m"},
		{"server x", "oauth-token-url = ws://here/", "a token server speaks https"},
		{"server x", "oauth-token-url = http://here/", "begin with https://, or be on this"},
		{"server x", "oauth-token-url = http://128.0.0.1/", "begin with https://"},
		{"server x", "oauth-token-url = https://me:hunter2@here/", "password"},
		{"server x", "oauth-grant = password", "client-credentials, refresh-token, jwt"},
		{"server x", "oauth-client-secret-file = here", "no absolute path"},
		{"server x", "oauth-client-secret-systemd = a/b", "no name of a credential"},
		{"server x", "oauth-client-auth = digest", "basic, body"},
		{"server x", "oauth-parameter = resource", "no name=value"},
		{"server x", "oauth-parameter = =x", "no name=value"},
		{"server x", "oauth-parameter = client_secret=x", "an option of its own"},
		{"server x", "oauth-jwt-lifetime = 1s", "10s to 1h"},
		{"server x", "oauth-clientsecret-file = /x", "did you mean \"oauth-client-secret-file\""},
		{"server x", "tls-ca = here", "no absolute path"},
		{"server x", "tls-insecure = 1", "yes nor no"},
		{"server x", "tls-cert = here", "no absolute path"},
		{"server x", "proxy = here:3128", "must begin with http:// or https://; for example"},
		{"server x", "proxy = http://here", "must name the port"},
		{"server x", "proxy = http://me:hunter2@here:3128",
		 "put user:password into a proxy-credential-file"},
		{"server x", "proxy = http://here:3128/path", "must end behind the port"},
		{"server x", "proxy-credential-file = here", "no absolute path"},
		{"server x", "proxy-tls-ca = here", "no absolute path"},
		{"server x", "no-proxy = *.example.com", ".example.com means all hosts below"},
		{"server x", "no-proxy = here:80", "names a port"},
		{"server x", "tls-pin = sha1//abc", "no public key's hash"},
		{"server x", "tls-min-version = 1.1", "1.2, 1.3"},
		{"server x", "redirects = any", "none of: never, same-host"},
		{"server x", "max-message = 1", "out of range"},
		{"server x", "connect-timeout = 10", "no duration"},
		{"server x", "connect-timeout = 0s", "out of range"},
		{"server x", "network-delay = unlimited", "no duration"},
		{"server x", "backoff-min = 2h", "out of range"},
		{"server x", "backoff-max = 1y", "no duration"},
		{"server x", "websocket-ping = 0s", "or off"},
		{"server x", "websocket-protocol = a, b", "no name of a subprotocol"},
		{"server x", "websocket-protocol = \xc3\xa4", "for example: bayeux"},
		{"server x", "overlap = some", "auto, exact"},
		{"server x", "handshake-ext = {", "no JSON object"},
		{"server x", "connect-ext = 1", "no JSON object"},
		{"server x", "subscribe-ext = {\"a\":1,\"a\":2}", "says a key twice"},
		{"server x", "publish-ext = []", "no JSON object"},
		{"server x", "handshake-ext-file = here", "no absolute path"},
		{"server x", "connect-ext-file = here", "no absolute path"},
		{"server x", "subscribe-ext-file = here", "no absolute path"},
		{"server x", "publish-ext-file = here", "no absolute path"},
		{"server x", "handshake-fields = 1", "no JSON object"},
		{"server x", "connect-fields = {\"a\":1,\"clientId\":2}", "\"clientId\" is for the daemon"},
		{"server x", "subscribe-fields = {\"\\u0069d\":1}", "\"id\" is for the daemon"},
		{"server x", "publish-fields = {\"ext\":{}}", "there are options for ext"},
		{"server x", "keep-alive = 0s", "or off"},
		{"server x", "keep-alive-channel = here", "must begin with"},
		{"server x", "keep-alive-channel = /a/b", "heard by others; for example: /service/"},
		{"server x", "keep-alive-channel = /service/**", "only as the last segment"},
		{"server x", "binary = base64", "neither yes nor no"},
		{"server x", "timesync = on", "neither yes nor no"},
		{"server x", "timestamp = iso", "neither yes nor no"},
		{"server x", "replay = yes", "off, new, all, resume"},
		{"server x", "replay-fallback = off", "all, new, stop"},
		/* unknown, with the nearest known one */
		{"bridge", "sokcet = /tmp/x", "did you mean \"socket\" in [bridge]"},
		{"bridge", "socket_mode = 0660", "did you mean \"socket-mode\""},
		{"bridge", "url = http://x/", "did you mean \"url\" in [server]"},
		{"server x", "transport = websocket", "did you mean \"transports\""},
		{"server x", "Socket = /tmp/x", "did you mean \"socket\" in [bridge]"},
		{"server x", "colour = blue", "unknown option \"colour\" in [server]"},
		{"bridge", "nothing", "no \"option = value\""},
		{"bridge", "socket: /tmp/x", "no \"option = value\""},
		{"bridge", "socket: = /tmp/x", "unknown option"},
		{"bridge", "= /tmp/x", "no \"option = value\""},
		{"bridge", "socket = /tmp/x ; here", "\" ;\" would begin a comment"},
		{"bridge", "socket = /tmp/\x01x", "control character"},
		{"bridge", "socket = /tmp/\xff", "not UTF-8"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char text[512];

		snprintf(text, sizeof(text), MINIMAL "[%s]\n# comment\n%s\n", table[i].section,
			 table[i].option);
		assert_text_wrong(text, 5, table[i].words);
	}
}

static void test_bad_sections(void **state)
{
	(void)state;
	assert_text_wrong(MINIMAL "[bridges]\n", 3, "there are [bridge] and [server NAME]");
	assert_text_wrong(MINIMAL "[bridge x]\n", 3, "unknown section");
	assert_text_wrong(MINIMAL "[Bridge]\n", 3, "unknown section");
	assert_text_wrong(MINIMAL "[]\n", 3, "unknown section");
	assert_text_wrong(MINIMAL "[bridge\nlog-level = x\n", 3, "ends with");
	assert_text_wrong(MINIMAL "[bridge] # x\n", 3, "ends with");
	assert_text_wrong("[server]\n", 1, "cannot name a server");
	assert_text_wrong("[server -x]\n", 1, "cannot name a server");
	assert_text_wrong("[server a b]\n", 1, "cannot name a server");
	assert_text_wrong("[server \xc3\xbc]\n", 1, "cannot name a server");
	/* what is no text is not repeated to a terminal */
	assert_text_wrong("[server \xc3]\n", 1, "not UTF-8");
	assert_text_wrong("[server \x1b]\n", 1, "control character");
	assert_text_wrong("socket = /x\n" MINIMAL, 1, "before the first section");
	assert_text_wrong("[server empty]\n" MINIMAL, 1, "[server empty]: it has no url");
	assert_text_wrong(MINIMAL "url = http://other/\nurl-connect = http://c/\n", 1,
			  "url-connect would lead from every url to one place");
	assert_text_wrong(MINIMAL "backoff-min = 2m\n", 1, "backoff-min is above");
	assert_text_wrong(MINIMAL "handshake-ext = {}\nhandshake-ext-file = /x\n", 1,
			  "cannot both be");
	assert_text_wrong(MINIMAL "publish-ext = {}\npublish-ext-file = /x\n", 1,
			  "publish-ext-file and publish-ext cannot both be");
	assert_text_wrong(MINIMAL "credential = basic\n", 1, "needs a source");
	assert_text_wrong(MINIMAL "on-none = refresh\n", 1, "refresh needs a credential");
	assert_text_wrong(MINIMAL "on-disconnect = refresh\n", 1, "refresh needs a credential");
	assert_text_wrong(MINIMAL "credential-file = /a\ncredential-command = /b\n", 1,
			  "credential-file and credential-command; a credential has one source");
	assert_text_wrong(MINIMAL "cookie-jar = /tmp/a\n"
				  "[server b]\nurl = http://b/\ncookie-jar = /tmp/a\n", 4,
			  "cookie-jar /tmp/a is that of [server demo]");
	assert_text_wrong(MINIMAL "extension = a\nextension = b\ncredential-extension = c\n", 1,
			  "[server demo]: credential-extension is c, and there is no \"extension = c\"");
	assert_text_wrong(MINIMAL "extension = a\ncredential-extension = a\ncredential-file = /x\n",
			  1, "credential-file and credential-extension; a credential has one source");
	assert_text_wrong(MINIMAL "no-proxy = x\n", 1, "needs a proxy");
	assert_text_wrong(MINIMAL "proxy-credential-file = /x\n", 1, "needs a proxy");
	assert_text_wrong(MINIMAL "proxy = http://x:1\nproxy-tls-ca = /x\n", 1, "that is https://");
	assert_text_wrong(MINIMAL "tls-key = /x\n", 1, "needs a tls-cert");
	assert_text_wrong(MINIMAL "default = yes\n"
				  "\n[server b]\nurl = http://b/\ndefault = yes\n", 5,
			  "[server demo] is");
}

static void test_oauth(void **state)
{
#define TOKENS "oauth-token-url = http://[::1]/t\n"
	static const struct { const char *options, *words; } wrong[] = {
		{"oauth-client-id = me\n", "oauth-client-id needs an oauth-token-url"},
		{"oauth-grant = jwt-bearer\n", "oauth-grant needs an oauth-token-url"},
		{"oauth-client-secret-file = /x\n", "-secret-file needs an oauth-token-url"},
		{"oauth-refresh-token-save = yes\n", "-token-save needs an oauth-token-url"},
		{"oauth-jwt-subject = x\n", "oauth-jwt-subject needs an oauth-token-url"},
		{TOKENS, "this oauth-grant needs an oauth-client-id"},
		{TOKENS "oauth-client-id = me\n", "needs an oauth-client-secret-file or"},
		{TOKENS "oauth-client-id = me\noauth-client-secret-file = /x\n"
		 "oauth-client-secret-systemd = x\n", "a client has one secret"},
		{TOKENS "oauth-grant = refresh-token\n", "needs an oauth-refresh-token-file"},
		{TOKENS "oauth-grant = refresh-token\noauth-refresh-token-file = /x\n",
		 "needs an oauth-client-id"},
		{TOKENS "oauth-grant = jwt-bearer\n", "needs an oauth-jwt-key"},
		{TOKENS "oauth-grant = jwt-bearer\noauth-jwt-key = /x\n", "needs an oauth-jwt-issuer or"},
		{TOKENS "oauth-grant = jwt-bearer\noauth-jwt-key = /x\noauth-jwt-issuer = x\n"
		 "oauth-client-secret-systemd = x\n", "-secret-systemd needs an oauth-client-id"},
		{TOKENS "oauth-client-id = me\noauth-client-secret-systemd = x\n"
		 "oauth-refresh-token-file = /x\n", "is for oauth-grant = refresh-token"},
		{TOKENS "oauth-client-id = me\noauth-client-secret-systemd = x\n"
		 "oauth-jwt-key-id = x\n", "is for oauth-grant = jwt-bearer"},
		{TOKENS "oauth-client-id = me\noauth-client-secret-systemd = x\n"
		 "credential-file = /x\n", "credential-file and oauth-token-url"},
		{TOKENS "oauth-client-id = me\noauth-client-secret-systemd = x\n"
		 "credential = basic\n", "no user:password"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char text[512];

		snprintf(text, sizeof(text), MINIMAL "%s", wrong[i].options);
		assert_text_wrong(text, 1, wrong[i].words);
	}
	struct config *c = load_text(MINIMAL TOKENS
				     "oauth-client-id = me\noauth-client-secret-systemd = s\n"
				     "oauth-client-auth = body\noauth-scope = a b\n"
				     "oauth-audience = c\noauth-parameter = x=1\n"
				     "oauth-parameter = y=\n");
	const struct config_server *s = server(c);
	assert_int_equal(s->credential.kind, AUTH_BEARER);
	assert_string_equal(s->oauth.token_url, "http://[::1]/t");
	assert_int_equal(s->oauth.grant, OAUTH_CLIENT_CREDENTIALS);
	assert_int_equal(s->oauth.client_auth, OAUTH_BODY);
	assert_string_equal(s->oauth.client_id, "me");
	assert_string_equal(s->oauth.secret_systemd, "s");
	assert_string_equal(s->oauth.scope, "a b");
	assert_string_equal(s->oauth.audience, "c");
	assert_int_equal(s->oauth.parameters.n, 2);
	assert_string_equal(s->oauth.parameters.v[1], "y=");
	assert_int_equal(s->oauth.jwt_lifetime, 120000);
	config_free(c);
}

/* The credential's header cannot be said twice. */
static void test_credential_header(void **state)
{
	(void)state;
	assert_text_wrong(MINIMAL "credential-systemd = x\nheader = authorization: y\n", 1,
			  "a header sets Authorization, and so does the credential");
	assert_text_wrong(MINIMAL "credential-systemd = x\ncredential = header X-Key\n"
				  "header = x-key: y\n", 1, "a header sets X-Key");
	config_free(load_text(MINIMAL "header = Authorization: y\n"));
	config_free(load_text(MINIMAL "credential-systemd = x\ncredential = ext com.a/b\n"
				      "header = Authorization: y\n"));
	config_free(load_text(MINIMAL "credential-systemd = x\ncredential = header X-Key\n"
				      "header = Authorization: y\nheader = X-Key-2: y\n"));
}

static void test_name_lengths(void **state)
{
	char name[PROTOCOL_NAME_MAX + 2], text[256];
	struct config *c;

	(void)state;
	memset(name, 'n', sizeof(name));
	name[PROTOCOL_NAME_MAX] = 0;
	snprintf(text, sizeof(text), "[server %s]\nurl = http://x/\n", name);
	c = load_text(text);
	assert_string_equal(server(c)->name, name);
	config_free(c);
	name[PROTOCOL_NAME_MAX] = 'n';
	name[PROTOCOL_NAME_MAX + 1] = 0;
	snprintf(text, sizeof(text), "[server %s]\nurl = http://x/\n", name);
	assert_text_wrong(text, 1, "cannot name a server");
}

static void test_duplicates(void **state)
{
	char text[512];
	size_t len;

	struct config *c;

	(void)state;
	assert_text_wrong(MINIMAL "url = http://other/\nack = no\nack = no\n", 5,
			  "stands in this file already");
	/* also when the section is entered again; which is no error by itself */
	assert_text_wrong(MINIMAL "ack = no\n[bridge]\n[server demo]\nack = no\n", 6, "already");
	assert_text_wrong("[server a]\nurl = http://a/\nurl = http://b/\nurl = http://a/\n", 4,
			  "the same stands there already");
	len = (size_t)sprintf(text, "[server a]\n");
	for (unsigned i = 0; i <= CONFIG_URLS_MAX; i++)
		len += (size_t)sprintf(text + len, "url = http://h/%u\n", i);
	assert_text_wrong(text, CONFIG_URLS_MAX + 2, "at most 16 of them");
	c = load_text(MINIMAL "[bridge]\n[server demo]\ndefault = yes\n");
	assert_ptr_equal(server(c)->link.next, &c->servers);
	config_free(c);
}

/* All are told, up to a limit, and the rest is counted. */
static void test_all_errors(void **state)
{
	char text[2048] = MINIMAL;
	struct config_report report;
	struct config *c = NULL;

	(void)state;
	for (int i = 0; i < 25; i++)
		strcat(text, "wrong = 1\n");
	put_text("main.conf", text);
	config_report_init(&report);
	assert_int_equal(config_load(main_file, &report, &c), CONFIG_E_INVALID);
	assert_int_equal(report.n_errors, CONFIG_ERRORS_MAX);
	assert_int_equal(report.n_errors_more, 5);
	assert_non_null(strstr(report.errors[19], "main.conf:22: "));
	config_report_fini(&report);
}

/* A value that may be a secret is in no error. */
static void test_secrets_are_not_repeated(void **state)
{
	static const char *const texts[] = {
		MINIMAL "header = Authorization hunter2\n",
		MINIMAL "header = Host: hunter2\n",
		MINIMAL "cookie = sid=hunter2; Domain=x\n",
		"[server x]\nurl = http://me:hunter2@there/\n",
		"[server x]\nurl = gopher://hunter2/\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct config_report report;
		struct config *c = NULL;

		put_text("main.conf", texts[i]);
		config_report_init(&report);
		assert_int_equal(config_load(main_file, &report, &c), CONFIG_E_INVALID);
		for (size_t k = 0; k < report.n_errors; k++)
			assert_null(strstr(report.errors[k], "hunter2"));
		config_report_fini(&report);
	}
}

/* --- odd files --- */

static void test_odd_files(void **state)
{
	static const char with_nul[] = MINIMAL "[bridge]\nsocket = /tmp/a\0b\n";
	char *text = calloc(1, (1u << 20) + 2);
	struct config *c;

	(void)state;
	assert_non_null(text);
	assert_text_wrong("", 0, "there is no [server NAME]");
	assert_text_wrong("\n \n\t\r\n", 0, "there is no [server NAME]");
	assert_text_wrong("# only\n; comments", 0, "there is no [server NAME]");
	assert_text_wrong("\xef\xbb\xbf", 0, "there is no [server NAME]");
	assert_text_wrong("[bridge]\n", 0, "there is no [server NAME]");
	put_bytes("main.conf", with_nul, sizeof(with_nul) - 1);
	assert_wrong(4, "");
	c = load_text("\xef\xbb\xbf[server a]\r\nurl = http://a/\r\n");
	assert_string_equal(server(c)->urls.v[0], "http://a/");
	config_free(c);
	/* a byte order mark anywhere else is no blank */
	assert_text_wrong("\n\xef\xbb\xbf[server a]\nurl = http://a/\n", 2, "no section");
	memset(text, '#', (1u << 20) + 1);
	assert_text_wrong(text, 0, "larger than 1M");
	free(text);
}

static void test_no_file(void **state)
{
	(void)state;
	strcat(main_file, ".not");
	assert_wrong(0, "No such file");
	strcpy(main_file, directory);
	assert_wrong(0, "no regular file");
	snprintf(main_file, sizeof(main_file), "/dev/null");
	assert_wrong(0, "no regular file");
}

/* Whatever libinih was built with, a line arrives whole or is refused. */
static void test_long_lines(void **state)
{
	char text[CONFIG_LINE_MAX + 300];
	struct config_report report;

	(void)state;
	for (size_t n = 50; n < sizeof(text) - 150; n = n < 300 ? n + 1 : n * 2) {
		struct config *c = NULL;
		size_t len = (size_t)sprintf(text, MINIMAL "header = X: ");

		memset(text + len, 'x', n);
		text[len + n] = 0;
		put_text("main.conf", text);
		config_report_init(&report);
		if (config_load(main_file, &report, &c) == 0)
			assert_int_equal(strlen(server(c)->headers.v[0]), n + 3);
		else
			assert_non_null(strstr(report.errors[0], ":3: a line has at most"));
		config_free(c);
		config_report_fini(&report);
	}
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	assert_text_wrong(text, 1, "a line has at most");
}

/* --- several files --- */

static void test_drop_ins(void **state)
{
	char drop_ins[128];
	struct config *c;
	struct config_server *s;

	(void)state;
	snprintf(drop_ins, sizeof(drop_ins), "%s.d", main_file);
	assert_int_equal(mkdir(drop_ins, 0755), 0);
	put_text("main.conf", MINIMAL "header = A: 1\nheader = B: 2\nbackoff-min = 2s\n");
	put_text("main.conf.d/b.conf", "[server demo]\nheader = C: 3\nurl = http://b/\n"
				       "url = http://b2/\n");
	put_text("main.conf.d/B.conf", "[server demo]\nurl = http://B/\nbackoff-max = 2m\n");
	put_text("main.conf.d/z.conf", "[server extra]\nurl = http://extra/\n");
	put_text("main.conf.d/.hidden.conf", "nonsense\n");
	put_text("main.conf.d/backup.conf~", "nonsense\n");
	c = load();
	s = server(c);
	/* C order: B before b, so b has the last word */
	assert_int_equal(s->urls.n, 2);
	assert_string_equal(s->urls.v[0], "http://b/");
	assert_string_equal(s->urls.v[1], "http://b2/");
	assert_int_equal(s->headers.n, 1);
	assert_string_equal(s->headers.v[0], "C: 3");
	assert_int_equal(s->session.backoff_min, 2000);
	assert_int_equal(s->session.backoff_max, 120000);
	assert_string_equal(LIST_OF(s->link.next, struct config_server, link)->name, "extra");
	config_free(c);
}

static void test_error_in_a_drop_in(void **state)
{
	struct config_report report;
	struct config *c = NULL;
	char drop_ins[128];

	(void)state;
	snprintf(drop_ins, sizeof(drop_ins), "%s.d", main_file);
	assert_int_equal(mkdir(drop_ins, 0755), 0);
	put_text("main.conf", MINIMAL);
	put_text("main.conf.d/x.conf", "\n\n[bridge]\nlog-level = loud\n");
	config_report_init(&report);
	assert_int_equal(config_load(main_file, &report, &c), CONFIG_E_INVALID);
	assert_int_equal(report.n_errors, 1);
	assert_non_null(strstr(report.errors[0], "main.conf.d/x.conf:4: log-level: \"loud\""));
	config_report_fini(&report);
}

static void test_header_file_warnings(void **state)
{
	struct config_report report;
	struct config *c = NULL;
	char text[256];

	(void)state;
	put_text("secret", "Authorization: Bearer x\n");
	snprintf(text, sizeof(text), MINIMAL "header-file = %s/secret\n", directory);
	put_text("main.conf", text);
	config_report_init(&report);
	assert_int_equal(config_load(main_file, &report, &c), 0);
	assert_int_equal(report.n_warnings, 1);
	assert_non_null(strstr(report.warnings[0], "everybody may read it"));
	config_free(c);
	config_report_fini(&report);
	snprintf(text, sizeof(text), "%s/secret", directory);
	chmod(text, 0600);
	config_free(load());
	unlink(text);
	assert_int_equal(config_load(main_file, &report, &c), 0);
	assert_non_null(strstr(report.warnings[0], "No such file"));
	config_free(c);
	config_report_fini(&report);
}

static void test_transport_warnings(void **state)
{
	static const struct { const char *lines, *warning; } rows[] = {
		{"transports = long-polling\nwebsocket-protocol = x\n", "websocket-protocol has no effect"},
		{"transports = long-polling\nurl-websocket = ws://x/\n", "websocket is not among"},
		{"transports = long-polling\nwebsocket-compression = yes\n", "websocket-compression has"},
		{"transports = websocket\nurl-append-type = js\n", "long-polling is not among"},
		{"url-append-type = js\nwebsocket-compression = yes\n", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config_report report;
		struct config *c = NULL;
		char text[256];

		snprintf(text, sizeof(text), MINIMAL "%s", rows[i].lines);
		put_text("main.conf", text);
		config_report_init(&report);
		assert_int_equal(config_load(main_file, &report, &c), 0);
		assert_int_equal(report.n_warnings, rows[i].warning != NULL);
		if (rows[i].warning)
			assert_non_null(strstr(report.warnings[0], rows[i].warning));
		config_free(c);
		config_report_fini(&report);
	}
}

static void test_tls_key_warnings(void **state)
{
	struct config_report report;
	struct config *c = NULL;
	char text[256];

	(void)state;
	/* the certificate is no secret, unless the key is with it */
	put_text("cert", "x");
	snprintf(text, sizeof(text), MINIMAL "tls-cert = %s/cert\n", directory);
	put_text("main.conf", text);
	config_report_init(&report);
	assert_int_equal(config_load(main_file, &report, &c), 0);
	assert_int_equal(report.n_warnings, 1);
	assert_non_null(strstr(report.warnings[0], "tls-cert"));
	config_free(c);
	config_report_fini(&report);
	put_text("key", "x");
	snprintf(text, sizeof(text), "%s/key", directory);
	chmod(text, 0600);
	snprintf(text, sizeof(text), MINIMAL "tls-cert = %s/cert\ntls-key = %s/key\n", directory,
		 directory);
	c = load_text(text);
	assert_string_equal(server(c)->tls_key + strlen(directory), "/key");
	config_free(c);
}

static void test_endpoint_warnings(void **state)
{
	struct config_report report;
	struct config *c = NULL;

	(void)state;
	put_text("main.conf", "[server x]\nurl = https://h/\nurl-connect = connect\n"
			      "url-publish = WS://h/p\nurl-websocket = wss://h/\n");
	config_report_init(&report);
	assert_int_equal(config_load(main_file, &report, &c), 0);
	assert_int_equal(report.n_warnings, 1);
	assert_non_null(strstr(report.warnings[0], "main.conf:1: [server x]: url-publish is without"));
	config_free(c);
	config_report_fini(&report);
	put_text("main.conf", "[server x]\nurl = https://h/\nurl = http://h/\nurl = wss://i/\n");
	config_report_init(&report);
	assert_int_equal(config_load(main_file, &report, &c), 0);
	assert_int_equal(report.n_warnings, 1);
	assert_non_null(strstr(report.warnings[0], "main.conf:1: [server x]: a later url is without"));
	config_free(c);
	config_report_fini(&report);
	config_free(load_text(MINIMAL "url-connect = http://h/c\n"));
}

/* --- the table --- */

/* What an option of OAuth means nothing without. */
static void put_oauth(char *text, size_t size, const char *name)
{
	static const char *const common[] = {"oauth-token-url = http://127.0.0.1/t", NULL},
		*const client[] = {"oauth-client-id = a", "oauth-client-secret-file = /etc/hostname",
				   NULL},
		*const refresh[] = {"oauth-grant = refresh-token", "oauth-client-id = a",
				    "oauth-refresh-token-file = /etc/hostname", NULL},
		*const jwt[] = {"oauth-grant = jwt-bearer", "oauth-client-id = a",
				"oauth-jwt-key = /etc/hostname", NULL};
	const char *const *lines[] = {common, strncmp(name, "oauth-refresh-", 14) == 0 ? refresh
				      : strncmp(name, "oauth-jwt-", 10) == 0 ? jwt : client};

	if (strncmp(name, "oauth-", 6) != 0)
		return;
	/* the example is jwt-bearer */
	if (strcmp(name, "oauth-grant") == 0)
		lines[1] = jwt;
	for (size_t i = 0; i < 2; i++)
		for (const char *const *line = lines[i]; *line; line++) {
			size_t used = strlen(text), n = strcspn(*line, " ");
			bool other = strcmp(name, "oauth-client-secret-systemd") == 0 &&
				     strstr(*line, "secret-file");

			if (!other && (strlen(name) != n || memcmp(*line, name, n) != 0))
				snprintf(text + used, size - used, "%s\n", *line);
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
			 strcmp(o.section, "server") ? "bridge" : "server demo", o.name, o.example,
			 /* alone these mean nothing */
			 strcmp(o.name, "credential") == 0 ? "credential-file = /etc/hostname\n"
			 : strcmp(o.name, "credential-extension") == 0 ? "extension = /x/tenant.so\n"
			 : strcmp(o.name, "tls-key") == 0 ? "tls-cert = /etc/hostname\n"
			 : strcmp(o.name, "no-proxy") == 0 || strncmp(o.name, "proxy-", 6) == 0
				 ? "proxy = https://x:1\n" : "");
		put_oauth(text, sizeof(text), o.name);
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

#define CONFIG_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONFIG_TEST(test_defaults),
		CONFIG_TEST(test_every_option),
		CONFIG_TEST(test_bad_values),
		CONFIG_TEST(test_bad_sections),
		CONFIG_TEST(test_oauth),
		CONFIG_TEST(test_credential_header),
		CONFIG_TEST(test_name_lengths),
		CONFIG_TEST(test_duplicates),
		CONFIG_TEST(test_all_errors),
		CONFIG_TEST(test_secrets_are_not_repeated),
		CONFIG_TEST(test_odd_files),
		CONFIG_TEST(test_no_file),
		CONFIG_TEST(test_long_lines),
		CONFIG_TEST(test_drop_ins),
		CONFIG_TEST(test_error_in_a_drop_in),
		CONFIG_TEST(test_header_file_warnings),
		CONFIG_TEST(test_transport_warnings),
		CONFIG_TEST(test_tls_key_warnings),
		CONFIG_TEST(test_endpoint_warnings),
		CONFIG_TEST(test_examples_are_valid),
		CONFIG_TEST(test_failed_allocations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
