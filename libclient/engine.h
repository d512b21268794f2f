/*
 * The client side of the local protocol, without I/O: bytes and time in, events,
 * results and bytes out. The driver (handle.c) owns the socket:
 *
 *     engine_wants_connection -> connect, engine_connected or engine_disconnected
 *     readable: engine_room, read, engine_filled, then engine_next until idle
 *     writable: engine_output, write, engine_written
 *     engine_deadline over: engine_tick, then engine_next until idle
 *
 * `now` is a monotonic clock in milliseconds. Drain engine_next before
 * engine_disconnected: frames received before the end of a connection are valid.
 */
#ifndef LIBCLIENT_ENGINE_H
#define LIBCLIENT_ENGINE_H

#include "protocol/slice.h"

#include <cometd-bridge.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine;
struct request;

enum engine_result {
	ENGINE_E_IDLE = 1,      /* nothing more for now */
	ENGINE_E_BROKEN,        /* drop the connection: engine_disconnected() */
};

enum engine_state {
	ENGINE_DOWN,            /* no connection; one is wanted, now or after a pause */
	ENGINE_GREETING,        /* connected, hello is on its way */
	ENGINE_UP,              /* requests flow */
	ENGINE_BROKEN,          /* connected, but the connection must be dropped */
};

/* A result or an event for the application. */
struct engine_item {
	bool is_result;
	struct cometd_event event;
	struct cometd_result result;
	bool sends;             /* the result is of a publish or call */
	cometd_result_fn fn;    /* NULL: the application does not need it */
	void *user;
};

/* `seed` makes the pauses between attempts differ from those of other processes. 0 or -ENOMEM. */
int engine_new(uint64_t seed, struct engine **ret);
void engine_free(struct engine *e);

/* The name sent by hello, copied, truncated to PROTOCOL_NAME_MAX bytes at a character. NULL or not
   UTF-8: none. */
void engine_set_name(struct engine *e, const char *name);

enum engine_state engine_state(const struct engine *e);
/* Why the last connection or attempt ended: 0 or an enum cometd_error. */
int engine_error(const struct engine *e);
/* Counts the attempts that failed and the connections that ended. */
uint64_t engine_failures(const struct engine *e);

/* Whether now is the time to connect. */
bool engine_wants_connection(const struct engine *e, uint64_t now);
/* Do not wait for the next attempt. */
void engine_connect_now(struct engine *e);
/* The socket is connected: prepares hello for engine_output. 0 or -ENOMEM (then: disconnected). */
int engine_connected(struct engine *e, uint64_t now);
/* The error and reason that the next engine_disconnected() reports. */
void engine_give_up(struct engine *e, int error, const char *words);
/*
 * The connection ended, or an attempt failed with `error`. Publishes and calls that
 * may have been received end; other requests wait for the next connection.
 */
void engine_disconnected(struct engine *e, uint64_t now, int error);

/* Bytes in. engine_room: where to read up to `want` bytes to; 0 or -ENOMEM. */
int engine_room(struct engine *e, size_t want, char **ret, size_t *ret_n);
void engine_filled(struct engine *e, size_t n);

/*
 * The next item for the application. *ret is valid until the next call with e
 * that is not a request. 0, ENGINE_E_IDLE, ENGINE_E_BROKEN, or -ENOMEM (call
 * again, nothing is lost).
 */
int engine_next(struct engine *e, uint64_t now, struct engine_item *ret);

/* As engine_next, but only results of requests that ended without a reply; false: none left. */
bool engine_next_result(struct engine *e, struct engine_item *ret);

/* Bytes out: empty when there is nothing to write. 0 or -ENOMEM. */
int engine_output(struct engine *e, uint64_t now, struct slice *ret);
void engine_written(struct engine *e, size_t n);
/* Whether engine_output has something. */
bool engine_has_output(const struct engine *e);

/* When engine_tick or engine_next must be called at the latest; 0: now; UINT64_MAX: never. */
uint64_t engine_deadline(const struct engine *e);
/* Ends requests and a hello whose deadline has passed. */
void engine_tick(struct engine *e, uint64_t now);

/*
 * Takes ownership of the request (and frees it on failure). engine_next returns
 * its result, once. Subscribing and unsubscribing change the set of wanted
 * channels. 0 or COMETD_E_TOO_MANY, COMETD_E_NOMEM, COMETD_E_NOT_SUBSCRIBED.
 */
int engine_request(struct engine *e, struct request *r);
/* Removes the callbacks with this fn and user; returns how many. */
int engine_cancel(struct engine *e, cometd_result_fn fn, void *user);
/* Ends all requests with this error; engine_next then returns their results. */
void engine_fail_all(struct engine *e, int error);

/* The consumer that receives the messages of this server; SLICE_NULL: none. Valid until the next call with e. */
struct slice engine_consumer(const struct engine *e, const char *server);

/* The state of a server as last received, or COMETD_E_UNKNOWN_SERVER, COMETD_E_DISCONNECTED. */
int engine_server_state(const struct engine *e, const char *server);

#endif
