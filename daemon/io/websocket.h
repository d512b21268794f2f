/*
 * One WebSocket as a pipe of texts: it opens itself, carries texts both ways,
 * and ends once, with a reason. Whatever a server may do wrong is either
 * tolerated here or is the end of the pipe.
 */
#ifndef IO_WEBSOCKET_H
#define IO_WEBSOCKET_H

#include "io/curl_loop.h"
#include "io/http_client.h"
#include "io/url.h"
#include "protocol/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct websocket_options {
	const char *subprotocol;         /* offered; another is refused; NULL: none */
	bool compression;                /* permessage-deflate is offered (false) */
	uint64_t ping_interval;          /* ms of silence, then we ping (25 s: proxies cut at 60); 0: never */
	uint64_t pong_timeout;           /* ms of silence after that, then it is dead (10 s) */
	size_t message_max;              /* a text from the server, inflated (16 MiB) */
	size_t queue_max;                /* texts that have not left yet (16 MiB) */
};
void websocket_options_default(struct websocket_options *o);

/* Why a pipe ended, or never was one. */
struct websocket_end {
	bool opened;                     /* the upgrade had succeeded */
	bool unsupported;                /* answered, but not by one who speaks WebSocket */
	bool unreadable;                 /* it was ended for what the server sent */
	unsigned http_status;            /* of an answer that was no upgrade; 0 without one */
	unsigned close_code;             /* the server's; 1005 when it closed without; 0 when cut */
	uint64_t retry_after;            /* ms the server asked to wait; 0 for none */
	struct slice reason;             /* words for people */
};

/* Called by the loop, never from within a function below. Each may free the websocket. */
struct websocket_events {
	void (*text)(void *ctx, struct slice text);
	/* bytes came, of whatever kind; nothing of the websocket may be called from here */
	void (*heard)(void *ctx);
	void (*closed)(void *ctx, const struct websocket_end *end);   /* once, the last one */
	void *ctx;
};

struct websocket;

/*
 * Starts to open. The connect timeout of the client covers everything until the upgrade is
 * answered. `url` and the strings of `o` must stay as long as the websocket. 0, -ENOMEM, or
 * what is wrong with a header file, told in `why` (of CURL_ERROR_SIZE bytes).
 */
int websocket_new(struct loop *loop, struct curl_loop *curl, struct http_client *client,
		  const struct url *url, const struct websocket_options *o,
		  const struct websocket_events *events, char *why, struct websocket **ret);
/*
 * Sends one text (copied), at the end of the turn, or once it is open.
 * 0, -ENOMEM, -EMSGSIZE beyond queue_max, -EPIPE when it has ended.
 */
int websocket_send(struct websocket *w, struct slice text);
/* NULL is fine. An open one says goodbye (1000), as far as that leaves at once.
   No event follows. */
void websocket_free(struct websocket *w);

#endif
