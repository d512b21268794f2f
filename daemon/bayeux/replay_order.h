/*
 * The order of retained events (Salesforce; bayeux.md 5.7): per channel, which ids were
 * delivered, and which events are held back. With long-polling, events arrive with the
 * answers to the connect and with those to commands, on two connections without an
 * order between them: replayed events come on one, new ones on the other. So events are
 * held while an answer to commands is awaited, and from a subscribe until its answer,
 * and are then delivered in the order of their ids. The answer to the connect may take
 * minutes, and so may one to a call: an event that it brings late is delivered late, but
 * not lost.
 *
 * Ids grow within a channel and within one text. Each text has a contiguous piece of
 * the server's queue: an id between the first and the last of a piece is a repeat when
 * it arrives again; an id between two pieces is only late.
 */
#ifndef BAYEUX_REPLAY_ORDER_H
#define BAYEUX_REPLAY_ORDER_H

#include "base/list.h"
#include "base/strmap.h"
#include "bayeux/replay_store.h"
#include "protocol/buf.h"

#include <stdbool.h>

struct replay_order {
	struct strmap map;              /* of lines, by channel */
	struct list lines;
	struct list answered;           /* lines whose held events are delivered at the end of the text */
	struct list ready;              /* events to be delivered now */
	uint64_t text;                  /* number of the text being read */
	/* its value when the connect, and the commands, to be answered next were sent */
	uint64_t connect_text, command_text;
	size_t filtered;                /* lines whose channel has a filter */
	bool busy;                      /* an answer to commands is awaited */
	bool slow;                      /* … for so long that nothing is held for it any more */
	bool opened;                    /* some line may not hold events, because the limit was reached */
	bool rewound;                   /* some line may have to be had once more */
	size_t held, held_max;          /* bytes */
};

/* More than `held_max` bytes are not kept beyond the end of the text that brought them. */
void replay_order_init(struct replay_order *o, size_t held_max);
void replay_order_fini(struct replay_order *o);

/* One more, or one less, wants the channel. 0 or -ENOMEM. Unwant: whether it was the last. */
int replay_order_want(struct replay_order *o, struct slice channel);
bool replay_order_unwant(struct replay_order *o, struct slice channel);
/* The wanted name of a channel: its own, or that with a filter; its own if neither is wanted. */
struct slice replay_order_name(const struct replay_order *o, struct slice channel);

/* ---- over a restart of the process ---- */
/* Calls `fn` for each piece with delivered events beyond the marker, where the next subscribe begins. */
void replay_order_save(const struct replay_order *o, struct slice channel, const struct replay_id *marker,
		       void (*fn)(void *ctx, const struct replay_id *first, const struct replay_id *last), void *ctx);
/* The next subscribe of a wanted channel begins after the marker: events up to it were delivered before. */
void replay_order_restored(struct replay_order *o, struct slice channel, const struct replay_id *marker);
/* So were the events of this piece. */
void replay_order_restored_piece(struct replay_order *o, struct slice channel, const struct replay_id *first,
				 const struct replay_id *last);

/* ---- what is sent ---- */
void replay_order_connect(struct replay_order *o);
/* Commands were sent whose answer may bring events that are older than those of the connect; or
   that answer is there, or given up. `slow`: it takes long, so held events are delivered now. */
void replay_order_busy(struct replay_order *o, bool busy, bool slow);
/* A subscribe asks to begin after the id `begin_after` ("-1" and "-2" are no ids). Events are held from now on. */
void replay_order_asked(struct replay_order *o, struct slice channel,
			const struct replay_id *begin_after);
/* The subscribe got its final answer: held events are delivered at the end of the text with the answer. */
void replay_order_answered(struct replay_order *o, struct slice channel);
/* The subscribe was lost or postponed. Held events are delivered now, if it is repeated only `later` or
   if many in a row were lost, and no more are held until it is sent again. */
void replay_order_subscribe_lost(struct replay_order *o, struct slice channel, bool later);
/* An answer was lost, and all channels will be subscribed again: events are held until that is answered.
   Subscribes under way do not count, because they may have been answered before. */
void replay_order_lost(struct replay_order *o);
/* Sets *marker to the id after which the next subscribe begins: unchanged, or the last one delivered
   before the request whose answer was lost. */
void replay_order_begin(const struct replay_order *o, struct slice channel,
			struct replay_id *marker);
/* The server refuses to begin there: it retains only later events, which may have been delivered
   already, or it has restarted its ids. */
void replay_order_stale(struct replay_order *o, struct slice channel);
/* The ids of all channels start again: drops all that is known of them. */
void replay_order_reset(struct replay_order *o);
/* A new session: the server sends held events again. */
void replay_order_restart(struct replay_order *o);

/* ---- events ---- */
enum {
	REPLAY_HELD = 1,        /* delivered later, by replay_order_release() */
	REPLAY_DUPLICATE = 2,      /* delivered or held already */
};
/* An event arrived. 0: deliver it now; REPLAY_HELD, REPLAY_DOUBLE, -ENOMEM. */
int replay_order_event(struct replay_order *o, struct slice channel, const struct replay_id *id,
		      struct slice raw);
/* An event was delivered. */
void replay_order_delivered(struct replay_order *o, struct slice channel, const struct replay_id *id);
/* An event arrived that cannot be read, and its loss was reported. */
void replay_order_left_out(struct replay_order *o, struct slice channel,
			   const struct replay_id *id);
/* The newest id delivered, if the next subscribe may begin after it; NULL while an older event may still
   arrive, or if none was delivered. */
const struct replay_id *replay_order_newest(const struct replay_order *o, struct slice channel);
/* Calls `fn` for each channel that is wanted. Stops at, and returns, what is not 0. */
int replay_order_each(const struct replay_order *o, int (*fn)(void *ctx, struct slice channel),
		      void *ctx);
/* The events that follow belong to the text with this number, or, while no text is read, to a later one.
   Numbers grow by one with each text that begins; texts may be interleaved. */
void replay_order_text(struct replay_order *o, uint64_t number);
/* All messages of the text were read. */
void replay_order_settle(struct replay_order *o);
/* whether an event with this id was delivered */
bool replay_order_is_delivered(const struct replay_order *o, struct slice channel,
			  const struct replay_id *id);
/* Appends events whose turn has come to `out`, a JSON array, and is rid of them; nothing when there
   are none. Not all at once when they are many. 0 or -errno. */
int replay_order_release(struct replay_order *o, struct buf *out);

#endif
