/*
 * The texts of one WebSocket as its frames carry them: fragments of one that
 * comes in, and compression both ways where it was agreed on.
 */
#ifndef IO_WS_TEXT_H
#define IO_WS_TEXT_H

#include "io/ws_deflate.h"
#include "protocol/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct ws_text {
	struct buf parts;                /* of the one that is coming in, as they came */
	struct buf plain;                /* what it was before it was compressed */
	struct buf packed;               /* what one that goes out has become */
	struct ws_deflate *deflate;      /* NULL: texts travel as they are */
};

/* Texts that come in have at most `in_max` bytes, inflated or not; those that go out `out_max`. */
void ws_text_init(struct ws_text *t, size_t in_max, size_t out_max);
void ws_text_fini(struct ws_text *t);
/* What became of the offer to compress. 0 or -ENOMEM. */
int ws_text_agree(struct ws_text *t, const struct ws_deflate_terms *terms);

bool ws_text_has_room(const struct ws_text *t, uint64_t n);
/* One more part; has_room() said that it fits. 0 or -ENOMEM. */
int ws_text_add(struct ws_text *t, struct slice part);
/*
 * The whole text, a view until ws_text_next(); `packed`: it was sent compressed. 0;
 * WS_DEFLATE_E_TOO_LARGE, WS_DEFLATE_E_BROKEN; -ENOMEM.
 */
int ws_text_whole(struct ws_text *t, bool packed, struct slice *ret);
void ws_text_next(struct ws_text *t);

/* What to send for `text`: true, *ret is its compressed form, a view until ws_text_packed_done();
   false, as it is. */
bool ws_text_pack(struct ws_text *t, struct slice text, struct slice *ret);
/* `sent`: it leaves. What does not is never referred to by a later one. */
void ws_text_packed_done(struct ws_text *t, bool sent);

#endif
