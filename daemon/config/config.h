/*
 * Text -> an immutable tree of what the modules want to be told, and errors as
 * "file:line: message". Reading has no side effect and knows no running
 * object. Nobody below the assembly includes this file.
 *
 * One table (option.c) says every option: its section, type, default,
 * range, meaning and example. It drives reading, the hints after a typing error,
 * and the check that cometd-bridge.conf(5) tells the truth.
 *
 * A main file and its drop-ins: FILE, then all of FILE.d that end in ".conf", in
 * C order, where a later file overrides an earlier one option by option. Within
 * one file an option stands once; one that may stand several times (header, url) is
 * begun anew by a later file. An error anywhere means no configuration: never a
 * default in place of what somebody wanted to say.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "auth/answer.h"
#include "auth/oauth.h"
#include "base/list.h"
#include "base/log.h"
#include "bayeux/session.h"
#include "config/report.h"
#include "hub/hub.h"
#include "local/listener.h"
#include "local/peer.h"
#include "net/http_client.h"
#include "upstream/endpoints.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_PATH SYSCONFDIR "/cometd-bridge/cometd-bridge.conf"

/* of one server; the session tries them one by one */
#define CONFIG_URLS_MAX 16

/* texts of an option that may stand several times */
struct config_strings {
	char **v;
	size_t n;
};

/* What a server is shown with every request; one source at most. */
struct config_credential {
	enum auth_kind kind;            /* AUTH_NONE: nothing */
	char *header;                   /* its name, of AUTH_HEADER; the path of AUTH_EXT */
	char *file, *systemd, *command; /* at most one, with AUTH_NONE none */
	char *extension;                /* or this: the name of one of the server's */
	uint64_t lifetime;              /* 0: until it is rejected */
	uint64_t timeout;               /* of one fetch */
};

/* What struct auth_oauth_options is made of; a source of credentials when it has a token_url. */
struct config_oauth {
	char *token_url;
	enum oauth_grant grant;
	enum oauth_client_auth client_auth;
	char *client_id, *secret_file, *secret_systemd;
	char *refresh_file;
	bool refresh_save;
	char *scope, *audience;
	struct config_strings parameters;       /* "name=value" */
	char *jwt_key, *jwt_key_id, *jwt_issuer, *jwt_subject, *jwt_audience;
	uint64_t jwt_lifetime;
};

/* [server NAME]; times in milliseconds, sizes in bytes */
struct config_server {
	struct list link;               /* config::servers, in order of appearance */
	char *name;
	char *place;                    /* "file:line" of its first appearance */
	char **places;                  /* the same of each option, by its row; NULL: not set */
	bool is_default;                /* exactly one is */
	struct config_strings urls;     /* in order of preference, at least one */
	char *endpoints[ENDPOINTS];     /* URLs of operations, may be relative; or NULL */
	enum endpoint_append append;
	struct session_options session; /* transports, overlap, network-delay, backoff-… */
	char *ext[SESSION_EXTS];        /* JSON objects, or NULL */
	char *fields[SESSION_EXTS];     /* the same, for the message itself */
	char *ext_files[SESSION_EXTS];  /* files with such objects in place of `ext`, or NULL */
	struct config_strings cookies;  /* "NAME=VALUE", preset */
	char *cookie_file;              /* more of them, one a line, read before a handshake; or NULL */
	char *cookie_jar;               /* where cookies are kept, or NULL */
	struct config_strings headers;  /* "Name: value", for every HTTP request and upgrade */
	char *header_file;              /* more of them, one a line, read at every use; or NULL */
	char *tls_ca;                   /* PEM file in place of the system's, or NULL */
	bool tls_insecure;              /* the server's certificate is not checked */
	char *tls_cert, *tls_key;       /* PEM files shown to the server, or NULL */
	char *tls_pin;                  /* http_pin_valid(), or NULL */
	enum http_tls tls_min;
	char *proxy, *no_proxy;         /* "http://host:port", and what is reached without it */
	char *proxy_ca;                 /* PEM file for an https:// proxy, or NULL */
	char *proxy_credential_file;    /* "user:password", read at every use; or NULL */
	enum http_redirects redirects;
	size_t max_message;             /* the largest message accepted from the server */
	uint64_t connection_timeout;    /* before a lost link is told; UINT64_MAX: unlimited */
	uint64_t connect_timeout;       /* DNS, TCP, TLS and upgrade together */
	struct config_credential credential;
	bool websocket_compression;     /* permessage-deflate is offered */
	struct config_oauth oauth;
	char *websocket_protocol;       /* the subprotocol offered, or NULL */
	struct config_strings extensions;       /* extension_option_parse(), in their order */
	uint64_t websocket_ping;        /* a ping after so long a silence; 0: none */
};

struct config {
	struct listener_options listener;   /* socket, socket-mode, socket-group */
	struct peer_options peer;           /* outbox-max */
	struct hub_options hub;             /* subscriptions-max, requests-max */
	size_t peers_max;                   /* connections at a time */
	enum log_level log_level;
	struct list servers;                /* config_server::link; at least one */
	char *socket_path;                  /* owns listener.path */
};

/* a longer line or file is an error, and not cut */
#define CONFIG_LINE_MAX 8000
#define CONFIG_FILE_MAX (1u << 20)

enum config_result { CONFIG_E_INVALID = 1 };
/*
 * Reads `path` and its drop-ins. 0 and *ret; CONFIG_E_INVALID when the report has errors (a missing
 * or unreadable file is one of them); -ENOMEM. `report` is initialised by the caller and may hold
 * warnings beside success.
 */
int config_load(const char *path, struct config_report *report, struct config **ret);
/* NULL is fine. */
void config_free(struct config *c);

/* One row of the table, for the man page's check and for people. */
struct config_option {
	const char *section;    /* "bridge" or "server" */
	const char *name;       /* "socket-mode" */
	const char *type;       /* "octal mode" */
	const char *fallback;   /* default as it would be written; NULL: none */
	const char *meaning;
	const char *example;
	bool repeatable;
	const char *min, *max;  /* of the range, as they would be written; NULL: none */
	const char *word;       /* a value beside the range: "unlimited"; NULL: none */
};
/* Row `i`, or false past the end. */
bool config_describe(size_t i, struct config_option *ret);

#endif
