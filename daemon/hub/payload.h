/*
 * What a publish or call of a peer carries: `data` and `ext` as they are, or what
 * its `binary` becomes on the way to the server.
 */
#ifndef HUB_PAYLOAD_H
#define HUB_PAYLOAD_H

#include "protocol/buf.h"
#include "protocol/message.h"

struct payload {
	struct slice data, ext;         /* raw; views of the message or of the bufs */
	struct buf made_data, made_ext;
};

enum { PAYLOAD_E_REQUEST = 1 };

/*
 * *ret is valid as long as *m, and must be given to payload_fini() whatever the result.
 * PAYLOAD_E_REQUEST with a description in *ret_why if there is not exactly one of data and binary, or
 * binary is invalid. 0, -ENOMEM.
 */
int payload_read(const struct message *m, struct payload *ret, const char **ret_why);
void payload_fini(struct payload *p);

#endif
