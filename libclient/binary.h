/*
 * Bytes of the application <-> the `binary` object of the local wire.
 */
#ifndef LIBCLIENT_BINARY_H
#define LIBCLIENT_BINARY_H

#include "protocol/buf.h"

#include <cometd-bridge.h>

/* Appends the object for these bytes. 0, or COMETD_E_INVALID, _JSON (meta), _TOO_LARGE, _NOMEM. */
int binary_write(const struct cometd_binary *binary, struct buf *out);
/*
 * Sets the fields of an event from such an object; the bytes go to the end of `bytes`, which must
 * have room for as many as the object is long, so that nothing in it moves. What is no such
 * object, a complaint of the daemon for example, sets nothing. 0 or -ENOMEM.
 */
int binary_read(struct slice object, struct buf *bytes, struct cometd_event *event);

#endif
