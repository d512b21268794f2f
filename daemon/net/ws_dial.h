/*
 * Opens a WebSocket: connects, requests the upgrade, reads the answer. The result is a stream that carries frames,
 * or a reason.
 */
#ifndef NET_WS_DIAL_H
#define NET_WS_DIAL_H

#include "base/fault.h"
#include "net/stream.h"
#include "net/url.h"
#include "net/ws_upgrade.h"

#include <stdbool.h>
#include <stdint.h>

/* the result */
struct ws_dialled {
	struct stream *stream;           /* NULL when it failed; now the receiver's */
	struct buf rest;                 /* bytes received after the answer; also the receiver's */
	struct ws_deflate_terms deflate; /* whether and how texts are compressed */
	bool unsupported;                /* answered, but not by a WebSocket server */
	unsigned http_status;            /* of an answer that was no upgrade; 0 without one */
	uint64_t retry_after;            /* ms the server asked to wait; 0 for none */
	const char *reason;              /* why it failed, for people */
};

struct ws_dial;

/*
 * Starts. done(ctx, d) is called once, by the loop, within the connect timeout of the client, and
 * may free the dial. `url` and the strings of `offer` must stay. 0, -ENOMEM, or what is
 * wrong with a header file, described in *why.
 */
int ws_dial_new(struct loop *loop, struct curl_loop *curl, struct http_client *client,
		const struct url *url, const struct ws_offer *offer,
		void (*done)(void *ctx, struct ws_dialled *d), void *ctx, struct fault *why,
		struct ws_dial **ret);
/* NULL is fine. No done() follows. */
void ws_dial_free(struct ws_dial *d);

#endif
