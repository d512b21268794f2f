/*
 * The acknowledgement extension of CometD (bayeux.md 5.1): the server keeps
 * what it sent until a connect names the batch in which it came. With it a cut
 * connection, HTTP or WebSocket, loses nothing.
 */
#ifndef BAYEUX_EXT_ACK_H
#define BAYEUX_EXT_ACK_H

#include "bayeux/ext.h"
#include "protocol/json_read.h"
#include "protocol/json_write.h"

/* 0 or -ENOMEM */
int ext_ack_new(struct ext **ret);
/* ---- `x` may be NULL: it is not offered ---- */
/* The outstanding connect was lost: what the server sent with it may come again. */
void ext_ack_lost(struct ext *x);
/* whether the server of the present session confirmed it */
bool ext_ack_in_effect(const struct ext *x);
/* Writes the number that the next connect acknowledges, or null where it is not in effect; and goes on with it in
   another process. 0, SAVED_E_INVALID: it is none, or the extension is not offered. */
void ext_ack_save(const struct ext *x, struct json_write *w);
int ext_ack_restore(struct ext *x, const struct json_value *v);

#endif
