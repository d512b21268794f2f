/*
 * The acknowledgement extension of CometD (bayeux.md 5.1): the server keeps
 * what it sent until a connect names the batch in which it came. With it a cut
 * connection, HTTP or WebSocket, loses nothing.
 */
#ifndef BAYEUX_EXT_ACK_H
#define BAYEUX_EXT_ACK_H

#include "bayeux/ext.h"
#include "protocol/json_read.h"
#include "protocol/buf.h"

/* 0 or -ENOMEM */
int ext_ack_new(struct ext **ret);
/* ---- `x` may be NULL: it is not offered ---- */
/* The outstanding connect was lost: what the server sent with it may come again. */
void ext_ack_lost(struct ext *x);
/* whether the server of the present session confirmed it */
bool ext_ack_in_effect(const struct ext *x);
/*
 * Appends what another process needs to go on, as JSON: null where it is not in effect; else the number that the next connect
 * acknowledges once all that was delivered is in safe hands, and with `marks` also those of the events that the server
 * may send again, EXT_ACK_SAVED_MAX at most. `marks` is false if not all accepted events were delivered. 0 or -errno.
 */
#define EXT_ACK_SAVED_MAX (1u << 16)
int ext_ack_save(struct ext *x, bool marks, struct buf *out);
/* And goes on with it there. 0, SAVED_E_INVALID: it is none, or the extension is not offered; -ENOMEM. */
int ext_ack_restore(struct ext *x, const struct json_value *v);

/* Whether the last snapshot, saved or restored, has marks. Until a later one is in safe hands, the number of their
   batch must be held. */
bool ext_ack_saved_marks(const struct ext *x);

/* How many events were accepted, repeats not counted, and numbers that a snapshot must have; it only grows. */
uint64_t ext_ack_delivered(const struct ext *x);
/* Numbers are acknowledged only if they name none but the first `safe` of these events; UINT64_MAX: any. Whether one
   that was held may go now. */
bool ext_ack_hold(struct ext *x, uint64_t safe);
/* Whether the next connect would acknowledge less than was read, because of that. */
bool ext_ack_is_held(const struct ext *x);

#endif
