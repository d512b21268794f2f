/*
 * A WebSocket connection that carries texts both ways and ends once, with a reason. The caller pulls what the server
 * sends; what is not pulled is not read, and waits in the kernel and at the server. A violation of the protocol is
 * either tolerated here or ends the connection.
 */
#ifndef NET_WEBSOCKET_H
#define NET_WEBSOCKET_H

#include "base/fault.h"
#include "net/curl_loop.h"
#include "net/http_client.h"
#include "net/url.h"
#include "protocol/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct websocket_options {
	const char *subprotocol;         /* offered; another is refused; NULL: none */
	bool compression;                /* permessage-deflate is offered (false) */
	uint64_t ping_interval;          /* ms of silence, then we ping (25 s: proxies cut at 60); 0: never */
	uint64_t pong_timeout;           /* ms of silence after that, then it is dead (10 s) */
	size_t queue_max;                /* texts that have not left yet (16 MiB) */
};
void websocket_options_default(struct websocket_options *o);

/* Why it ended, or was not opened. */
struct websocket_end {
	bool opened;                     /* the upgrade had succeeded */
	bool unsupported;                /* answered, but not by a WebSocket server */
	bool unreadable;                 /* it was ended for what the server sent */
	unsigned http_status;            /* of an answer that was no upgrade; 0 without one */
	unsigned close_code;             /* the server's; 1005 when it closed without; 0 when cut */
	uint64_t retry_after;            /* ms the server asked to wait; 0 for none */
	struct slice reason;             /* words for people */
};

/* They must not call functions of the websocket. */
struct websocket_events {
	/* there may be something for websocket_next() */
	void (*ready)(void *ctx);
	/* Bytes of a text came. Pings and pongs prove that the connection works, not that a reply that
	   is awaited will come. */
	void (*received)(void *ctx);
	void *ctx;
};

enum websocket_input_kind {
	WEBSOCKET_PIECE,         /* of a text: `piece` */
	WEBSOCKET_TEXT_END,      /* the text is complete */
	WEBSOCKET_CLOSED,        /* once, the last one: `end` */
};
struct websocket_input {
	enum websocket_input_kind kind;
	struct slice piece;
	const struct websocket_end *end;
};

struct websocket;

/*
 * Starts to open. The connect timeout of the client covers everything until the upgrade is
 * answered. `url` and the strings of `o` must stay as long as the websocket. 0, -ENOMEM, or
 * what is wrong with a header file, described in *why.
 */
int websocket_new(struct loop *loop, struct curl_loop *curl, struct http_client *client,
		  const struct url *url, const struct websocket_options *o,
		  const struct websocket_events *events, struct fault *why, struct websocket **ret);
/*
 * Sends one text (copied), at the end of the turn, or once it is open.
 * 0, -ENOMEM, -EMSGSIZE beyond queue_max, -EPIPE when it has ended.
 */
int websocket_send(struct websocket *w, struct slice text);
/*
 * The next input, in order; the views are valid until the next call, or the end of the turn in which the
 * websocket is freed. 0, or WEBSOCKET_E_NONE: nothing now; ready() is called when there may be more.
 */
enum { WEBSOCKET_E_NONE = 1 };
int websocket_next(struct websocket *w, struct websocket_input *ret);
/* There is, or may be, something for websocket_next(). */
bool websocket_holds(const struct websocket *w);
/* NULL is fine. An open one sends a close frame (1000), if that is possible at once.
   No event follows. */
void websocket_free(struct websocket *w);

#endif
