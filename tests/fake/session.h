/*
 * Sessions as data: their subscriptions and queued events. Nothing is sent from
 * here; see deliver.h.
 */
#ifndef FAKE_SESSION_H
#define FAKE_SESSION_H

#include "tests/fake/server.h"

/* an event on its way to one session */
struct queued {
	struct list link;
	char *channel;
	char *text;
	unsigned long batch;		/* of the ack extension */
	const struct rule *rule;	/* how to send it; may be NULL */
};

struct session {
	struct list link;
	struct server *server;
	unsigned refs;
	unsigned number;		/* from 1; `client` in the journal */
	char *id;
	char *browser;			/* BAYEUX_BROWSER, NULL on WebSocket */
	bool removed;
	bool connected;			/* had its first connect */
	bool readvise;			/* the next connect reply carries advice */
	bool busy;			/* a request of its own is being processed */
	enum transport transport;
	struct conn *ws;
	struct exchange *held;		/* the held connect */
	struct name_list subscriptions;
	struct list queue;
	bool ack;
	unsigned long batch;		/* the open batch, from 1 */
	long interval;			/* the client's own advice, -1 = none */
	struct event *expiry;
};

/* A session with a reference for the caller; on_expired(session) when its time is up. */
struct session *session_new(struct server *s, event_callback_fn on_expired);
struct session *session_find(const struct server *s, const char *client_id);
/* by its number; NULL when there is none */
struct session *session_numbered(const struct server *s, unsigned number);
struct session *session_ref(struct session *s);
void session_unref(struct session *s);
/* removes it from the server's list, so that it cannot be found any more */
void session_remove(struct session *s);

/* how many of its patterns cover the channel */
unsigned session_matches(const struct session *s, const char *channel);
/* takes ownership of text */
void session_queue(struct session *s, const char *channel, char *text, const struct rule *rule);
/* takes it out of its queue as well */
void queued_free(struct queued *q);
/* frees the events that the client acknowledged: all up to that batch */
void session_acknowledge(struct session *s, unsigned long batch);
/* starts the time after which a session without a connect expires, or stops it while there is one */
void session_start_expiry(struct session *s);
void session_stop_expiry(struct session *s);
/* letters and digits, n of them and the NUL */
void random_name(char *ret, size_t n);

#endif
