/*
 * config: what is wrong is an error at its line, and never a default. One bad
 * option in an otherwise good file, sections, and what does not go together.
 */
#include "tests/unit/config_text.h"

#include <stdio.h>
#include <string.h>

static void test_bad_values(void **state)
{
	static const struct { const char *section, *option, *words; } table[] = {
		{"bridge", "socket = relative/path", "not an absolute path"},
		{"bridge", "socket = @abstract", "abstract"},
		{"server x", "tls-ca = @file", "\"@file\" is not an absolute path"},
		{"bridge", "socket-mode = rw", "octal mode"},
		{"bridge", "socket-mode = 1777", "out of range"},
		{"bridge", "socket-group = no-such-group", "does not exist"},
		{"bridge", "outbox-max = lots", "not a valid size"},
		{"bridge", "outbox-max = 63K", "64K to 1G"},
		{"bridge", "outbox-max = 2G", "64K to 1G"},
		{"bridge", "outbox-max = unlimited", "not a valid size"},
		{"bridge", "subscriptions-max = 0", "out of range"},
		{"bridge", "requests-max = -1", "not a valid number"},
		{"bridge", "peers-max = 0", "or unlimited"},
		{"bridge", "peers-max = many", "or unlimited"},
		{"bridge", "log-level = chatty", "error, warning"},
		{"bridge", "log-level =", "no value"},
		{"server x", "url = ftp://there", "http://"},
		{"server x", "url = nonsense", "http://"},
		{"server x", "url = http://me:hunter2@there/", "password"},
		{"server x", "url-for = handshake //there/path", "a path that does not begin with \"//\""},
		{"server x", "url-for = connect ftp://there", "must begin with http://"},
		{"server x", "url-for = publish a b", "is not a URL; for example: publish"},
		{"server x", "url-for = websocket ws://me:hunter2@there/", "password"},
		{"server x", "url-append-type = yes", "off, js, java"},
		{"server x", "subscribe = a/b", "\"a/b\" is not a channel or pattern: it must begin with \"/\""},
		{"server x", "subscribe = /a//b", "for example: /data/ChangeEvents"},
		{"server x", "subscribe = /a, /b", "set the option several times, once for each channel"},
		{"server x", "subscribe = /a/*/b", "\"/a/*/b\" is not a channel or pattern"},
		{"server x", "subscribe = /meta/connect", "is not a channel or pattern"},
		{"server x", "subscribe = /service/a", "below /service/ has no subscribers"},
		{"server x", "linger = 0s", "100ms to 1h, or off"},
		{"server x", "url-return = soon", "never, or wait or break and a duration; for example: break 1h"},
		{"server x", "url-return = wait", "a duration"},
		{"server x", "url-return = never 1s", "it must be never"},
		{"server x", "url-return = break 0s", "1s to 24h"},
		{"server x", "connection-timeout = ever", "not a valid duration or unlimited"},
		{"server x", "max-sent = 10", "1K to 4M, or unlimited"},
		{"server x", "request-timeout = 0s", "out of range"},
		{"server x", "wanted-timeout = none", "not a valid duration"},
		{"server x", "wanted-interval = 2h", "out of range"},
		{"server x", "on-disconnect = halt", "not one of: retry, stop, refresh"},
		{"server x", "on-none = 0", "not one of: retry, stop, refresh"},
		{"server x", "default = maybe", "must be yes or no"},
		{"server x", "transports = carrier-pigeon", "not a transport"},
		{"server x", "transports = websocket, websocket", "twice"},
		{"server x", "transports = websocket long-polling", "commas"},
		{"server x", "transports = websocket,", "not a transport"},
		{"server x", "header = no colon", "Name: value"},
		{"server x", "header = Host: other", "the daemon sets itself"},
		{"server x", "header = @here", "not an absolute path"},
		{"server x", "cookie = name", "not NAME=VALUE"},
		{"server x", "cookie = a b=c", "not NAME=VALUE"},
		{"server x", "cookie = a=b; Domain=x", "followed by \"; Path=/x\""},
		{"server x", "cookie = @here", "not an absolute path"},
		{"server x", "cookie-jar = here", "not an absolute path"},
		{"server x", "credential = token", "not one of: bearer, basic, header NAME or ext"},
		{"server x", "credential = header", "not one of: bearer, basic, header NAME or ext"},
		{"server x", "credential = header Host", "followed by the name of a header"},
		{"server x", "credential = header X: y", "followed by the name of a header"},
		{"server x", "credential = ext", "not one of: bearer, basic, header NAME or ext"},
		{"server x", "credential = ext a//b", "separated by \"/\""},
		{"server x", "credential = ext a/", "separated by \"/\""},
		{"server x", "credential = ext a\"b", "without quotation marks"},
		{"server x", "credential-file = token", "not an absolute path"},
		{"server x", "credential-file = systemd:a/b", "not a name of a credential"},
		{"server x", "credential-command = get-token", "absolute path"},
		{"server x", "credential-command = /bin/a | /bin/b", "not run by a shell"},
		{"server x", "credential-extension = /x.so", "not a name of an extension; for example: tenant"},
		{"server x", "extension = ../x", "neither the name of an extension nor an absolute path"},
		{"server x", "extension = /x/", "the file's name is none"},
		{"server x", "extension = x @secret", "absolute path of a file with its configuration"},
		{"server x", "credential-lifetime = 10", "not a valid duration or unlimited"},
		{"server x", "credential-timeout = 10ms", "100ms to 10m"},
		{"oauth x", "token-url = ws://here/", "a token server does not use WebSocket"},
		{"oauth x", "token-url = http://here/", "begin with https://, or be on this"},
		{"oauth x", "token-url = http://128.0.0.1/", "begin with https://"},
		{"oauth x", "token-url = https://me:hunter2@here/", "password"},
		{"oauth x", "client-secret-file = here", "not an absolute path"},
		{"oauth x", "client-secret-file = systemd:a/b", "not a name of a credential"},
		{"oauth x", "client-auth = digest", "basic, body"},
		{"oauth x", "parameter = resource", "not of the form name=value"},
		{"oauth x", "parameter = =x", "not of the form name=value"},
		{"oauth x", "parameter = client_secret=x", "client_secret is set by the daemon"},
		{"oauth x", "clientsecret-file = /x", "did you mean \"client-secret-file\""},
		{"server x", "oauth-client-id = x", "use oauth = NAME, and in a section [oauth NAME] client-id"},
		{"server x", "tls-ca = here", "not an absolute path"},
		{"server x", "tls-insecure = 1", "must be yes or no"},
		{"server x", "tls-cert = here", "not an absolute path"},
		{"server x", "proxy = here:3128", "must begin with http:// or https://; for example"},
		{"server x", "proxy = http://here", "must name the port"},
		{"server x", "proxy = http://me:hunter2@here:3128",
		 "put user:password into a file"},
		{"server x", "proxy = http://here:3128/path", "must end after the port"},
		{"server x", "proxy-credential-file = here", "not an absolute path"},
		{"server x", "proxy-tls-ca = here", "not an absolute path"},
		{"server x", "no-proxy = *.example.com", ".example.com means all hosts below"},
		{"server x", "no-proxy = here:80", "names a port"},
		{"server x", "tls-pin = sha1//abc", "not the hash of a public key"},
		{"server x", "tls-min-version = 1.1", "1.2, 1.3"},
		{"server x", "redirects = any", "not one of: never, same-host"},
		{"server x", "max-message = 1", "out of range"},
		{"server x", "connect-timeout = 10", "not a valid duration"},
		{"server x", "connect-timeout = 0s", "out of range"},
		{"server x", "network-delay = unlimited", "not a valid duration"},
		{"server x", "backoff = 1ms 60s", "out of range"},
		{"server x", "backoff = 1s 1y", "not a valid duration"},
		{"server x", "backoff = 1s", "two durations"},
		{"server x", "backoff = 2m 60s", "the first pause, 2m, is longer than the longest one, 60s"},
		/* options of earlier versions */
		{"server x", "handshake-ext-file = /x", "the option \"handshake-ext-file\" was removed; use ext = handshake @FILE"},
		{"server x", "url-failures = 3", "was removed; remove this line"},
		{"server x", "websocket-ping = 0s", "or off"},
		{"server x", "websocket-protocol = a, b", "not a name of a subprotocol"},
		{"server x", "websocket-protocol = \xc3\xa4", "for example: bayeux"},
		{"server x", "overlap = some", "auto, exact"},
		{"server x", "ext = handshake {", "not a JSON object"},
		{"server x", "ext = connect 1", "not a JSON object"},
		{"server x", "ext = subscribe {\"a\":1,\"a\":2}", "has a key twice"},
		{"server x", "ext = publish []", "not a JSON object"},
		{"server x", "ext = handshake @here", "not an absolute path"},
		{"server x", "ext = connect @here", "not an absolute path"},
		{"server x", "ext = subscribe @here", "not an absolute path"},
		{"server x", "ext = publish @here", "not an absolute path"},
		{"server x", "ext = handshake", "must be handshake, connect, subscribe or publish, followed by"},
		{"server x", "ext = call {}", "it must be handshake"},
		{"server x", "url-for = call /x", "it is not handshake, connect"},
		{"server x", "fields = handshake 1", "not a JSON object"},
		{"server x", "fields = connect {\"a\":1,\"clientId\":2}", "\"clientId\" is set by the daemon"},
		{"server x", "fields = subscribe {\"\\u0069d\":1}", "\"id\" is set by the daemon"},
		{"server x", "fields = publish {\"ext\":{}}", "use the option ext"},
		{"server x", "keep-alive = 0s", "or off"},
		{"server x", "binary = base64", "must be yes or no"},
		{"server x", "timesync = on", "must be yes or no"},
		{"server x", "timestamp = iso", "must be yes or no"},
		{"server x", "replay = yes", "off, new, all, resume"},
		{"server x", "replay-fallback = off", "all, new, stop"},
		/* unknown, with the nearest known one */
		{"bridge", "sokcet = /tmp/x", "did you mean \"socket\" in [bridge]"},
		{"bridge", "socket_mode = 0660", "did you mean \"socket-mode\""},
		{"bridge", "url = http://x/", "did you mean \"url\" in [server]"},
		{"server x", "transport = websocket", "did you mean \"transports\""},
		{"server x", "Socket = /tmp/x", "did you mean \"socket\" in [bridge]"},
		{"server x", "colour = blue", "unknown option \"colour\" in [server]"},
		{"bridge", "nothing", "an option (\"option = value\")"},
		{"bridge", "socket: /tmp/x", "an option (\"option = value\")"},
		{"bridge", "socket: = /tmp/x", "unknown option"},
		{"bridge", "= /tmp/x", "an option (\"option = value\")"},
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
	assert_text_wrong(MINIMAL "[bridges]\n", 3, "there are [bridge], [server NAME] and [oauth NAME]");
	assert_text_wrong(MINIMAL "[bridge x]\n", 3, "unknown section");
	assert_text_wrong(MINIMAL "[Bridge]\n", 3, "unknown section");
	assert_text_wrong(MINIMAL "[]\n", 3, "unknown section");
	assert_text_wrong(MINIMAL "[bridge\nlog-level = x\n", 3, "ends with");
	assert_text_wrong(MINIMAL "[bridge] # x\n", 3, "ends with");
	assert_text_wrong("[server]\n", 1, "[server] needs a name, as in [server demo]");
	assert_text_wrong("[server -x]\n", 1, "cannot name a section");
	assert_text_wrong("[server a b]\n", 1, "cannot name a section");
	assert_text_wrong("[server \xc3\xbc]\n", 1, "cannot name a section");
	/* what is no text is not repeated to a terminal */
	assert_text_wrong("[server \xc3]\n", 1, "not UTF-8");
	assert_text_wrong("[server \x1b]\n", 1, "control character");
	assert_text_wrong("socket = /x\n" MINIMAL, 1, "before the first section");
	assert_text_wrong("[server empty]\n" MINIMAL, 1, "[server empty]: it has no url");
	assert_text_wrong(MINIMAL "url = http://other/\nurl-for = connect http://c/\n", 1,
			  "url-for = connect would be the same address for each url");
	assert_text_wrong(MINIMAL "header = @/a\nheader = @/b\n", 4, "header: a file is set twice");
	assert_text_wrong(MINIMAL "ext = connect {}\next = connect @/b\n", 4, "ext: connect is set twice");
	assert_text_wrong(MINIMAL "fields = connect {}\nfields = connect {}\n", 4, "fields: connect is set twice");
	assert_text_wrong(MINIMAL "url-for = connect a\nurl-for = connect b\n", 4, "url-for: connect is set twice");
	assert_text_wrong(MINIMAL "credential = basic\n", 1, "needs a source");
	assert_text_wrong(MINIMAL "on-none = refresh\n", 1, "refresh needs a credential");
	assert_text_wrong(MINIMAL "on-disconnect = refresh\n", 1, "refresh needs a credential");
	assert_text_wrong(MINIMAL "credential-file = /a\ncredential-command = /b\n", 1,
			  "credential-file and credential-command are both set; a credential has only one source");
	assert_text_wrong(MINIMAL "cookie-jar = /tmp/a\n"
				  "[server b]\nurl = http://b/\ncookie-jar = /tmp/a\n", 4,
			  "cookie-jar /tmp/a is used by [server demo]");
	assert_text_wrong(MINIMAL "extension = a\nextension = b\ncredential-extension = c\n", 1,
			  "[server demo]: credential-extension names c, but there is no \"extension = c\"");
	assert_text_wrong(MINIMAL "extension = a\ncredential-extension = a\ncredential-file = /x\n",
			  1, "credential-file and credential-extension are both set");
	assert_text_wrong(MINIMAL "no-proxy = x\n", 1, "needs a proxy");
	assert_text_wrong(MINIMAL "proxy-credential-file = /x\n", 1, "needs a proxy");
	assert_text_wrong(MINIMAL "proxy = http://x:1\nproxy-tls-ca = /x\n", 1, "needs a proxy with https://");
	assert_text_wrong(MINIMAL "tls-key = /x\n", 1, "needs a tls-cert");
	assert_text_wrong(MINIMAL "default = yes\n"
				  "\n[server b]\nurl = http://b/\ndefault = yes\n", 5,
			  "because [server demo] is");
}

static void test_oauth(void **state)
{
#define TOKENS "[oauth t]\ntoken-url = http://[::1]/t\n"
	static const struct { const char *options, *words; unsigned line; } wrong[] = {
		{"[oauth t]\nclient-id = me\n", "[oauth t]: it needs a token-url", 3},
		{TOKENS, "it needs a client-id", 3},
		{TOKENS "client-id = me\n", "needs a client-secret-file, refresh-token-file or jwt-key", 3},
		{TOKENS "refresh-token-file = /x\n", "needs a client-id", 3},
		{TOKENS "jwt-key = /x\n", "needs a client-id or jwt-issuer", 3},
		{TOKENS "jwt-key = /x\njwt-issuer = x\nclient-secret-file = systemd:x\n",
		 "client-secret-file needs a client-id", 3},
		{TOKENS "client-id = me\njwt-key = /x\nrefresh-token-file = /x\n", "a client has one of them", 3},
		{TOKENS "client-id = me\nclient-secret-file = systemd:x\njwt-key-id = x\n", "jwt-key-id needs a jwt-key", 3},
		{"oauth = other\n" TOKENS "client-id = me\nclient-secret-file = systemd:x\n",
		 "there is no section [oauth other]", 3},
		{"credential-file = /x\noauth = t\n" TOKENS "client-id = me\nclient-secret-file = systemd:x\n",
		 "credential-file and oauth", 1},
		{"credential = basic\noauth = t\n" TOKENS "client-id = me\nclient-secret-file = systemd:x\n",
		 "cannot be sent as user:password", 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char text[512];

		snprintf(text, sizeof(text), MINIMAL "%s", wrong[i].options);
		assert_text_wrong(text, wrong[i].line, wrong[i].words);
	}
	struct config *c = load_text(MINIMAL "oauth = t\n[server two]\nurl = http://two/\noauth = t\n" TOKENS
				     "client-id = me\nclient-secret-file = systemd:s\n"
				     "client-auth = body\nparameter = scope=a b\nparameter = y=\n");
	const struct config_server *s = server(c);
	assert_ptr_equal(s->oauth, LIST_OF(s->link.next, struct config_server, link)->oauth);
	const struct auth_oauth_options *o = &s->oauth->options;
	assert_int_equal(s->auth.kind, AUTH_BEARER);
	assert_string_equal(o->url, "http://[::1]/t");
	assert_int_equal(o->grant, OAUTH_CLIENT_CREDENTIALS);
	assert_int_equal(o->client_auth, OAUTH_BODY);
	assert_string_equal(o->client_id, "me");
	assert_string_equal(o->secret_file, "/run/credentials/cometd-bridge.service/s");
	assert_int_equal(o->parameters.n, 2);
	assert_string_equal(o->parameters.v[0], "scope=a b");
	assert_int_equal(o->jwt_lifetime, 120000);
	config_free(c);
}

/* The credential's header cannot be set twice. */
static void test_credential_header(void **state)
{
	(void)state;
	assert_text_wrong(MINIMAL "credential-file = systemd:x\nheader = authorization: y\n", 1,
			  "the option header and the credential both set Authorization");
	assert_text_wrong(MINIMAL "credential-file = systemd:x\ncredential = header X-Key\n"
				  "header = x-key: y\n", 1, "the option header and the credential both set X-Key");
	config_free(load_text(MINIMAL "header = Authorization: y\n"));
	config_free(load_text(MINIMAL "credential-file = systemd:x\ncredential = ext com.a/b\n"
				      "header = Authorization: y\n"));
	config_free(load_text(MINIMAL "credential-file = systemd:x\ncredential = header X-Key\n"
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
	assert_text_wrong(text, 1, "cannot name a section");
}

static void test_duplicates(void **state)
{
	char text[512];
	size_t len;

	struct config *c;

	(void)state;
	assert_text_wrong(MINIMAL "url = http://other/\nack = no\nack = no\n", 5,
			  "set twice in this file");
	/* also when the section is entered again; which is no error by itself */
	assert_text_wrong(MINIMAL "ack = no\n[bridge]\n[server demo]\nack = no\n", 6, "set twice in this file");
	assert_text_wrong("[server a]\nurl = http://a/\nurl = http://b/\nurl = http://a/\n", 4,
			  "the same value is set twice");
	len = (size_t)sprintf(text, "[server a]\n");
	for (unsigned i = 0; i <= CONFIG_URLS_MAX; i++)
		len += (size_t)sprintf(text + len, "url = http://h/%u\n", i);
	assert_text_wrong(text, CONFIG_URLS_MAX + 2, "at most 16 urls");
	c = load_text(MINIMAL "[bridge]\n[server demo]\ndefault = yes\n");
	assert_ptr_equal(server(c)->link.next, &c->servers);
	config_free(c);
}

/* All errors are reported, up to a limit, and the rest is counted. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONFIG_TEST(test_bad_values),
		CONFIG_TEST(test_bad_sections),
		CONFIG_TEST(test_oauth),
		CONFIG_TEST(test_credential_header),
		CONFIG_TEST(test_name_lengths),
		CONFIG_TEST(test_duplicates),
		CONFIG_TEST(test_all_errors),
		CONFIG_TEST(test_secrets_are_not_repeated),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
