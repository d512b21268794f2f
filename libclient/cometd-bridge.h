/*
 * libcometd-bridge: one connection of your program to cometd-bridged, the
 * daemon that keeps one Bayeux/CometD session per server for every process on
 * this machine. See cometd-bridge(3) for a tour and cometctl(1) for a shell.
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
 * Non-blocking, inside a loop of your own: cometd_set_listener() for events,
 * the *_async() twins with callbacks for requests, and cometd_get_fd(),
 * cometd_get_events(), cometd_get_timeout() and cometd_process() to drive it.
 * Each blocking call is its *_async() twin plus waiting; both may be mixed.
 *
 * WHAT IT DOES BY ITSELF
 *
 * It connects, and connects again whenever the daemon goes away (at once when
 * the daemon said when it comes back, else with growing, random pauses of at
 * most 5 s); it subscribes again to all you subscribed to; it tells you
 * when (COMETD_EVENT_DOWN, COMETD_EVENT_UP) and that messages may have been
 * missed meanwhile (`gap`). A request that had not left this process yet waits
 * for the new connection until its own deadline; a publish or call that had
 * left fails with COMETD_E_UNKNOWN_OUTCOME and is never repeated behind your
 * back.
 *
 * RULES
 *
 * Threads: a handle belongs to one thread at a time; different handles are
 * independent. The library starts no thread, keeps no global state, writes no
 * log, installs no signal handler and never raises SIGPIPE. Descriptors are
 * close-on-exec. After fork() only one of the two processes may use a handle; the
 * other may cometd_free() it, which the first does not notice.
 *
 * Errors: functions return 0 or a negative enum cometd_error unless they say
 * otherwise; cometd_strerror() gives words. Out-parameters are written on
 * success only, unless said otherwise.
 *
 * Memory: everything is bounded (COMETD_MAX_*); at a limit a call fails with
 * COMETD_E_TOO_MANY or COMETD_E_BACKLOG, nothing grows without end.
 * Strings you pass in are copied. Pointers in events and results are the
 * library's: they live until the callback returns, or, from blocking calls,
 * until the next call with the same handle that is not a cometd_get_*(); that
 * call may still take them as its arguments.
 *
 * Callbacks run only inside cometd_process(), cometd_free() and the blocking
 * calls. In a callback everything is allowed, cometd_free() and
 * cometd_unsubscribe_async() included, but cometd_process() and the blocking
 * calls, which fail with COMETD_E_IN_CALLBACK.
 *
 * Text is UTF-8. Payloads are raw JSON, pointer and length, byte for byte as
 * the server wrote them: 64-bit numbers keep their digits. They are not
 * NUL-terminated. Names (server, channel, reason) are NUL-terminated.
 *
 * HOW IT GROWS
 *
 * A later library of the same soname serves programs built with this header.
 * Functions and enum values stay as they are; new ones come. Structs that the
 * library makes (event, result) get new fields at the end: never copy one by
 * sizeof, and do not embed it. A struct that you make either stays as it is
 * (struct cometd_json) or begins with its `size` (struct cometd_message): fields
 * that your header did not have yet count as 0, and what a program sets that is
 * newer than the library fails with COMETD_E_INVALID rather than being left out.
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

/* where the daemon listens when neither you nor COMETD_BRIDGE_SOCKET say otherwise */
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
 * What can go wrong. Numbers are never given another meaning; a newer library
 * may add some, so treat an unknown number as a failure of its own.
 */
enum cometd_error {
	COMETD_OK = 0,
	/* here, before anything was sent */
	COMETD_E_NOMEM = -1,            /* out of memory; try again */
	COMETD_E_INVALID = -2,          /* an argument makes no sense */
	COMETD_E_JSON = -3,             /* not one JSON value in UTF-8, or nested too deeply */
	COMETD_E_IN_CALLBACK = -4,      /* not allowed inside a callback */
	COMETD_E_BACKLOG = -5,          /* too many events wait: take them with cometd_next() */
	COMETD_E_CLOSED = -6,           /* the handle was freed meanwhile */
	COMETD_E_INTERRUPTED = -7,      /* a signal ended the wait */
	COMETD_E_CANCELLED = -8,        /* unsubscribed before the subscription was answered */
	/* between this process and the daemon */
	COMETD_E_NO_DAEMON = -20,       /* nobody listens at the socket */
	COMETD_E_NO_PERMISSION = -21,   /* the socket's permissions keep this process out */
	COMETD_E_DISCONNECTED = -22,    /* the daemon closed the connection */
	COMETD_E_PROTOCOL = -23,        /* the daemon, or whoever listens there, talks nonsense */
	COMETD_E_VERSION = -24,         /* no common version of the local protocol */
	COMETD_E_SYSTEM = -25,          /* a system call failed */
	COMETD_E_SHUTDOWN = -26,        /* the daemon stops */
	COMETD_E_SLOW = -27,            /* this process reads too slowly */
	COMETD_E_BUSY = -28,            /* the daemon accepts no more connections for the moment */
	/* said by the daemon, or here where it would say nothing else */
	COMETD_E_BAD_REQUEST = -40,     /* the daemon does not understand the request */
	COMETD_E_TOO_LARGE = -41,       /* a message beyond the limit */
	COMETD_E_BAD_CHANNEL = -42,     /* not a channel name that may be used so */
	COMETD_E_UNKNOWN_SERVER = -43,  /* no such server, or none is the default */
	COMETD_E_NOT_SUBSCRIBED = -44,  /* no such subscription */
	COMETD_E_DENIED = -45,          /* access rules of the daemon forbid it */
	COMETD_E_TOO_MANY = -46,        /* a limit, of this library or of the daemon, is reached */
	COMETD_E_INTERNAL = -47,        /* the daemon failed */
	COMETD_E_UNREADABLE = -48,      /* the server sent a message that cannot be read */
	/* outcomes of what went to the server */
	COMETD_E_REFUSED = -60,         /* the server said no */
	COMETD_E_NOT_SENT = -61,        /* it never reached the server; safe to send again */
	COMETD_E_UNKNOWN_OUTCOME = -62, /* sent, but no answer came; it may have happened */
	COMETD_E_TIMEOUT = -63          /* no answer, or no event, in time */
};

/* The session of the daemon with one server. */
enum cometd_state {
	COMETD_STATE_OFF = 0,           /* not wanted */
	COMETD_STATE_HANDSHAKING = 1,
	COMETD_STATE_CONNECTING = 2,
	COMETD_STATE_CONNECTED = 3,     /* messages flow */
	COMETD_STATE_UNCONNECTED = 4,   /* lost; the daemon tries again by itself */
	COMETD_STATE_HALTED = 5,        /* given up for good, see reason */
	COMETD_STATE_DISCONNECTING = 6,
	COMETD_STATE_UNKNOWN = 99       /* a newer daemon's state: see state_name */
};

enum cometd_event_type {
	/*
	 * A message arrived on a channel this handle hears; once, however many of
	 * its patterns match. server, seq, channel, data, message; binary, binary_more,
	 * binary_meta where it carries bytes.
	 */
	COMETD_EVENT_MESSAGE = 1,
	/*
	 * The daemon's session with a server: once for each server behind each
	 * COMETD_EVENT_UP, and at each change. server, state, state_name, since,
	 * gap, is_default; reason, retry_in, transport, generation where known.
	 */
	COMETD_EVENT_STATE = 2,
	/*
	 * What became of a subscription after cometd_subscribe() returned: the
	 * server accepted (error 0) or refused it (error, text). With pending
	 * the refusal is for the moment: the daemon asks again after a pause, and
	 * a further event tells what becomes of it. Otherwise COMETD_E_REFUSED,
	 * COMETD_E_DENIED and COMETD_E_BAD_CHANNEL end the subscription; after any
	 * other error the next connection to the daemon asks for it again.
	 * server (NULL: default), channel, error, text, pending.
	 */
	COMETD_EVENT_SUBSCRIPTION = 3,
	/*
	 * Messages of a server that do not reach this process, ahead of the next
	 * message: it reads too slowly (error COMETD_E_SLOW), or the server sent one
	 * that cannot be read (COMETD_E_UNREADABLE) or is beyond the daemon's
	 * max-message (COMETD_E_TOO_LARGE). server, count, first, last, error, text;
	 * channel of one message, where it is known, else NULL.
	 */
	COMETD_EVENT_LOST = 4,
	/*
	 * The connection to the daemon stands. gap: it is not the first one, so
	 * messages may have been missed; subscriptions are being renewed.
	 */
	COMETD_EVENT_UP = 5,
	/*
	 * No connection to the daemon: it was lost, or the first attempt failed.
	 * error, text, retry_in. The library goes on trying.
	 */
	COMETD_EVENT_DOWN = 6
};

/*
 * An event. Only the fields named at its type are set; the others are 0 or
 * NULL. The library makes it, never you; later versions may append fields.
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
	const char *state_name;     /* as the daemon said it: "connected" */
	const char *reason;         /* words for people, or NULL */
	const char *transport;      /* "websocket", "long-polling", or NULL */
	uint64_t since;             /* milliseconds since 1970 (UTC) */
	uint64_t generation;        /* counts the sessions made with the server */
	int64_t retry_in;           /* milliseconds until the next try; -1: not known */
	int gap;                    /* messages may have been missed */
	int is_default;             /* the server that NULL means */
	int error;                  /* enum cometd_error */
	const char *text;           /* words for people about the error, or NULL */
	uint64_t count;             /* how many messages were lost */
	uint64_t first, last;       /* lowest and highest seq concerned */
	const char *json;           /* the whole event as raw JSON; NULL for UP and DOWN */
	size_t json_len;
	/*
	 * The bytes of a message that carries some (CometD's binary extension), where the
	 * daemon's option `binary` is on for that server; else NULL. `data` is then the
	 * server's text for them.
	 */
	const char *binary;
	size_t binary_len;
	int binary_more;            /* further pieces follow in messages of their own */
	const char *binary_meta;    /* raw JSON that came along, or NULL */
	size_t binary_meta_len;
	int pending;                /* refused for the moment: the daemon asks the server again */
};

/*
 * What a request brought. The library makes it, never you; later versions may
 * append fields.
 */
struct cometd_result {
	int error;                  /* 0, or enum cometd_error */
	const char *text;           /* words for people about the error; "" when there is none */
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
};

/* Gets each event while cometd_process() or a blocking call runs. */
typedef void (*cometd_event_fn)(struct cometd *c, const struct cometd_event *event, void *user);
/*
 * Gets the result of one request: exactly once for each *_async() call that
 * returned 0, from cometd_free() with COMETD_E_CLOSED at the latest, unless
 * cometd_cancel() took it back.
 */
typedef void (*cometd_result_fn)(struct cometd *c, const struct cometd_result *result, void *user);

/* ---- a handle ---------------------------------------------------------- */

/*
 * Makes a handle. Nothing is connected yet: cometd_connect() does it, or the
 * first cometd_process(). Give it to cometd_free().
 * COMETD_E_NOMEM, COMETD_E_SYSTEM (no descriptor left): *ret is then left as it was.
 */
COMETD_API int cometd_new(struct cometd **ret);

/*
 * Closes and frees; NULL is fine. Requests that wait end with COMETD_E_CLOSED
 * in their callbacks. In a callback the handle dies when the outermost call
 * returns (that call then returns COMETD_E_CLOSED); no event comes any more.
 */
COMETD_API void cometd_free(struct cometd *c);

/*
 * The path of the daemon's socket; NULL for COMETD_BRIDGE_SOCKET of the
 * environment, or else COMETD_SOCKET_DEFAULT. Takes effect at the next attempt
 * to connect. COMETD_E_INVALID when it is too long for a socket (107 bytes).
 */
COMETD_API int cometd_set_socket(struct cometd *c, const char *path);

/* The path that the next attempt to connect will use; yours until the handle changes. */
COMETD_API const char *cometd_get_socket(const struct cometd *c);

/*
 * What this program calls itself in `cometctl status`, at most 64 bytes of
 * UTF-8; NULL for the program's name. Takes effect at the next connection.
 */
COMETD_API int cometd_set_name(struct cometd *c, const char *name);

/*
 * Who gets the events. Without a listener (NULL, as at first) they wait for
 * cometd_next(), up to COMETD_MAX_BACKLOG; then the library stops reading, the
 * daemon drops the oldest and says how many (COMETD_EVENT_LOST). Setting a
 * listener hands it at the next cometd_process() what has waited.
 */
COMETD_API void cometd_set_listener(struct cometd *c, cometd_event_fn fn, void *user);

/* ---- driving it from any loop ------------------------------------------ */

/*
 * The descriptor to wait for. It is the same for the whole life of the handle,
 * over all reconnections; never read, write or close it.
 */
COMETD_API int cometd_get_fd(const struct cometd *c);
/* What to wait for on it, as for poll(2): POLLIN. */
COMETD_API int cometd_get_events(const struct cometd *c);
/*
 * Milliseconds until cometd_process() must be called though the descriptor is
 * silent; 0: now; -1: no need. Ask again after every call with the handle.
 */
COMETD_API int cometd_get_timeout(const struct cometd *c);
/*
 * Does what can be done without waiting: connects, writes, reads, calls back.
 * Call it when the descriptor is ready or the timeout is over (more often is
 * harmless). One call does a bounded amount of work; the descriptor stays
 * ready when more is there.
 * 0; COMETD_E_CLOSED: a callback freed the handle, touch it no more;
 * COMETD_E_BACKLOG: events must be taken first; COMETD_E_NOMEM: nothing is
 * lost, call again; COMETD_E_IN_CALLBACK.
 */
COMETD_API int cometd_process(struct cometd *c);

/*
 * Waits up to `timeout_ms` for something to do and does it: poll(2) and
 * cometd_process() in one. 0 also when only a callback ran or nothing visible
 * happened; COMETD_E_TIMEOUT, COMETD_E_INTERRUPTED, and what cometd_process()
 * returns. With a listener, `while (cometd_wait(c, COMETD_FOREVER) == 0);` is
 * a whole program.
 */
COMETD_API int cometd_wait(struct cometd *c, int timeout_ms);

/* ---- connection and events --------------------------------------------- */

/*
 * Connects now, one attempt, and waits for the daemon's greeting. 0 at once
 * when connected already. The failure of the attempt: COMETD_E_NO_DAEMON,
 * COMETD_E_NO_PERMISSION, COMETD_E_VERSION, COMETD_E_PROTOCOL,
 * COMETD_E_TOO_MANY, COMETD_E_SHUTDOWN, COMETD_E_TIMEOUT and so on; the
 * library tries again by itself at every later call, and so may you.
 */
COMETD_API int cometd_connect(struct cometd *c, int timeout_ms);
/* 1 while the connection to the daemon stands, else 0. */
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
 * State of the session with `server` (NULL: the default one) as last heard:
 * an enum cometd_state, COMETD_E_UNKNOWN_SERVER, or COMETD_E_DISCONNECTED
 * while there is no connection to the daemon.
 */
COMETD_API int cometd_get_state(const struct cometd *c, const char *server);
/* Waits until the session with `server` is in that state. */
COMETD_API int cometd_wait_state(struct cometd *c, const char *server, enum cometd_state state,
				 int timeout_ms);

/* ---- requests ----------------------------------------------------------
 *
 * server:     a configured server, or NULL for the default one. Name a server
 *             always in the same way.
 * channel:    "/like/this", UTF-8, at most 2048 bytes.
 * data, len:  one JSON value, checked here (COMETD_E_JSON).
 * timeout_ms: deadline of the whole request from now, 1 to COMETD_TIMEOUT_MAX, or
 *             COMETD_TIMEOUT_DEFAULT. The wait for a lost daemon or server
 *             counts: what cannot be sent until then ends as
 *             COMETD_E_NOT_SENT (publish, call), as COMETD_E_TIMEOUT, or, a
 *             subscription, as pending.
 * ret:        where the result goes; may be NULL. Written whenever the request
 *             got a result, refusals included; *ret becomes NULL when there
 *             is none, or no memory to keep it.
 * fn, user:   the callback; fn may be NULL when nobody cares.
 *
 * All may fail with COMETD_E_NOMEM, COMETD_E_INVALID, COMETD_E_TOO_MANY and
 * COMETD_E_CLOSED before anything is sent. The *_async() functions return 0
 * when the request is under way, and then the callback comes; the blocking
 * ones return the error of the result, or COMETD_E_BACKLOG,
 * COMETD_E_INTERRUPTED, or COMETD_E_NOMEM, and then the request may still take
 * place.
 */

/* flags of a subscription */
#define COMETD_LISTEN_ONLY 1u        /* hear what arrives anyway, ask the server nothing */
#define COMETD_DISCONNECT_IF_SLOW 2u /* reading too slowly closes the connection
					instead of losing the oldest messages */

/*
 * Hears a channel, or a pattern: a last segment * stands for one segment, **
 * for any number of them.
 * Done when the server has answered; or, with result->pending, at once while
 * the daemon's session with it is away, or when the time is over before there
 * was an answer. Then COMETD_EVENT_SUBSCRIPTION tells later. After a
 * failure nothing is subscribed; after success, pending included, it is asked
 * for and renewed by itself for ever. Twice the same is once.
 * COMETD_E_REFUSED, COMETD_E_BAD_CHANNEL, COMETD_E_UNKNOWN_SERVER,
 * COMETD_E_DENIED, COMETD_E_CANCELLED, ...
 */
COMETD_API int cometd_subscribe(struct cometd *c, const char *server, const char *channel,
				unsigned flags, int timeout_ms, const struct cometd_result **ret);
COMETD_API int cometd_subscribe_async(struct cometd *c, const char *server, const char *channel,
				      unsigned flags, int timeout_ms, cometd_result_fn fn,
				      void *user);

/*
 * Stops hearing it. It is forgotten here at once, but messages that are on
 * their way may still come. COMETD_E_NOT_SUBSCRIBED.
 */
COMETD_API int cometd_unsubscribe(struct cometd *c, const char *server, const char *channel,
				  int timeout_ms, const struct cometd_result **ret);
COMETD_API int cometd_unsubscribe_async(struct cometd *c, const char *server, const char *channel,
					int timeout_ms, cometd_result_fn fn, void *user);

/*
 * Publishes; done when the server has acknowledged. Messages published in a
 * row leave in that order. What the server replied, a refusal included, is in
 * result->message, and what data it added in result->data; no other process
 * sees it. COMETD_E_REFUSED, COMETD_E_NOT_SENT, COMETD_E_UNKNOWN_OUTCOME, ...
 */
COMETD_API int cometd_publish(struct cometd *c, const char *server, const char *channel,
			      const char *data, size_t len, int timeout_ms,
			      const struct cometd_result **ret);
COMETD_API int cometd_publish_async(struct cometd *c, const char *server, const char *channel,
				    const char *data, size_t len, int timeout_ms,
				    cometd_result_fn fn, void *user);

/*
 * A message with more to it than its data, for cometd_publish_message() and
 * cometd_call_message(). Yours: begin with `= {0}`, set `size`, and then what you need.
 * Of `data` and `binary` exactly one is not NULL. Its strings are copied.
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
	const void *binary;         /* bytes in place of data; not NULL even when there are none */
	size_t binary_len;
	int binary_more;            /* further pieces follow, which you send in their order */
	const char *binary_meta;    /* one JSON value that goes along, or NULL */
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
 * Asks a service channel ("/service/...") and brings the answer, which no other
 * process sees: result->message, result->data, result->binary. COMETD_E_TIMEOUT
 * when the server took the question but did not answer; else as cometd_publish().
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

/* A snapshot of the daemon: result->json, described in PROTOCOL.md. */
COMETD_API int cometd_status(struct cometd *c, int timeout_ms, const struct cometd_result **ret);
COMETD_API int cometd_status_async(struct cometd *c, int timeout_ms, cometd_result_fn fn,
				   void *user);

/* A round trip to the daemon, behind all requests made before. */
COMETD_API int cometd_ping(struct cometd *c, int timeout_ms);
COMETD_API int cometd_ping_async(struct cometd *c, int timeout_ms, cometd_result_fn fn, void *user);

/*
 * Takes back a callback: whatever was asked with this `fn` and `user` goes on,
 * but its result is dropped. Returns how many.
 */
COMETD_API int cometd_cancel(struct cometd *c, cometd_result_fn fn, void *user);

/* ---- words ------------------------------------------------------------- */

/* Words for people about an error ("the server said no"); never NULL. */
COMETD_API const char *cometd_strerror(int error);
/* A fixed name for programs ("refused"); never NULL. */
COMETD_API const char *cometd_error_name(int error);
/* "connected"; never NULL. */
COMETD_API const char *cometd_state_name(enum cometd_state state);
/* The state of this name, or COMETD_STATE_UNKNOWN. */
COMETD_API enum cometd_state cometd_state_of(const char *name);
/* Version of the library that runs, "0.1.0". */
COMETD_API const char *cometd_version(void);

/* ---- reading JSON ------------------------------------------------------
 *
 * For programs that have no JSON library at hand. `json` is one value with
 * nothing behind it, such as a payload; found values are views into it.
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
 * COMETD_E_JSON when the value is no object, or says the name twice.
 */
COMETD_API int cometd_json_get(const struct cometd_json *object, const char *name,
			       struct cometd_json *ret);
/*
 * Calls each(user, element) for the elements of an array, in order; a result
 * other than 0 ends the walk and is returned. COMETD_E_JSON when it is no array.
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
