/* How the server handles one message. */
#ifndef FAKE_HANDLERS_H
#define FAKE_HANDLERS_H

#include "tests/fake/exchange.h"

enum outcome {
	ANSWERED,	/* the reply is in the exchange */
	HELD,		/* the connect is held; the exchange is kept */
	BROKEN,		/* as if the server threw an exception: the whole request fails */
};

/* batch: number of messages in the request. rule: the one that matches this message, or NULL. */
enum outcome handlers_run(struct exchange *x, struct request *q, unsigned batch,
			  const struct rule *rule);
/* events of this session may be sent with the answer, unless those of another are */
void handlers_ride_with(struct exchange *x, struct session *s);

#endif
