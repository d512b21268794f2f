/*
 * Configuration files -> the options of all modules, or errors as "file:line: message". Reading has
 * no side effect and knows no running object.
 *
 * One table (option.c) has a row for each option: section, type, default, range, meaning, example,
 * the member it sets, and what a change needs. Reading, freeing, dumping and comparing use it, and so
 * do the hints after a typing error and the check of cometd-bridge.conf(5).
 *
 * A main file and its drop-ins: FILE, then all of FILE.d that end in ".conf", in C order. A later
 * file overrides an earlier one option by option; all values of an option that may be set several
 * times (header, url) are replaced together. An error anywhere means no configuration: never a
 * default in place of what was written.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "auth/auth.h"
#include "auth/oauth.h"
#include "base/list.h"
#include "base/log.h"
#include "base/strings.h"
#include "config/report.h"
#include "hub/hub.h"
#include "local/listener.h"
#include "local/peer.h"
#include "upstream/upstream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_PATH SYSCONFDIR "/cometd-bridge/cometd-bridge.conf"

/* of one server; the session tries them one by one */
#define CONFIG_URLS_MAX 16

/* Where an option was set, and to what; all zero for one that has its default. */
struct config_source {
	char *place;                    /* "file:line" of the last line */
	struct strings texts;           /* as they are written there; of some options several */
};

/* [oauth NAME]: a client at a token server, for any number of servers. */
struct config_oauth {
	struct list link;               /* config::oauths, in order of appearance */
	char *name, *place;
	struct config_source *sources;  /* of each option, by its row */
	struct auth_oauth_options options;      /* without timeout and http */
};

/*
 * [server NAME]: what the modules take, filled in by the table. The configuration owns every text in
 * it.
 */
struct config_server {
	struct list link;               /* config::servers, in order of appearance */
	char *name;
	char *place;                    /* "file:line" of its first appearance */
	struct config_source *sources;  /* of each option, by its row */
	struct upstream_options upstream;       /* without auth and changed; exactly one is_default */
	struct auth_options auth;       /* without source and backoff; AUTH_NONE: none */
	/* in place of auth.file and auth.systemd; one source at most */
	const char *credential_command, *credential_extension;
	uint64_t credential_timeout;    /* of one fetch */
	const char *oauth_name;
	const struct config_oauth *oauth;       /* of this name; NULL: none */
	struct strings extensions;      /* extension_option_parse(), in their order */
};

struct config {
	struct config_source *sources;  /* of [bridge], by row */
	struct listener_options listener;   /* socket, socket-mode, socket-group */
	struct peer_options peer;           /* outbox-max */
	struct hub_options hub;             /* subscriptions-max, requests-max */
	size_t peers_max;                   /* connections at a time */
	enum log_level log_level;
	struct list servers;                /* config_server::link; at least one */
	struct list oauths;                 /* config_oauth::link */
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
	const char *section;    /* "bridge", "server" or "oauth" */
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
