/*
 * One POST after another over HTTP, of JSON by default. The answer is delivered completely or not at all, or,
 * if requested, in pieces as it arrives. A post is a lane: it has at most one request under way, and keeps
 * its connection for the next. The caller enforces the deadline with http_post_abort().
 */
#ifndef NET_HTTP_POST_H
#define NET_HTTP_POST_H

#include "net/curl_loop.h"
#include "net/http_client.h"
#include "protocol/slice.h"

#include <stdint.h>

/* what is kept of the body of an answer whose status is an error: nobody reads more of it */
#define HTTP_ERROR_MAX (64u << 10)

enum http_outcome {
	HTTP_ANSWERED,           /* the server's answer came completely, whatever its status; of an
	                            error, at least its header */
	HTTP_NOT_SENT,           /* no byte of the request was given to a connection */
	HTTP_BROKEN,             /* it may have reached the server */
};

struct http_result {
	enum http_outcome outcome;
	bool unreadable;         /* broken: the answer is beyond a ceiling, as it will be again */
	unsigned status;         /* as soon as a status line came, 0 before */
	uint64_t retry_after;    /* ms the server asked to wait, at most 6 hours; 0 for none */
	struct slice body;       /* of an answer; an error's may be cut at HTTP_ERROR_MAX */
	struct slice reason;     /* for people, when it was not answered; or empty, when the
	                            status says all */
};

struct http_post;

/* done(ctx, r) ends each started request that is not aborted. `r` lives until done returns;
   within done the post may be freed, but started again only when `r` is no longer needed. */
int http_post_new(struct curl_loop *loop, struct http_client *client,
		  void (*done)(void *ctx, const struct http_result *r), void *ctx,
		  struct http_post **ret);
void http_post_free(struct http_post *p);

/* From now on heard(ctx) is called for each read that brings a part of an answer, and each write that
   takes a part of a request. It is called from within libcurl: it must not call functions of the post. */
void http_post_on_heard(struct http_post *p, void (*heard)(void *ctx));

/*
 * From now on the body of an answer with status 200 has no size limit and is pulled with http_post_next(),
 * which also returns the end; done() is not called. ready(ctx) is called when there may be something to pull,
 * also from within libcurl: it must not call functions of the post. What is not pulled is not read, and so
 * waits in the kernel and at the server.
 */
void http_post_stream(struct http_post *p, void (*ready)(void *ctx));
enum { HTTP_E_NONE = 1, HTTP_E_DONE = 2 };
/*
 * 0: *ret_piece, of HTTP_PIECE_MAX bytes at most, until the next call; HTTP_E_NONE: nothing now;
 * HTTP_E_DONE: the request ended as *ret_result says, which stays until the next start.
 */
int http_post_next(struct http_post *p, struct slice *ret_piece, struct http_result *ret_result);
#define HTTP_PIECE_MAX (64u << 10)
/* Whether bytes of an answer wait to be pulled. */
bool http_post_holds(const struct http_post *p);

/* From now on it posts forms (application/x-www-form-urlencoded). They and their answers are
   secrets: no copy is left in memory once the post is freed. */
void http_post_forms(struct http_post *p);

/*
 * POSTs `body` (copied) to `url`. 0, -EBUSY while one is under way, -ENOMEM, or what is
 * wrong with a header file, told by http_post_reason(). On failure nothing was sent.
 */
int http_post_start(struct http_post *p, const char *url, struct slice body);
/* why the last start failed, for people */
const char *http_post_reason(const struct http_post *p);
/* Ends the request under way, if any, and its connection with it; no done() follows. */
void http_post_abort(struct http_post *p);

#endif
