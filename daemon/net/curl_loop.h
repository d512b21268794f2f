/*
 * Runs libcurl transfers on the event loop. Each transfer reports its end by one
 * callback. No other file uses a CURLM.
 */
#ifndef NET_CURL_LOOP_H
#define NET_CURL_LOOP_H

#include "base/list.h"
#include "base/loop.h"

#include <curl/curl.h>

struct curl_loop;

/* One transfer; embedded in the struct that owns the easy handle. */
struct curl_transfer {
	CURL *easy;                                /* the owner's */
	void (*done)(void *ctx, CURLcode result);
	void *ctx;
	struct curl_loop *loop;                    /* while added; NULL before and after */
	struct list starved;
};

static inline void curl_transfer_init(struct curl_transfer *t, CURL *easy,
				      void (*done)(void *ctx, CURLcode result), void *ctx)
{
	*t = (struct curl_transfer){.easy = easy, .done = done, .ctx = ctx};
	list_init(&t->starved);
}

/* Also initialises libcurl, and makes the process ignore SIGPIPE. 0 or a negative errno. */
int curl_loop_new(struct loop *loop, struct curl_loop **ret);
/* All transfers must have been removed. Must not be called from done(). */
void curl_loop_free(struct curl_loop *c);

/*
 * Starts the transfer. done() is called once, by the loop, never from within this
 * call or from within libcurl, so it may start, remove and free any transfer. The
 * transfer stays added until it is removed; a connection made with
 * CURLOPT_CONNECT_ONLY exists exactly that long.
 * Uses CURLOPT_PRIVATE of the easy handle. 0 or -ENOMEM.
 */
int curl_loop_add(struct curl_loop *c, struct curl_transfer *t);
/* Removes the transfer, running or ended; does nothing if it is not added. No done() follows. */
void curl_loop_remove(struct curl_transfer *t);

#endif
