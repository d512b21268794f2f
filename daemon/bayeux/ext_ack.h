/*
 * The acknowledgement extension of CometD (bayeux.md 5.1): the server keeps
 * what it sent until a connect names the batch in which it came. With it a cut
 * connection, HTTP or WebSocket, loses nothing.
 */
#ifndef BAYEUX_EXT_ACK_H
#define BAYEUX_EXT_ACK_H

#include "bayeux/ext.h"

/* 0 or -ENOMEM */
int ext_ack_new(struct ext **ret);
/* ---- `x` may be NULL: it is not offered ---- */
/* The outstanding connect was lost: what the server sent with it may come again. */
void ext_ack_lost(struct ext *x);
/* whether the server of the present session confirmed it */
bool ext_ack_in_effect(const struct ext *x);

#endif
