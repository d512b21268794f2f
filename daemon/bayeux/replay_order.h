/*
 * The order of retained events (Salesforce; bayeux.md 5.7): per channel, which
 * ids were told already, and which events wait for their turn. On long-polling
 * events come with the answers of the connect and with those of commands, two
 * connections with no order between them: what a subscribe has replayed comes
 * on the one, what is new on the other. So events are held, and then told by
 * their ids, while an answer to commands is awaited, and from the moment a
 * subscribe says where to begin until it is answered. An answer to the connect
 * may be awaited for minutes: what it brings too late is told late, not lost.
 *
 * Ids grow within a channel and within one text. Each text brings a piece of
 * what the server had queued, with nothing of another text in between: so what
 * lies between the first and the last id of a piece is known, and comes a
 * second time when it comes again; what lies between two pieces is only late.
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
	struct list answered;           /* lines whose turn comes with the end of the text */
	struct list ready;              /* events to be told now */
	uint64_t text;                  /* number of the text that is looked at */
	/* what it was when the connect, and the commands, that are answered next were sent */
	uint64_t connect_text, command_text;
	size_t filtered;                /* lines whose channel has a filter */
	bool busy;                      /* an answer to commands is awaited */
	bool opened;                    /* some line may hold nothing for want of room */
	bool rewound;                   /* some line may have to be had once more */
	size_t held, held_max;          /* bytes */
};

/* More than `held_max` bytes are not kept beyond the end of the text that brought them. */
void replay_order_init(struct replay_order *o, size_t held_max);
void replay_order_fini(struct replay_order *o);

/* One more, or one less, wants the channel. 0 or -ENOMEM. Unwant: whether it was the last. */
int replay_order_want(struct replay_order *o, struct slice channel);
bool replay_order_unwant(struct replay_order *o, struct slice channel);
/* Under which name it is wanted: its own, or one with a filter behind it; its own also when by none. */
struct slice replay_order_name(const struct replay_order *o, struct slice channel);

/* ---- what is sent ---- */
void replay_order_connect(struct replay_order *o);
/* Commands were sent whose answer may bring events that are older than those of the connect; or
   that answer is there, or given up. */
void replay_order_busy(struct replay_order *o, bool busy);
/* A subscribe says to begin `behind` this id; "-1" and "-2" are no ids. What comes is held. */
void replay_order_asked(struct replay_order *o, struct slice channel,
			const struct replay_id *behind);
/* It was answered for good: with the end of the text that brought this, what is held is told. */
void replay_order_answered(struct replay_order *o, struct slice channel);
/* It got lost or was put off. What is held is told now, and nothing more is held until it is asked
   again, when that is only `later`, and when many in a row got lost. */
void replay_order_unheard(struct replay_order *o, struct slice channel, bool later);
/* Some answer got lost, and all channels will be asked for once more: what comes is held until that
   is answered. Subscribes under way do not count, for they may have been answered before. */
void replay_order_lost(struct replay_order *o);
/* Where the next subscribe is to begin when the marker says `marker`: behind that, or behind what
   was told before the answer that got lost was asked for. */
void replay_order_begin(const struct replay_order *o, struct slice channel,
			struct replay_id *marker);
/* The server does not begin where it was asked to: it retains only later events, which may have been
   told, or it counts anew. */
void replay_order_stale(struct replay_order *o, struct slice channel);
/* The ids of all channels begin anew: nothing is known of them. */
void replay_order_forget_all(struct replay_order *o);
/* A new session: what is held will be sent again. */
void replay_order_restart(struct replay_order *o);

/* ---- events ---- */
enum {
	REPLAY_HELD = 1,        /* it is told later, by replay_order_release() */
	REPLAY_DOUBLE = 2,      /* it was told, or is held, already */
};
/* An event came. 0: to be told now; REPLAY_HELD, REPLAY_DOUBLE, -ENOMEM. */
int replay_order_take(struct replay_order *o, struct slice channel, const struct replay_id *id,
		      struct slice raw);
/* An event was told, and its hearers have it. */
void replay_order_told(struct replay_order *o, struct slice channel, const struct replay_id *id);
/* An event came that cannot be read, and its loss was reported. */
void replay_order_left_out(struct replay_order *o, struct slice channel,
			   const struct replay_id *id);
/* The newest id told, when the next subscribe may begin behind it; NULL while an older event may
   still come, or none was told. */
const struct replay_id *replay_order_newest(const struct replay_order *o, struct slice channel);
/* The events that follow belong to the text with this number, or, while no text is read, to a later one.
   Numbers grow by one with each text that begins; texts may be interleaved. */
void replay_order_text(struct replay_order *o, uint64_t number);
/* The text was looked through. */
void replay_order_settle(struct replay_order *o);
/* whether an event with this id was delivered */
bool replay_order_is_told(const struct replay_order *o, struct slice channel,
			  const struct replay_id *id);
/* Appends events whose turn has come to `out`, a JSON array, and is rid of them; nothing when there
   are none. Not all at once when they are many. 0 or -errno. */
int replay_order_release(struct replay_order *o, struct buf *out);

#endif
