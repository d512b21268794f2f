/*
 * Saves a session in the middle of a conversation, and goes on with it in sessions beside it: with a server that
 * still has the session, and with one that does not.
 */
#ifndef TESTS_SESSION_RESTART_H
#define TESTS_SESSION_RESTART_H

#include "bayeux/session.h"

/* the channels that the peers of the conversation want */
struct restart_wants {
	char channels[64][128];
	size_t n;
};
void restart_wants(struct restart_wants *w, struct slice channel);
void restart_unwants(struct restart_wants *w, struct slice channel);

/*
 * `s` with these options is where it is at `now`. If it has a session, a restored one sends a connect with timeout 0
 * and the same client id, is connected without a gap unless messages may be lost, has the same number of sessions,
 * subscribes what was not confirmed and nothing else; and makes a new session with a gap where the server has
 * forgotten the old one. `where` is for messages.
 */
void restart_try(struct session *s, const struct session_options *o, uint64_t now, uint64_t unix_ms,
		 const struct restart_wants *wants, const char *where);

#endif
