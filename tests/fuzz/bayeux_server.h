/*
 * A Bayeux server for the fuzzers of whole sessions: it keeps the batches that
 * were sent to it over long-polling, and makes well-formed answers to them.
 * Without it a fuzzer would have to guess ids and would get no further than the
 * handshake. It knows the protocol, and nothing of the code that is tested.
 */
#ifndef TESTS_FUZZ_BAYEUX_SERVER_H
#define TESTS_FUZZ_BAYEUX_SERVER_H

#include "protocol/buf.h"
#include "protocol/slice.h"

#include <stdbool.h>

enum { SERVER_EXCHANGES_MAX = 64, SERVER_SUBSCRIPTIONS_MAX = 64, SERVER_CHANNEL_MAX = 64 };

/* How every request of a batch is answered. No server refuses an unsubscribe of a session that it
   knows. */
enum server_answer {
	SERVER_OK,
	SERVER_REFUSED,          /* 403: final */
	SERVER_BUSY,             /* 503 with an advice to retry */
	SERVER_UNKNOWN,          /* 402: the session is unknown until the next handshake */
	SERVER_ANSWERS,          /* success, and an event with the id of each publish */
};

struct server_exchange {
	uint64_t id;
	char *text;
	size_t n;
};

struct server {
	struct server_exchange exchanges[SERVER_EXCHANGES_MAX];
	size_t n_exchanges;
	unsigned sessions;       /* handshakes answered well so far */
	bool knows;              /* the session made by the last of them */
	/* the session's subscriptions, as confirmed by the answers */
	char subscriptions[SERVER_SUBSCRIPTIONS_MAX][SERVER_CHANNEL_MAX];
	size_t n_subscriptions;
};

/* A batch was sent; the text is copied. */
void server_sent(struct server *s, uint64_t id, struct slice text);
/* The exchange is over, or all are (id 0). */
void server_forget(struct server *s, uint64_t id);
/* The oldest exchange with a connect in it, else the oldest; NULL when there is none. */
const struct server_exchange *server_connect(const struct server *s);
/* Appends the answer to a batch, an open array: the caller may append ",{…}" and must close it. */
void server_answer(struct server *s, const struct server_exchange *x, enum server_answer how,
		   struct buf *out);
bool server_has(const struct server *s, struct slice channel);

#endif
