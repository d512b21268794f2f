/*
 * An exchange is what a client sent at once, an HTTP request or a WebSocket
 * message, with the answer that is being put together for it. It outlives its
 * connection, for a server learns late that a client has gone.
 */
#ifndef FAKE_EXCHANGE_H
#define FAKE_EXCHANGE_H

#include "tests/fake/dialect.h"
#include "tests/fake/rule.h"

struct exchange {
	struct list link;
	struct server *server;
	struct conn *conn;		/* NULL when it has gone */
	enum transport transport;
	struct text text;		/* what the client sent; requests are views of it */
	struct session *session;	/* whose events may ride along; a reference */
	int status;			/* of the response, 200 but for an upgrade */
	char *headers;
	void (*sent)(struct conn *c);	/* called behind a response as meant; may be NULL */
	char *browser;			/* BAYEUX_BROWSER that came or is set */
	bool has_handshake;
	struct text replies;		/* list of messages */
	struct text body;		/* said instead of all messages */
	const struct rule *rule;	/* how it is sent; NULL = well */

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
/* what the rule and the server say to one message, added to the replies */
void exchange_answer(struct exchange *x, const struct request *q, const struct rule *rule,
		     struct object *reply);
/*
 * Sends the answer, now or as its rule wants, and frees the exchange. events is
 * a list of messages that go with it, in front or behind, may be empty.
 */
void exchange_send(struct exchange *x, struct slice events, bool events_first);
/* answers nothing but an HTTP status, or a close code; frees the exchange */
void exchange_fail(struct exchange *x, int status, int ws_code, const char *reason);
/* the connection stays and waits in vain */
void exchange_free(struct exchange *x);
/* sends, after this turn, what a `hold` rule parked; returns how many */
unsigned exchange_release(struct server *s);
/* one message as the rules care for it */
struct subject exchange_subject(const struct exchange *x, const struct request *q);

void request_free(struct request *q);

#endif
