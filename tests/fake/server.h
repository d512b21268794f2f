/*
 * The struct that all parts of the fake server share: its settings, its connections
 * and sessions, its journal. The comments name the file that uses a group of fields.
 */
#ifndef FAKE_SERVER_H
#define FAKE_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <event2/event.h>
#include "base/list.h"
#include "tests/fake/journal.h"

enum dialect {
	DIALECT_COMETD,
	DIALECT_FAYE,
	DIALECT_SALESFORCE,
};

/* set by the command line, changed by control commands */
struct settings {
	enum dialect dialect;
	long timeout;			/* ms a connect is held */
	long interval;			/* ms, advised */
	long max_interval;		/* ms a session lives without a connect */
	size_t ws_max_message;		/* bytes; more closes 1009 */
	int lp_off;			/* HTTP status instead of long-polling, 0 = on */
	int ws_off;			/* HTTP status instead of an upgrade, 0 = on */
	bool ack;			/* offer the ack extension */
	bool timesync;			/* answers the timesync extension */
	long ahead;			/* ms, of its clock for that */
	bool duplicates;		/* a copy per matching pattern, like CometD for Node */
	bool echo;			/* publishers receive their own messages */
	bool advise_max_interval;	/* CometD's handshakeReconnect */
	char *advice;			/* sent instead of the real advice, NULL = real */
	char *types;			/* supportedConnectionTypes to send, NULL = the real ones */
	char *header_name;		/* required in every request, NULL = none */
	char *header_value;
};

struct conn;

struct name_list {
	char **names;
	size_t n;
};

struct server {
	struct event_base *base;
	struct settings set;
	struct journal journal;

	/* conn.c */
	struct evconnlistener *listener;
	void (*on_accept)(struct conn *c);
	uint16_t port;
	bool frozen;
	struct list conns;
	struct list closed_conns;
	struct event *reaper;
	unsigned last_conn;
	void *tls;
	struct ev_token_bucket_cfg *drip;	/* how slowly each sends; NULL = at once */

	/* session.c */
	struct list sessions;
	unsigned last_session;
	unsigned max_connects;		/* most connects outstanding in one session */
	struct name_list channels;	/* every channel ever used */
	struct name_list welcome;	/* events given with each handshake reply */

	/* exchange.c */
	struct list exchanges;

	/* rule.c */
	struct list rules;
	unsigned last_rule;

	/* route.c */
	struct list routes;

	/* deliver.c: events kept for the replay extension */
	long last_replay;
	struct name_list replay_channels;
	struct name_list replay_events;
};

bool name_list_has(const struct name_list *l, const char *name);
void name_list_add(struct name_list *l, const char *name);
/* true when it was there */
bool name_list_remove(struct name_list *l, const char *name);
void name_list_fini(struct name_list *l);

/* `milliseconds` as libevent wants them */
struct timeval msec(long ms);

#endif
