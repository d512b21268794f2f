/*
 * Sends POST requests one after the other, of JSON by default. The answer is delivered completely or not at
 * all, or, if requested, in pieces as it arrives. A post has at most one request in flight, and keeps its
 * connection for the next one. The caller enforces the deadline with http_post_abort().
 */
#ifndef NET_HTTP_POST_H
#define NET_HTTP_POST_H

#include "net/curl_loop.h"
#include "net/http_client.h"
#include "protocol/slice.h"

#include <stdint.h>

/* the part that is kept of the body of an error answer: no more is used */
#define HTTP_ERROR_MAX (64u << 10)

enum http_outcome {
	HTTP_ANSWERED,           /* the answer was received completely, whatever its status; of an
	                            error, at least its header */
	HTTP_NOT_SENT,           /* no byte of the request was sent */
	HTTP_BROKEN,             /* the request may have reached the server */
};

struct http_result {
	enum http_outcome outcome;
	bool unreadable;         /* broken because the answer exceeds a limit; a retry will fail, too */
	unsigned status;         /* 0: no status line was received */
	uint64_t retry_after;    /* ms the server asked to wait, at most 6 hours; 0 for none */
	struct slice body;       /* of an answer; an error's may be cut at HTTP_ERROR_MAX */
	struct slice reason;     /* for people, why there was no answer; empty if the status is enough */
};

struct http_post;

/* done(ctx, r) is called at the end of each started request that is not aborted. `r` is valid until done()
   returns. done() may free the post; starting it again makes `r` invalid. */
int http_post_new(struct curl_loop *loop, struct http_client *client,
		  void (*done)(void *ctx, const struct http_result *r), void *ctx,
		  struct http_post **ret);
void http_post_free(struct http_post *p);

/* From now on active(ctx) is called for each read that receives a part of an answer, and each write that
   sends a part of a request. It is called from within libcurl: it must not call functions of the post. */
void http_post_on_activity(struct http_post *p, void (*active)(void *ctx));

/*
 * From now on the body of an answer with status 200 has no size limit and is pulled with http_post_next(),
 * which also returns the end; done() is not called. ready(ctx) is called when there may be something to pull,
 * also from within libcurl: it must not call functions of the post. While nothing is pulled, nothing is read:
 * the rest of the answer waits in the kernel and at the server.
 */
void http_post_stream(struct http_post *p, void (*ready)(void *ctx));
enum { HTTP_E_NONE = 1, HTTP_E_DONE = 2 };
/*
 * 0: *ret_piece is set, of HTTP_PIECE_MAX bytes at most, valid until the next call. HTTP_E_NONE: nothing
 * now. HTTP_E_DONE: the request has ended; *ret_result is valid until the next start.
 */
int http_post_next(struct http_post *p, struct slice *ret_piece, struct http_result *ret_result);
#define HTTP_PIECE_MAX (64u << 10)
/* Whether bytes of an answer wait to be pulled. */
bool http_post_holds(const struct http_post *p);

/* From now on it posts forms (application/x-www-form-urlencoded). They and their answers are
   secrets: no copy is left in memory once the post is freed. */
void http_post_forms(struct http_post *p);

/*
 * POSTs `body` (copied) to `url`. 0, -EBUSY while a request is in flight, -ENOMEM, or the errno of
 * a header file that is unreadable or invalid. On failure nothing was sent, and
 * http_post_reason() returns the reason.
 */
int http_post_start(struct http_post *p, const char *url, struct slice body);
/* why the last start failed, for people */
const char *http_post_reason(const struct http_post *p);
/* Ends the request in flight, if any, and closes its connection; no done() follows. */
void http_post_abort(struct http_post *p);

#endif
