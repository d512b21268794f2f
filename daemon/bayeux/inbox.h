/*
 * The texts of the server that are being read, each with its own reading position: over long-polling, the answers of
 * several lanes arrive at the same time, in interleaved pieces. One piece at a time is read, message by message: an
 * unreadable message affects only itself, and a message that was not read counts as not received.
 */
#ifndef BAYEUX_INBOX_H
#define BAYEUX_INBOX_H

#include "bayeux/elements.h"
#include "bayeux/ext.h"
#include "bayeux/report.h"

/* A text: an answer over HTTP, or a message over the WebSocket. */
struct text {
	struct list link;               /* inbox::texts; not that of what was released */
	uint64_t number, batch;         /* batch 0: WebSocket */
	bool of_link;                   /* over the WebSocket, or the answer to a handshake or connect */
	struct elements elements;
	bool ended;                     /* no further pieces follow */
	uint64_t last_event;            /* hash of the previous message if it was an event, else 0 */
	unsigned copies;                /* identical copies among the events up to that one */
	unsigned skipped;               /* elements that were not messages */
	bool reply_unreadable;
	bool replied;                   /* it holds the reply to the connect: the next connect waits for its
					   end */
	uint64_t fed_at;                /* its last piece came */
	uint64_t message_at;            /* its last message was complete, or it began */
	/* the same, and a millisecond later for each byte of the message that is being read: one that is
	   large takes long, one that drips or is too large does not */
	uint64_t progress_at;
	/* It contains the server's own disconnect, whose meaning depends on the reply after it, or on the
	   end */
	bool kicked;
	char kick_reason[REPORT_TEXT_MAX];
};

/* reading state of the current piece */
enum inbox_state {
	INBOX_NEXT,             /* the next element is to be found */
	INBOX_FOUND,            /* it is in `element` and must be parsed */
	INBOX_READ,             /* it is parsed and must be handled */
	INBOX_KEPT,             /* it is handled, and is no event that was delivered */
	INBOX_DELIVERED,        /* it was handled and must be counted as delivered */
};

/* Private to inbox.c. */
struct inbox {
	const struct session_options *o;
	const struct exts *exts;
	const struct buf *client_id;
	struct list texts;              /* from the driver, not completely read yet */
	uint64_t next_number;           /* of the next text that begins */
	struct text *text;              /* the text of the current piece, or NULL */
	enum inbox_state state;         /* of that piece */
	struct element element;
	struct envelope_batch parsed;   /* the parsed message, or none */
	struct envelope unreadable;     /* … when it cannot be read */
	struct envelope *message;       /* one of these two */
	enum session_loss loss;         /* why it is unreadable */
	char replay_id[24];             /* of one that cannot be read */
	struct buf channel;             /* its channel, decoded */
	struct buf hidden;              /* the element after our client id was removed, if it had one */
	struct buf masked;              /* a copy without secrets, if it may contain any */
	/* events that an extension kept and releases: read when there is no other input */
	struct buf released;
	struct text released_text;      /* the text as which they are read */
	bool release_due;               /* there may be some */
};

/* All three must outlive it. */
void inbox_init(struct inbox *b, const struct session_options *o, const struct exts *exts, const struct buf *client_id);
void inbox_fini(struct inbox *b);

/* ---- texts ---- */
/* The text of that batch (0: WebSocket) that is being read, or NULL. */
struct text *inbox_find(const struct inbox *b, uint64_t batch);
/* A piece of the text of that batch becomes the current one; there must be none. 0 or -ENOMEM. */
int inbox_feed(struct inbox *b, uint64_t now, uint64_t batch, bool of_link, struct slice piece);
/* What the current message is in; only while one is handled. */
static inline struct text *inbox_text(const struct inbox *b) { return b->text; }
/* whether a piece is being read: of the driver; or any */
static inline bool inbox_has_piece(const struct inbox *b) { return b->text && b->text != &b->released_text; }
static inline bool inbox_waits(const struct inbox *b) { return b->text || b->release_due; }
/* The text that holds the reply to the connect and is not complete yet, or NULL. */
struct text *inbox_of_connect(const struct inbox *b);
/* The number of the next text that begins. */
static inline uint64_t inbox_next_number(const struct inbox *b) { return b->next_number; }
/* The text is read, or given up. `forget`: messages that were not read must not be acknowledged. */
void inbox_remove(struct inbox *b, struct text *t);
void inbox_forget(struct inbox *b, struct text *t);
/* Removes those whose exchange was aborted. */
void inbox_remove_abandoned(struct inbox *b, bool (*is_awaited)(const void *ctx, uint64_t batch), const void *ctx);

/* ---- messages ---- */
/* positive results of inbox_next() and inbox_end() beside SESSION_E_NONE */
enum { INBOX_TEXT_END = 2, INBOX_TEXT_FAULT = 3 };
/*
 * Reads the next message. 0; SESSION_E_NONE: nothing now; INBOX_TEXT_END: *ret_text was read to its end;
 * INBOX_TEXT_FAULT: it is not Bayeux from here on; -ENOMEM: call again.
 */
int inbox_next(struct inbox *b, uint64_t now, struct envelope **ret, struct text **ret_text);
/* No piece of it follows, and none is being read. INBOX_TEXT_END or INBOX_TEXT_FAULT. */
int inbox_end(struct inbox *b, struct text *t);
/* The current message is no event that was delivered. */
static inline void inbox_keep(struct inbox *b) { b->state = INBOX_KEPT; }
/* The current message was handled. */
void inbox_handled(struct inbox *b);
/* The caller is done with the message that it got last: it counts as delivered. 0 or -ENOMEM. */
int inbox_settle(struct inbox *b);
/* Whether extensions keep events that were not delivered yet, or those that they released are being read. */
bool inbox_keeps(const struct inbox *b);
/* Why the current message cannot be read. */
static inline enum session_loss inbox_loss(const struct inbox *b) { return b->loss; }
/* whether an extension kept the current message until now */
static inline bool inbox_is_released(const struct inbox *b) { return b->text == &b->released_text; }
/* Extensions may have events to release. */
static inline void inbox_release(struct inbox *b) { b->release_due = true; }

/* ---- time; `hold`: how long the server may hold a connect ---- */
/* When it is given up if no more of it arrives, or none of its messages becomes complete.
   SESSION_NEVER: it has ended. */
uint64_t inbox_deadline(const struct inbox *b, const struct text *t, uint64_t hold);
/* The one that is given up first, or NULL. */
struct text *inbox_first_due(const struct inbox *b, uint64_t hold);
/* Why it is given up, for people. */
struct slice inbox_explain_stall(const struct inbox *b, uint64_t now, const struct text *t,
				 char text[REPORT_TEXT_MAX]);

#endif
