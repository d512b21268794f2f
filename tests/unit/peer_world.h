/*
 * A peer over a socketpair, its handler, and the other end, which the test plays; the
 * clock stands still unless the test sets it. The frames command the handler:
 *
 *     hello          the handshake of the wire is done
 *     echo N         a frame of N letters comes back
 *     hold N         its member holds N subscriptions from now on
 *     close          peer_close(): denied, "as asked", retry in 500 ms
 *     babble         the same with a reason that is not UTF-8
 *     abort          peer_abort()
 *     later          postponed; "[later again]" when it is handled again
 *     lose           the outbox is overrun
 *
 * All others are only logged.
 */
#ifndef TESTS_PEER_WORLD_H
#define TESTS_PEER_WORLD_H

#include "base/clock.h"
#include "local/peer.h"
#include "protocol/frame.h"
#include "tests/unit/testing.h"

struct world {
	struct loop *loop;
	struct work_queue *work;
	struct peer *peer;
	int fd;                         /* the other end; -1: closed */
	struct frame_reader heard;      /* what the other end read */
	char frames[4096];              /* "[body]" of each frame the handler got, cut */
	unsigned n_frames, gone, closed;
	uint64_t hello_ms, gone_ms;     /* how long its hello and its end take the handler */
	enum protocol_error code;
};

/* At 1000 ms, with an outbox of 64K. */
void world_open(struct world *w);
void world_open_with(struct world *w, size_t outbox_max);
/* One more peer, in the loop and queue that are there. */
void world_connect(struct world *w, const struct peer_options *options);
/* Leaves, if the test has not; the peer is to end by that, once. */
void world_close(struct world *w);
/* the handler of w; w->loop and w->work are all it needs */
struct peer_handler world_handler(struct world *w);
/* Turns the loop until nothing is left to do. */
void settle(struct world *w);
/* A frame of n letters to the peer, as a reply. */
void push(struct peer *p, size_t n);

/* --- the other end --- */

void say_raw(struct world *w, const void *bytes, size_t n);
/* A frame in `to`; its length. */
size_t put_frame(char *to, const char *body);
void say(struct world *w, const char *body);
/* the head of a frame this long */
void say_length(struct world *w, uint32_t n);
/* Reads what came; true at the end of the stream. */
bool listen_once(struct world *w);
/* the next frame received, or an empty slice */
struct slice hear(struct world *w);
void assert_hears_closing(struct world *w, const char *code);
void assert_hears_reason(struct world *w, const char *reason);
/* Fills socket and outbox of a peer that does not read, as its own requests' replies; how many. */
unsigned flood(struct world *w);

#endif
