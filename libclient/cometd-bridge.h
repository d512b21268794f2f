/*
 * libcometd-bridge: the connection of your program to cometd-bridged, the
 * daemon that keeps one Bayeux/CometD session per server for all processes on
 * this machine. See cometd-bridge(3) for an overview, and cometctl(1) for use
 * in a shell.
 *
 * TWO WAYS TO USE IT
 *
 * Blocking, where each call returns when it is done:
 *
 *     struct cometd *c = NULL;
 *     const struct cometd_event *event;
 *
 *     if (cometd_new(&c) == 0 && cometd_connect(c, 5000) == 0 &&
 *         cometd_subscribe(c, NULL, "/prices/eur", 0, COMETD_TIMEOUT_DEFAULT, NULL) == 0)
 *             while (cometd_next(c, COMETD_FOREVER, &event) == 0)
 *                     if (event->type == COMETD_EVENT_MESSAGE)
 *                             printf("%s %.*s\n", event->channel, (int)event->data_len,
 *                                    event->data);
 *     cometd_free(c);
 *
 * Non-blocking, inside an event loop of your own: cometd_set_listener() for
 * events, the *_async() functions with callbacks for requests, and
 * cometd_get_fd(), cometd_get_events(), cometd_get_timeout() and
 * cometd_process() to drive it. Each blocking call does the same as its
 * *_async() counterpart and waits; both may be mixed.
 *
 * WHAT IT DOES BY ITSELF
 *
 * It connects, and connects again whenever the connection to the daemon is
 * lost: at once, then with growing, random pauses of at most 5 s, or after the
 * pause that the daemon asks for. It renews all subscriptions after the last
 * message that it gave to the program: what came meanwhile is in the daemon's log
 * and is delivered now, once and in order. It reports when that happens
 * (COMETD_EVENT_DOWN, COMETD_EVENT_UP), and only if messages may have been missed
 * (`gap` of COMETD_EVENT_UP, or COMETD_EVENT_LOST). A request that was not sent to the daemon yet
 * waits for the new connection until its own deadline; a publish or call that
 * was sent but not answered ends with COMETD_E_UNKNOWN_OUTCOME and is never
 * repeated.
 *
 * RULES
 *
 * Threads: a handle may be used by one thread at a time; different handles are
 * independent. The library starts no thread, keeps no global state, writes no
 * log, installs no signal handler and never raises SIGPIPE. Descriptors are
 * close-on-exec. After fork() only one of the two processes may use a handle;
 * the other may only call cometd_free(), which does not affect the first.
 *
 * Errors: functions return 0 or a negative enum cometd_error unless stated
 * otherwise; cometd_strerror() returns a text. Out-parameters are written on
 * success only, unless stated otherwise.
 *
 * Memory: every buffer and queue has a limit (COMETD_MAX_*), at which a call
 * fails with COMETD_E_TOO_MANY or COMETD_E_BACKLOG. Strings you pass in are
 * copied. Pointers in events and results belong to the library: they are valid
 * until the callback returns, or, from blocking calls, until the next call with
 * the same handle that is not a cometd_get_*(); that call may still take them
 * as its arguments.
 *
 * Callbacks run only inside cometd_process(), cometd_free() and the blocking
 * calls. A callback may call every function, including cometd_free() and
 * cometd_unsubscribe_async(), except cometd_process() and the blocking calls,
 * which fail with COMETD_E_IN_CALLBACK.
 *
 * Text is UTF-8. Payloads are raw JSON, pointer and length, byte for byte as
 * the server wrote them: 64-bit numbers keep their digits. They are not
 * NUL-terminated. Names (server, channel, reason) are NUL-terminated.
 *
 * HOW IT GROWS
 *
 * A later library of the same soname works with programs built with this
 * header. Functions and enum values do not change; new ones may be added.
 * Structs that the library makes (event, result) get new fields at the end:
 * never copy one by sizeof, and do not embed it. A struct that you make either
 * stays as it is (struct cometd_json) or begins with its `size` (struct
 * cometd_message): fields that your header does not have count as 0, and a
 * field that the library does not know yet leads to COMETD_E_INVALID if it is
 * set, instead of being ignored.
 */
#ifndef COMETD_BRIDGE_H
#define COMETD_BRIDGE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define COMETD_API __attribute__((visibility("default")))
#else
#define COMETD_API
#endif

/* A handle: one (re)connecting connection to the daemon. */
struct cometd;

/* the socket of the system's daemon */
#define COMETD_SOCKET_DEFAULT "/run/cometd-bridge/bridge.sock"

/* For the deadline of a request: 30 seconds. */
#define COMETD_TIMEOUT_DEFAULT (-1)
#define COMETD_TIMEOUT_MAX 3600000
/* For waiting without end. */
#define COMETD_FOREVER (-1)

/* Limits of one handle. */
#define COMETD_MAX_REQUESTS 1024                 /* that wait for their result */
#define COMETD_MAX_REQUEST_BYTES (16 << 20)      /* of their payloads together */
#define COMETD_MAX_SUBSCRIPTIONS 4096
#define COMETD_MAX_BACKLOG (16 << 20)            /* bytes of events waiting for cometd_next() */

/*
 * Errors. The meaning of a number never changes; a newer library may add
 * numbers, so treat an unknown number as a separate failure.
 */
enum cometd_error {
	COMETD_OK = 0,
	/* here, before anything was sent */
	COMETD_E_NOMEM = -1,            /* out of memory; try again */
	COMETD_E_INVALID = -2,          /* an argument is not valid */
	COMETD_E_JSON = -3,             /* not one valid JSON value, not UTF-8, or nested too deeply */
	COMETD_E_IN_CALLBACK = -4,      /* not allowed inside a callback */
	COMETD_E_BACKLOG = -5,          /* too many events wait: call cometd_next() */
	COMETD_E_CLOSED = -6,           /* the handle was freed meanwhile */
	COMETD_E_INTERRUPTED = -7,      /* a signal ended the wait */
	COMETD_E_CANCELLED = -8,        /* unsubscribed before the subscription was answered */
	/* between this process and the daemon */
	COMETD_E_NO_DAEMON = -20,       /* no process listens at the socket */
	COMETD_E_NO_PERMISSION = -21,   /* this process may not connect to the socket */
	COMETD_E_DISCONNECTED = -22,    /* the daemon closed the connection */
	COMETD_E_PROTOCOL = -23,        /* the process that listens there does not follow the protocol */
	COMETD_E_VERSION = -24,         /* no common version of the local protocol */
	COMETD_E_SYSTEM = -25,          /* a system call failed */
	COMETD_E_SHUTDOWN = -26,        /* the daemon stops */
	COMETD_E_SLOW = -27,            /* this process reads too slowly */
	COMETD_E_BUSY = -28,            /* the daemon accepts no more connections at the moment */
	/* reported by the daemon, or by the library in its place */
	COMETD_E_BAD_REQUEST = -40,     /* the daemon does not understand the request */
	COMETD_E_TOO_LARGE = -41,       /* a message beyond the limit */
	COMETD_E_BAD_CHANNEL = -42,     /* not a channel name that this request may use */
	COMETD_E_UNKNOWN_SERVER = -43,  /* no such server, or none is the default */
	COMETD_E_NOT_SUBSCRIBED = -44,  /* no such subscription */
	COMETD_E_DENIED = -45,          /* access rules of the daemon forbid it */
	COMETD_E_TOO_MANY = -46,        /* a limit, of this library or of the daemon, is reached */
	COMETD_E_INTERNAL = -47,        /* the daemon failed */
	COMETD_E_UNREADABLE = -48,      /* the server sent a message that cannot be read */
	COMETD_E_BAD_CONFIG = -49,      /* the daemon's configuration has an error and is not used */
	COMETD_E_EXPIRED = -50,         /* the daemon no longer has the messages */
	COMETD_E_IN_USE = -51,          /* another connection has this consumer */
	COMETD_E_UNKNOWN_CONSUMER = -52, /* no consumer of this name */
	/* outcomes of requests to the server */
	COMETD_E_REFUSED = -60,         /* the server refused */
	COMETD_E_NOT_SENT = -61,        /* not sent to the server; safe to send again */
	COMETD_E_UNKNOWN_OUTCOME = -62, /* sent, but not answered; the server may have processed it */
	COMETD_E_TIMEOUT = -63          /* no answer, or no event, in time */
};

/* The session of the daemon with one server. */
enum cometd_state {
	COMETD_STATE_OFF = 0,           /* not wanted */
	COMETD_STATE_HANDSHAKING = 1,
	COMETD_STATE_CONNECTING = 2,
	COMETD_STATE_CONNECTED = 3,     /* messages flow */
	COMETD_STATE_UNCONNECTED = 4,   /* lost; the daemon tries again by itself */
	COMETD_STATE_HALTED = 5,        /* the server forbade another attempt, see reason */
	COMETD_STATE_DISCONNECTING = 6,
	COMETD_STATE_UNKNOWN = 99       /* a newer daemon's state: see state_name */
};

enum cometd_event_type {
	/*
	 * A message arrived on a subscribed channel; reported once, however
	 * many patterns match. server, seq, channel, data, message; epoch if the
	 * daemon has positions: epoch and seq, stored by the program, are where
	 * cometd_subscribe_with() can continue in a later run. binary,
	 * binary_more, binary_meta if it carries bytes. redelivered, of a
	 * durable consumer.
	 */
	COMETD_EVENT_MESSAGE = 1,
	/*
	 * The daemon's session with a server: once for each server after each
	 * COMETD_EVENT_UP, and at each change. server, state, state_name,
	 * since, gap, is_default; reason, retry_in, transport, generation, and
	 * the position of the newest message (epoch, seq) if known.
	 */
	COMETD_EVENT_STATE = 2,
	/*
	 * A subscription changed after cometd_subscribe() returned: the server
	 * accepted (error 0) or refused it (error, text). With pending the
	 * refusal is temporary: the daemon subscribes again after a pause, and
	 * a further event reports the outcome. Otherwise COMETD_E_REFUSED,
	 * COMETD_E_DENIED and COMETD_E_BAD_CHANNEL end the subscription; after
	 * any other error the library subscribes again at the next connection
	 * to the daemon. server (NULL: default), channel, error, text, pending.
	 */
	COMETD_EVENT_SUBSCRIPTION = 3,
	/*
	 * Messages of a server were not delivered to this process; reported
	 * before the next message. It reads too slowly (error COMETD_E_SLOW);
	 * the server sent one that cannot be read (COMETD_E_UNREADABLE) or
	 * is larger than the daemon's max-message (COMETD_E_TOO_LARGE); or the
	 * daemon's log no longer has what came since the position at which a
	 * subscription continues (COMETD_E_EXPIRED). server, count, first,
	 * last, error, text, epoch; channel of a single message, if it is
	 * known, else NULL. With COMETD_E_EXPIRED, count is that of all
	 * messages of the server. If it cannot be known which or how many,
	 * for instance because the daemon's session with the server was
	 * interrupted, gap is 1 and count is 0; channel is the pattern if only
	 * its messages may be missing; first and last are 0, or, for a durable
	 * consumer, the place of the report among the messages.
	 */
	COMETD_EVENT_LOST = 4,
	/*
	 * The connection to the daemon was established; subscriptions are being
	 * renewed. gap: messages may have been missed since the last connection,
	 * because the daemon was restarted or has no log.
	 */
	COMETD_EVENT_UP = 5,
	/*
	 * No connection to the daemon: it was lost, or the first attempt
	 * failed. error, text, retry_in. The library continues to try.
	 */
	COMETD_EVENT_DOWN = 6
};

/*
 * An event. Only the fields named at its type are set; the others are 0 or
 * NULL. Only the library creates events; later versions may append fields.
 */
struct cometd_event {
	enum cometd_event_type type;
	const char *server;         /* name of a server */
	uint64_t seq;               /* number of the message: counts per server from 1 */
	const char *channel;        /* decoded, NUL-terminated */
	const char *data;           /* raw JSON of the message's `data`; NULL when it has none */
	size_t data_len;
	const char *message;        /* raw JSON of the whole Bayeux message, without clientId */
	size_t message_len;
	enum cometd_state state;
	const char *state_name;     /* as the daemon sent it: "connected" */
	const char *reason;         /* text for people, or NULL */
	const char *transport;      /* "websocket", "long-polling", or NULL */
	uint64_t since;             /* milliseconds since 1970 (UTC) */
	uint64_t generation;        /* counts the sessions made with the server */
	int64_t retry_in;           /* milliseconds until the next try; -1: not known */
	int gap;                    /* messages may have been missed */
	int is_default;             /* the server that NULL means */
	int error;                  /* enum cometd_error */
	const char *text;           /* text for people about the error, or NULL */
	uint64_t count;             /* how many messages were lost */
	uint64_t first, last;       /* lowest and highest seq concerned */
	const char *json;           /* the whole event as raw JSON; NULL for UP and DOWN */
	size_t json_len;
	/*
	 * The bytes of a message of CometD's binary extension, if the daemon's
	 * option `binary` is on for that server; else NULL. `data` is then the
	 * server's encoding of them.
	 */
	const char *binary;
	size_t binary_len;
	int binary_more;            /* further pieces follow in messages of their own */
	const char *binary_meta;    /* raw JSON sent along with the bytes, or NULL */
	size_t binary_meta_len;
	int pending;                /* refused temporarily: the daemon subscribes again */
	const char *epoch;          /* the run of numbers that seq belongs to, or NULL */
	int redelivered;            /* this or another process may have received it before */
};

/*
 * The result of a request. Only the library creates results; later versions may
 * append fields.
 */
struct cometd_result {
	int error;                  /* 0, or enum cometd_error */
	const char *text;           /* text for people about the error; "" if there is none */
	const char *json;           /* `result` of the daemon's reply, raw JSON; NULL when none */
	size_t json_len;
	/* raw Bayeux message of the server: the answer of a call, its reply to a publish or subscribe,
	   or a refusal; or NULL */
	const char *message;
	size_t message_len;
	const char *data;           /* its `data`, raw JSON, or NULL */
	size_t data_len;
	int pending;                /* subscribed, but not answered yet */
	/* the bytes of a call's answer that carries some, as in struct cometd_event */
	const char *binary;
	size_t binary_len;
	int binary_more;
	const char *binary_meta;
	size_t binary_meta_len;
	int gap;                    /* subscribed since a position: messages may be missing after it */
	uint64_t seq;               /* subscribed: the position from which on nothing is missing; 0: not known */
};

/* Receives each event while cometd_process() or a blocking call runs. */
typedef void (*cometd_event_fn)(struct cometd *c, const struct cometd_event *event, void *user);
/*
 * Receives the result of one request: exactly once for each *_async() call that
 * returned 0, from cometd_free() with COMETD_E_CLOSED at the latest, unless
 * cometd_cancel() removed the callback.
 */
typedef void (*cometd_result_fn)(struct cometd *c, const struct cometd_result *result, void *user);

/* ---- a handle ---------------------------------------------------------- */

/*
 * Creates a handle, to be freed with cometd_free(). It does not connect:
 * cometd_connect() does, or the first cometd_process(). COMETD_E_NOMEM,
 * COMETD_E_SYSTEM (no descriptor left): *ret is then left as it was.
 */
COMETD_API int cometd_new(struct cometd **ret);

/*
 * Closes and frees a handle; NULL is allowed. Waiting requests end with
 * COMETD_E_CLOSED in their callbacks. In a callback, the handle is freed when
 * the outermost call returns (that call then returns COMETD_E_CLOSED); no
 * further event is reported.
 */
COMETD_API void cometd_free(struct cometd *c);

/*
 * The path of the daemon's socket; NULL for COMETD_BRIDGE_SOCKET of the
 * environment, or else $XDG_RUNTIME_DIR/cometd-bridge/bridge.sock if this user
 * owns that directory, because of a daemon of his own, or else
 * COMETD_SOCKET_DEFAULT. Takes effect at the next attempt to connect.
 * COMETD_E_INVALID when it is too long for a socket (107 bytes).
 */
COMETD_API int cometd_set_socket(struct cometd *c, const char *path);

/* The path that the next attempt to connect will use; valid until the handle is changed. */
COMETD_API const char *cometd_get_socket(const struct cometd *c);

/*
 * The name of this program in `cometctl status`, at most 64 bytes of UTF-8;
 * NULL for the name of the executable. Takes effect at the next connection.
 */
COMETD_API int cometd_set_name(struct cometd *c, const char *name);

/*
 * The function that receives the events. Without a listener (NULL, the default)
 * they wait for cometd_next(), up to COMETD_MAX_BACKLOG; then the library stops
 * reading, and the daemon drops the oldest messages and reports how many
 * (COMETD_EVENT_LOST). A listener that is set later receives the waiting events
 * at the next cometd_process().
 */
COMETD_API void cometd_set_listener(struct cometd *c, cometd_event_fn fn, void *user);

/* ---- use in any event loop ------------------------------------------ */

/*
 * The descriptor to wait for. It is the same for the whole life of the handle,
 * over all reconnections; never read, write or close it.
 */
COMETD_API int cometd_get_fd(const struct cometd *c);
/* What to wait for on it, as for poll(2): POLLIN. */
COMETD_API int cometd_get_events(const struct cometd *c);
/*
 * Milliseconds until cometd_process() must be called even if the descriptor is
 * not ready; 0: now; -1: no need. Call it again after every other call with the
 * handle.
 */
COMETD_API int cometd_get_timeout(const struct cometd *c);
/*
 * Does everything that is possible without waiting: connects, writes, reads,
 * calls callbacks. Call it when the descriptor is ready or the timeout is over;
 * more calls are allowed. One call does a bounded amount of work; the
 * descriptor stays ready if more is left. 0; COMETD_E_CLOSED: a callback freed
 * the handle, do not use it any more; COMETD_E_BACKLOG: events must be taken
 * first; COMETD_E_NOMEM: nothing is lost, call again; COMETD_E_IN_CALLBACK.
 */
COMETD_API int cometd_process(struct cometd *c);

/*
 * Waits up to `timeout_ms` until something can be done, and does it: poll(2)
 * and cometd_process() in one. Also returns 0 if only a callback ran or nothing
 * visible happened; COMETD_E_TIMEOUT, COMETD_E_INTERRUPTED, and what
 * cometd_process() returns. With a listener, `while (cometd_wait(c,
 * COMETD_FOREVER) == 0);` is a whole program.
 */
COMETD_API int cometd_wait(struct cometd *c, int timeout_ms);

/* ---- connection and events --------------------------------------------- */

/*
 * Makes one attempt to connect and waits for the daemon's reply to hello.
 * Returns 0 at once if connected. The failure of the attempt:
 * COMETD_E_NO_DAEMON, COMETD_E_NO_PERMISSION, COMETD_E_VERSION,
 * COMETD_E_PROTOCOL, COMETD_E_TOO_MANY, COMETD_E_SHUTDOWN, COMETD_E_TIMEOUT and
 * so on; the library tries again by itself at later calls, and the program may,
 * too.
 */
COMETD_API int cometd_connect(struct cometd *c, int timeout_ms);
/* 1 while connected to the daemon, else 0. */
COMETD_API int cometd_is_connected(const struct cometd *c);
/* Why there is no connection: the failure of the last attempt, or 0. */
COMETD_API int cometd_connection_error(const struct cometd *c);

/*
 * The next event, waiting for it up to `timeout_ms` (0: only what is here).
 * *ret lives until the next call with the handle. COMETD_E_TIMEOUT,
 * COMETD_E_INTERRUPTED; COMETD_E_INVALID while a listener is set.
 */
COMETD_API int cometd_next(struct cometd *c, int timeout_ms, const struct cometd_event **ret);

/*
 * Last known state of the session with `server` (NULL: the default one): an
 * enum cometd_state, COMETD_E_UNKNOWN_SERVER, or COMETD_E_DISCONNECTED while
 * there is no connection to the daemon.
 */
COMETD_API int cometd_get_state(const struct cometd *c, const char *server);
/* Waits until the session with `server` is in that state. */
COMETD_API int cometd_wait_state(struct cometd *c, const char *server, enum cometd_state state,
				 int timeout_ms);

/* ---- requests ----------------------------------------------------------
 *
 * server:     a configured server, or NULL for the default one. Always use the
 *             same name for a server.
 * channel:    "/like/this", UTF-8, at most 2048 bytes.
 * data, len:  one JSON value, checked here (COMETD_E_JSON).
 * timeout_ms: deadline of the whole request from now, 1 to COMETD_TIMEOUT_MAX, or
 *             COMETD_TIMEOUT_DEFAULT. It includes the time during which the daemon
 *             or the server is unreachable: a request that cannot be sent until
 *             then ends as COMETD_E_NOT_SENT (publish, call), as
 *             COMETD_E_TIMEOUT, or, a subscription, as pending.
 * ret:        where the result goes; may be NULL. Written whenever the request
 *             got a result, refusals included; *ret becomes NULL when there
 *             is none, or no memory to keep it.
 * fn, user:   the callback; fn may be NULL if the result is not needed.
 *
 * All may fail with COMETD_E_NOMEM, COMETD_E_INVALID, COMETD_E_TOO_MANY and
 * COMETD_E_CLOSED before anything is sent. The *_async() functions return 0
 * when the request is under way, and the callback is called later; the blocking
 * ones return the error of the result, or COMETD_E_BACKLOG,
 * COMETD_E_INTERRUPTED, or COMETD_E_NOMEM, and then the request may still be
 * carried out.
 */

/* flags of a subscription */
#define COMETD_LISTEN_ONLY 1u        /* receive matching messages that arrive for other reasons; do not
				        subscribe at the server */
#define COMETD_DISCONNECT_IF_SLOW 2u /* reading too slowly closes the connection
					instead of losing the oldest messages */

/*
 * Subscribes to a channel, or a pattern: a last segment * matches one segment,
 * ** one or more. Complete when the server has answered; or, with
 * result->pending, at once while the daemon has no session with the server, or
 * when the time is over before the server answers. Then
 * COMETD_EVENT_SUBSCRIPTION reports the outcome later. After a failure there is
 * no subscription; after success, pending included, the subscription is renewed
 * by itself. Subscribing twice has no further effect. COMETD_E_REFUSED,
 * COMETD_E_BAD_CHANNEL, COMETD_E_UNKNOWN_SERVER, COMETD_E_DENIED,
 * COMETD_E_CANCELLED, ...
 */
COMETD_API int cometd_subscribe(struct cometd *c, const char *server, const char *channel,
				unsigned flags, int timeout_ms, const struct cometd_result **ret);
COMETD_API int cometd_subscribe_async(struct cometd *c, const char *server, const char *channel,
				      unsigned flags, int timeout_ms, cometd_result_fn fn,
				      void *user);

/*
 * Where a subscription begins, for cometd_subscribe_with(). Initialise it with
 * `= {0}`, set `size`, and then the fields that you need: `history`, or `since`, or
 * `epoch` and `seq`, or `durable`, or none of them. Its strings are copied.
 *
 *     struct cometd_subscription s = {0};
 *
 *     s.size = sizeof(s);
 *     s.history = 10;
 */
struct cometd_subscription {
	size_t size;                /* sizeof(struct cometd_subscription), see HOW IT GROWS */
	unsigned flags;             /* as for cometd_subscribe() */
	uint64_t history;           /* first the last ones, up to so many, that the daemon's log has */
	const char *epoch;          /* first all that came after this position of an event */
	uint64_t seq;
	uint64_t since;             /* first all that the daemon received at this time or later:
				       milliseconds since 1970 (UTC) */
	const char *durable;        /* name of a consumer: continue after what it acknowledged */
};
/* For `history`: all that the log has. */
#define COMETD_HISTORY_ALL UINT64_MAX

/*
 * The same, but begins with messages of the past, from the daemon's log, and
 * continues with new ones, without a gap and without a message twice. The request
 * is complete when the past was delivered: messages that come before the result
 * are past. Subscriptions with a past that are requested one directly after the
 * other with *_async() get their past together, in the order of seq. What the log
 * no longer has is reported by COMETD_EVENT_LOST; result->gap is 1 if messages
 * after the position may be missing and it cannot be known which: the daemon was
 * restarted, or was not subscribed all the time. Has no effect on a channel that is
 * subscribed already. COMETD_E_BAD_REQUEST: the daemon is too old and has no log.
 */
COMETD_API int cometd_subscribe_with(struct cometd *c, const char *server, const char *channel,
				     const struct cometd_subscription *subscription,
				     int timeout_ms, const struct cometd_result **ret);
COMETD_API int cometd_subscribe_with_async(struct cometd *c, const char *server,
					   const char *channel,
					   const struct cometd_subscription *subscription,
					   int timeout_ms, cometd_result_fn fn, void *user);

/*
 * With `durable`, the channel belongs to a durable consumer of the server: the daemon stores its
 * messages until cometd_ack(), also while no program has it, over restarts of the program and of the
 * daemon. The name is 1 to 64 of A-Z a-z 0-9 . _ -; the consumer is created with its first channel,
 * belongs to this user, and exists until cometd_forget(). All subscriptions of a handle at one server
 * are of the same consumer, or of none. `flags` is 0. After a lost connection what was not acknowledged
 * comes again, but not what this process has received already: that it may still acknowledge.
 * redelivered of the event is 1 if another process may have received the message. What the limits
 * of the daemon removed first is reported by COMETD_EVENT_LOST. COMETD_E_IN_USE: another connection
 * has the consumer; COMETD_E_DENIED: it belongs to another user.
 *
 * cometd_ack() reports that the message `seq` of a durable consumer and all before it are processed;
 * they are never delivered again. server, epoch and seq are those of the event: of a message, or of
 * COMETD_EVENT_LOST its `last`; with epoch NULL it is not checked that the daemon still has the same
 * numbers. The request is complete when the daemon has stored it. Acknowledgements without a callback
 * (fn NULL) are combined if they wait to be sent. COMETD_E_NOT_SUBSCRIBED: this handle has no consumer
 * at the server; COMETD_E_EXPIRED: the daemon lost its state, and the number is that of another message.
 */
COMETD_API int cometd_ack(struct cometd *c, const char *server, const char *epoch, uint64_t seq,
			  int timeout_ms, const struct cometd_result **ret);
COMETD_API int cometd_ack_async(struct cometd *c, const char *server, const char *epoch, uint64_t seq,
				int timeout_ms, cometd_result_fn fn, void *user);
/* The durable consumers: result->json, described in PROTOCOL.md. */
COMETD_API int cometd_consumers(struct cometd *c, int timeout_ms, const struct cometd_result **ret);
COMETD_API int cometd_consumers_async(struct cometd *c, int timeout_ms, cometd_result_fn fn, void *user);
/*
 * Removes a durable consumer with all that waits for it. Its owner and root may do that, while no other
 * connection has it. COMETD_E_UNKNOWN_CONSUMER, COMETD_E_IN_USE, COMETD_E_DENIED.
 */
COMETD_API int cometd_forget(struct cometd *c, const char *server, const char *durable, int timeout_ms,
			     const struct cometd_result **ret);
COMETD_API int cometd_forget_async(struct cometd *c, const char *server, const char *durable,
				   int timeout_ms, cometd_result_fn fn, void *user);

/*
 * Ends the subscription at once; messages that are under way may still arrive.
 * COMETD_E_NOT_SUBSCRIBED.
 */
COMETD_API int cometd_unsubscribe(struct cometd *c, const char *server, const char *channel,
				  int timeout_ms, const struct cometd_result **ret);
COMETD_API int cometd_unsubscribe_async(struct cometd *c, const char *server, const char *channel,
					int timeout_ms, cometd_result_fn fn, void *user);

/*
 * Publishes; complete when the server has acknowledged it. Messages are sent in
 * the order in which they were published. The server's reply, a refusal
 * included, is in result->message, and the data of that reply in result->data;
 * no other process receives it. COMETD_E_REFUSED, COMETD_E_NOT_SENT,
 * COMETD_E_UNKNOWN_OUTCOME, ...
 */
COMETD_API int cometd_publish(struct cometd *c, const char *server, const char *channel,
			      const char *data, size_t len, int timeout_ms,
			      const struct cometd_result **ret);
COMETD_API int cometd_publish_async(struct cometd *c, const char *server, const char *channel,
				    const char *data, size_t len, int timeout_ms,
				    cometd_result_fn fn, void *user);

/*
 * A message with more fields than its data, for cometd_publish_message() and
 * cometd_call_message(). Initialise it with `= {0}`, set `size`, and then the
 * fields that you need. Of `data` and `binary` exactly one is not NULL. Its
 * strings are copied.
 *
 *     struct cometd_message m = {0};
 *
 *     m.size = sizeof(m);
 *     m.data = "1", m.data_len = 1;
 *     m.ext = "{\"tenant\":7}", m.ext_len = 12;
 */
struct cometd_message {
	size_t size;                /* sizeof(struct cometd_message), see HOW IT GROWS */
	const char *data;           /* one JSON value */
	size_t data_len;
	const char *ext;            /* the message's Bayeux `ext`, a JSON object; or NULL */
	size_t ext_len;
	const void *binary;         /* bytes instead of data; not NULL even if there are none */
	size_t binary_len;
	int binary_more;            /* further parts follow in later messages, in order */
	const char *binary_meta;    /* one JSON value to send along with the bytes, or NULL */
	size_t binary_meta_len;
};
/*
 * The same with `ext`, or with bytes, as CometD's binary extension has them: other
 * clients of the server get them as bytes, too. COMETD_E_JSON concerns data, ext and
 * binary_meta.
 */
COMETD_API int cometd_publish_message(struct cometd *c, const char *server, const char *channel,
				      const struct cometd_message *message, int timeout_ms,
				      const struct cometd_result **ret);
COMETD_API int cometd_publish_message_async(struct cometd *c, const char *server,
					    const char *channel,
					    const struct cometd_message *message, int timeout_ms,
					    cometd_result_fn fn, void *user);

/*
 * Sends a request to a service channel ("/service/...") and returns the answer,
 * which no other process receives: result->message, result->data,
 * result->binary. COMETD_E_TIMEOUT if the server acknowledged the request but
 * did not answer it; else as cometd_publish().
 */
COMETD_API int cometd_call(struct cometd *c, const char *server, const char *channel,
			   const char *data, size_t len, int timeout_ms,
			   const struct cometd_result **ret);
COMETD_API int cometd_call_async(struct cometd *c, const char *server, const char *channel,
				 const char *data, size_t len, int timeout_ms,
				 cometd_result_fn fn, void *user);
/* The same with `ext`, or with bytes. */
COMETD_API int cometd_call_message(struct cometd *c, const char *server, const char *channel,
				   const struct cometd_message *message, int timeout_ms,
				   const struct cometd_result **ret);
COMETD_API int cometd_call_message_async(struct cometd *c, const char *server,
					 const char *channel,
					 const struct cometd_message *message, int timeout_ms,
					 cometd_result_fn fn, void *user);

/*
 * Waits until no publish or call of this handle waits for its result any more, for instance
 * before the program ends. 0: all those without a callback (fn NULL) were acknowledged since
 * the last cometd_flush(), else the error of the first that was not. COMETD_E_TIMEOUT,
 * COMETD_E_INTERRUPTED, COMETD_E_BACKLOG: some still wait.
 */
COMETD_API int cometd_flush(struct cometd *c, int timeout_ms);

/* A snapshot of the daemon: result->json, described in PROTOCOL.md. */
COMETD_API int cometd_status(struct cometd *c, int timeout_ms, const struct cometd_result **ret);
COMETD_API int cometd_status_async(struct cometd *c, int timeout_ms, cometd_result_fn fn,
				   void *user);
/* The same with the channels that each program is subscribed to. */
COMETD_API int cometd_status_detail(struct cometd *c, int timeout_ms,
				    const struct cometd_result **ret);
COMETD_API int cometd_status_detail_async(struct cometd *c, int timeout_ms, cometd_result_fn fn,
					  void *user);

/*
 * Has the daemon read its configuration again, for root and the user of the daemon (others:
 * COMETD_E_DENIED). 0, with what changed in result->json (PROTOCOL.md); COMETD_E_BAD_CONFIG, with
 * file, line and reason in result->text.
 */
COMETD_API int cometd_reload(struct cometd *c, int timeout_ms, const struct cometd_result **ret);
COMETD_API int cometd_reload_async(struct cometd *c, int timeout_ms, cometd_result_fn fn,
				   void *user);
/* The configuration in effect, for the same users: result->json is {"config":"TEXT"}. */
COMETD_API int cometd_config(struct cometd *c, int timeout_ms, const struct cometd_result **ret);
COMETD_API int cometd_config_async(struct cometd *c, int timeout_ms, cometd_result_fn fn,
				   void *user);

/* A round trip to the daemon, after all requests made before. */
COMETD_API int cometd_ping(struct cometd *c, int timeout_ms);
COMETD_API int cometd_ping_async(struct cometd *c, int timeout_ms, cometd_result_fn fn, void *user);

/*
 * Removes callbacks: requests with this `fn` and `user` continue, but their
 * results are dropped. Returns how many.
 */
COMETD_API int cometd_cancel(struct cometd *c, cometd_result_fn fn, void *user);

/* ---- texts ------------------------------------------------------------- */

/* Text for people about an error ("out of memory"); never NULL. */
COMETD_API const char *cometd_strerror(int error);
/* A fixed name for programs ("refused"); never NULL. */
COMETD_API const char *cometd_error_name(int error);
/* "connected"; never NULL. */
COMETD_API const char *cometd_state_name(enum cometd_state state);
/* The state of this name, or COMETD_STATE_UNKNOWN. */
COMETD_API enum cometd_state cometd_state_of(const char *name);
/* Version of the library in use, "0.1.0". */
COMETD_API const char *cometd_version(void);

/* ---- reading JSON ------------------------------------------------------
 *
 * For programs that use no JSON library. `json` is exactly one value, such as a
 * payload; found values point into it.
 */

enum cometd_json_kind {
	COMETD_JSON_NONE = 0,       /* no such member */
	COMETD_JSON_NULL = 1,
	COMETD_JSON_FALSE = 2,
	COMETD_JSON_TRUE = 3,
	COMETD_JSON_NUMBER = 4,
	COMETD_JSON_STRING = 5,
	COMETD_JSON_ARRAY = 6,
	COMETD_JSON_OBJECT = 7
};

struct cometd_json {
	enum cometd_json_kind kind;
	const char *json;           /* its bytes, quotes and brackets included */
	size_t len;
};

/* Checks one JSON value; *ret (may be NULL) views it. COMETD_E_JSON, COMETD_E_NOMEM. */
COMETD_API int cometd_json_parse(const char *json, size_t len, struct cometd_json *ret);
/*
 * The member `name` of an object; kind COMETD_JSON_NONE when it has none.
 * COMETD_E_JSON if the value is not an object, or has the name twice.
 */
COMETD_API int cometd_json_get(const struct cometd_json *object, const char *name,
			       struct cometd_json *ret);
/*
 * Calls each(user, element) for the elements of an array, in order; a result
 * other than 0 ends the iteration and is returned. COMETD_E_JSON if it is not
 * an array.
 */
COMETD_API int cometd_json_each(const struct cometd_json *array,
				int (*each)(void *user, const struct cometd_json *element),
				void *user);
/*
 * The decoded text of a string, NUL-terminated and cut to `size` bytes as
 * snprintf(3) does; *ret_len (may be NULL) is its whole length.
 * COMETD_E_JSON when it is no string.
 */
COMETD_API int cometd_json_text(const struct cometd_json *string, char *buf, size_t size,
				size_t *ret_len);
/* A whole number from 0 to 2^64-1; else COMETD_E_JSON. */
COMETD_API int cometd_json_u64(const struct cometd_json *number, uint64_t *ret);

/* ---- writing JSON ------------------------------------------------------
 *
 *     struct cometd_json_writer *w = NULL;
 *     const char *json;
 *     size_t len;
 *
 *     if (cometd_json_writer_new(&w) == 0) {
 *             cometd_json_object_begin(w);
 *             cometd_json_key(w, "text"), cometd_json_put_string(w, "say \"hi\"");
 *             cometd_json_key(w, "count"), cometd_json_put_i64(w, 3);
 *             cometd_json_object_end(w);
 *             if (cometd_json_writer_result(w, &json, &len) == 0)
 *                     cometd_publish(c, NULL, "/chat", json, len, COMETD_TIMEOUT_DEFAULT, NULL);
 *     }
 *     cometd_json_writer_free(w);
 *
 * Errors are kept until the result is asked for. One text alone makes a JSON string.
 */

struct cometd_json_writer;

/* Makes a writer. COMETD_E_NOMEM: *ret is then left as it was. */
COMETD_API int cometd_json_writer_new(struct cometd_json_writer **ret);
COMETD_API void cometd_json_writer_free(struct cometd_json_writer *w);

COMETD_API void cometd_json_object_begin(struct cometd_json_writer *w);
COMETD_API void cometd_json_object_end(struct cometd_json_writer *w);
COMETD_API void cometd_json_array_begin(struct cometd_json_writer *w);
COMETD_API void cometd_json_array_end(struct cometd_json_writer *w);
/* The name of the next member of an object. */
COMETD_API void cometd_json_key(struct cometd_json_writer *w, const char *name);
/* A text in UTF-8, escaped as needed: NUL-terminated (NULL writes null), or of `len` bytes. */
COMETD_API void cometd_json_put_string(struct cometd_json_writer *w, const char *text);
COMETD_API void cometd_json_put_text(struct cometd_json_writer *w, const char *text, size_t len);
COMETD_API void cometd_json_put_i64(struct cometd_json_writer *w, int64_t number);
COMETD_API void cometd_json_put_u64(struct cometd_json_writer *w, uint64_t number);
/* An infinite number, or what is none, has no JSON: COMETD_E_INVALID. */
COMETD_API void cometd_json_put_double(struct cometd_json_writer *w, double number);
COMETD_API void cometd_json_put_bool(struct cometd_json_writer *w, int value);
COMETD_API void cometd_json_put_null(struct cometd_json_writer *w);
/* One JSON value as it is, such as a payload. */
COMETD_API void cometd_json_put_raw(struct cometd_json_writer *w, const char *json, size_t len);

/*
 * What was written: one JSON value, NUL-terminated; *ret_len may be NULL. It is the
 * writer's until the next call with it, which starts a new value. COMETD_E_JSON when it
 * is not one whole value, or a text was not UTF-8; COMETD_E_INVALID, COMETD_E_NOMEM,
 * COMETD_E_TOO_LARGE (beyond 16 MiB).
 */
COMETD_API int cometd_json_writer_result(struct cometd_json_writer *w, const char **ret,
					 size_t *ret_len);

#ifdef __cplusplus
}
#endif

#endif
