/*
 * THE upstream state machine: handshake, connect, advice, wanted channels,
 * publish. Pure: text and `now` go in, events and batches of text come out. It
 * has no socket, no clock, no log and no client; a test plays a server with
 * strings. The driver (io/upstream) moves bytes:
 *
 *     bytes came        session_feed(), then while (session_next() == 0) …
 *     a text is whole   session_text_end() over WebSocket, else session_batch_end()
 *     output wanted     while (session_take_batch() == 0) transport_send()
 *     time passes       session_deadline() says when to call session_tick()
 *     trouble           session_batch_failed(), session_closed()
 *
 * After each of them: session_next() until it says none, then take batches, then
 * session_next() again, for a batch may change the state. Nothing is to be taken
 * while something is still to be told.
 *
 * Guarantees, each from bayeux.md section 0: the handshake travels alone; the
 * first connect after a handshake and each after a failure says timeout 0;
 * exactly one connect is outstanding; advice is reset at each handshake; a lost
 * link is first resumed, then re-handshaken when told or when the window has
 * passed; backoff is reset by a good connect only; wanted channels are
 * subscribed again in a new session before queued publishes leave, and afterwards
 * neither shuts the other out; a publish that may have happened is never repeated.
 *
 * Wishes are state: the set of wanted channels belongs to the session, and a
 * re-handshake replays it by itself.
 */
#ifndef BAYEUX_SESSION_H
#define BAYEUX_SESSION_H

#include "base/wake.h"
#include "bayeux/envelope.h"
#include "bayeux/hooks.h"
#include "protocol/buf.h"
#include "protocol/protocol.h"
#include "protocol/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum session_state {
	SESSION_OFF,             /* not started, or stopped */
	SESSION_HANDSHAKING,     /* handshake sent */
	SESSION_CONNECTING,      /* handshake done, first connect under way */
	SESSION_CONNECTED,       /* the last connect was answered well */
	/* waits before the next connect or handshake, or tries to resume */
	SESSION_UNCONNECTED,
	/* the server forbids reconnecting; tried again much later, or never (enum session_policy) */
	SESSION_HALTED,
	SESSION_DISCONNECTING,   /* disconnect sent, waits shortly for its reply */
};
const char *session_state_name(enum session_state state);

enum session_transport { SESSION_WEBSOCKET, SESSION_LONG_POLLING, SESSION_TRANSPORTS };
/* "websocket", "long-polling": the connection types of Bayeux */
const char *session_transport_name(enum session_transport t);

/* how overlapping patterns are asked for (bayeux.md 2.6) */
enum session_overlap {
	/* covering for servers that send one copy per match, else exact */
	SESSION_OVERLAP_AUTO,
	SESSION_OVERLAP_EXACT,       /* every distinct pattern */
	SESSION_OVERLAP_COVERING,    /* only patterns that no other wanted one covers */
};

/* where a subscribe begins on servers that retain events (Salesforce; bayeux.md 5.7) */
enum session_replay {
	SESSION_REPLAY_OFF,      /* the extension is not offered */
	/* with what comes from now on; within the wish, behind the last event heard */
	SESSION_REPLAY_NEW,
	SESSION_REPLAY_ALL,      /* the same, but the first time with all that is retained */
	/* where it ended when somebody last wanted the channel; never heard: with what comes */
	SESSION_REPLAY_RESUME,
};
/* and where when the server retains the last event heard no longer */
enum session_replay_fallback {
	SESSION_REPLAY_FALLBACK_ALL,     /* with all that is retained: all of it is newer */
	SESSION_REPLAY_FALLBACK_NEW,
	SESSION_REPLAY_STOP,             /* nowhere: the channel is refused */
};

/* what follows when the server ends a session, or forbids one */
enum session_policy {
	SESSION_RETRY,           /* another one, after a pause */
	SESSION_STOP,            /* none: HALTED without a next try */
	SESSION_REFRESH,         /* another one with other credentials; without any as RETRY */
};

/* how a session at a later URL comes back to the first */
enum session_url_return {
	SESSION_URL_WAIT,        /* with the next handshake that is due anyway */
	SESSION_URL_BREAK,       /* ended for that, although it works */
};

/* times in milliseconds, sizes in bytes */
struct session_options {
	enum session_transport transports[SESSION_TRANSPORTS];  /* in order of preference */
	size_t n_transports;
	enum session_overlap overlap;
	uint64_t network_delay;       /* for a reply, beyond what the server holds it (10 s) */
	/* for the replies that it does not hold: all but those to connects; 0: network_delay */
	uint64_t request_timeout;
	/* wishes told to the server: how long it holds a connect, and pauses; 0: none */
	uint64_t wanted_timeout, wanted_interval;
	/* first pause after a failure (1 s); also between handshakes */
	uint64_t backoff_min;
	uint64_t backoff_max;         /* longest pause (60 s) */
	/* after a handshake answered by reconnect:none: first pause, grows to 10 times (30 s);
	   a kick is followed by an ordinary pause */
	uint64_t halt_retry;
	/* for its own disconnect, and a connect that it answered well with reconnect none (RETRY) */
	enum session_policy on_disconnect;
	/* for reconnect none to a handshake, or when it refuses a connect (RETRY) */
	enum session_policy on_none;
	/* how long to resume when the server names no maxInterval (0: advised timeout + 10 s) */
	uint64_t resume_window;
	/* after a fallback, when the preferred transport is tried again (5 min); UINT64_MAX: only
	   when all others failed, too */
	uint64_t transport_retry;
	unsigned transport_failures;  /* failures in a row that make a fallback (3) */
	bool transport_sticky;        /* one that has carried a session is not left for a worse (false) */
	/* how people are shown the server's URLs, in order of preference: without secrets; not
	   copied. NULL: there is one, not to be shown */
	const char *const *urls;
	size_t n_urls;
	size_t url_failures;          /* failures in a row that give one up for the next (3) */
	/* when the first is tried again after it was given up (5 min); UINT64_MAX: only when all
	   others failed, too */
	uint64_t url_retry;
	enum session_url_return url_return;   /* (WAIT) */
	bool url_shared;              /* a session of one goes on at another (false) */
	/* one batch of several messages (32 KiB; Jetty refuses frames over 64) */
	size_t batch_max;
	/* no text with a publish is larger; what is alone and larger is refused (SIZE_MAX: any) */
	size_t sent_max;
	/* over long-polling no batch is mixed, for its halves go to different places (false) */
	bool publish_apart;
	/* publishes that wait (16 MiB), below 4 GiB; how it is shared, and that less than half of it is
	   one's, see bayeux/shares.h */
	size_t queue_max;
	size_t message_max;           /* one message of the server (16 MiB): a larger one is left out */
	bool ack;                     /* offer the acknowledgement extension (true) */
	/* "/{clientId}/…" stands for the channels that begin with our client id (false) */
	bool expand_client_id;
	enum session_replay replay;   /* (NEW) */
	enum session_replay_fallback replay_fallback;
	bool timesync;                /* ask for the server's clock (false) */
	/* publishes an empty object to keep_alive_channel after so long with nothing but connects
	   (0: never), for servers that end such sessions */
	uint64_t keep_alive;
	char keep_alive_channel[PROTOCOL_CHANNEL_MAX + 1];
	bool binary;                  /* hearers want payloads of bytes as bytes, too (false) */
	bool timestamp;               /* each message says when it was sent (false) */
	/* somebody answers SESSION_EVENT_UNAUTHORIZED (false) */
	bool credentials;
	/* requests without reply on a WebSocket (256); long-polling has one batch */
	unsigned in_flight_max;
	uint64_t seed;                /* of the jitter */
	struct session_hooks hooks;   /* (none) they must outlive the session */
	/* overwrites secrets in a message of the server that is not an event, in place, before it is
	   reported (NULL); the context must outlive the session */
	void (*mask)(void *ctx, char *message, size_t n);
	void *mask_ctx;
};
void session_options_default(struct session_options *o);

struct session;

/* `wake` is called when there may be a batch or an event to take, never from within next/take. */
int session_new(const struct session_options *o, struct wake wake, struct session **ret);
void session_free(struct session *s);

/* kinds of requests with an `ext` and fields of their own */
enum session_ext {
	SESSION_EXT_HANDSHAKE,
	SESSION_EXT_CONNECT,
	SESSION_EXT_SUBSCRIBE,
	SESSION_EXT_PUBLISH,
	SESSION_EXTS,
};
/*
 * What goes out as `ext` with every request of this kind, from now on: a raw JSON object, copied,
 * or SLICE_NULL. Members of a publish's own `ext`, and extensions, win over it. 0; -EINVAL when it
 * is no object, says a key twice or has more than EXT_FIXED_MEMBERS_MAX; -EMSGSIZE; -ENOMEM.
 */
int session_set_ext(struct session *s, enum session_ext kind, struct slice object);
/* The same for members of the message itself; -EINVAL also for a name that fields_set() refuses. */
int session_set_fields(struct session *s, enum session_ext kind, struct slice object);

/* ---- life ---- */
void session_start(struct session *s, uint64_t now);
/* Says goodbye: a disconnect goes out if there is a session, and OFF follows with its reply or
   shortly (2 s) after. What still waits to be published ends as not sent. */
void session_stop(struct session *s, uint64_t now);
/* The link is suspected dead (suspend, operator): probe with a timeout-0 connect at once. */
void session_probe(struct session *s, uint64_t now);

/*
 * The answers to SESSION_EVENT_UNAUTHORIZED. Authorized: there are credentials, a handshake goes
 * out; at once the first time, and after growing pauses when those before were rejected, too.
 * Not yet: `why` becomes the reason that people see, which is told when it is another. Both are
 * ignored while nothing waits for them.
 */
void session_authorized(struct session *s, uint64_t now);
void session_not_yet_authorized(struct session *s, uint64_t now, struct slice why);

/*
 * At `now` the clock on the wall says `unix_ms`, ms since 1970. People set that clock, so tell it
 * before each text and each turn of batches; who never tells it is taken to live at `now`.
 */
void session_wall_clock(struct session *s, uint64_t now, uint64_t unix_ms);

/* ---- wishes ---- */
/* Wants `channel` (checked by the caller; no /service/…). Idempotent. Peers, which are numbers, take
   turns in having channels sent; a channel counts for who wanted it first. 0 or -ENOMEM. */
int session_want(struct session *s, struct slice channel, uint64_t peer);
void session_unwant(struct session *s, struct slice channel);

enum session_channel_status {
	SESSION_CHANNEL_NONE,        /* not wanted */
	SESSION_CHANNEL_PENDING,     /* the server has not answered yet, or not again */
	SESSION_CHANNEL_ACTIVE,      /* the server sends it, by itself or by a covering pattern */
	/* told once by an event; the want is kept until unwanted, not asked again until the next
	   handshake */
	SESSION_CHANNEL_REFUSED,
};
enum session_channel_status session_channel(const struct session *s, struct slice channel);
/* whether its subscribe failed for the moment, and is sent again after a pause */
bool session_channel_is_deferred(const struct session *s, struct slice channel);
/* whether a subscribe sent now would be answered soon */
bool session_is_up(const struct session *s);

enum { SESSION_E_NONE = 1, SESSION_E_FULL = 2, SESSION_E_TOO_LARGE = 3 };

/*
 * Publishes `data` (raw JSON) with optional `ext` (raw object or SLICE_NULL). The bytes are
 * copied. Exactly one SESSION_OUTCOME event with `cookie` follows, at `deadline` at the latest.
 * With `call`, the outcome is the answer: the first event with our id, else (an event without id,
 * on a channel never answered by id) that for the oldest call there; see bayeux/calls.h for what
 * comes late. An answer that says `successful` false is SESSION_REFUSED. `peer` is a number for
 * whoever publishes, of which one alone cannot fill the queue, nor delay the others by more than
 * its share. 0, SESSION_E_FULL (queue, or this
 * one's part of it), SESSION_E_TOO_LARGE (beyond sent_max whatever goes with it), -ENOMEM.
 */
int session_publish(struct session *s, uint64_t now, struct slice channel, struct slice data,
		    struct slice ext, bool call, uint64_t deadline, uint64_t peer,
		    uint64_t cookie);

/*
 * The peer is gone. Its calls that were not sent end as not sent, because no one can receive their answers.
 * Its publishes are still sent, but only within SESSION_LEFT_MS, so that their room in the queue becomes free
 * while there is no session.
 */
#define SESSION_LEFT_MS 30000u
void session_peer_left(struct session *s, uint64_t peer);

/* ---- output ---- */
enum session_lane {
	SESSION_LANE_CONNECT,    /* handshakes and the held connect */
	/* everything else, in order, one batch at a time on long-polling */
	SESSION_LANE_COMMAND,
	/* on long-polling: calls, and the later publishes of their peer, because a service may answer
	   late. A batch belongs to one peer, which sends nothing else meanwhile */
	SESSION_LANE_CALL,
	SESSION_LANES = SESSION_LANE_CALL + 4,
};
/* what a batch holds, for who sends each kind somewhere else */
enum session_batch_kind {
	SESSION_BATCH_HANDSHAKE,
	SESSION_BATCH_CONNECT,
	SESSION_BATCH_DISCONNECT,
	SESSION_BATCH_SUBSCRIBE,
	SESSION_BATCH_UNSUBSCRIBE,
	SESSION_BATCH_CHANNELS,      /* subscribes and unsubscribes */
	SESSION_BATCH_PUBLISH,
	SESSION_BATCH_MIXED,         /* publishes, and those of channels */
	SESSION_BATCH_KINDS,
};
struct session_batch {
	uint64_t id;                        /* never reused */
	enum session_lane lane;
	enum session_batch_kind kind;
	enum session_transport transport;   /* over which it must go */
	size_t requests;                    /* in it, at least 1 */
	size_t url;                         /* to which URL of the server, counted from 0 */
};
/*
 * Appends the next batch, a JSON array, to `out`. 0, SESSION_E_NONE, -ENOMEM (try again later;
 * session_deadline() then leaves a little time). The ceiling of `out` limits what can be
 * published at all: PROTOCOL_REQUEST_MAX and a little more is right.
 */
int session_take_batch(struct session *s, uint64_t now, struct buf *out, struct session_batch *ret);

/* ---- input ---- */
/*
 * A piece of a text from the server, of any size: of the HTTP body of `batch`, or (0) of one WebSocket
 * message. The bytes must stay, unchanged by the caller, until session_next() said SESSION_E_NONE. Each
 * message in it is handled as soon as it is complete; what is no Bayeux between them becomes a failure of the
 * batch (or of the WebSocket). Pieces of exchanges that ended or were aborted are ignored: their messages are
 * sent again, or are obsolete. 0, -ENOMEM, -EBUSY while the piece before, of this text or another, is not
 * looked through.
 */
int session_feed(struct session *s, uint64_t now, uint64_t batch, struct slice piece);

/* The WebSocket message is complete; of an HTTP answer session_batch_end() says so. */
void session_text_end(struct session *s, uint64_t now);

/* Whether a piece is not completely read yet. */
bool session_has_text(const struct session *s);
/* The piece goes away before session_next() said none, for there is no memory: what was not looked
   at is left out. session_batch_failed() or session_closed() must follow. */
void session_forget_text(struct session *s);

enum session_failure_kind {
	/* no byte of it reached the server: refused, no route, TLS, upgrade refused */
	SESSION_NOT_SENT,
	SESSION_BROKEN,          /* may have reached it: reset, cut, HTTP status other than 200 */
	SESSION_TOO_LARGE,       /* refused for its size: close code 1009, HTTP 413 */
};
struct session_failure {
	enum session_failure_kind kind;
	/* the server does not speak this transport (upgrade answered otherwise) */
	bool unsupported;
	bool unreadable;         /* an answer came, and is broken: asked for again it will be again */
	unsigned http_status;    /* 0 when there was none */
	unsigned close_code;     /* of WebSocket, 0 when there was none */
	uint64_t retry_after;    /* ms the server asked for, 0 for none */
	struct slice reason;     /* words for people, copied */
};
/* The exchange of this batch failed; unknown or settled ids are ignored. */
void session_batch_failed(struct session *s, uint64_t now, uint64_t batch,
			  const struct session_failure *f);
/*
 * Bytes came for the HTTP exchange of this batch, or (0) of a text on the WebSocket, whatever they say: what
 * waits for the server there waits again as long as if it had just been sent. Deadlines of
 * publishes and calls, which are their peers', do not move. May be called at any time.
 */
void session_heard(struct session *s, uint64_t now, uint64_t batch);
/* The HTTP response of this batch was fed completely: what has no reply by now gets none. */
void session_batch_end(struct session *s, uint64_t now, uint64_t batch);
/* The WebSocket is gone, and every batch on it. Also when it could not be opened. Not to be
   called for one that was closed because of SESSION_EVENT_ABORT. */
void session_closed(struct session *s, uint64_t now, const struct session_failure *f);

/* ---- time ---- */
/* When to call session_tick(); UINT64_MAX for never. */
uint64_t session_deadline(const struct session *s);
void session_tick(struct session *s, uint64_t now);

/* ---- events ---- */
enum session_event_kind {
	SESSION_EVENT_MESSAGE,   /* for whoever subscribed: envelope */
	/* of a publish or call: cookie, outcome, envelope (the server's reply, a call's answer; NULL
	   when there was none), text */
	SESSION_EVENT_OUTCOME,
	/* channel, status, envelope (the reply that said so, NULL when none did), text */
	SESSION_EVENT_CHANNEL,
	/* session_info() changed; envelope of the reply that caused it, or NULL. Also while
	   connected, each time messages may have been missed (gap) */
	SESSION_EVENT_STATE,
	/* batch: end its exchange now, on WebSocket close the connection; batch 0: all of them */
	SESSION_EVENT_ABORT,
	SESSION_EVENT_NOTE,      /* text: something odd that a person may want to read in the log */
	/* a message that cannot be delivered: loss, text (the reason), channel if it could be read, else
	   SLICE_NULL */
	SESSION_EVENT_LOST,
	/* only with the option credentials: the session needs others, see session_authorized(). It waits
	   for them, or (HTTP 401 to one command) goes on with those it has; text: how the server
	   rejected those, empty at the start */
	SESSION_EVENT_UNAUTHORIZED,
};
enum session_outcome {
	SESSION_OK,              /* published; for a call: answered; see envelope */
	SESSION_REFUSED,         /* refused by the server: envelope; or too large: text */
	SESSION_OUTCOME_NOT_SENT,
	SESSION_OUTCOME_UNKNOWN,
	SESSION_OUTCOME_TOO_LARGE, /* not sent: as written for the server beyond sent_max: text */
	SESSION_OUTCOME_TIMEOUT, /* a call that was delivered and not answered */
};
enum session_loss {
	SESSION_LOSS_UNREADABLE, /* it is not valid JSON, or nested too deeply */
	SESSION_LOSS_TOO_LARGE,  /* larger than message_max */
};
struct session_event {
	enum session_event_kind kind;
	enum session_loss loss;
	const struct envelope *envelope;
	uint64_t cookie;
	enum session_outcome outcome;
	enum session_channel_status status;
	struct slice channel;
	struct slice text;
	bool repeated;               /* of a pending channel: the attempt before was pending, too */
	uint64_t batch;
	bool binary;                 /* by the option: look for bytes in the envelope */
};
/*
 * The next event; its views live until the next call with s. Aborts come first, messages last.
 * 0, SESSION_E_NONE, -ENOMEM: call again, nothing is lost; who cannot keep the text that long says
 * session_forget_text().
 */
int session_next(struct session *s, uint64_t now, struct session_event *ret);

/* ---- what people want to know ---- */
/* the server's clock, as the timesync extension sees it; ms */
struct session_timesync {
	unsigned samples;            /* measurements behind it; 0: nothing is known */
	uint64_t lag;                /* one way */
	int64_t offset;              /* what to add to our clock on the wall */
};

struct session_info {
	enum session_state state;
	enum session_transport transport;
	struct slice url;            /* the one in use, as the options show it; or SLICE_NULL */
	uint64_t since;              /* now-time when it was connected, lost, or stopped */
	uint64_t tries;              /* to be connected, since then; or those that it took */
	uint64_t losses;             /* how often a connected session was lost, in all */
	uint64_t retry_at;           /* now-time of the next try, UINT64_MAX when none is planned */
	uint64_t generation;         /* handshakes that succeeded */
	struct slice client_id;      /* of the current session: a secret, because knowing it is enough to act
				        as this session */
	/* messages may have been missed since the last time it was connected */
	bool gap;
	struct slice reason;         /* of the last trouble; empty when there is none */
	size_t wanted;               /* channels */
	struct session_timesync timesync;
	uint64_t handshakes, connects, published, received, failures;  /* counts */
	uint64_t deleted;            /* by hooks, of events, publishes and subscribes */
	uint64_t late_answers;       /* to calls that were over: left out */
};
void session_info(const struct session *s, struct session_info *ret);
/* session_hooks.disabled(), or NULL where there is none. */
const char *session_disabled_hook(const struct session *s, size_t i);

#endif
