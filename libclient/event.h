/*
 * Converts messages of the daemon to the structs of <cometd-bridge.h>. Names are
 * copied into `texts`, to be NUL-terminated; raw JSON is viewed in the message.
 */
#ifndef LIBCLIENT_EVENT_H
#define LIBCLIENT_EVENT_H

#include "protocol/buf.h"
#include "protocol/message.h"

#include <cometd-bridge.h>

enum event_result {
	EVENT_E_NONE = 1,     /* not reported to the application */
};

/*
 * `json` is the text `m` was read from. *ret is valid as long as json and m are, and
 * until the next use of texts. 0, EVENT_E_NONE, -ENOMEM.
 */
int event_of_message(const struct message *m, struct slice json, struct buf *texts,
		     struct cometd_event *ret);
/* The result of a request of kind `op` from its reply. 0 or -ENOMEM. */
int event_result_of_reply(const struct message *m, enum protocol_op op, struct buf *texts,
			  struct cometd_result *ret);
/* What the reply to a subscribe reports about one of its channels; `error`: raw, or SLICE_NULL. */
struct event_outcome {
	bool ok, pending;
	uint64_t seq;           /* of a confirmed channel, or 0 */
	struct slice error;
};
/* The outcomes of these `n` channels. 0 or -ENOMEM. */
int event_outcomes(const struct message *m, const struct slice *channels, size_t n,
		   struct event_outcome *ret);
/* The result of a request that failed without a reply. */
void event_result_of_error(int error, struct cometd_result *ret);

#endif
