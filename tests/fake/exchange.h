/*
 * An exchange is what a client sent at once, an HTTP request or a WebSocket
 * message, with the answer that is being put together for it. It outlives its
 * connection, because a server notices late that a client has disconnected.
 */
#ifndef FAKE_EXCHANGE_H
#define FAKE_EXCHANGE_H

#include "tests/fake/dialect.h"
#include "tests/fake/rule.h"

struct exchange {
	struct list link;
	struct server *server;
	struct conn *conn;		/* NULL when it was closed */
	enum transport transport;
	struct text text;		/* what the client sent; requests are views of it */
	struct session *session;	/* whose events may ride along; a reference */
	int status;			/* of the response, 200 but for an upgrade */
	char *headers;
	void (*sent)(struct conn *c);	/* called after a response that no rule changed; may be NULL */
	char *browser;			/* BAYEUX_BROWSER, received or set */
	bool has_handshake;
	struct text replies;		/* list of messages */
	struct text body;		/* sent instead of all messages */
	const struct rule *rule;	/* how it is sent; NULL = normally */

	/* the connect in it, while its answer is due */
	struct request *connect;
	const struct rule *connect_rule;
	bool advise;			/* its reply carries advice */
	bool multiple;
	struct event *timer;		/* hold time first, then delay */

	bool parked;			/* waits for `release` */
	struct text out;		/* the whole answer, delayed or parked */
};

struct exchange *exchange_new(struct conn *c, struct slice text);
/* adds the reply to one message, as changed by the rule */
void exchange_answer(struct exchange *x, const struct request *q, const struct rule *rule,
		     struct object *reply);
/*
 * Sends the answer, now or as its rule demands, and frees the exchange. `events` is
 * a list of messages sent before or after the replies; it may be empty.
 */
void exchange_send(struct exchange *x, struct slice events, bool events_first);
/* answers nothing but an HTTP status, or a close code; frees the exchange */
void exchange_fail(struct exchange *x, int status, int ws_code, const char *reason);
/* without an answer: the connection stays open */
void exchange_free(struct exchange *x);
/* sends, after this turn, what a `hold` rule parked; returns how many */
unsigned exchange_release(struct server *s);
/* the properties of one message that rules can match */
struct subject exchange_subject(const struct exchange *x, const struct request *q);

void request_free(struct request *q);

#endif
