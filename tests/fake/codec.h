/* The three small codes a server of HTTP and WebSocket cannot do without. */
#ifndef FAKE_CODEC_H
#define FAKE_CODEC_H

#include "tests/fake/text.h"

/* the Sec-WebSocket-Accept of a Sec-WebSocket-Key (RFC 6455, 4.2.2) */
void codec_accept_key(struct slice key, struct text *ret);
/* body as a gzip member of stored blocks: no compression, yet any inflater reads it */
void codec_gzip(struct slice body, struct text *ret);
/* bytes of a text of hexadecimal digits; false when it is none */
bool codec_hex(const char *hex, struct text *ret);

#endif
