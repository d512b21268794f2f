/*
 * A whole world without a socket or a clock: a Bayeux server and its network (session_model), the session and the
 * hub of a daemon, local connections, and programs that use the client library. All that happens is decided by a
 * script and a seed, so that a run can be repeated.
 *
 * What is checked at every step, for each program: it gets each message that it is entitled to once, in the order of
 * the server; what is missing is reported to it by `lost` or by a gap, soon after it got a later one. At the end,
 * when nothing goes wrong any more, nothing may be missing without such a report.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORLD_PROGRAMS 4
#define WORLD_ACTIONS 400

/*
 * One thing that happens, `pause` ms after the one before it. `program` and `n` are taken modulo what there is, so
 * that every script can be played.
 */
enum world_action_kind {
	WORLD_PUBLISH = 'p',    /* the server sends a message on channel n */
	WORLD_SUBSCRIBE = 's',  /* the program subscribes channel n, or unsubscribes it */
	WORLD_CUT = 'c',        /* its connection is cut; n of the bytes under way arrive */
	WORLD_READ = 'r',       /* it reads n bytes at a time from now on; 0: nothing; 255: all */
	WORLD_SEND = 'u',       /* it publishes */
	WORLD_END = 'q',        /* it ends, and another one begins in its place */
	WORLD_RESTART = 'd',    /* the daemon is killed and started again */
	WORLD_EXPIRE = 'e',     /* the server forgets the session */
	WORLD_KICK = 'k',       /* the server ends the session */
	WORLD_CLOSE = 'x',      /* the server's WebSocket breaks */
	WORLD_WEBSOCKET = 'w',  /* the server refuses WebSockets, or accepts them again */
	WORLD_TROUBLE = 't',    /* n per mille of the exchanges with the server go wrong from now on */
};

struct world_action {
	char kind;
	unsigned char program;
	unsigned short n, pause;
};

struct world_script {
	uint64_t seed;                  /* of delays, of what goes wrong on the way, and of the options */
	size_t n;
	struct world_action actions[WORLD_ACTIONS];
};

struct world_counts {
	uint64_t messages, received, lost, gaps, faults, runs;
};

/*
 * Plays the script in this process, which ends with status 1 and a message on stderr if what is promised does not
 * hold; adds to *counts.
 */
void world_play(const struct world_script *script, struct world_counts *counts);

#endif
