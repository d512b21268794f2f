/*
 * Conversations with the client engine, as tables of steps: frames of the daemon,
 * frames of the engine, and events and results for the application.
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
	HEAR_PART,     /* only the first n bytes of it are sent */
	SILENT,        /* the engine sends nothing */
	TELL,          /* the application gets this */
	IDLE,          /* and nothing else */
	BROKEN,        /* the engine wants the connection dropped */
	AT,            /* the clock shows n */
	DO,            /* a request: "verb channel [data]"; the text is also its name. "last /a 5",
			  "from /a 5000" and "since /a EPOCH 5" subscribe with a past;
			  "durable /a NAME" with a consumer; "ack EPOCH 5" acknowledges, "ackx" without a callback */
	DO_FAILS,      /* the same, but it fails at once with error n */
	CANCEL,        /* cancel the callback of this request */
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

/* For tests that need more than a table; they may use p->engine. */
void play_feed(struct play *p, const char *bytes, size_t n);
/* ' means " */
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
