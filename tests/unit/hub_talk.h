/*
 * Frames that members of a hub (tests/unit/hub_world.h) get, as texts, and events of
 * the first server: for tests of requests and their replies.
 */
#ifndef TESTS_HUB_TALK_H
#define TESTS_HUB_TALK_H

#include "tests/unit/hub_world.h"

#define REFUSED(id, code, text)                                                                    \
	"{'op':'reply','id':" #id ",'ok':false,'error':{'code':'" code "','message':'" text "'}}\n"
#define DONE(id) "{'op':'reply','id':" #id ",'ok':true}\n"
#define CHANNELS(id, items)                                                                        \
	"{'op':'reply','id':" #id ",'ok':true,'result':{'channels':[" items "]}}\n"
#define CONFIRMED(channel)                                                                         \
	"{'op':'subscription','server':'one','channel':'" channel "','ok':true}\n"
#define UNSUBSCRIBED                                                                               \
	"{'code':'not-subscribed','message':'unsubscribed before the server answered'}"
#define NO_A "{'code':'refused','message':'403:/a:no','bayeux':{'successful':false}}"

/* what the session of the first server was asked since the last look */
#define assert_session(w, text)                                                                    \
	assert_string_equal(session_double_asked(&(w)->sessions[0]), text)

struct world *world_new(void);
void world_drop(struct world *w);

/* The first server refuses "/a", with the words of NO_A. */
void refuse_a(struct world *w);
void confirm(struct world *w, const char *channel);
/* The link to it is there, or is lost. */
void go(struct world *w, bool up);
/* It sends n messages of the channel. */
void talk(struct world *w, const char *channel, unsigned n);
/* The member gets what it can read of logs. */
void read_all(struct world *w, unsigned m);
/* assert_heard(), state events left out: they are the matter of test_hub */
void assert_heard_but_state(struct world *w, unsigned m, const char *expected);

#endif
