/*
 * Replaces bayeux/session in the hub's tests: it has the functions that the hub calls,
 * without the engine. The test sets the answers and reads what was requested.
 * session_want() allocates, as the real one does, so that it can fail.
 */
#ifndef TESTS_SESSION_DOUBLE_H
#define TESTS_SESSION_DOUBLE_H

#include "base/list.h"
#include "bayeux/session.h"

struct session {
	bool up;
	const char *deferred;           /* a pending channel that was refused temporarily, or NULL */
	bool binary;                    /* the flag `binary` of its events */
	struct session_info info;
	struct list wishes;
	char asked[512];                /* "+/a -/a ": wants and unwants, in order */
	/* the last publish */
	unsigned published;
	char publish[512];              /* "channel data ext" */
	bool call;
	uint64_t deadline, peer, cookie;
	int publish_result;
	uint64_t left;                  /* the last peer given to session_peer_left() */
};

void session_double_init(struct session *s);
/* Forgets what is wanted. */
void session_double_drop(struct session *s);
/* For which peer this channel is wanted; it must be. */
uint64_t session_double_peer(const struct session *s, const char *channel);
/* Nothing may be wanted any more. */
void session_double_fini(struct session *s);
/* What session_channel() returns for this channel from now on; it must be wanted. */
void session_double_set(struct session *s, const char *channel, enum session_channel_status status);
bool session_double_wants(const struct session *s, const char *channel);
/* What was asked since the last call. */
const char *session_double_asked(struct session *s);

#endif
