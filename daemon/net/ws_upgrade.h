/*
 * The text of a WebSocket upgrade (RFC 6455, section 4): the request and
 * the answer. Bytes in, bytes out.
 */
#ifndef NET_WS_UPGRADE_H
#define NET_WS_UPGRADE_H

#include "net/url.h"
#include "net/ws_deflate.h"
#include "protocol/buf.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#define WS_KEY_SIZE 25           /* base64 of 16 bytes, and a NUL */
#define WS_ACCEPT_SIZE 29        /* base64 of a SHA-1, and a NUL */

#define WS_SUBPROTOCOL_MAX 100
/* Whether `name` can be a subprotocol's: letters, digits, and what else RFC 9110 has in a token. */
bool ws_subprotocol_valid(const char *name);

/* A fresh Sec-WebSocket-Key of 16 random bytes. 0, or why there is no randomness. */
int ws_key(char ret[WS_KEY_SIZE]);
/* What the server must answer to this key. 0 or -ENOMEM. */
int ws_accept(const char *key, char ret[WS_ACCEPT_SIZE]);

/* What the server is asked for beside the upgrade itself. */
struct ws_offer {
	const char *subprotocol;         /* valid; the answer is this one or none; NULL: none */
	bool deflate;                    /* which it may take */
};

struct ws_request {
	const struct url *url;
	const char *key;
	const struct ws_offer *offer;
	const char *user_agent;          /* or NULL */
	struct slice cookies;            /* "a=b; c=d", may be empty */
	const struct curl_slist *headers;   /* "Name: value" */
};
/* Appends the request. 0, -ENOMEM, -EMSGSIZE. */
int ws_request_put(struct buf *out, const struct ws_request *r);

/* Views of the answer's header. */
struct ws_answer {
	unsigned status;
	const char *fault;               /* of a 101: what is wrong with it, NULL when nothing is */
	uint64_t retry_after;            /* ms, at most 6 hours; 0 for none */
	struct slice location;           /* where a redirect leads */
	struct ws_deflate_terms deflate; /* of a 101 without fault */
	size_t length;                   /* of the header: what follows are frames */
};
enum {
	WS_E_MORE = 1,                   /* the header is not complete */
	WS_E_GARBAGE = 2,                /* it is not HTTP */
};
/*
 * Reads the answer at the start of `text`, past interim ones (100, 103). A 101 must
 * have `accept`, and nothing that was not in the offer. 0, WS_E_MORE, WS_E_GARBAGE.
 */
int ws_answer_parse(struct slice text, const char *accept, const struct ws_offer *offer,
		    struct ws_answer *ret);
/* The next Set-Cookie value after *at (a view of the answer's header, made empty at its end). */
bool ws_answer_next_cookie(struct slice *at, struct slice *ret);

#endif
