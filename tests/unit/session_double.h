/*
 * Stands in for bayeux/session in the hub's tests: it has the functions the hub
 * calls and no engine behind them. The test says what it answers, and reads
 * what was asked of it. Wishes allocate, as the real ones do, so that they can
 * fail.
 */
#ifndef TESTS_SESSION_DOUBLE_H
#define TESTS_SESSION_DOUBLE_H

#include "base/list.h"
#include "bayeux/session.h"

struct session {
	bool up;
	const char *deferred;           /* a pending channel that was refused for the moment, or NULL */
	bool binary;                    /* what its events say of bytes */
	struct session_info info;
	struct list wishes;
	char asked[512];                /* "+/a -/a ": wants and unwants, in order */
	/* the last publish */
	unsigned published;
	char publish[512];              /* "channel data ext" */
	bool call;
	uint64_t deadline, peer, cookie;
	int publish_result;
	uint64_t left;                  /* the last peer that was said to be gone */
};

void session_double_init(struct session *s);
/* Nothing may be wanted any more. */
void session_double_fini(struct session *s);
/* What session_channel() says of this one from now on; it must be wanted. */
void session_double_set(struct session *s, const char *channel, enum session_channel_status status);
bool session_double_wants(const struct session *s, const char *channel);
/* What was asked since the last call. */
const char *session_double_asked(struct session *s);

#endif
