/*
 * The frame of a subscribe: one or several channels of a server, and where their
 * messages begin.
 */
#ifndef LIBCLIENT_SUBSCRIBE_H
#define LIBCLIENT_SUBSCRIBE_H

#include "libclient/position.h"
#include "protocol/buf.h"
#include "protocol/protocol.h"
#include "protocol/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct subscribe {
	uint64_t id;
	struct slice server;       /* SLICE_NULL: the default */
	unsigned flags;            /* COMETD_LISTEN_ONLY, … */
	struct slice durable;      /* SLICE_NULL: none */
	struct past past;
	bool more;                 /* further subscribes with a past follow at once */
	size_t n;
	struct slice channels[PROTOCOL_CHANNELS_MAX];
};

/* Appends it to `out`. 0, or as message_encode; on failure `out` is as long as before. */
int subscribe_encode(const struct subscribe *s, struct buf *out);

#endif
