/* What a server does about one message. */
#ifndef FAKE_HANDLERS_H
#define FAKE_HANDLERS_H

#include "tests/fake/exchange.h"

enum outcome {
	ANSWERED,	/* the reply is in the exchange */
	HELD,		/* a connect that waits; the exchange is kept */
	BROKEN,		/* the server threw: no answer to anything in the request */
};

/* batch: how many messages came together. rule: what applies to this one, or NULL. */
enum outcome handlers_run(struct exchange *x, struct request *q, unsigned batch,
			  const struct rule *rule);
/* events of this session may go with the answer, unless another's do already */
void handlers_ride_with(struct exchange *x, struct session *s);

#endif
