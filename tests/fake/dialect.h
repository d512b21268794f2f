/*
 * The words of each server: same conversation, other shapes, other error
 * numbers, other advice. Everything that is only a matter of text is here; what
 * is a matter of behaviour asks server->set.dialect where it happens.
 */
#ifndef FAKE_DIALECT_H
#define FAKE_DIALECT_H

#include "tests/fake/json.h"
#include "tests/fake/session.h"

enum message_type {
	MESSAGE_HANDSHAKE,
	MESSAGE_CONNECT,
	MESSAGE_SUBSCRIBE,
	MESSAGE_UNSUBSCRIBE,
	MESSAGE_DISCONNECT,
	MESSAGE_PUBLISH,
};

const char *message_type_name(enum message_type t);
/* of a message to this channel; any that is no type's own is for a publish */
enum message_type message_type_of(const char *channel);

/* one message of a client, taken apart; strings are NULL when the field is missing */
struct request {
	struct slice raw;
	enum message_type type;
	char *channel;
	char *about;			/* the subscription, or else the channel */
	char *id;
	char *client_id;
	struct session *session;	/* a reference, NULL when unknown */
	long came;			/* when, by the server's clock */
};

enum advice {
	ADVICE_NONE,			/* no advice */
	ADVICE_RETRY,
	ADVICE_HANDSHAKE,
	ADVICE_STOP,			/* reconnect: none */
	ADVICE_MULTIPLE,
};

/* The reply to q: successful without error, else not. error and ext may be NULL. */
void dialect_reply(const struct server *s, const struct request *q, const char *error,
		   enum advice advice, const char *ext, struct object *ret);
/* the successful reply to a handshake; messages = events given with it */
void dialect_handshake(const struct server *s, const struct request *q, bool ack, size_t messages,
		       struct object *ret);
/* The event that a session receives for a published message; `message` is the publisher's raw text. */
void dialect_event(const struct session *s, const char *channel, struct slice message,
		   struct object *ret);

/* for example "402::session_unknown"; the text is valid until the next call */
const char *dialect_unknown_client(const struct server *s, const struct request *q);
const char *dialect_refusal(const struct server *s, const struct request *q);

#endif
