/*
 * struct session, private to the files of the session. They are in layers, each calling
 * only those before it:
 *
 *     session_exts.c     which extensions there are
 *     session_hooks.c    changes of messages by external hooks
 *     session_giveup.c   the end of what is in flight
 *     session_course.c   what comes next: reactions to success and failure of handshake and connect
 *     session_snapshot.c saving it for another process, and going on there
 *     session_write.c    the text of one message
 *     session_batch.c    which messages are sent together, and when
 *     session_loss.c     failed exchanges and what was in them
 *     session_input.c    what comes in, one message at a time, and what is reported
 *     session.c          the other public functions
 *
 * Each part of it is a struct whose fields only one file uses: report, inbox, login and link have headers of
 * their own; course and commands are here. session_*.c decide what goes from one part to another.
 */
#ifndef BAYEUX_SESSION_CORE_H
#define BAYEUX_SESSION_CORE_H

#include "base/backoff.h"
#include "bayeux/advice.h"
#include "bayeux/bulk_pace.h"
#include "bayeux/exchange.h"
#include "bayeux/ext.h"
#include "bayeux/inbox.h"
#include "bayeux/link.h"
#include "bayeux/login.h"
#include "bayeux/own_segment.h"
#include "bayeux/publish.h"
#include "bayeux/session.h"
#include "bayeux/transports.h"
#include "bayeux/urls.h"
#include "bayeux/wanted.h"
#include "protocol/json_read.h"
#include "protocol/json_write.h"

#define SESSION_NEVER UINT64_MAX
/* bytes of a client id */
#define CLIENT_ID_MAX 4096u

enum session_due { DUE_NOTHING, DUE_HANDSHAKE, DUE_CONNECT, DUE_DISCONNECT };

/* What the session does next. Private to session_course.c. */
struct course {
	enum session_due due;           /* it does this, and not before due_at */
	uint64_t due_at;
	bool due_probe;                 /* the connect has timeout 0 */
	uint64_t stop_at;               /* OFF by then; valid while disconnecting */
	struct backoff backoff, halt_backoff;
	struct advice advice;
	bool hosts_noted;               /* that the server advises other hosts */
	struct transports transports;   /* of the URL in use */
	struct urls urls;
	size_t home;                    /* the URL of the last session; valid with generation */
	bool handshaken;                /* some handshake may have reached the server */
	uint64_t handshake_at;          /* the last one was sent; valid with handshaken */
	/* since the last good connect, a handshake that the server asked for was sent without a pause */
	bool handshake_obeyed;
	uint64_t unconnected_since;     /* first failure since the last good connect; 0 for none */
	uint64_t alive_at;              /* the last good connect or handshake was answered */
	uint64_t hold_until;            /* the next connect waits until then while its acknowledgement is held */
	/* the first connect of a restored session waits until then for peers to come back; 0: not any more */
	uint64_t resume_at;
	struct backoff unreadable_backoff;
	unsigned unreadable;            /* answers in a row, since the last good connect */
	uint64_t unreadable_at;         /* the last one came */
	struct backoff suspicion;
	uint64_t suspect_at;            /* a reply may make us doubt the session again */
	bool suspected;                 /* one did in this session, when there had been … */
	uint64_t suspected_after;       /* … so many good connects */
};

/* Which commands are sent together, and when. Private to session_batch.c. */
struct commands {
	uint64_t at;                    /* none before then */
	uint64_t channels_at;           /* no subscribes and unsubscribes before then */
	struct backoff backoff;         /* while they fail */
	size_t batch_max;               /* the largest that the server accepts, as far as known */
	/* … but not confirmed: each batch waits for the answer to the previous one, so that it is known
	   which one is too large */
	bool batch_doubt;
	/* send this many requests one per batch, to find the one that the server rejects */
	size_t isolate_left;
	struct bulk_pace channel_pace, publish_pace;
	uint64_t quiet_since;           /* the last batch that was no connect was sent */
};

struct session {
	struct session_options o;
	struct wake wake;

	uint64_t unix_ahead;            /* what to add to `now` for ms since 1970 */

	struct report report;
	struct session_counts counts;
	struct buf client_id;

	struct course course;
	struct commands commands;
	struct jitter jitter;

	struct pending pending;
	struct exchanges exchanges;
	struct publishes publishes;
	struct wanted_table wanted;
	struct exts exts;
	struct ext_fixed fixed[SESSION_EXTS], fields[SESSION_EXTS];

	struct inbox inbox;
	struct login login;
	struct link link;

	/* the event reported last, if hooks changed it, and its text */
	struct envelope changed;
	struct buf changed_text;

	uint64_t short_until;           /* memory was short: ask no sooner */
};

static inline struct ext_time session_time(const struct session *s, uint64_t now)
{
	return (struct ext_time){now, now + s->unix_ahead};
}

static inline uint64_t later_of(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* time limit for a reply that the server has no reason to delay */
static inline uint64_t request_time(const struct session *s)
{
	return s->o.request_timeout ? s->o.request_timeout : s->o.network_delay;
}

/* how long the server may hold a connect: what it advised, even if something else was requested */
static inline uint64_t connect_hold(const struct session *s)
{
	uint64_t wanted = s->o.wanted_timeout;
	return s->course.advice.timeout > wanted ? s->course.advice.timeout : wanted;
}

/* ---- session_exts.c ---- */
/* Puts what the options ask for into the chain. 0 or -ENOMEM. */
int exts_make(struct session *s);
void exts_free(struct session *s);
/* What was set for requests of this kind, or NULL. */
const struct ext_fixed *exts_fixed(const struct session *s, enum request_kind kind);
/* Appends the fields set for requests of this kind to a message that lacks its last brace. */
int exts_write_fields(const struct session *s, enum request_kind kind, struct buf *out);

/* Commands went out, all exchanges but `without` (may be NULL) go on, or time passed. */
void exts_note_commands(struct session *s, uint64_t now, const struct exchange *without);

bool exts_ack_in_effect(const struct session *s);
/* A connection broke, and messages may be lost, which is reported when connected again; a server with
   replay sends them again. */
void exts_lost_connection(struct session *s);
/* The same for an answer, while the session continues: reported now, and each time. */
void exts_lost_messages(struct session *s);
/* The same for an answer that is no longer awaited, and whose loss is reported otherwise. */
void exts_lost_answer(struct session *s);
/* … where nothing can be sent again */
void exts_missed(struct session *s);
/* Requests the events to be repeated, once it is connected. */
void exts_have_repeated(struct session *s);

/* ---- session_hooks.c ---- */
/*
 * Shows *e to the hooks. 0; HOOK_DELETE, of events only; -ENOMEM: to be shown again. An event that
 * they changed is in *e then, and lives until the next one is shown or a batch is taken.
 */
int hooks_incoming(struct session *s, const struct envelope **e);
/*
 * Shows a request; m->ext is its own, and with `fixed` (may be NULL) all of it afterwards. 0;
 * HOOK_CHANGED, and *ret; HOOK_DELETE, of publishes and subscribes only; -ENOMEM.
 */
int hooks_outgoing(struct session *s, struct hook_message *m, const struct ext_fixed *fixed,
		   struct hook_change *ret);

/* ---- session_giveup.c ---- */
/* Gives up the requests of an exchange whose replies are not awaited any more; `sent`: they may have
   reached the server. */
void giveup_requests(struct session *s, struct exchange *x, bool sent, const char *text);
/* Makes the driver abort an HTTP exchange, or close the WebSocket with all exchanges on it. */
void giveup_abort(struct session *s, const struct exchange *x);
/* Gives up the outstanding connect; a later reply to it is ignored. */
void giveup_connect(struct session *s);
/* The session with the server has ended: everything in flight is given up and reported. */
void giveup_session(struct session *s);
/* Queued publishes end as not sent; `text`, static, is the reason. */
void giveup_waiting(struct session *s, const char *text);

/* ---- session_course.c ---- */
void course_init(struct session *s);
void course_start(struct session *s, uint64_t now);
/* Sends a disconnect if there is a session; OFF follows. */
void course_stop(struct session *s, uint64_t now);
/* OFF, now; nothing of the server is awaited any more */
void course_off(struct session *s, uint64_t now);
/* The URL of the last session of `before`, and its replay positions if they are of the same server. */
void course_succeed(struct session *s, const struct session *before);
void course_info(const struct session *s, struct session_info *ret);
/* Writes what another process needs of it, and goes on with it there: course_start() then resumes the session.
   Returns until when (ms since 1970) the server keeps the session. 0, SAVED_E_INVALID, -ENOMEM */
uint64_t course_save(const struct session *s, uint64_t now, struct json_write *w);
int course_restore(struct session *s, uint64_t now, const struct json_value *v);
/* All channels of a restored session are claimed: it need not wait any longer. */
void course_claimed(struct session *s);
/* When something is due, or OFF. */
uint64_t course_deadline(const struct session *s);
void course_tick(struct session *s, uint64_t now);

/* What is to be sent now. */
enum session_due course_due(const struct session *s, uint64_t now);
static inline size_t course_url(const struct session *s) { return s->course.urls.current; }
/* whether the connect that is due has timeout 0, and whether it asks for advice again */
static inline bool course_probes(const struct session *s) { return s->course.due_probe; }
static inline bool course_refreshes_advice(const struct session *s)
{
	return link_refreshes(&s->link, s->course.advice.interval);
}
/* all transports, for a handshake to list: usable ones first; returns how many */
size_t course_transports(const struct session *s, uint64_t now, enum session_transport ret[SESSION_TRANSPORTS]);
/* Over which transport it goes, and until when its reply is awaited. */
enum session_transport course_transport(struct session *s, uint64_t now);
uint64_t course_reply_deadline(const struct session *s, uint64_t now);
/* It was sent. */
void course_sent(struct session *s, uint64_t now);
/* If a handshake is due: gives up the old session and returns true. Nothing is sent before that is
   reported. */
bool course_start_handshake(struct session *s, uint64_t now);

/* Whether there is a session, and no new one is due. */
bool course_has_session(const struct session *s);
/* The link is doubted: ask by a connect that returns at once. */
void course_probe(struct session *s, uint64_t now);
/* The same because of a reply, after growing pauses. */
void course_suspect(struct session *s, uint64_t now);
/* Whether a connect disproved the last suspicion, a short time ago. */
bool course_suspicion_is_unfounded(const struct session *s, uint64_t now);
/* Applies the advice of a reply; *ret is the `reconnect` of this reply only, not of earlier advice. 0, -ENOMEM. */
int course_advise(struct session *s, const struct envelope *e, enum advice_reconnect *ret);
/* The server supports these transports (bits). Whether there is one in common, which the session uses. */
bool course_negotiate(struct session *s, uint64_t now, unsigned server);
/* the pause a server asked for, within reason */
uint64_t course_retry_after(const struct session_failure *f);

void course_handshake_done(struct session *s, uint64_t now, const struct envelope *e);
/* `rejected`: because of our credentials. */
void course_handshake_refused(struct session *s, uint64_t now, const struct envelope *e, bool rejected,
			      enum advice_reconnect reconnect);
void course_halt(struct session *s, uint64_t now, const struct envelope *e);
void course_connect_done(struct session *s, uint64_t now, const struct envelope *e,
		       enum advice_reconnect reconnect);
void course_connect_refused(struct session *s, uint64_t now, const struct envelope *e, bool rejected,
			    enum advice_reconnect reconnect);
/* The answer to the connect was cut off after its reply. */
void course_connect_cut(struct session *s, uint64_t now, const struct session_failure *f);
/* The handshake, or the connect, of an exchange that failed over `transport`. */
void course_handshake_lost(struct session *s, uint64_t now, enum session_transport transport,
			 const struct session_failure *f);
void course_connect_lost(struct session *s, uint64_t now, enum session_transport transport,
		       const struct session_failure *f);
/* The upgrade to WebSocket was rejected like credentials. */
void course_upgrade_refused(struct session *s, uint64_t now, const struct session_failure *f);
/* The pause after an answer that could not be read, before what was in it is asked for again. */
uint64_t course_unreadable_pause(struct session *s, uint64_t now);
/* an event came: the connect was good for something */
void course_event(struct session *s, uint64_t now);
/* The server ended the session: its own disconnect, or a good connect's reconnect none. */
void course_kicked(struct session *s, uint64_t now, const struct envelope *e);
/* The server answered a handshake with reconnect none. */
void course_handshake_forbidden(struct session *s, uint64_t now, const struct envelope *e);
/* whether a policy ended it permanently */
bool course_is_ended(const struct session *s);
/* In that case: queued publishes end as not sent, wanted channels are refused. */
void course_refuse(struct session *s);

/* Whether this failure of an exchange means that the server rejects our credentials, and there is a
   source of others. `x`: what was rejected; NULL for the upgrade of a WebSocket. */
bool course_is_rejection(const struct session *s, const struct exchange *x, const struct session_failure *f);
/* The session has ended and waits for credentials; `rejected`: the reason is set already. */
void course_await_credentials(struct session *s, uint64_t now, const struct envelope *e, bool rejected);
/* HTTP rejected a connect; that does not mean that the session is lost. */
void course_rejected(struct session *s, uint64_t now);
/* There are others. */
void course_credentials_came(struct session *s, uint64_t now);

/* ---- session_snapshot.c ---- */
/* Gives up the channels of an earlier process that no peer has claimed. */
void snapshot_drop_unclaimed(struct session *s);

/* ---- session_write.c ---- */
/* A message that is about to be sent. */
struct outgoing {
	enum request_kind kind;
	uint64_t id;
	struct slice subscription;              /* of subscribe and unsubscribe */
	struct slice channel, data, ext;        /* of a publish */
	char digits[24];                        /* of the id, once written */
};
/* Appends the message, after `sign`; all or nothing. 0, HOOK_DELETE, -errno. */
int write_message(struct session *s, uint64_t now, struct outgoing *m, char sign, struct buf *out);

/* ---- session_batch.c ---- */
int batch_take(struct session *s, uint64_t now, struct buf *out, struct session_batch *ret);
/* when the next batch of commands may be taken; SESSION_NEVER while something else must come
   first */
uint64_t batch_commands_at(const struct session *s);
void batch_init(struct session *s);
/* A batch failed: returns a pause that grows; *ret_first: none failed since the last answer. */
uint64_t batch_failed(struct session *s, bool *ret_first);
/* The server finds this one too large. */
void batch_too_large(struct session *s, const struct exchange *x);
/* The server answered to a command of this one. */
void batch_answered(struct session *s, const struct exchange *x);
/* The next so many requests are sent one per batch. */
static inline void batch_isolate(struct session *s, size_t n) { s->commands.isolate_left = n; }
/* No command, or none of channels, is sent before then. */
static inline void batch_pause(struct session *s, uint64_t until) { s->commands.at = until; }
static inline void batch_pause_channels(struct session *s, uint64_t until) { s->commands.channels_at = until; }
static inline uint64_t batch_channels_at(const struct session *s) { return s->commands.channels_at; }
/* When batch_keep_alive() has something to do; SESSION_NEVER while other requests are sent, or none can be. */
uint64_t batch_keep_alive_at(const struct session *s);
/* Queues a keep-alive message when it is time. */
void batch_keep_alive(struct session *s, uint64_t now);

/* ---- session_loss.c ---- */
/* An exchange failed; it is freed with all its requests. */
void loss_of_exchange(struct session *s, uint64_t now, struct exchange *x,
		      const struct session_failure *f);
/* The same at its deadline: we give it up. */
void loss_by_deadline(struct session *s, uint64_t now, struct exchange *x);
void loss_of_websocket(struct session *s, uint64_t now, const struct session_failure *f);
/* The server rejected our credentials by the failure of `x`, or of opening the WebSocket (NULL): its
   requests had no effect and wait, and so does the session. */
void loss_by_rejection(struct session *s, uint64_t now, struct exchange *x,
		       const struct session_failure *f);
/* Input of the WebSocket is not Bayeux: close it, and continue as if the server had closed it. */
void loss_by_fault(struct session *s, uint64_t now, const struct session_failure *f);
/* the deadline of one request passed */
void loss_of_request(struct session *s, uint64_t now, struct request *r);

/* ---- session_input.c ---- */
/* whether session_next() has events to report or input to read */
bool input_waits(const struct session *s);
/* No further piece of this text, or no message, arrived in time. */
void input_text_stalled(struct session *s, uint64_t now, struct text *t);

#endif
