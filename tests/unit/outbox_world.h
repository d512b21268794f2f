/*
 * An outbox and both ends of its socket: what was pushed, and what the peer has read.
 * Reading checks each frame: messages in order, every lost one reported before the next
 * of its server, and none twice.
 */
#ifndef TESTS_OUTBOX_WORLD_H
#define TESTS_OUTBOX_WORLD_H

#include "hub/outbox.h"
#include "protocol/frame.h"
#include "tests/unit/testing.h"

#define SERVERS 3
extern const struct slice names[SERVERS];  /* "one", "two", "three" */

/* `due` has the seq of each message pushed, per server; reading advances `told`. */
struct world {
	struct outbox o;
	struct blob *blob;
	unsigned wakes;
	uint64_t seq[SERVERS], due[SERVERS][40000];
	size_t n_due[SERVERS], told[SERVERS];
	uint64_t control, control_told;
	uint64_t n_messages, n_lost, n_lost_frames;
	size_t largest;
	struct frame_reader in;
	char log[512];            /* a short form of what was read, for tests that compare it */
	bool logging;
	bool poor;                /* sometimes an allocation of the outbox fails */
};

struct world *world_new(size_t bytes_max);
void world_free(struct world *w);
/* What is pushed next lies in another blob. */
void new_blob(struct world *w);

/* the same numbers each time, from this seed on */
void set_seed(unsigned seed);
unsigned chance(unsigned n);

/* ---- pushing ---- */

/* Appends the frame of the message w->seq[server] to the blob; its length. */
size_t encode_event(struct world *w, unsigned server, size_t size);
/* The peer must get w->seq[server], or its loss. */
void due(struct world *w, unsigned server);
void push_as(struct world *w, unsigned server, size_t size, enum outbox_overflow policy);
void push(struct world *w, unsigned server, size_t size);
/* a message for other peers: lies in the blob, not in this queue */
void push_elsewhere(struct world *w, unsigned server);
void push_lost(struct world *w, unsigned server);
void push_control(struct world *w, size_t size);
/* The same in two parts: its end is in a blob of its own. */
void push_reply(struct world *w, size_t size);

/* ---- the peer's end ---- */

/* The socket takes up to `most` bytes, offered in `n_iov` pieces at most; how many it took. */
size_t write_some(struct world *w, size_t n_iov, size_t most);
/* Reads all, and checks that the account is settled. */
void drain(struct world *w);
/* Reads all; what was read since the beginning: "1.7 " message 7 of the first server, "lost1:2 "
   two of its messages, "c0 " a reply. */
const char *story(struct world *w);
/* how many pieces there are to write */
size_t n_pieces(struct world *w);

#endif
