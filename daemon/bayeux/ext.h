/*
 * Extensions of the Bayeux protocol: each owns one key of the `ext` object. It may add a
 * value under that key to outgoing messages; it sees every incoming event in order and
 * the replies to handshakes and connects, and may keep back an event. What only one of them needs it declares in its
 * own header. An extension belongs to one session.
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

/* positive result of `incoming` */
enum { EXT_DROP = 1 };

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

/* The extensions of a session in their order; those that it does not offer are NULL. */
struct exts {
	struct list chain;
	struct ext *ack, *replay, *timesync;
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
void ext_text(const struct list *chain, uint64_t number);
void ext_settled(const struct list *chain);

#endif
