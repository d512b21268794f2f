/*
 * The session's client id as the first segment of channel names: Lyrion Music
 * Server answers on "/<client id>/slim/…". Peers write "{clientId}" instead,
 * because it is a secret and changes with each handshake. In both directions all JSON
 * strings that begin with that segment are replaced, anywhere in the message: Lyrion
 * needs such a channel in `data`, too.
 */
#ifndef BAYEUX_OWN_SEGMENT_H
#define BAYEUX_OWN_SEGMENT_H

#include "protocol/buf.h"
#include "protocol/slice.h"

#include <stdbool.h>

#define OWN_SEGMENT SLICE("{clientId}")

/* Whether a client id can be a segment of a channel, and needs no escapes in JSON. */
bool own_segment_possible(struct slice client_id);

/* Whether some text in `json` begins with "/", this segment, "/". */
bool own_segment_found(struct slice json, struct slice segment);
/* Appends `json`, and where a text begins with the segment `from`, it has `to` instead. 0 or
   -errno, and then `out` is as it was. */
int own_segment_replace(struct slice json, struct slice from, struct slice to, struct buf *out);

#endif
