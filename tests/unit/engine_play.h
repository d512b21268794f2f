/*
 * Conversations with the client engine, as tables of steps: what the daemon
 * says, what the engine answers, and what the application is told.
 */
#ifndef TESTS_ENGINE_PLAY_H
#define TESTS_ENGINE_PLAY_H

#include "libclient/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum what {
	END = 0,
	CONNECTED,     /* the driver has a connection */
	LOST,          /* it ended */
	SAY,           /* the daemon sends this frame */
	RAW,           /* the daemon sends these n bytes */
	HEAR,          /* the engine sends exactly this frame */
	HEAR_PART,     /* the first n bytes of it leave, and no more */
	SILENT,        /* the engine sends nothing */
	TELL,          /* the application is told this */
	IDLE,          /* and nothing more */
	BROKEN,        /* the engine wants the connection dropped */
	AT,            /* the clock shows n */
	DO,            /* a request: "verb channel [data]", the text is also its name */
	DO_FAILS,      /* the same, and it is refused at once with error n */
	CANCEL,        /* take the callback of this request back */
	FAIL_ALL,      /* end all requests with error n */
};

struct step {
	enum what what;
	const char *text;
	long n;
};

struct play {
	struct engine *engine;
	uint64_t now;
	size_t chunk;              /* bytes fed at once */
	const struct step *step;
	bool failing;              /* an allocation fails: what failed is done again */
};

/* For cmocka: *state is a table. Plays it whole, byte by byte, and with each allocation failing. */
void play_conversation(void **state);
#define CONVERSATION(table) {#table, play_conversation, NULL, NULL, (void *)(table)}

/* For tests that do what tables cannot say; p->engine is theirs. */
void play_feed(struct play *p, const char *bytes, size_t n);
/* ' stands for " */
void play_say(struct play *p, const char *text);
struct slice play_output(struct play *p);

/* ---- what most tables need ---------------------------------------------- */

#define HELLO_SAID(id) {HEAR, "{'op':'hello','id':" #id ",'version':1,'name':'test'}", 0}
#define GREETED(id, servers)                                                                       \
	{SAY, "{'op':'reply','id':" #id ",'ok':true,'result':{'version':1,"            \
	      "'versions':[1,1],'servers':[" servers "]}}", 0}
#define UP {CONNECTED, 0, 0}, HELLO_SAID(1), GREETED(1, ""), {TELL, "up gap=0", 0}
#define OK(id) {SAY, "{'op':'reply','id':" #id ",'ok':true}", 0}
#define SUB(id, channel)                                                                           \
	{HEAR, "{'op':'subscribe','id':" #id ",'channel':'" channel "'}", 0}
#define SUB_OK(id, channel)                                                                        \
	{SAY, "{'op':'reply','id':" #id ",'ok':true,'result':{'channels':["            \
	      "{'channel':'" channel "','ok':true}]}}", 0}
#define NO " data=- message=-"

#endif
