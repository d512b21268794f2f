/*
 * Owns the table of options. Guarantees that the default a person reads is
 * the default the daemon uses, for both are the same text, read by the same
 * setter. Must never know files or lines, nor how a value is read
 * (kinds.c).
 */
#include "config/option.h"

#include "config/value.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

/* --- the table --- */

#define BRIDGE(member) offsetof(struct config, member)
#define SERVER(member) offsetof(struct config_server, member)
#define OAUTH(member) offsetof(struct config_oauth, member)

static const struct config_row table[] = {
	{{"bridge", "socket", "path", "/run/cometd-bridge/bridge.sock",
	  "Path of the Unix socket that local programs connect to. Ignored when systemd passes a "
	  "listening socket",
	  "/run/cometd-bridge/bridge.sock", false, NULL, NULL, NULL},
	 &config_kind_socket_path, BRIDGE(listener.path), 0, CONFIG_RESTART},
	{{"bridge", "socket-mode", "octal mode", "0660",
	  "Permission bits of the socket. A program needs write permission to connect",
	  "0666", false, "0000", "0777", NULL},
	 &config_kind_mode, BRIDGE(listener.mode), 0, CONFIG_RESTART},
	{{"bridge", "socket-group", "group", NULL,
	  "Group of the socket, by name or number. Without it, the group of the daemon",
	  "cometd-bridge", false, NULL, NULL, NULL},
	 &config_kind_group, BRIDGE(listener.group), 0, CONFIG_RESTART},
	{{"bridge", "outbox-max", "size", "16M",
	  "Bytes that may wait for one connection that reads too slowly. Beyond it, the oldest "
	  "messages of that connection are dropped and reported as lost. Up to twice this size and "
	  "1M of memory is used",
	  "4M", false, "64K", "1G", NULL},
	 &config_kind_size, BRIDGE(peer.outbox_max), 0, CONFIG_LIVE},
	{{"bridge", "subscriptions-max", "number", "1024",
	  "Number of subscriptions of one connection",
	  "10000", false, "1", "1000000", NULL},
	 &config_kind_number, BRIDGE(hub.subscriptions_max), 0, CONFIG_LIVE},
	{{"bridge", "requests-max", "number", "1024",
	  "Number of requests of one connection that wait for their reply",
	  "64", false, "1", "1000000", NULL},
	 &config_kind_number, BRIDGE(hub.requests_max), 0, CONFIG_LIVE},
	{{"bridge", "peers-max", "number", "1024",
	  "Number of connections of local programs at a time",
	  "100", false, "1", "1000000", "unlimited"},
	 &config_kind_number, BRIDGE(peers_max), SIZE_MAX / 2, CONFIG_LIVE},
	{{"bridge", "log-level", "error, warning, notice, info, debug", "info",
	  "Log lines of this level and the more urgent ones",
	  "debug", false, NULL, NULL, NULL},
	 &config_kind_choice, BRIDGE(log_level), LOG_L_ERROR, CONFIG_LIVE},

	{{"server", "url", "URL", NULL,
	  "Address of the Bayeux server, with http, https, ws or wss. Every server needs one. "
	  "Several are in order of preference: the next one is used, with a new session, while the "
	  "ones before it cannot be reached (see SEVERAL URLS). Other hosts that the server "
	  "advises are ignored, because they would receive the credentials",
	  "https://example.com/cometd", true, NULL, NULL, NULL},
	 &config_kind_url, SERVER(upstream.urls), 0, CONFIG_NEW_SESSION},
	{{"server", "url-for", "kind and URL or path", NULL,
	  "URL for one kind of message over long-polling, handshake, connect, subscribe (also for "
	  "unsubscribe), publish or disconnect; or websocket, for the WebSocket, which carries all "
	  "messages. The URL is absolute or relative to url (see URLS). Without it, url",
	  "publish /notifications/publish", true, NULL, NULL, NULL},
	 &config_kind_endpoint, SERVER(upstream.endpoints), 0, CONFIG_NEW_SESSION},
	{{"server", "url-append-type", "off, js, java", "off",
	  "Append the type of the message to the path of url, as CometD's JavaScript or Java "
	  "client does, except where one of the options above gives another URL (see URLS)",
	  "java", false, NULL, NULL, NULL},
	 &config_kind_choice, SERVER(upstream.endpoints.append), ENDPOINT_APPEND_NOTHING, CONFIG_NEW_SESSION},
	{{"server", "url-return", "wait or break and a duration, or never", "wait 5m",
	  "How a session at a later url returns to the first one: after this time, wait uses the "
	  "next handshake that is needed anyway; break ends the session, and each time messages may "
	  "be missed. With never, the first url is used again only after all others have failed",
	  "break 1h", false, "1s", "24h", NULL},
	 &config_kind_url_return, SERVER(upstream.session), 0, CONFIG_NEW_SESSION},
	{{"server", "url-shared", "yes or no", "no",
	  "The servers at all url options share their sessions: a session continues at the next "
	  "url without a new handshake, and replay with the same ids",
	  "yes", false, NULL, NULL, NULL},
	 &config_kind_yes_no, SERVER(upstream.session.url_shared), 0, CONFIG_NEW_SESSION},
	{{"server", "default", "yes or no", "no",
	  "Use this server for requests that name no server. Without it, the first server of the "
	  "configuration is used",
	  "yes", false, NULL, NULL, NULL},
	 &config_kind_yes_no, SERVER(upstream.is_default), 0, CONFIG_LIVE},
	{{"server", "subscribe", "channel or pattern", NULL,
	  "Channel or pattern to keep subscribed, whether or not a local program wants it. If the "
	  "server refuses it, the daemon logs that and asks again in its next session",
	  "/data/ChangeEvents", true, NULL, NULL, NULL},
	 &config_kind_subscribe, SERVER(upstream.subscribe), 0, CONFIG_LIVE},
	{{"server", "linger", "duration", "10s",
	  "How long a channel stays subscribed after the connection of the last program that had it "
	  "ended, so that a program that connects again misses nothing. At most 4096 channels of a "
	  "server stay so. A program that unsubscribes does not need the channel any longer: it ends "
	  "at once",
	  "1m", false, "100ms", "1h", "off"},
	 &config_kind_duration, SERVER(upstream.linger), 0, CONFIG_LIVE},
	{{"server", "transports", "list of transports", "websocket, long-polling",
	  "The transports to use, in order of preference, separated by commas",
	  "long-polling", false, NULL, NULL, NULL},
	 &config_kind_transports, SERVER(upstream.session), 0, CONFIG_NEW_SESSION},
	{{"server", "header", "header, or @ and a path", NULL,
	  "HTTP header to send with every request and WebSocket upgrade; or @ and the path of a "
	  "file of such headers, one per line, which is read at every use. Put secrets into a file "
	  "that only the user of the daemon can read",
	  "X-Tenant: north", true, NULL, NULL, NULL},
	 &config_kind_header, SERVER(upstream.http), 0, CONFIG_NEW_SESSION},
	{{"server", "cookie", "NAME=VALUE, or @ and a path", NULL,
	  "Cookie to send from the first handshake on, to the hosts of this server only, and over "
	  "TLS only if the url is https. A Path=/x after a semicolon limits it to that path. A "
	  "cookie of this name that the server sets replaces it. Or @ and the path of a file of such "
	  "cookies, one per line, which is read before each handshake and applied again after a "
	  "change. Put secrets into a file that only the user of the daemon can read",
	  "route=north; Path=/cometd", true, NULL, NULL, NULL},
	 &config_kind_cookie, SERVER(upstream.cookies), 0, CONFIG_NEW_SESSION},
	{{"server", "cookie-jar", "path", NULL,
	  "File that keeps cookies with an expiry time (Expires, Max-Age) across restarts of the "
	  "daemon, in curl's format. Session cookies such as BAYEUX_BROWSER are not kept: the "
	  "server would take a new session for a second session of the same browser. With the "
	  "unit, use its StateDirectory (/var/lib/cometd-bridge)",
	  "/var/lib/cometd-bridge/demo.jar", false, NULL, NULL, NULL},
	 &config_kind_path, SERVER(upstream.cookies.path), 0, CONFIG_NEW_SESSION},
	{{"server", "credential", "bearer, basic, header NAME or ext NAME/NAME", NULL,
	  "How the credential is sent: as a Bearer token (the default), as user:password (basic) "
	  "or as the value of the named header, with every request; or, with ext, in that member "
	  "of ext in handshakes only. Exactly one source is needed: one of the next three "
	  "options, or oauth",
	  "header X-API-Key", false, NULL, NULL, NULL},
	 &config_kind_credential, SERVER(auth), 0, CONFIG_NEW_SESSION},
	{{"server", "credential-file", "path, or systemd:NAME", NULL,
	  "File that holds the credential; it is read again after a change. The user of the daemon "
	  "must be able to read it. systemd:NAME is the credential of that name which systemd passes "
	  "to the service (LoadCredential=); it can be used for every option that names a file",
	  "/etc/cometd-bridge/demo.token", false, NULL, NULL, NULL},
	 &config_kind_path, SERVER(auth.file), 0, CONFIG_NEW_SESSION},
	{{"server", "credential-command", "command", NULL,
	  "Program with its arguments, separated by blanks and run without a shell, that prints "
	  "the credential, or JSON with token and expires_in",
	  "/usr/local/bin/get-token --for demo", false, NULL, NULL, NULL},
	 &config_kind_command, SERVER(credential_command), 0, CONFIG_NEW_SESSION},
	{{"server", "credential-extension", "name of an extension", NULL,
	  "Name of the extension of this server that supplies the credential",
	  "tenant", false, NULL, NULL, NULL},
	 &config_kind_extension_name, SERVER(credential_extension), 0, CONFIG_NEW_SESSION},
	{{"server", "credential-lifetime", "duration", "unlimited",
	  "Lifetime of a credential that does not state its own. A new one is fetched before it "
	  "ends, and whenever the server rejects the current one",
	  "50m", false, "1s", "720h", "unlimited"},
	 &config_kind_duration, SERVER(auth.lifetime), 0, CONFIG_NEW_SESSION},
	{{"server", "credential-timeout", "duration", "30s",
	  "Time limit for fetching a credential",
	  "10s", false, "100ms", "10m", NULL},
	 &config_kind_duration, SERVER(credential_timeout), 0, CONFIG_NEW_SESSION},
	{{"server", "oauth", "name", NULL,
	  "The section [oauth NAME] that describes the client at a token server, which supplies the "
	  "credential. Several servers may name the same section; each has a token of its own",
	  "demo", false, NULL, NULL, NULL},
	 &config_kind_text, SERVER(oauth_name), 0, CONFIG_NEW_SESSION},
	{{"server", "tls-ca", "path", NULL,
	  "File with the certificates (PEM) to trust, instead of the system's",
	  "/etc/cometd-bridge/ca.pem", false, NULL, NULL, NULL},
	 &config_kind_path, SERVER(upstream.http.ca_file), 0, CONFIG_NEW_SESSION},
	{{"server", "tls-insecure", "yes or no", "no",
	  "Do not check the server's certificate. An attacker on the network path can then read "
	  "and change everything, unless tls-pin names the server's key",
	  "no", false, NULL, NULL, NULL},
	 &config_kind_yes_no, SERVER(upstream.http.insecure), 0, CONFIG_NEW_SESSION},
	{{"server", "tls-cert", "path", NULL,
	  "File with the client certificate (PEM, with its chain) for a server that asks for one",
	  "/etc/cometd-bridge/client.pem", false, NULL, NULL, NULL},
	 &config_kind_path, SERVER(upstream.http.cert_file), 0, CONFIG_NEW_SESSION},
	{{"server", "tls-key", "path", NULL,
	  "File with the private key (PEM, without password) of tls-cert. Without it, the file of "
	  "tls-cert holds the key, too",
	  "/etc/cometd-bridge/client.key", false, NULL, NULL, NULL},
	 &config_kind_path, SERVER(upstream.http.key_file), 0, CONFIG_NEW_SESSION},
	{{"server", "tls-pin", "hashes of public keys", NULL,
	  "The server's public key must match one of these hashes, separated by \";\", in the "
	  "format of curl --pinnedpubkey. Checked with tls-insecure, too",
	  "sha256//YhKJKSzoTt2b5FP18fvpHo7fJYqQCjAa3HWY3tvRMwE=", false, NULL, NULL, NULL},
	 &config_kind_pin, SERVER(upstream.http.pin), 0, CONFIG_NEW_SESSION},
	{{"server", "tls-min-version", "1.2, 1.3", "1.2",
	  "Oldest TLS version to accept",
	  "1.3", false, NULL, NULL, NULL},
	 &config_kind_choice, SERVER(upstream.http.tls_min), 0, CONFIG_NEW_SESSION},
	{{"server", "proxy", "URL", NULL,
	  "HTTP proxy for both transports: http:// or https://, host and port. The environment "
	  "(http_proxy and so on) is ignored",
	  "http://proxy.example:3128", false, NULL, NULL, NULL},
	 &config_kind_proxy, SERVER(upstream.http.proxy), 0, CONFIG_NEW_SESSION},
	{{"server", "proxy-credential-file", "path", NULL,
	  "File with user:password for the proxy, read at every use and sent as Basic "
	  "authentication. Only the user of the daemon should be able to read it",
	  "/etc/cometd-bridge/proxy.login", false, NULL, NULL, NULL},
	 &config_kind_path, SERVER(upstream.http.proxy_login_file), 0, CONFIG_NEW_SESSION},
	{{"server", "proxy-tls-ca", "path", NULL,
	  "File with the certificates (PEM) to trust, instead of the system's, for a proxy with "
	  "https://. The certificate of the proxy is always checked",
	  "/etc/cometd-bridge/proxy-ca.pem", false, NULL, NULL, NULL},
	 &config_kind_path, SERVER(upstream.http.proxy_ca_file), 0, CONFIG_NEW_SESSION},
	{{"server", "no-proxy", "list of hosts", NULL,
	  "Hosts, domains and networks to reach without the proxy, separated by commas; * means all",
	  "localhost, .example.com, 10.0.0.0/8", false, NULL, NULL, NULL},
	 &config_kind_no_proxy, SERVER(upstream.http.no_proxy), 0, CONFIG_NEW_SESSION},
	{{"server", "redirects", "never, same-host", "never",
	  "Whether HTTP redirects (301, 302, 307, 308) are followed: same-host repeats the POST "
	  "with the same body on the same host only, never from https to http, and at most five "
	  "times. For another host, change url: credentials are never sent to it. A WebSocket "
	  "upgrade is never redirected",
	  "same-host", false, NULL, NULL, NULL},
	 &config_kind_choice, SERVER(upstream.http.redirects), HTTP_REDIRECTS_NEVER, CONFIG_NEW_SESSION},
	{{"server", "max-message", "size", "16M",
	  "Size of the largest message accepted from the server; one answer may hold any number of "
	  "messages. A larger message is left out and reported to its subscribers as lost, with "
	  "the code too-large",
	  "1M", false, "64K", "1G", NULL},
	 &config_kind_size, SERVER(upstream.http.body_max), 0, CONFIG_NEW_SESSION},
	{{"server", "max-sent", "size", "unlimited",
	  "Size of the largest request sent to the server, for servers that close the connection "
	  "when a request is larger. A publish beyond it is refused at once, and a request holds "
	  "fewer publishes",
	  "64K", false, "1K", "4M", "unlimited"},
	 &config_kind_size, SERVER(upstream.session.sent_max), SIZE_MAX, CONFIG_NEW_SESSION},
	{{"server", "connect-timeout", "duration", "10s",
	  "Time limit for name resolution, TCP connection, TLS and WebSocket upgrade together",
	  "5s", false, "100ms", "10m", NULL},
	 &config_kind_duration, SERVER(upstream.http.connect_timeout), 0, CONFIG_NEW_SESSION},
	{{"server", "connection-timeout", "duration", "0s",
	  "How long a lost connection is not reported to local programs. If it is back sooner and "
	  "no message can have been missed, it is not reported at all. Messages that may have been "
	  "missed are always reported, and status always shows the real state",
	  "10s", false, "0s", "24h", "unlimited"},
	 &config_kind_duration, SERVER(upstream.grace), UINT64_MAX, CONFIG_LIVE},
	{{"server", "history-bytes", "size", "4M",
	  "Memory for recent messages of the server, which programs can ask for: the last ones of a "
	  "channel, or those since a position, after a reconnect for example. Only messages that a "
	  "program receives, or whose channel stays subscribed (subscribe, linger), are kept. Beyond it, the oldest are dropped",
	  "64M", false, "64K", "1G", "off"},
	 &config_kind_size, SERVER(upstream.history.bytes), 0, CONFIG_LIVE},
	{{"server", "history-count", "number", "100000",
	  "Number of recent messages that are kept at most",
	  "1000", false, "1", "100000000", NULL},
	 &config_kind_number, SERVER(upstream.history.count), 0, CONFIG_LIVE},
	{{"server", "history-age", "duration", "1h",
	  "Time for which a message is kept at most",
	  "24h", false, "1s", "720h", "unlimited"},
	 &config_kind_duration, SERVER(upstream.history.age), UINT64_MAX, CONFIG_LIVE},
	{{"server", "durable-bytes", "size", "64M",
	  "Memory, and space in the state directory, for messages that durable consumers have not acknowledged. Beyond "
	  "it, the oldest are dropped, and each consumer that misses one gets a report",
	  "1G", false, "64K", "16G", NULL},
	 &config_kind_size, SERVER(upstream.durable.bytes), 0, CONFIG_LIVE},
	{{"server", "durable-count", "number", "1000000",
	  "Number of messages that are kept at most for durable consumers",
	  "10000", false, "1", "100000000", NULL},
	 &config_kind_number, SERVER(upstream.durable.count), 0, CONFIG_LIVE},
	{{"server", "durable-age", "duration", "unlimited",
	  "Time for which a message is kept at most for durable consumers",
	  "72h", false, "1s", "8760h", "unlimited"},
	 &config_kind_duration, SERVER(upstream.durable.age), UINT64_MAX, CONFIG_LIVE},
	{{"server", "network-delay", "duration", "10s",
	  "How long the server may stay silent while a reply is awaited, in addition to the time "
	  "for which it holds a connect. An answer that arrives slowly, but without such a pause, "
	  "is not cut off. One is that brings bytes, but no complete message in that time; for "
	  "each kilobyte of a message it may take a second more",
	  "30s", false, "100ms", "10m", NULL},
	 &config_kind_duration, SERVER(upstream.session.network_delay), 0, CONFIG_NEW_SESSION},
	{{"server", "request-timeout", "duration", NULL,
	  "How long the server may stay silent before it replies to a handshake, subscribe or "
	  "publish, connecting included. Without it, network-delay",
	  "5s", false, "100ms", "10m", NULL},
	 &config_kind_duration, SERVER(upstream.session.request_timeout), 0, CONFIG_NEW_SESSION},
	{{"server", "wanted-timeout", "duration", NULL,
	  "How long the server should hold a connect; sent as advice with each handshake and "
	  "connect. Without it, the server chooses. The server's own advice overrides it",
	  "25s", false, "1s", "1h", NULL},
	 &config_kind_duration, SERVER(upstream.session.wanted_timeout), 0, CONFIG_NEW_SESSION},
	{{"server", "wanted-interval", "duration", NULL,
	  "The pause between two connects that the server should allow; sent in the same way. The "
	  "server's own advice overrides it",
	  "500ms", false, "10ms", "1h", NULL},
	 &config_kind_duration, SERVER(upstream.session.wanted_interval), 0, CONFIG_NEW_SESSION},
	{{"server", "backoff", "two durations", "1s 60s",
	  "First and longest pause after failures; each pause is longer than the one before. During "
	  "the first minute of an outage, pauses are 5s at most",
	  "500ms 5m", false, "10ms", "24h", NULL},
	 &config_kind_backoff, SERVER(upstream.session), 0, CONFIG_NEW_SESSION},
	{{"server", "halt-retry", "duration", "30s",
	  "First pause after the server forbade another attempt; it grows to ten times this value",
	  "5m", false, "10ms", "24h", NULL},
	 &config_kind_duration, SERVER(upstream.session.halt_retry), 0, CONFIG_NEW_SESSION},
	{{"server", "on-disconnect", "retry, stop, refresh", "retry",
	  "When the server ends the session: retry after a pause; stop until the daemon is "
	  "restarted; or refresh the credential first, then retry",
	  "stop", false, NULL, NULL, NULL},
	 &config_kind_choice, SERVER(upstream.session.on_disconnect), 0, CONFIG_NEW_SESSION},
	{{"server", "on-none", "retry, stop, refresh", "retry",
	  "The same when the server refuses a handshake or connect and forbids another attempt "
	  "(reconnect: none). A rejected credential is always fetched again",
	  "stop", false, NULL, NULL, NULL},
	 &config_kind_choice, SERVER(upstream.session.on_none), 0, CONFIG_NEW_SESSION},
	{{"server", "transport-sticky", "yes or no", "no",
	  "Do not switch to a less preferred transport after the current one has carried a "
	  "session, however often it fails",
	  "yes", false, NULL, NULL, NULL},
	 &config_kind_yes_no, SERVER(upstream.session.transport_sticky), 0, CONFIG_NEW_SESSION},
	{{"server", "ack", "yes or no", "yes",
	  "Ask the server to send again what was lost with a broken connection, if it supports "
	  "CometD's acknowledgement extension",
	  "no", false, NULL, NULL, NULL},
	 &config_kind_yes_no, SERVER(upstream.session.ack), 0, CONFIG_NEW_SESSION},
	{{"server", "replay", "off, new, all, resume", "new",
	  "Where a channel starts on a server that retains events (Salesforce): with new events "
	  "only, or with all retained events. Within the life of the daemon, a lost session "
	  "continues after the last event as long as the channel has subscribers; resume continues "
	  "there after a time without subscribers, too",
	  "all", false, NULL, NULL, NULL},
	 &config_kind_choice, SERVER(upstream.session.replay), 0, CONFIG_NEW_SESSION},
	{{"server", "replay-fallback", "all, new, stop", "all",
	  "Where the channel starts when the server no longer retains the last event. With stop, "
	  "the channel is refused",
	  "stop", false, NULL, NULL, NULL},
	 &config_kind_choice, SERVER(upstream.session.replay_fallback), 0, CONFIG_NEW_SESSION},
	{{"server", "binary", "yes or no", "no",
	  "Decode messages of CometD's binary extension: local programs receive the bytes as "
	  "base64. Publishing binary data needs no option",
	  "yes", false, NULL, NULL, NULL},
	 &config_kind_yes_no, SERVER(upstream.session.binary), 0, CONFIG_NEW_SESSION},
	{{"server", "timesync", "yes or no", "no",
	  "Measure the difference to the server's clock with each handshake and connect, if the "
	  "server supports the extension; status shows it",
	  "yes", false, NULL, NULL, NULL},
	 &config_kind_yes_no, SERVER(upstream.session.timesync), 0, CONFIG_NEW_SESSION},
	{{"server", "timestamp", "yes or no", "no",
	  "Add the time of sending to each message, as an HTTP date",
	  "yes", false, NULL, NULL, NULL},
	 &config_kind_yes_no, SERVER(upstream.session.timestamp), 0, CONFIG_NEW_SESSION},
	{{"server", "ext", "kind and JSON object, or kind, @ and a path", NULL,
	  "Object to send as ext of every handshake, connect, subscribe or publish. Members that "
	  "extensions, and in a publish the publishing program, set take precedence; servers usually "
	  "pass the ext of a publish on to all subscribers. Put secrets into a file that only the "
	  "user of the daemon can read, and write @ and its path in place of the object: it is read "
	  "before each handshake, and for the others a change is read within a second",
	  "handshake {\"com.example.tenant\":\"north\"}", true, NULL, NULL, NULL},
	 &config_kind_ext, SERVER(upstream), 0, CONFIG_NEW_SESSION},
	{{"server", "fields", "kind and JSON object", NULL,
	  "Object whose members are added to every handshake, connect, subscribe or publish message "
	  "itself, beside ext, for servers that expect them there",
	  "handshake {\"tenant\":\"north\"}", true, NULL, NULL, NULL},
	 &config_kind_fields, SERVER(upstream), 0, CONFIG_NEW_SESSION},
	{{"server", "websocket-compression", "yes or no", "no",
	  "Offer compression (permessage-deflate): less traffic for about 300 KiB of memory. An "
	  "attacker who can have texts sent beside a secret, and see the sizes, may guess the "
	  "secret",
	  "yes", false, NULL, NULL, NULL},
	 &config_kind_yes_no, SERVER(upstream.websocket_compression), 0, CONFIG_NEW_SESSION},
	{{"server", "extension", "name or path, and configuration", NULL,
	  "Shared object that sees, and may change or delete, every message. The rest of the line "
	  "is its configuration, or @ and the path of a file that holds it (see EXTENSIONS)",
	  "tenant {\"tenant\":\"north\"}", true, NULL, NULL, NULL},
	 &config_kind_extension, SERVER(extensions), 0, CONFIG_NEW_SESSION},
	{{"server", "websocket-ping", "duration", "30s",
	  "After this time of silence on a WebSocket a ping is sent; the connection is given up "
	  "when no answer arrives",
	  "15s", false, "1s", "1h", "off"},
	 &config_kind_duration, SERVER(upstream.websocket_ping), 0, CONFIG_NEW_SESSION},
	{{"server", "keep-alive", "duration", "off",
	  "Publish an empty object to /service/keep-alive when nothing else was sent for this time, "
	  "for servers that end a session which only receives (CometD's activity extension)",
	  "4m", false, "100ms", "24h", "off"},
	 &config_kind_duration, SERVER(upstream.session.keep_alive), 0, CONFIG_NEW_SESSION},
	{{"server", "websocket-protocol", "name", NULL,
	  "Subprotocol to offer when a WebSocket is opened. A server that answers with another one "
	  "is refused",
	  "bayeux", false, NULL, NULL, NULL},
	 &config_kind_subprotocol, SERVER(upstream.websocket_protocol), 0, CONFIG_NEW_SESSION},
	{{"server", "overlap", "auto, exact, covering", "auto",
	  "How overlapping patterns are subscribed at the server: each of them (exact), or only "
	  "those that no other pattern covers (covering). With auto, the daemon decides by the "
	  "kind of server",
	  "covering", false, NULL, NULL, NULL},
	 &config_kind_choice, SERVER(upstream.session.overlap), 0, CONFIG_NEW_SESSION},
	{{"server", "expand-client-id", "yes or no", "no",
	  "Replace /{clientId}/ at the beginning of a channel by the client id of the session, "
	  "also in the data of a publish, as Lyrion Music Server needs it. The channel is "
	  "subscribed again in each session, and programs see it under the name with {clientId}",
	  "yes", false, NULL, NULL, NULL},
	 &config_kind_yes_no, SERVER(upstream.session.expand_client_id), 0, CONFIG_NEW_SESSION},
	{{"oauth", "token-url", "URL", NULL,
	  "URL of the token server: https, or http on this machine. The TLS and proxy options of the "
	  "server that names this section apply to it, tls-pin included",
	  "https://login.example.com/oauth2/token", false, NULL, NULL, NULL},
	 &config_kind_token_url, OAUTH(options.url), 0, CONFIG_NEW_SESSION},
	{{"oauth", "client-id", "text", NULL,
	  "Client id at the token server",
	  "3MVG9example", false, NULL, NULL, NULL},
	 &config_kind_text, OAUTH(options.client_id), 0, CONFIG_NEW_SESSION},
	{{"oauth", "client-secret-file", "path", NULL,
	  "File that holds the client secret, or systemd:NAME; read for each token",
	  "/etc/cometd-bridge/demo.client-secret", false, NULL, NULL, NULL},
	 &config_kind_path, OAUTH(options.secret_file), 0, CONFIG_NEW_SESSION},
	{{"oauth", "client-auth", "basic, body", "basic",
	  "How client id and secret are sent: in an Authorization header (basic), or as client_id "
	  "and client_secret in the form (body)",
	  "body", false, NULL, NULL, NULL},
	 &config_kind_choice, OAUTH(options.client_auth), OAUTH_BASIC, CONFIG_NEW_SESSION},
	{{"oauth", "refresh-token-file", "path", NULL,
	  "File that holds a refresh token, which is used in place of the client's own right (grant "
	  "refresh_token). It is read again after a change. A token that the token server returns in "
	  "place of it is written there, if the directory is writable for the daemon",
	  "/var/lib/cometd-bridge/demo.refresh", false, NULL, NULL, NULL},
	 &config_kind_path, OAUTH(options.refresh_file), 0, CONFIG_NEW_SESSION},
	{{"oauth", "parameter", "name=value", NULL,
	  "Additional field of the form, such as scope, audience or resource; not for secrets",
	  "scope=api refresh_token", true, NULL, NULL, NULL},
	 &config_kind_parameter, OAUTH(options.parameters), 0, CONFIG_NEW_SESSION},
	{{"oauth", "jwt-key", "path", NULL,
	  "File with the private key (RSA, PEM, without password) that signs an assertion with RS256. "
	  "With it, the daemon proves its identity by that (grant jwt-bearer)",
	  "/etc/cometd-bridge/demo.key", false, NULL, NULL, NULL},
	 &config_kind_path, OAUTH(options.jwt_key_file), 0, CONFIG_NEW_SESSION},
	{{"oauth", "jwt-key-id", "text", NULL,
	  "Id of that key at the token server (kid)",
	  "2026-01", false, NULL, NULL, NULL},
	 &config_kind_text, OAUTH(options.jwt_key_id), 0, CONFIG_NEW_SESSION},
	{{"oauth", "jwt-issuer", "text", NULL,
	  "Issuer of the assertion (iss). Without it, client-id",
	  "3MVG9example", false, NULL, NULL, NULL},
	 &config_kind_text, OAUTH(options.jwt_issuer), 0, CONFIG_NEW_SESSION},
	{{"oauth", "jwt-subject", "text", NULL,
	  "User or account that the token is for (sub). Without it, the issuer",
	  "bridge@example.com", false, NULL, NULL, NULL},
	 &config_kind_text, OAUTH(options.jwt_subject), 0, CONFIG_NEW_SESSION},
	{{"oauth", "jwt-audience", "text", NULL,
	  "Audience of the assertion (aud). Without it, token-url",
	  "https://login.example.com", false, NULL, NULL, NULL},
	 &config_kind_text, OAUTH(options.jwt_audience), 0, CONFIG_NEW_SESSION},
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
_Static_assert(HTTP_TLS_1_2 == 0 && HTTP_TLS_1_3 == 1, "tls-min-version");
_Static_assert(OAUTH_BASIC == 0 && OAUTH_BODY == 1, "client-auth");

#define N_ROWS (sizeof(table) / sizeof(table[0]))
_Static_assert(N_ROWS <= CONFIG_ROWS_MAX, "more rows than CONFIG_ROWS_MAX");

/* options of earlier versions */
#define IN_OAUTH "oauth = NAME, and in a section [oauth NAME] "
static const struct {
	const char *name, *instead;
} removed[] = {
	{"url-handshake", "url-for = handshake URL"},
	{"url-connect", "url-for = connect URL"},
	{"url-subscribe", "url-for = subscribe URL"},
	{"url-publish", "url-for = publish URL"},
	{"url-disconnect", "url-for = disconnect URL"},
	{"url-websocket", "url-for = websocket URL"},
	{"url-retry", "url-return = wait DURATION or url-return = break DURATION"},
	{"url-failures", NULL},
	{"header-file", "header = @FILE"},
	{"cookie-file", "cookie = @FILE"},
	{"credential-systemd", "credential-file = systemd:NAME"},
	{"oauth-token-url", IN_OAUTH "token-url"},
	{"oauth-grant", IN_OAUTH "refresh-token-file or jwt-key, which imply it"},
	{"oauth-client-id", IN_OAUTH "client-id"},
	{"oauth-client-secret-file", IN_OAUTH "client-secret-file"},
	{"oauth-client-secret-systemd", IN_OAUTH "client-secret-file = systemd:NAME"},
	{"oauth-client-auth", IN_OAUTH "client-auth"},
	{"oauth-refresh-token-file", IN_OAUTH "refresh-token-file"},
	{"oauth-refresh-token-save", NULL},
	{"oauth-scope", IN_OAUTH "parameter = scope=TEXT"},
	{"oauth-audience", IN_OAUTH "parameter = audience=TEXT"},
	{"oauth-parameter", IN_OAUTH "parameter"},
	{"oauth-jwt-key", IN_OAUTH "jwt-key"},
	{"oauth-jwt-key-id", IN_OAUTH "jwt-key-id"},
	{"oauth-jwt-issuer", IN_OAUTH "jwt-issuer"},
	{"oauth-jwt-subject", IN_OAUTH "jwt-subject"},
	{"oauth-jwt-audience", IN_OAUTH "jwt-audience"},
	{"oauth-jwt-lifetime", NULL},
	{"backoff-min", "backoff = FIRST LONGEST"},
	{"backoff-max", "backoff = FIRST LONGEST"},
	{"transport-retry", NULL},
	{"keep-alive-channel", NULL},
	{"handshake-ext", "ext = handshake OBJECT"},
	{"connect-ext", "ext = connect OBJECT"},
	{"subscribe-ext", "ext = subscribe OBJECT"},
	{"publish-ext", "ext = publish OBJECT"},
	{"handshake-ext-file", "ext = handshake @FILE"},
	{"connect-ext-file", "ext = connect @FILE"},
	{"subscribe-ext-file", "ext = subscribe @FILE"},
	{"publish-ext-file", "ext = publish @FILE"},
	{"handshake-fields", "fields = handshake OBJECT"},
	{"connect-fields", "fields = connect OBJECT"},
	{"subscribe-fields", "fields = subscribe OBJECT"},
	{"publish-fields", "fields = publish OBJECT"},
};

bool config_removed(const char *name, const char **ret_instead)
{
	for (size_t i = 0; i < sizeof(removed) / sizeof(removed[0]); i++)
		if (strcmp(removed[i].name, name) == 0) {
			*ret_instead = removed[i].instead;
			return true;
		}
	return false;
}

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
	       struct fault *why)
{
	void *to = (char *)base + row->offset;

	if (!*text)
		return config_wrong(why, "it has no value; for example: %s", row->option.example);
	if (row->option.repeatable && first)
		row->kind->fini(to);
	return row->kind->set(row, to, text, why);
}

void config_fini(const char *section, void *base)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (table[i].kind->fini && strcmp(table[i].option.section, section) == 0)
			table[i].kind->fini((char *)base + table[i].offset);
}

int config_set_defaults(const char *section, void *base)
{
	struct fault why = {0};

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
