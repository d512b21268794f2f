/*
 * Frames of the local wire: encodes what the hub sends, and the state of a server for the reply to hello and
 * for status.
 */
#ifndef LOCAL_WIRE_OUT_H
#define LOCAL_WIRE_OUT_H

#include "hub/hub.h"
#include "protocol/json_write.h"

/* For hub_new(); its `lost` for outbox_init(). */
extern const struct hub_encoder wire_out_encoder;
int wire_out_lost(struct buf *out, struct slice server, const struct hub_loss *loss,
		  enum protocol_error code, struct slice channel);

/*
 * The beginning of a reply whose result many members share: `rest` holds it and the closing brace of the
 * frame. It is under way until the member's outbox has no such reply any more.
 */
void wire_out_shared_reply(struct hub *h, struct member *member, uint64_t id, struct blob *rest);

/* Writes the state of a server into the open object: the fields of the event `state`, and
   "default". To a peer that is greeted `gap` is false: it has not missed anything yet. */
void wire_out_server(const struct hub_server *server, bool greeting, uint64_t now, uint64_t unix_ms,
		     struct json_write *w);

#endif
