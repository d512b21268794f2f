/*
 * The state machine of a Bayeux session: handshake, connect, advice, wanted channels,
 * publishes. No I/O: text and `now` go in, events and batches of text come out. The
 * driver (upstream/) moves bytes:
 *
 *     bytes received    session_feed(), then while (session_next() == 0) …
 *     end of a text     session_text_end() over WebSocket, else session_batch_end()
 *     output            while (session_take_batch() == 0) transport_send()
 *     time              session_tick() at session_deadline()
 *     failure           session_batch_failed(), session_closed()
 *
 * After each of them: session_next() until SESSION_E_NONE, then take batches, then
 * session_next() again, because a batch may change the state. Do not take batches while
 * there are events to be reported.
 *
 * Invariants, from bayeux.md section 0: a handshake is sent alone; the first connect
 * after a handshake and each after a failure has timeout 0; exactly one connect is
 * outstanding; advice is reset at each handshake; a lost link is first resumed, and a
 * new handshake is made when the server asks for it or the session has expired; only a
 * successful connect resets the backoff; in a new session wanted channels are subscribed
 * before queued publishes are sent, and later neither blocks the other; a publish that
 * may have taken effect is never repeated.
 *
 * The set of wanted channels is state of the session: it subscribes them again by
 * itself after a handshake.
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
	SESSION_DISCONNECTING,   /* disconnect sent, waits a short time for its reply */
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
	/* new events; while the channel stays wanted, after the last event received */
	SESSION_REPLAY_NEW,
	SESSION_REPLAY_ALL,      /* the same, but the first time all retained events */
	/* after the last event received when the channel was last wanted; new events if there was none */
	SESSION_REPLAY_RESUME,
};
/* where it begins if the server does not retain the last event received any more */
enum session_replay_fallback {
	SESSION_REPLAY_FALLBACK_ALL,     /* all retained events, which are all newer */
	SESSION_REPLAY_FALLBACK_NEW,
	SESSION_REPLAY_STOP,             /* not at all: the channel is refused */
};

/* what follows when the server ends a session, or forbids one */
enum session_policy {
	SESSION_RETRY,           /* a new session, after a pause */
	SESSION_STOP,            /* no new session: HALTED without a next try */
	SESSION_REFRESH,         /* a new session with other credentials; without a source as RETRY */
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
	/* sent to the server as our advice: how long to hold a connect, and the interval; 0: none */
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
	bool url_shared;              /* a session continues at another URL (false) */
	/* one batch of several messages (32 KiB; Jetty refuses frames over 64) */
	size_t batch_max;
	/* size limit of a text with publishes; a single larger publish is refused (SIZE_MAX: no limit) */
	size_t sent_max;
	/* over long-polling no batch is mixed, for its halves go to different places (false) */
	bool publish_apart;
	/* publishes that wait (16 MiB), below 4 GiB; how it is shared, and that less than half of it is
	   one's, see bayeux/shares.h */
	size_t queue_max;
	size_t message_max;           /* one message of the server (16 MiB): a larger one is skipped */
	bool ack;                     /* offer the acknowledgement extension (true) */
	/* "/{clientId}/…" is replaced by our client id in channel names (false) */
	bool expand_client_id;
	enum session_replay replay;   /* (NEW) */
	enum session_replay_fallback replay_fallback;
	bool timesync;                /* ask for the server's clock (false) */
	/* publishes an empty object to keep_alive_channel after so long with nothing but connects
	   (0: never), for servers that end such sessions */
	uint64_t keep_alive;
	char keep_alive_channel[PROTOCOL_CHANNEL_MAX + 1];
	bool binary;                  /* receivers want binary payloads in binary form, too (false) */
	bool timestamp;               /* each message carries its time of sending (false) */
	/* the driver answers SESSION_EVENT_UNAUTHORIZED (false) */
	bool credentials;
	/* requests without reply on a WebSocket (256), and four times as many for publishes of peers that have
	   one under way; long-polling has one batch */
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
 * Sets the `ext` of every later request of this kind: a raw JSON object, copied, or SLICE_NULL.
 * Members of a publish's own `ext`, and extensions, take precedence. 0; -EINVAL when it is not an
 * object, has a key twice or more than EXT_FIXED_MEMBERS_MAX members; -EMSGSIZE; -ENOMEM.
 */
int session_set_ext(struct session *s, enum session_ext kind, struct slice object);
/* The same for members of the message itself; -EINVAL also for a name that fields_set() refuses. */
int session_set_fields(struct session *s, enum session_ext kind, struct slice object);

/* ---- life ---- */
void session_start(struct session *s, uint64_t now);
/* Ends the session: sends a disconnect if there is one; OFF follows with its reply, or 2 s later.
   Queued publishes end as not sent. */
void session_stop(struct session *s, uint64_t now);
/* The same with a reason for people, which the states that follow show. */
void session_stop_because(struct session *s, uint64_t now, struct slice why);
/*
 * Makes `s`, which is not started yet, the successor of `before`, which is off and is freed next: generation and
 * counters go on, so that the first time it is connected reports a gap if `before` ever had a session. Replay goes
 * on after the last event delivered, if the URL in use is one of the new ones and the option `replay` is the same.
 */
void session_succeed(struct session *s, struct session *before);

/* ---- over a restart of the process ---- */
enum { SESSION_SNAPSHOT_MAX = 64 << 20, SESSION_E_NOT_RESUMABLE = 4 };
/*
 * Appends a JSON object with what another process needs to go on with the session at the server: a secret, because
 * of the client id. The messages delivered until now count as delivered, and are not delivered again if the server
 * repeats them: everything that session_next() returned must be in safe hands as soon as the snapshot is. *ret_until: the server keeps the session until then, ms since 1970. 0; SESSION_E_NONE: there
 * is no session; -errno.
 */
int session_save(struct session *s, uint64_t now, struct buf *out, uint64_t *ret_until);
/* Another number than before: session_save() would write something else. */
uint64_t session_changes(const struct session *s);
/*
 * A new session, which is not started and whose time of day is set, goes on with the saved one when it is started: it
 * resumes it by a connect with timeout 0, and makes a new one, with a gap, if the server does not have it any more.
 * Channels that were wanted stay so for half a minute; session_want() takes them over. The connect waits for that, 2 s
 * at most. Without acknowledgements a gap is reported, because what was on the way to the process that is gone is
 * lost.
 *
 * `exact`: nothing has happened since it was saved. Otherwise every wanted channel is subscribed once more, because it
 * may have been unsubscribed meanwhile.
 *
 * The options must be those of the session that was saved. 0; SESSION_E_NOT_RESUMABLE for anything that session_save()
 * did not write for this server; -ENOMEM. Then the session is as it was.
 */
int session_restore(struct session *s, uint64_t now, struct slice snapshot, bool exact);
/* The reason of the state meanwhile. */
#define SESSION_RESUMES "going on with the session of before the restart"
/* Ends it here, but not at the server: another process goes on with what session_save() just wrote. OFF, without a
   disconnect; queued publishes end as not sent. */
void session_leave(struct session *s, uint64_t now);

/*
 * With acknowledgements, the server keeps its messages until they are acknowledged: by the next connect, only the
 * first `safe` of those counted by session_delivered(), repeats left out (UINT64_MAX: all). A connect that would
 * acknowledge less than was read waits until more are safe, SESSION_HOLD_MS at most; then the server sends again what
 * is not acknowledged, which is not delivered a second time. Without acknowledgements it has no effect.
 *
 * After a snapshot that is partial, `safe` must be no more than what session_delivered() was when the last snapshot in
 * safe hands was saved, until that is one that is not partial.
 */
enum { SESSION_HOLD_MS = 2000 };
void session_hold_ack(struct session *s, uint64_t safe);
uint64_t session_delivered(const struct session *s);
/* Whether the next connect waits, or would acknowledge less than was read. */
bool session_ack_is_held(const struct session *s);
/* Whether the last snapshot, saved or restored, has only a part of the messages that one number acknowledges. */
bool session_snapshot_is_partial(const struct session *s);

/* The link may be broken (after suspend, or by command): checks it with a timeout-0 connect at once. */
void session_probe(struct session *s, uint64_t now);

/*
 * The answers to SESSION_EVENT_UNAUTHORIZED. Authorized: there are credentials, and a handshake is
 * sent; at once the first time, and after growing pauses if earlier ones were rejected, too.
 * Not yet: `why` becomes the reason of the state, and is reported when it changes. Both are ignored
 * while the session does not wait for them.
 */
void session_authorized(struct session *s, uint64_t now);
void session_not_yet_authorized(struct session *s, uint64_t now, struct slice why);

/*
 * Sets the time of day at `now`, in ms since 1970. It may be changed at any time, so call this
 * before each text and before taking batches; by default it equals `now`.
 */
void session_wall_clock(struct session *s, uint64_t now, uint64_t unix_ms);

/* ---- channels and publishes ---- */
/* Wants `channel` (checked by the caller; no /service/…). Idempotent. Peers, which are numbers, take
   turns in having channels sent; a channel counts for who wanted it first. 0 or -ENOMEM. */
int session_want(struct session *s, struct slice channel, uint64_t peer);
/* Subscribes a wanted channel again if the server refused it; there is another event. Else nothing happens. */
void session_ask_again(struct session *s, struct slice channel);
void session_unwant(struct session *s, struct slice channel);

enum session_channel_status {
	SESSION_CHANNEL_NONE,        /* not wanted */
	SESSION_CHANNEL_PENDING,     /* the server has not answered yet, or not again */
	SESSION_CHANNEL_ACTIVE,      /* the server sends it, by itself or by a covering pattern */
	/* reported once by an event; stays wanted, but is not subscribed again until the next
	   handshake */
	SESSION_CHANNEL_REFUSED,
};
enum session_channel_status session_channel(const struct session *s, struct slice channel);
/* whether its subscribe failed temporarily, and is sent again after a pause */
bool session_channel_is_deferred(const struct session *s, struct slice channel);
/* whether a subscribe sent now would be answered soon */
bool session_is_up(const struct session *s);

enum { SESSION_E_NONE = 1, SESSION_E_FULL = 2, SESSION_E_TOO_LARGE = 3 };

/*
 * Publishes `data` (raw JSON) with optional `ext` (raw object or SLICE_NULL). The bytes are
 * copied. Exactly one SESSION_OUTCOME event with `cookie` follows, at `deadline` at the latest.
 * With `call`, the outcome is the answer: the first event with our id, else (an event without id,
 * on a channel never answered by id) that for the oldest call there; for late answers see
 * bayeux/calls.h. An answer with `successful` false is SESSION_REFUSED. `peer` is a number for the
 * publisher; a single peer cannot fill the queue, nor delay the others by more than its share.
 * 0, SESSION_E_FULL (the queue, or the peer's part of it), SESSION_E_TOO_LARGE (above sent_max even
 * if sent alone), -ENOMEM.
 */
int session_publish(struct session *s, uint64_t now, struct slice channel, struct slice data,
		    struct slice ext, bool call, uint64_t deadline, uint64_t peer,
		    uint64_t cookie);

/*
 * The peer has disconnected. Its calls that were not sent end as not sent, because nothing can receive their
 * answers.
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
	   late. A batch belongs to one peer, which sends nothing else meanwhile. Where the batch of
	   commands is answered late, also what waits for that: publishes of one peer, or channels; if
	   that batch has channels, those of one peer that has none in it */
	SESSION_LANE_CALL,
	SESSION_LANES = SESSION_LANE_CALL + 4,
};
/* the content of a batch, for servers with a URL per kind of request */
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
 * message. The bytes must stay valid and unchanged until session_next() returns SESSION_E_NONE. Each
 * message in it is handled as soon as it is complete; what is no Bayeux between them becomes a failure of the
 * batch (or of the WebSocket). Pieces of exchanges that ended or were aborted are ignored: their messages are
 * sent again, or are obsolete. 0, -ENOMEM, -EBUSY while the piece before, of this text or another, is not
 * looked through.
 */
int session_feed(struct session *s, uint64_t now, uint64_t batch, struct slice piece);

/* The WebSocket message is complete; for an HTTP answer call session_batch_end(). */
void session_text_end(struct session *s, uint64_t now);

/* Whether a piece is not completely read yet. */
bool session_has_text(const struct session *s);
/* For lack of memory: the piece becomes invalid before session_next() returned SESSION_E_NONE, and its
   unread rest is skipped. session_batch_failed() or session_closed() must follow. */
void session_discard_text(struct session *s);

enum session_failure_kind {
	/* no byte of it reached the server: refused, no route, TLS, upgrade refused */
	SESSION_NOT_SENT,
	SESSION_BROKEN,          /* may have reached it: reset, cut, HTTP status other than 200 */
	SESSION_TOO_LARGE,       /* refused for its size: close code 1009, HTTP 413 */
};
struct session_failure {
	enum session_failure_kind kind;
	/* the server does not support this transport (the upgrade was not accepted) */
	bool unsupported;
	bool unreadable;         /* the answer is malformed; repeating the request would not help */
	unsigned http_status;    /* 0 when there was none */
	unsigned close_code;     /* of WebSocket, 0 when there was none */
	uint64_t retry_after;    /* ms the server asked for, 0 for none */
	struct slice reason;     /* words for people, copied */
};
/* The exchange of this batch failed; unknown or settled ids are ignored. */
void session_batch_failed(struct session *s, uint64_t now, uint64_t batch,
			  const struct session_failure *f);
/*
 * Bytes arrived for the HTTP exchange of this batch, or (0) on the WebSocket: the deadlines of requests
 * there start again. Deadlines of publishes and calls, which their peers set, do not move. May be
 * called at any time.
 */
void session_bytes_arrived(struct session *s, uint64_t now, uint64_t batch);
/* The HTTP response of this batch was fed completely: requests without a reply get none any more. */
void session_batch_end(struct session *s, uint64_t now, uint64_t batch);
/* The WebSocket was closed, with every batch on it, or could not be opened. Not to be called for one
   that was closed because of SESSION_EVENT_ABORT. */
void session_closed(struct session *s, uint64_t now, const struct session_failure *f);

/* ---- time ---- */
/* When to call session_tick(); UINT64_MAX for never. */
uint64_t session_deadline(const struct session *s);
void session_tick(struct session *s, uint64_t now);

/* ---- events ---- */
enum session_event_kind {
	SESSION_EVENT_MESSAGE,   /* for the subscribers: envelope */
	/* of a publish or call: cookie, outcome, envelope (the server's reply, a call's answer; NULL
	   when there was none), text */
	SESSION_EVENT_OUTCOME,
	/* channel, status, envelope (the reply that caused it, or NULL), text */
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
	   for them, or (HTTP 401 to one command) continues with those it has; text: how the server
	   rejected them, empty at the start */
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
 * session_discard_text().
 */
int session_next(struct session *s, uint64_t now, struct session_event *ret);

/* ---- information for status ---- */
/* the server's clock, as the timesync extension sees it; ms */
struct session_timesync {
	unsigned samples;            /* number of measurements; 0: unknown */
	uint64_t lag;                /* one way */
	int64_t offset;              /* to be added to our time of day */
};

struct session_counts {
	uint64_t handshakes, connects;   /* handshakes sent, connects answered well */
	uint64_t published, received, failures;
	uint64_t deleted;            /* by hooks, of events, publishes and subscribes */
	uint64_t late_answers;       /* to calls that had ended: skipped */
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
	struct slice reason;         /* of the last failure; empty when there is none */
	size_t wanted;               /* channels */
	struct session_timesync timesync;
	struct session_counts counts;
};
void session_info(const struct session *s, struct session_info *ret);
/* session_hooks.disabled(), or NULL where there is none. */
const char *session_disabled_hook(const struct session *s, size_t i);

#endif
