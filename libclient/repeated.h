/*
 * Replies to subscribes that the library repeated by itself. They belong to no request
 * of the application: what changed is reported by events.
 */
#ifndef LIBCLIENT_REPEATED_H
#define LIBCLIENT_REPEATED_H

#include "libclient/outgoing.h"
#include "protocol/buf.h"
#include "protocol/message.h"

/*
 * Handles the reply `m` if a repeated subscribe has its id; otherwise does nothing. Appends the frames
 * of events to `own_frames`. 0, -ENOMEM, -EMSGSIZE (an error that is too large).
 */
int repeated_reply(struct outgoing *o, const struct message *m, struct buf *own_frames);

#endif
