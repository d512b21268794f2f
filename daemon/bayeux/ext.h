/*
 * Extensions of the Bayeux protocol: each owns one key of the `ext` object. It may add a
 * value under that key to outgoing messages; it sees every incoming event in order and
 * every relevant reply, and may keep back an event. It is notified which channels are
 * wanted, and which events were delivered. An extension belongs to one session.
 *
 * Any hook that may fail may be called again for the same message, because it, or an
 * extension after it, had no memory: the result must be the same as of one call. What
 * must not be done twice, above all counting, belongs into `accepted`.
 */
#ifndef BAYEUX_EXT_H
#define BAYEUX_EXT_H

#include "base/list.h"
#include "bayeux/envelope.h"
#include "bayeux/exchange.h"
#include "bayeux/ext_fixed.h"
#include "protocol/buf.h"

struct ext;

/* positive results of `incoming` and of `refused` */
enum { EXT_DROP = 1, EXT_AGAIN = 2 };

enum ext_moment {
	EXT_HANDSHAKE_REPLY,    /* a successful one */
	EXT_CONNECT_REPLY,      /* a successful one, to the outstanding connect */
	EXT_STALE_REPLY,        /* to a connect that was replaced by a newer one */
	EXT_EVENT,              /* with EXT_DROP it is not delivered */
	EXT_UNREADABLE,         /* with EXT_DROP: it is a repeat, and its loss was reported before */
};

/* the same instant on two clocks, in ms: monotonic, and time of day */
struct ext_time {
	uint64_t now;
	uint64_t unix_ms;
};

/* a request that is about to go out */
struct ext_request {
	enum request_kind kind;
	struct slice channel;           /* published to, or the subscription; else SLICE_NULL */
	struct ext_time at;
};

/* whether answers to commands are awaited on connections other than that of the connect */
enum ext_busy { EXT_IDLE, EXT_BUSY, EXT_BUSY_FOR_LONG };

struct ext_ops {
	const char *key;
	/* Appends the raw JSON value of `key` for this request, or nothing. 0 or -errno. */
	int (*outgoing)(struct ext *x, const struct ext_request *request, struct buf *out);
	/* 0, EXT_DROP (extensions after this one do not see it), -ENOMEM. May be NULL. */
	int (*incoming)(struct ext *x, enum ext_moment moment, const struct envelope *e,
			struct ext_time at);
	/* No extension failed on the message, so it is not shown again. Called for all, once, also
	   for a dropped message. May be NULL. */
	void (*accepted)(struct ext *x, enum ext_moment moment, const struct envelope *e);
	/* The channel is wanted from now on, or no longer. 0 or -errno. May be NULL. */
	int (*want)(struct ext *x, struct slice channel);
	void (*unwant)(struct ext *x, struct slice channel);
	/* An event was delivered to its receivers, or the loss of an unreadable one was reported to them.
	   0 or -ENOMEM. May be NULL. */
	int (*delivered)(struct ext *x, const struct envelope *e);
	/* The server refused a subscribe. EXT_AGAIN: subscribe again at once, with another value;
	   extensions after this one are not called. 0, -errno. May be NULL. */
	int (*refused)(struct ext *x, struct slice channel, const struct envelope *e);
	/* A subscribe got its final answer. 0 or -ENOMEM. May be NULL. */
	int (*answered)(struct ext *x, struct slice channel);
	/* A subscribe was lost: it is sent again now, or after a pause (`later`). May be NULL. */
	void (*subscribe_lost)(struct ext *x, struct slice channel, bool later);
	/* An answer got lost with the events that may have been in it, and every channel will be
	   subscribed once more, or the session is over. May be NULL. */
	void (*missed)(struct ext *x);
	/* A session was just made with another server than the one before: what that one's was is
	   void. May be NULL. */
	void (*moved)(struct ext *x);
	/* Commands were sent, or their answer is there, or given up, or takes long. May be NULL. */
	void (*busy)(struct ext *x, enum ext_busy busy);
	/* Appends events that `incoming` dropped only to keep them until now, as a JSON array; no
	   extension sees them coming again. As many as it likes, nothing when there are none. 0 or
	   -errno. May be NULL. */
	int (*release)(struct ext *x, struct buf *out);
	/* The outstanding connect was lost: what the server sent with it may come again. May be
	   NULL. */
	void (*lost)(struct ext *x);
	/* The messages that follow belong to the text with this number. Also called before a batch is
	   written: then it is the number of the next text that begins. Numbers grow. May be NULL. */
	void (*text)(struct ext *x, uint64_t number);
	/* The text was complete and all its messages were delivered. May be NULL. */
	void (*settled)(struct ext *x);
	void (*free)(struct ext *x);
};

struct ext {
	const struct ext_ops *ops;
	struct list link;
};

/* The chain takes the extension over. */
void ext_add(struct list *chain, struct ext *x);
void ext_free_all(struct list *chain);

/*
 * Appends `,"ext":{…}` for a request: the members of `own`, a raw object or
 * SLICE_NULL, those of `fixed` (may be NULL), and the extensions'; nothing when
 * there are none. 0 or -errno.
 */
int ext_write(const struct list *chain, const struct ext_fixed *fixed,
	      const struct ext_request *request, struct slice own, struct buf *out);
/* Appends an object with only the members of `own` and `fixed`. 0 or -errno. */
int ext_merge(const struct list *chain, const struct ext_fixed *fixed, struct slice own,
	      struct buf *out);
/* whether an extension of the chain has that key */
bool ext_has_key(const struct list *chain, const char *key);
/*
 * Asks the extensions in their order, then calls `accepted` of all unless one failed. 0,
 * EXT_DROP, -ENOMEM. After 0 or EXT_DROP the caller must not fail on this message: it was counted.
 */
int ext_incoming(const struct list *chain, enum ext_moment moment, const struct envelope *e,
		 struct ext_time at);
/* The same in two steps, for a caller that may fail in between: the second only when it did not. */
int ext_look(const struct list *chain, enum ext_moment moment, const struct envelope *e,
	     struct ext_time at);
void ext_accepted(const struct list *chain, enum ext_moment moment, const struct envelope *e);
/* 0; or the first failure, and then no extension wants the channel. */
int ext_want(const struct list *chain, struct slice channel);
void ext_unwant(const struct list *chain, struct slice channel);
int ext_delivered(const struct list *chain, const struct envelope *e);
int ext_refused(const struct list *chain, struct slice channel, const struct envelope *e);
int ext_answered(const struct list *chain, struct slice channel);
void ext_subscribe_lost(const struct list *chain, struct slice channel, bool later);
void ext_busy(const struct list *chain, enum ext_busy busy);
void ext_missed(const struct list *chain);
void ext_moved(const struct list *chain);
/* What the first extension that has something releases. */
int ext_release(const struct list *chain, struct buf *out);
void ext_lost(const struct list *chain);
void ext_text(const struct list *chain, uint64_t number);
void ext_settled(const struct list *chain);

#endif
