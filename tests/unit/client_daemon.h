/*
 * A daemon that follows a script, for tests of the library and of cometctl
 * over a real socket. It runs in a thread of its own; scripts and tests meet
 * at barriers, never by sleeping. JSON in scripts is written with ' for ".
 */
#ifndef TESTS_CLIENT_DAEMON_H
#define TESTS_CLIENT_DAEMON_H

#include <stddef.h>

enum daemon_what {
	D_END = 0,
	D_LISTEN,      /* create the socket (done automatically before the first step) */
	D_UNLISTEN,    /* close it and remove the file */
	D_ACCEPT,      /* accept a connection */
	D_ACCEPT_ALL,  /* accept and close all waiting ones */
	D_HEAR,        /* the next frame contains this text */
	D_HEAR_SIZE,   /* the next frame has n bytes */
	D_SAY,         /* send this frame; consecutive ones are sent together */
	D_SAY_RAW,     /* send these n bytes */
	D_SAY_BIG,     /* send a message event with n bytes of data, seq counting from 1 */
	D_HEAR_END,    /* the other side closes */
	D_MAY_LEAVE,   /* from here on the other side may close without having read */
	D_HANGUP,      /* close the connection */
	D_WAIT,        /* until the test calls daemon_go() */
	D_MEET,        /* let daemon_await() return */
};

struct daemon_step {
	enum daemon_what what;
	const char *text;
	size_t n;
};

/* the usual beginning */
#define D_GREET(id, servers)                                                                       \
	{D_ACCEPT, 0, 0}, {D_HEAR, "{'op':'hello','id':" #id ",'version':1", 0},                   \
	{D_SAY, "{'op':'reply','id':" #id ",'ok':true,'result':{'version':1,'versions':[1,1],"     \
		"'servers':[" servers "]}}", 0}
#define D_DEMO "{'server':'demo','default':true,'state':'connected','since':1,'gap':false}"
#define D_SUBSCRIBE(id, channel)                                                                   \
	{D_HEAR, "{'op':'subscribe','id':" #id ",'channel':'" channel "'}", 0},                    \
	{D_SAY, "{'op':'reply','id':" #id ",'ok':true,'result':{'channels':[{'channel':'" channel  \
		"','ok':true}]}}", 0}
#define D_OK(id) {D_SAY, "{'op':'reply','id':" #id ",'ok':true}", 0}
#define D_REFUSE(id, code, words)                                                                  \
	{D_SAY, "{'op':'reply','id':" #id ",'ok':false,'error':{'code':'" code "','message':'"     \
		words "'}}", 0}
#define D_MESSAGE(seq, channel, data)                                                              \
	{D_SAY, "{'op':'message','server':'demo','seq':" #seq ",'message':{'channel':'" channel    \
		"','data':" data "}}", 0}

struct daemon;

/* Listens in a new directory and begins to play. Never NULL: fails the test. */
struct daemon *daemon_start(const struct daemon_step *script);
const char *daemon_path(const struct daemon *d);
/* A connection without blocking, or -1. */
int daemon_connect(const struct daemon *d);
void daemon_go(struct daemon *d);
void daemon_await(struct daemon *d);
/* Waits for the end of the script, frees, and fails the test if anything else was received. */
void daemon_end(struct daemon *d);

#endif
