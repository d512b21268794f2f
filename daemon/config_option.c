/*
 * Owns the table of options. Guarantees that the default a person reads is
 * the default the daemon uses, for both are the same text, read by the same
 * setter. Must never know files or lines, nor how a value is read
 * (config_setter.c).
 */
#include "config_option.h"

#include "config_value.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

/* --- the table --- */

#define BRIDGE(member) offsetof(struct config, member)
#define SERVER(member) offsetof(struct config_server, member)

static const struct config_row table[] = {
	{{"bridge", "socket", "path", "/run/cometd-bridge/bridge.sock",
	  "where local programs connect; not used when systemd hands the socket over",
	  "/run/cometd-bridge/bridge.sock", false, NULL, NULL, NULL},
	 config_set_socket_path, BRIDGE(socket_path), 0},
	{{"bridge", "socket-mode", "octal mode", "0660", "who may connect",
	  "0666", false, "0000", "0777", NULL},
	 config_set_mode, BRIDGE(listener.mode), 0},
	{{"bridge", "socket-group", "group", NULL,
	  "the group of the socket, by name or number; without it, the daemon's own",
	  "cometd-bridge", false, NULL, NULL, NULL},
	 config_set_group, BRIDGE(listener.group), 0},
	{{"bridge", "outbox-max", "size", "16M",
	  "what may wait for one connection that reads too slowly; beyond it, its oldest messages "
	  "are lost and reported; memory for up to twice as much and 1M is used",
	  "4M", false, "64K", "1G", NULL},
	 config_set_size, BRIDGE(peer.outbox_max), 0},
	{{"bridge", "subscriptions-max", "number", "1024", "subscriptions of one connection",
	  "10000", false, "1", "1000000", NULL},
	 config_set_number, BRIDGE(hub.subscriptions_max), 0},
	{{"bridge", "requests-max", "number", "1024",
	  "requests of one connection that wait for their reply",
	  "64", false, "1", "1000000", NULL},
	 config_set_number, BRIDGE(hub.requests_max), 0},
	{{"bridge", "peers-max", "number", "1024", "connections at a time",
	  "100", false, "1", "1000000", "unlimited"},
	 config_set_number, BRIDGE(peers_max), SIZE_MAX / 2},
	{{"bridge", "log-level", "error, warning, notice, info, debug", "info",
	  "what is logged: this and what is more urgent",
	  "debug", false, NULL, NULL, NULL},
	 config_set_choice, BRIDGE(log_level), LOG_L_ERROR},

	{{"server", "url", "URL", NULL,
	  "where the Bayeux server is: http, https, ws or wss; every server needs one. Of several, the "
	  "first is preferred; another is used while it cannot be reached, with a new session. Hosts "
	  "that the server itself advises are never gone to: they would be shown the credentials",
	  "https://example.com/cometd", true, NULL, NULL, NULL},
	 config_set_url, SERVER(urls), 0},
	{{"server", "url-handshake", "URL or path", NULL,
	  "where handshakes go over long-polling: a URL, or a path relative to url; without "
	  "it, to url (see URLS)",
	  "/notifications/handshake", false, NULL, NULL, NULL},
	 config_set_endpoint, SERVER(endpoints[ENDPOINT_HANDSHAKE]), 0},
	{{"server", "url-connect", "URL or path", NULL,
	  "the same for connects",
	  "/notifications/connect", false, NULL, NULL, NULL},
	 config_set_endpoint, SERVER(endpoints[ENDPOINT_CONNECT]), 0},
	{{"server", "url-subscribe", "URL or path", NULL,
	  "the same for subscribes and unsubscribes",
	  "subscribe", false, NULL, NULL, NULL},
	 config_set_endpoint, SERVER(endpoints[ENDPOINT_SUBSCRIBE]), 0},
	{{"server", "url-publish", "URL or path", NULL,
	  "the same for publishes",
	  "publish", false, NULL, NULL, NULL},
	 config_set_endpoint, SERVER(endpoints[ENDPOINT_PUBLISH]), 0},
	{{"server", "url-disconnect", "URL or path", NULL,
	  "the same for disconnects",
	  "disconnect", false, NULL, NULL, NULL},
	 config_set_endpoint, SERVER(endpoints[ENDPOINT_DISCONNECT]), 0},
	{{"server", "url-websocket", "URL or path", NULL,
	  "the same for the WebSocket, which carries all of them",
	  "wss://push.example.com/cometd", false, NULL, NULL, NULL},
	 config_set_endpoint, SERVER(endpoints[ENDPOINT_WEBSOCKET]), 0},
	{{"server", "url-append-type", "off, js, java", "off",
	  "append the type of the message to the path of url, as CometD's JavaScript or Java "
	  "client does it, where no option above names another (see URLS)",
	  "java", false, NULL, NULL, NULL},
	 config_set_choice, SERVER(append), ENDPOINT_APPEND_NOTHING},
	{{"server", "url-failures", "number", "3",
	  "of several URLs: the next one is tried after so many failures in a row, once every "
	  "transport was tried. Refused, cut or unanswered connections and broken answers are "
	  "failures; a server that refuses the credentials, or a request, is not",
	  "1", false, "1", "1000", NULL},
	 config_set_number, SERVER(session.url_failures), 0},
	{{"server", "url-retry", "duration", "5m",
	  "when the first url is tried again after it was given up: with the next handshake "
	  "that is due then; never: only when all the others have failed, too",
	  "1h", false, "1s", "24h", "never"},
	 config_set_duration, SERVER(session.url_retry), UINT64_MAX},
	{{"server", "url-return", "wait, break", "wait",
	  "how a session that works at a later url comes back to the first: break ends it for "
	  "that when url-retry has passed, and messages may be missed each time",
	  "break", false, NULL, NULL, NULL},
	 config_set_choice, SERVER(session.url_return), 0},
	{{"server", "url-shared", "yes or no", "no",
	  "the servers at the urls share their sessions: a session goes on at the next "
	  "without a new handshake, and replay behind the same ids",
	  "yes", false, NULL, NULL, NULL},
	 config_set_yes_no, SERVER(session.url_shared), 0},
	{{"server", "default", "yes or no", "no",
	  "the server meant by requests that name none; without any, the first",
	  "yes", false, NULL, NULL, NULL},
	 config_set_yes_no, SERVER(is_default), 0},
	{{"server", "transports", "list of transports", "websocket, long-polling",
	  "in order of preference",
	  "long-polling", false, NULL, NULL, NULL},
	 config_set_transports, SERVER(session), 0},
	{{"server", "header", "header", NULL,
	  "sent with every HTTP request and WebSocket upgrade; secrets belong in a header-file",
	  "X-Tenant: north", true, NULL, NULL, NULL},
	 config_set_header, SERVER(headers), 0},
	{{"server", "header-file", "path", NULL,
	  "a file of such headers, one a line, read at every use; nobody else should be able to "
	  "read it",
	  "/etc/cometd-bridge/demo.headers", false, NULL, NULL, NULL},
	 config_set_path, SERVER(header_file), 0},
	{{"server", "cookie", "NAME=VALUE", NULL,
	  "a cookie that is there before the first handshake, for the hosts of this server alone "
	  "and, where they are https, for TLS alone; Path=/x behind a semicolon limits it; what "
	  "the server sets under this name replaces it; secrets belong in a cookie-file",
	  "route=north; Path=/cometd", true, NULL, NULL, NULL},
	 config_set_cookie, SERVER(cookies), 0},
	{{"server", "cookie-file", "path", NULL,
	  "a file of such cookies, one a line, read before each handshake and used again when it has "
	  "changed; nobody else should be able to read it",
	  "/etc/cometd-bridge/demo.cookies", false, NULL, NULL, NULL},
	 config_set_path, SERVER(cookie_file), 0},
	{{"server", "cookie-jar", "path", NULL,
	  "a file in which cookies that have an expiry (Expires, Max-Age) outlive the daemon, in "
	  "curl's format; session cookies, BAYEUX_BROWSER among them, are not kept, for a new "
	  "session that came with them would be taken for the old one's second; the unit's "
	  "StateDirectory (/var/lib/cometd-bridge) is where it can be written",
	  "/var/lib/cometd-bridge/demo.jar", false, NULL, NULL, NULL},
	 config_set_path, SERVER(cookie_jar), 0},
	{{"server", "credential", "bearer, basic, header NAME or ext NAME/NAME", NULL,
	  "how the credential is sent with every request: as a Bearer token, which is the "
	  "default, as user:password, or as the value of that header; or with each handshake "
	  "alone, at that place in its ext; it has one source: one of the next four options, or "
	  "oauth-token-url",
	  "header X-API-Key", false, NULL, NULL, NULL},
	 config_set_credential, SERVER(credential), 0},
	{{"server", "credential-file", "path", NULL,
	  "a file that holds it, read again when it has changed",
	  "/etc/cometd-bridge/demo.token", false, NULL, NULL, NULL},
	 config_set_path, SERVER(credential.file), 0},
	{{"server", "credential-systemd", "name", NULL,
	  "the name of a credential that systemd hands over (LoadCredential=)",
	  "demo-token", false, NULL, NULL, NULL},
	 config_set_file_name, SERVER(credential.systemd), 0},
	{{"server", "credential-command", "command", NULL,
	  "a program and its arguments, separated by blanks, without a shell; it prints the "
	  "credential, or JSON with token and expires_in",
	  "/usr/local/bin/get-token --for demo", false, NULL, NULL, NULL},
	 config_set_command, SERVER(credential.command), 0},
	{{"server", "credential-extension", "name of an extension", NULL,
	  "the extension of this server that supplies it",
	  "tenant", false, NULL, NULL, NULL},
	 config_set_extension_name, SERVER(credential.extension), 0},
	{{"server", "credential-lifetime", "duration", "unlimited",
	  "how long a credential is good that does not say so itself; a new one is fetched "
	  "before its end, and in any case when the server rejects it",
	  "50m", false, "1s", "720h", "unlimited"},
	 config_set_duration, SERVER(credential.lifetime), 0},
	{{"server", "credential-timeout", "duration", "30s",
	  "how long fetching a credential may take",
	  "10s", false, "100ms", "10m", NULL},
	 config_set_duration, SERVER(credential.timeout), 0},
	{{"server", "oauth-token-url", "URL", NULL,
	  "where OAuth 2.0 tokens, which are then the credential, are fetched: https, or http on "
	  "this machine; TLS and proxy are those of the server, tls-pin included",
	  "https://login.example.com/oauth2/token", false, NULL, NULL, NULL},
	 config_set_token_url, SERVER(oauth.token_url), 0},
	{{"server", "oauth-grant", "client-credentials, refresh-token, jwt-bearer", "client-credentials",
	  "what is shown for a token: the client id and secret, a refresh token that was "
	  "obtained before, or a signed assertion",
	  "jwt-bearer", false, NULL, NULL, NULL},
	 config_set_choice, SERVER(oauth.grant), OAUTH_CLIENT_CREDENTIALS},
	{{"server", "oauth-client-id", "text", NULL,
	  "the client id, as the token server knows it",
	  "3MVG9example", false, NULL, NULL, NULL},
	 config_set_text, SERVER(oauth.client_id), 0},
	{{"server", "oauth-client-secret-file", "path", NULL,
	  "a file that holds the client's secret, read for each token",
	  "/etc/cometd-bridge/demo.client-secret", false, NULL, NULL, NULL},
	 config_set_path, SERVER(oauth.secret_file), 0},
	{{"server", "oauth-client-secret-systemd", "name", NULL,
	  "the same, as the name of a credential that systemd hands over (LoadCredential=)",
	  "demo-client-secret", false, NULL, NULL, NULL},
	 config_set_file_name, SERVER(oauth.secret_systemd), 0},
	{{"server", "oauth-client-auth", "basic, body", "basic",
	  "how client id and secret are shown: in an Authorization header, or as client_id and "
	  "client_secret in the form",
	  "body", false, NULL, NULL, NULL},
	 config_set_choice, SERVER(oauth.client_auth), OAUTH_BASIC},
	{{"server", "oauth-refresh-token-file", "path", NULL,
	  "a file that holds the refresh token; when it is changed, the new one is used",
	  "/var/lib/cometd-bridge/demo.refresh", false, NULL, NULL, NULL},
	 config_set_path, SERVER(oauth.refresh_file), 0},
	{{"server", "oauth-refresh-token-save", "yes or no", "no",
	  "write a refresh token that the token server gives in place of the old one into that "
	  "file, whose directory the daemon must be able to write; without it, the new one is "
	  "lost when the daemon ends",
	  "yes", false, NULL, NULL, NULL},
	 config_set_yes_no, SERVER(oauth.refresh_save), 0},
	{{"server", "oauth-scope", "text", NULL,
	  "the scopes asked for, separated by blanks",
	  "api refresh_token", false, NULL, NULL, NULL},
	 config_set_text, SERVER(oauth.scope), 0},
	{{"server", "oauth-audience", "text", NULL,
	  "the audience asked for, where the token server wants one",
	  "https://api.example.com/", false, NULL, NULL, NULL},
	 config_set_text, SERVER(oauth.audience), 0},
	{{"server", "oauth-parameter", "name=value", NULL,
	  "one more field of the form; no place for a secret",
	  "resource=https://api.example.com/", true, NULL, NULL, NULL},
	 config_set_parameter, SERVER(oauth.parameters), 0},
	{{"server", "oauth-jwt-key", "path", NULL,
	  "the private key (RSA, PEM, without password) that signs the assertion, with RS256",
	  "/etc/cometd-bridge/demo.key", false, NULL, NULL, NULL},
	 config_set_path, SERVER(oauth.jwt_key), 0},
	{{"server", "oauth-jwt-key-id", "text", NULL,
	  "the key's name at the token server (kid)",
	  "2026-01", false, NULL, NULL, NULL},
	 config_set_text, SERVER(oauth.jwt_key_id), 0},
	{{"server", "oauth-jwt-issuer", "text", NULL,
	  "the issuer (iss); without it, oauth-client-id",
	  "3MVG9example", false, NULL, NULL, NULL},
	 config_set_text, SERVER(oauth.jwt_issuer), 0},
	{{"server", "oauth-jwt-subject", "text", NULL,
	  "the user or account the token is for (sub); without it, the issuer",
	  "bridge@example.com", false, NULL, NULL, NULL},
	 config_set_text, SERVER(oauth.jwt_subject), 0},
	{{"server", "oauth-jwt-audience", "text", NULL,
	  "the audience (aud); without it, oauth-token-url",
	  "https://login.example.com", false, NULL, NULL, NULL},
	 config_set_text, SERVER(oauth.jwt_audience), 0},
	{{"server", "oauth-jwt-lifetime", "duration", "2m",
	  "how long the assertion is good",
	  "5m", false, "10s", "1h", NULL},
	 config_set_duration, SERVER(oauth.jwt_lifetime), 0},
	{{"server", "tls-ca", "path", NULL,
	  "certificates (PEM) that are trusted in place of the system's",
	  "/etc/cometd-bridge/ca.pem", false, NULL, NULL, NULL},
	 config_set_path, SERVER(tls_ca), 0},
	{{"server", "tls-insecure", "yes or no", "no",
	  "do not check the server's certificate: whoever stands in between reads and changes all, "
	  "unless tls-pin names the server's key",
	  "no", false, NULL, NULL, NULL},
	 config_set_yes_no, SERVER(tls_insecure), 0},
	{{"server", "tls-cert", "path", NULL,
	  "the certificate (PEM, with its chain) shown to a server that asks for one",
	  "/etc/cometd-bridge/client.pem", false, NULL, NULL, NULL},
	 config_set_path, SERVER(tls_cert), 0},
	{{"server", "tls-key", "path", NULL,
	  "the private key (PEM, without password) of tls-cert; without it, it is in that file",
	  "/etc/cometd-bridge/client.key", false, NULL, NULL, NULL},
	 config_set_path, SERVER(tls_key), 0},
	{{"server", "tls-pin", "hashes of public keys", NULL,
	  "the server's key must be one of these, separated by \";\", as curl's --pinnedpubkey "
	  "has it; checked also where tls-insecure trusts any certificate",
	  "sha256//YhKJKSzoTt2b5FP18fvpHo7fJYqQCjAa3HWY3tvRMwE=", false, NULL, NULL, NULL},
	 config_set_pin, SERVER(tls_pin), 0},
	{{"server", "tls-min-version", "1.2, 1.3", "1.2", "the oldest TLS that will do",
	  "1.3", false, NULL, NULL, NULL},
	 config_set_choice, SERVER(tls_min), 0},
	{{"server", "proxy", "URL", NULL,
	  "an HTTP proxy on the way to the server, for both transports: http:// or https://, and "
	  "its port; the environment is not asked",
	  "http://proxy.example:3128", false, NULL, NULL, NULL},
	 config_set_proxy, SERVER(proxy), 0},
	{{"server", "proxy-credential-file", "path", NULL,
	  "a file with user:password for the proxy, read at every use and sent as Basic; nobody "
	  "else should be able to read it",
	  "/etc/cometd-bridge/proxy.login", false, NULL, NULL, NULL},
	 config_set_path, SERVER(proxy_credential_file), 0},
	{{"server", "proxy-tls-ca", "path", NULL,
	  "certificates (PEM) that are trusted in place of the system's for a proxy that is "
	  "https://; its certificate is always checked",
	  "/etc/cometd-bridge/proxy-ca.pem", false, NULL, NULL, NULL},
	 config_set_path, SERVER(proxy_ca), 0},
	{{"server", "no-proxy", "list of hosts", NULL,
	  "hosts, domains and networks reached without the proxy, separated by commas; * for all",
	  "localhost, .example.com, 10.0.0.0/8", false, NULL, NULL, NULL},
	 config_set_no_proxy, SERVER(no_proxy), 0},
	{{"server", "redirects", "never, same-host", "never",
	  "whether a request is made again where the server sends it (HTTP 301, 302, 307, 308), "
	  "as a POST and with the same body: only on the same host, never from https to http, at "
	  "most five times; another host belongs in url, for no credential is sent to it, and a "
	  "WebSocket upgrade is never redirected",
	  "same-host", false, NULL, NULL, NULL},
	 config_set_choice, SERVER(redirects), HTTP_REDIRECTS_NEVER},
	{{"server", "max-message", "size", "16M",
	  "the largest message accepted from the server, however many of them it sends in one answer; "
	  "a larger one is left out, and reported as lost to its subscribers, code too-large",
	  "1M", false, "64K", "1G", NULL},
	 config_set_size, SERVER(max_message), 0},
	{{"server", "max-sent", "size", "unlimited",
	  "the largest text sent to the server, for servers that close the connection on a "
	  "larger one; a publish beyond it is refused at once, and fewer of them share a text",
	  "64K", false, "1K", "4M", "unlimited"},
	 config_set_size, SERVER(session.sent_max), SIZE_MAX},
	{{"server", "connect-timeout", "duration", "10s",
	  "for name, connection, TLS and WebSocket upgrade together",
	  "5s", false, "100ms", "10m", NULL},
	 config_set_duration, SERVER(connect_timeout), 0},
	{{"server", "connection-timeout", "duration", "0s",
	  "how long the loss of a link is kept from local programs: when it is back sooner "
	  "and nothing was missed, they are not told at all. What may have been missed is "
	  "always told, and the status is never kept back",
	  "10s", false, "0s", "24h", "unlimited"},
	 config_set_duration, SERVER(connection_timeout), UINT64_MAX},
	{{"server", "network-delay", "duration", "10s",
	  "how long the server may send nothing while a reply is awaited, beyond the time that it "
	  "says it holds it; as long as an answer comes in, however slowly, it is awaited",
	  "30s", false, "100ms", "10m", NULL},
	 config_set_duration, SERVER(session.network_delay), 0},
	{{"server", "request-timeout", "duration", NULL,
	  "the same for the reply to a handshake, subscribe or publish, "
	  "connecting included; without it, network-delay",
	  "5s", false, "100ms", "10m", NULL},
	 config_set_duration, SERVER(session.request_timeout), 0},
	{{"server", "wanted-timeout", "duration", NULL,
	  "how long the server is asked to hold a connect, told with each handshake and "
	  "connect; without it, the server decides, and in the end it always does",
	  "25s", false, "1s", "1h", NULL},
	 config_set_duration, SERVER(session.wanted_timeout), 0},
	{{"server", "wanted-interval", "duration", NULL,
	  "the pause between two connects that the server is asked to allow, told in the same "
	  "way; the server may advise another",
	  "500ms", false, "10ms", "1h", NULL},
	 config_set_duration, SERVER(session.wanted_interval), 0},
	{{"server", "backoff-min", "duration", "1s",
	  "the first pause after a failure; each further one is longer",
	  "500ms", false, "10ms", "1h", NULL},
	 config_set_duration, SERVER(session.backoff_min), 0},
	{{"server", "backoff-max", "duration", "60s",
	  "the longest pause between two attempts; during the first minute of an outage it is 5s",
	  "5m", false, "10ms", "24h", NULL},
	 config_set_duration, SERVER(session.backoff_max), 0},
	{{"server", "halt-retry", "duration", "30s",
	  "the first pause after a server forbade to come back; it grows to ten times as long",
	  "5m", false, "10ms", "24h", NULL},
	 config_set_duration, SERVER(session.halt_retry), 0},
	{{"server", "on-disconnect", "retry, stop, refresh", "retry",
	  "when the server ends the session: try again after a pause; stop until the daemon "
	  "is restarted; or fetch another credential first, then try again",
	  "stop", false, NULL, NULL, NULL},
	 config_set_choice, SERVER(session.on_disconnect), 0},
	{{"server", "on-none", "retry, stop, refresh", "retry",
	  "the same when it refuses a handshake or connect and forbids to try again "
	  "(reconnect: none); a credential that it rejects is fetched again in any case",
	  "stop", false, NULL, NULL, NULL},
	 config_set_choice, SERVER(session.on_none), 0},
	{{"server", "transport-retry", "duration", "5m",
	  "after a transport was given up for a worse one: when it is tried again",
	  "1h", false, "1s", "24h", "never"},
	 config_set_duration, SERVER(session.transport_retry), UINT64_MAX},
	{{"server", "transport-sticky", "yes or no", "no",
	  "a transport that has once carried a session is not left for a worse one, however "
	  "often it fails",
	  "yes", false, NULL, NULL, NULL},
	 config_set_yes_no, SERVER(session.transport_sticky), 0},
	{{"server", "ack", "yes or no", "yes",
	  "ask the server to acknowledge what it sends, so that a broken connection loses nothing; "
	  "in effect where the server has the extension",
	  "no", false, NULL, NULL, NULL},
	 config_set_yes_no, SERVER(session.ack), 0},
	{{"server", "replay", "off, new, all, resume", "new",
	  "where a channel begins on servers that retain events (Salesforce): with what is new, or "
	  "with all that is retained; while somebody listens, a lost session goes on behind the "
	  "last event; resume goes on there also after nobody listened",
	  "all", false, NULL, NULL, NULL},
	 config_set_choice, SERVER(session.replay), 0},
	{{"server", "replay-fallback", "all, new, stop", "all",
	  "where it begins when the server no longer retains the last event; stop: nowhere, the "
	  "channel is refused",
	  "stop", false, NULL, NULL, NULL},
	 config_set_choice, SERVER(session.replay_fallback), 0},
	{{"server", "binary", "yes or no", "no",
	  "messages with bytes in them (CometD's binary extension) are passed on with the bytes in "
	  "base64 beside them; publishing bytes needs no option",
	  "yes", false, NULL, NULL, NULL},
	 config_set_yes_no, SERVER(session.binary), 0},
	{{"server", "timesync", "yes or no", "no",
	  "ask the server for its clock with each handshake and connect; status shows how far it is "
	  "from ours, where the server has the extension",
	  "yes", false, NULL, NULL, NULL},
	 config_set_yes_no, SERVER(session.timesync), 0},
	{{"server", "timestamp", "yes or no", "no",
	  "each message to the server says when it was sent, as an HTTP date",
	  "yes", false, NULL, NULL, NULL},
	 config_set_yes_no, SERVER(session.timestamp), 0},
	{{"server", "handshake-ext", "JSON object", NULL,
	  "sent as ext with every handshake, beside what extensions say, which wins; secrets "
	  "belong in a handshake-ext-file",
	  "{\"com.example.tenant\":\"north\"}", false, NULL, NULL, NULL},
	 config_set_ext, SERVER(ext[SESSION_EXT_HANDSHAKE]), 0},
	{{"server", "handshake-ext-file", "path", NULL,
	  "a file with such an object, read before each handshake; nobody else should be able "
	  "to read it",
	  "/etc/cometd-bridge/demo.ext", false, NULL, NULL, NULL},
	 config_set_path, SERVER(ext_files[SESSION_EXT_HANDSHAKE]), 0},
	{{"server", "connect-ext", "JSON object", NULL,
	  "the same with every connect",
	  "{\"com.example.tenant\":\"north\"}", false, NULL, NULL, NULL},
	 config_set_ext, SERVER(ext[SESSION_EXT_CONNECT]), 0},
	{{"server", "subscribe-ext", "JSON object", NULL,
	  "the same with every subscribe",
	  "{\"com.example.tenant\":\"north\"}", false, NULL, NULL, NULL},
	 config_set_ext, SERVER(ext[SESSION_EXT_SUBSCRIBE]), 0},
	{{"server", "publish-ext", "JSON object", NULL,
	  "the same with every publish; what a program says itself wins, and servers show it to "
	  "all who listen",
	  "{\"com.example.tenant\":\"north\"}", false, NULL, NULL, NULL},
	 config_set_ext, SERVER(ext[SESSION_EXT_PUBLISH]), 0},
	{{"server", "connect-ext-file", "path", NULL,
	  "a file with an object for connect-ext; when it has changed it is read anew within "
	  "a second",
	  "/etc/cometd-bridge/demo.connect", false, NULL, NULL, NULL},
	 config_set_path, SERVER(ext_files[SESSION_EXT_CONNECT]), 0},
	{{"server", "subscribe-ext-file", "path", NULL,
	  "the same for subscribe-ext",
	  "/etc/cometd-bridge/demo.subscribe", false, NULL, NULL, NULL},
	 config_set_path, SERVER(ext_files[SESSION_EXT_SUBSCRIBE]), 0},
	{{"server", "publish-ext-file", "path", NULL,
	  "the same for publish-ext",
	  "/etc/cometd-bridge/demo.publish", false, NULL, NULL, NULL},
	 config_set_path, SERVER(ext_files[SESSION_EXT_PUBLISH]), 0},
	{{"server", "websocket-compression", "yes or no", "no",
	  "offer to compress what travels on a WebSocket (permessage-deflate): fewer bytes for "
	  "some 300 KiB of memory; whoever can have texts sent beside a secret and see their sizes "
	  "may guess it",
	  "yes", false, NULL, NULL, NULL},
	 config_set_yes_no, SERVER(websocket_compression), 0},
	{{"server", "handshake-fields", "JSON object", NULL,
	  "members of this object are added to every handshake, not to its ext but beside it, "
	  "for servers that look there",
	  "{\"tenant\":\"north\"}", false, NULL, NULL, NULL},
	 config_set_fields, SERVER(fields[SESSION_EXT_HANDSHAKE]), 0},
	{{"server", "connect-fields", "JSON object", NULL,
	  "the same with every connect",
	  "{\"tenant\":\"north\"}", false, NULL, NULL, NULL},
	 config_set_fields, SERVER(fields[SESSION_EXT_CONNECT]), 0},
	{{"server", "subscribe-fields", "JSON object", NULL,
	  "the same with every subscribe",
	  "{\"tenant\":\"north\"}", false, NULL, NULL, NULL},
	 config_set_fields, SERVER(fields[SESSION_EXT_SUBSCRIBE]), 0},
	{{"server", "publish-fields", "JSON object", NULL,
	  "the same with every publish",
	  "{\"tenant\":\"north\"}", false, NULL, NULL, NULL},
	 config_set_fields, SERVER(fields[SESSION_EXT_PUBLISH]), 0},
	{{"server", "extension", "name or path, and configuration", NULL,
	  "a shared object that sees every message, and may change or delete it; what follows is "
	  "its configuration, or @ and a file that holds it",
	  "tenant {\"tenant\":\"north\"}", true, NULL, NULL, NULL},
	 config_set_extension, SERVER(extensions), 0},
	{{"server", "websocket-ping", "duration", "30s",
	  "after so long a silence a WebSocket is probed, and given up when it does not answer",
	  "15s", false, "1s", "1h", "off"},
	 config_set_duration, SERVER(websocket_ping), 0},
	{{"server", "keep-alive", "duration", "off",
	  "for servers that end a session which only listens (CometD's activity extension): after "
	  "so long with nothing else to send, an empty object is published to keep-alive-channel",
	  "4m", false, "100ms", "24h", "off"},
	 config_set_duration, SERVER(session.keep_alive), 0},
	{{"server", "keep-alive-channel", "channel", "/service/keep-alive",
	  "where to; below /service/, where only the server hears it",
	  "/service/noop", false, NULL, NULL, NULL},
	 config_set_service, SERVER(session.keep_alive_channel), 0},
	{{"server", "websocket-protocol", "name", NULL,
	  "the subprotocol offered when a WebSocket is opened; a server that answers with "
	  "another one is not spoken to",
	  "bayeux", false, NULL, NULL, NULL},
	 config_set_subprotocol, SERVER(websocket_protocol), 0},
	{{"server", "overlap", "auto, exact, covering", "auto",
	  "how overlapping patterns are asked for: each of them, or only those that no other "
	  "covers; auto decides by the server",
	  "covering", false, NULL, NULL, NULL},
	 config_set_choice, SERVER(session.overlap), 0},
	{{"server", "expand-client-id", "yes or no", "no",
	  "a channel that begins with /{clientId}/ stands for the one that begins with the session's "
	  "own client id, also in the data of a publish, as Lyrion Music Server has it; the "
	  "bridge asks for it anew in each session, and shows it by that name",
	  "yes", false, NULL, NULL, NULL},
	 config_set_yes_no, SERVER(session.expand_client_id), 0},
};

/* the words of a choice are the values of its enum, in that order */
_Static_assert(LOG_L_DEBUG - LOG_L_ERROR == 4, "log-level");
_Static_assert(SESSION_OVERLAP_AUTO == 0 && SESSION_OVERLAP_EXACT == 1 &&
	       SESSION_OVERLAP_COVERING == 2, "overlap");
_Static_assert(SESSION_REPLAY_OFF == 0 && SESSION_REPLAY_NEW == 1 && SESSION_REPLAY_ALL == 2 &&
	       SESSION_REPLAY_RESUME == 3, "replay");
_Static_assert(SESSION_REPLAY_FALLBACK_ALL == 0 && SESSION_REPLAY_FALLBACK_NEW == 1 &&
	       SESSION_REPLAY_STOP == 2, "replay-fallback");
_Static_assert(ENDPOINT_APPEND_NOTHING == 0 && ENDPOINT_APPEND_JS == 1 &&
	       ENDPOINT_APPEND_JAVA == 2, "url-append-type");
_Static_assert(SESSION_RETRY == 0 && SESSION_STOP == 1 && SESSION_REFRESH == 2,
	       "on-disconnect, on-none");
_Static_assert(SESSION_URL_WAIT == 0 && SESSION_URL_BREAK == 1, "url-return");
_Static_assert(HTTP_TLS_1_2 == 0 && HTTP_TLS_1_3 == 1, "tls-min-version");
_Static_assert(OAUTH_CLIENT_CREDENTIALS == 0 && OAUTH_REFRESH_TOKEN == 1 &&
	       OAUTH_JWT_BEARER == 2, "oauth-grant");
_Static_assert(OAUTH_BASIC == 0 && OAUTH_BODY == 1, "oauth-client-auth");

#define N_ROWS (sizeof(table) / sizeof(table[0]))
_Static_assert(N_ROWS <= CONFIG_ROWS_MAX, "more rows than CONFIG_ROWS_MAX");

const struct config_row *config_row(size_t i)
{
	return i < N_ROWS ? &table[i] : NULL;
}

const struct config_option *config_row_option(const struct config_row *row)
{
	return &row->option;
}

const struct config_row *config_row_find(const char *section, const char *name, size_t *ret_i)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (strcmp(table[i].option.section, section) == 0 &&
		    strcmp(table[i].option.name, name) == 0) {
			*ret_i = i;
			return &table[i];
		}
	return NULL;
}

const struct config_option *config_row_hint(const char *section, const char *name)
{
	const struct config_option *best = NULL;
	unsigned best_distance = 0;

	for (size_t i = 0; i < N_ROWS; i++) {
		const struct config_option *o = &table[i].option;
		unsigned d;

		if (!config_near(name, o->name))
			continue;
		/* an option of the other section is suggested only when it is nearer */
		d = config_distance(name, o->name, UINT_MAX) * 2 +
		    (strcmp(o->section, section) != 0);
		if (!best || d < best_distance) {
			best = o;
			best_distance = d;
		}
	}
	return best;
}

int config_set(const struct config_row *row, void *base, const char *text, bool first,
	       struct config_why *why)
{
	void *to = (char *)base + row->offset;

	if (!*text)
		return config_wrong(why, "it has no value; for example: %s", row->option.example);
	if (row->option.repeatable && first)
		config_strings_fini(to);
	return row->set(row, to, text, why);
}

int config_set_defaults(const char *section, void *base)
{
	struct config_why why = {""};

	for (size_t i = 0; i < N_ROWS; i++) {
		const struct config_option *o = &table[i].option;
		int r = strcmp(o->section, section) != 0 || !o->fallback ?
				0 : config_set(&table[i], base, o->fallback, true, &why);

		if (r)
			return r;
	}
	return 0;
}

bool config_describe(size_t i, struct config_option *ret)
{
	if (i >= N_ROWS)
		return false;
	*ret = table[i].option;
	return true;
}
