/*
 * A hub with members and servers for its tests. Members send and receive JSON, which is
 * compared as text. In all texts a single quote means a double quote.
 */
#ifndef TESTS_HUB_WORLD_H
#define TESTS_HUB_WORLD_H

#include "hub/hub.h"
#include "tests/unit/session_double.h"
#include "tests/unit/testing.h"

#define WORLD_NOW 1000000u             /* loop time */
#define WORLD_UNIX_MS 1700000000000u   /* time of day */

struct world {
	struct hub *hub;
	struct session sessions[2];
	struct hub_server *servers[2];  /* "one", the default, and "two" */
	struct member members[4];
	uint64_t ago;                   /* of the next events of sessions, in milliseconds before WORLD_NOW */
};

/* message_max 1000, 8 subscriptions and 4 requests a member; epochs 1 and 2; 1000 messages in the log */
void world_init(struct world *w);
void world_fini(struct world *w);

/* Sends one request of member m to the hub and returns its result. */
int ask(struct world *w, unsigned m, const char *json);
/* All frames in the member's outbox, one a line, taken out. */
/* Whether it is with the positions of confirmed channels. */
extern bool heard_positions;
const char *heard(struct world *w, unsigned m);
/* The member sent this request, and got exactly that since. */
#define assert_asked(w, m, json, reply)                                                            \
	do {                                                                                       \
		assert_int_equal(ask(w, m, json), 0);                                              \
		assert_heard(w, m, reply);                                                         \
	} while (0)
#define assert_heard(w, m, text) assert_string_equal(heard(w, m), text)

/* Events of the session of server s. */
void say_message(struct world *w, unsigned s, const char *channel, const char *json);
void say_channel(struct world *w, unsigned s, const char *channel,
		 enum session_channel_status status, const char *json, const char *text);
void say_outcome(struct world *w, unsigned s, uint64_t cookie, enum session_outcome outcome,
		 const char *json, const char *text);
void say_state(struct world *w, unsigned s, bool up);

#endif
