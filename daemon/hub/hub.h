/*
 * Connects members (local peers) and servers. It determines the receivers of a
 * message, counts the members that want a pattern and passes the changes 0->1 and
 * 1->0 to the session, and delivers each answer to the member that sent the request,
 * if it is still connected. No I/O, no configuration, no JSON syntax.
 *
 * A message is encoded once, into a shared blob, and only if it has a receiver. The
 * session keeps a cookie of each request, not a pointer: it is looked up when the
 * answer arrives, and finds nothing if the member was removed meanwhile.
 */
#ifndef HUB_HUB_H
#define HUB_HUB_H

#include "base/list.h"
#include "base/strings.h"
#include "base/strmap.h"
#include "bayeux/session.h"
#include "hub/encoder.h"
#include "hub/identity.h"
#include "hub/log.h"
#include "hub/outbox.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hub;
struct hub_server;
struct subscription;
struct consumer;

/* A peer as the hub sees it; a member of struct peer. */
struct member {
	uint64_t id;                    /* never reused; 0 while in no hub */
	struct identity identity;       /* of its owner; the hub frees nothing of it */
	struct outbox outbox;
	struct list subscriptions;      /* subscription::of_member */
	struct strmap by_pattern;       /* the same, by server and pattern */
	size_t n_subscriptions;
	struct strmap requests;         /* by tag: those without an answer */
	struct strmap_node by_id;       /* hub's map */
	struct list link;               /* hub's list, in order of arrival */
	struct list crowded;            /* hub_server::crowd */
	uint64_t written_seen;          /* outbox.written at the last check, while crowded */
	uint64_t dismissed_at;          /* … when reading stopped waiting for it */
	struct list readers;            /* reader::of_member: it reads the past of these servers */
	struct list consumers;          /* consumer::of_holder: it holds these */
	struct consumer *consumer;      /* it has the subscriptions of this one, and is in no hub; or NULL */
	bool is_apart;                  /* live messages are not for its outbox: it has readers, or `consumer` */
	struct list hit;                /* collected for the current message */
	enum outbox_overflow hit_overflow;
};

/* limits per member; a request beyond them is answered too-many */
struct hub_options {
	size_t subscriptions_max;       /* 1024 */
	size_t requests_max;            /* in flight, 1024 */
	size_t message_max;             /* larger messages are reported lost */
};

/* The encoder must outlive the hub. */
int hub_new(const struct hub_options *o, const struct hub_encoder *encoder, struct hub **ret);
/* From now on; what exceeds a smaller limit stays. */
void hub_set_options(struct hub *h, const struct hub_options *o);
/* All members and servers must be removed before. */
void hub_free(struct hub *h);

/* ---- servers ---- */
/* The caller keeps ownership of the session, which must outlive the server here. 0, -ENOMEM, -EEXIST. */
int hub_add_server(struct hub *h, struct slice name, bool is_default, struct session *session,
		   struct hub_server **ret);
/*
 * Exchanges the session of a server. The old one is stopped and its last events are taken; it stays the caller's.
 * The new one gets the channels that members want, each for the member that wanted it first. A publish or call
 * that still waits for the old one is answered unknown-outcome; a subscribe that waits for it is answered by the
 * new one, or pending if that is not up. 0; -ENOMEM: nothing has changed, and the new session wants nothing.
 */
int hub_set_session(struct hub *h, struct hub_server *server, struct session *session);
/* Whether requests that name no server are for this one; of several the first. */
void hub_set_default(struct hub_server *server, bool is_default);
/* The grace period of a lost link: the loss is reported to members only after it, and not at all if the
   link is back before without a gap. 0: reported at once; UINT64_MAX: only a gap is reported. A loss that was not
   reported yet follows the new value: look at hub_deadline() again. */
void hub_set_grace(struct hub_server *server, uint64_t ms);
/* Removes a server from the configuration. Stop the session first and handle its last events: requests
   still pending are then answered unknown-outcome. Subscriptions end with a `subscription` event (ok
   false, unknown-server). If the name is added again, its seq continues. */
void hub_remove_server(struct hub *h, struct hub_server *server);
/* The patterns that stay subscribed without a member, in place of those set before; each is checked by the caller,
   and none is a service channel. 0; -ENOMEM: not all of them are added, and none is removed. */
int hub_set_kept(struct hub_server *server, const struct strings *patterns);
/* Whether the pattern is one of them; *ret_refused: the server refused it, and has not accepted it since. */
bool hub_is_kept(const struct hub_server *server, struct slice pattern, bool *ret_refused);
/* For how long (ms) a pattern stays subscribed when the last member that holds it leaves; 0: not at all. One that stays
   already follows the new value: look at hub_deadline() again. */
void hub_set_linger(struct hub_server *server, uint64_t ms);
/* how many patterns stay so */
size_t hub_server_lingering(const struct hub_server *server);
/* By name; an absent (NULL) name means the default server. NULL when there is none. */
struct hub_server *hub_find_server(struct hub *h, struct slice name);
struct hub_server *hub_next_server(struct hub *h, struct hub_server *after);  /* NULL: first */
struct slice hub_server_name(const struct hub_server *s);
bool hub_server_is_default(const struct hub_server *s);
struct session *hub_server_session(const struct hub_server *s);
uint64_t hub_server_seq(const struct hub_server *s);   /* of the newest message */
void hub_server_position(const struct hub_server *s, struct hub_position *ret);
/* Continues the positions of an earlier process: the next message gets seq + 1 of this epoch. With another seq than
   the present one the log is empty then. Before that call each server of a process has an epoch of its own. Members
   are not informed. */
void hub_set_position(struct hub_server *s, uint64_t epoch, uint64_t seq);
/* From now on positions have this epoch, which none had before. Members are not informed. */
void hub_begin_epoch(struct hub_server *s, uint64_t epoch);
/* How much of its messages is kept for members that ask for the past; at first nothing. */
void hub_set_history(struct hub_server *s, const struct hub_log_limits *limits, uint64_t now);
/* how many of its messages could not be read or were too large */
uint64_t hub_server_left_out(const struct hub_server *s);

/* ---- the server's side: events of the session ---- */
/* Handles one event of the session: delivers a message, completes a request, notifies the holders of a
   channel, reports a state. `now`: loop time, `unix_ms`: time of day. */
void hub_handle_event(struct hub *h, struct hub_server *server, const struct session_event *event,
	      uint64_t now, uint64_t unix_ms);

/*
 * Slow receivers: messages of this server fill more than half of their outbox, but their socket still accepts
 * data. The caller may pause reading from the server for them.
 */
bool hub_is_crowded(const struct hub_server *server);
/* How many bytes their sockets accepted since the last call. Receivers that caught up are not counted any
   more. */
uint64_t hub_crowd_progress(struct hub_server *server);
/* Reading does not wait for them any more: each counts again only after its socket accepts data. */
void hub_crowd_dismiss(struct hub_server *server);
/* Whether reading from the server waits for them now, and for how many ms in all; status shows both. */
void hub_set_paused(struct hub_server *server, bool paused, uint64_t total);
bool hub_server_paused(const struct hub_server *server, uint64_t *ret_total);

/* When to call hub_tick(): UINT64_MAX for never. */
uint64_t hub_deadline(const struct hub_server *server);
/* Reports a loss whose grace period is over, and drops messages that are too old from the log. */
void hub_tick(struct hub *h, struct hub_server *server, uint64_t now, uint64_t unix_ms);

/* ---- the peers' side ---- */
/* The outbox must be initialised. From now on the member gets every state event. 0, -ENOMEM. */
int hub_add_member(struct hub *h, struct member *m);
/* Ends its subscriptions, drops pending replies, and notifies the sessions. Does not
   touch the outbox. */
void hub_remove_member(struct hub *h, struct member *m);
/* The same for a member that may return: the patterns that no other member holds stay subscribed for a time
   (hub_set_linger()). */
void hub_member_left(struct hub *h, struct member *m, uint64_t now);
/* For an immediate stop: answers all pending requests, a publish or call by unknown-outcome with this
   text, a subscribe as pending. Stop the sessions and handle their events first, because they may have
   more exact answers. */
void hub_end_requests(struct hub *h, struct slice why);
struct member *hub_find_member(struct hub *h, uint64_t id);
struct member *hub_next_member(struct hub *h, struct member *after);   /* NULL: first */

/*
 * Requests. Each checks everything before it changes anything, and is answered once, by the member's `tag` for
 * it: at once, or when the server has answered. The slices are views for the duration of the call; a server of
 * SLICE_NULL is the default one. 0, or -ENOMEM, after which the member still got its answer (internal) or is
 * overrun.
 */
struct hub_channels {
	const struct slice *names;      /* 1 to PROTOCOL_CHANNELS_MAX, not yet checked */
	size_t n;
};

struct hub_subscribe {
	uint64_t tag;
	struct slice server;
	struct hub_channels channels;
	bool local_only;                /* receive what arrives anyway, ask the server for nothing */
	enum outbox_overflow overflow;
	/* messages of the log that come first: none, the last `n` of each channel, those after a position, or
	   those received at a time or later */
	enum { HUB_PAST_NONE, HUB_PAST_HISTORY, HUB_PAST_POSITION, HUB_PAST_TIME } past;
	uint64_t n;
	uint64_t time;                  /* loop time */
	bool epoch_known;               /* false: it is none of this daemon */
	uint64_t epoch, seq;
	bool more;                      /* reading them waits for the next subscribe without it */
	struct slice durable;           /* for the consumer of this name; SLICE_NULL: for the member */
};

struct hub_publish {
	uint64_t tag;
	bool unanswered;                /* no answer, and no tag */
	bool call;                      /* the server's answer goes to this member alone */
	struct slice server, channel;
	struct slice data, ext;         /* raw JSON; ext may be SLICE_NULL */
	uint64_t timeout;               /* ms */
};

int hub_subscribe(struct hub *h, struct member *member, const struct hub_subscribe *s);
int hub_unsubscribe(struct hub *h, struct member *member, uint64_t tag, struct slice server,
		    const struct hub_channels *channels);
int hub_publish(struct hub *h, struct member *member, const struct hub_publish *p, uint64_t now);
/* Whether a request with this tag still waits for its answer: no other may have the tag till then. */
bool hub_tag_in_use(const struct member *member, uint64_t tag);

/*
 * Past messages. While a member has some to get, it gets no live messages of that server: all wait in the log of the
 * server, until it has caught up. A subscribe that asks for the past is answered after that.
 */
/* Whether past messages can be put into its outbox now; to be asked again after its outbox was written or it
   sent a request. False for one that is in no hub. */
bool hub_can_read(const struct member *m);
/* Puts some of them into its outbox. */
void hub_read(struct member *m);
/* How many messages wait for it in logs, at most. */
uint64_t hub_behind(const struct member *m);

/* The member holds the consumer and has processed all messages up to `seq`. `tag` NULL: without an answer. As a request. */
int hub_ack(struct hub *h, struct member *member, const uint64_t *tag, struct slice server, struct slice name,
	    uint64_t seq);
/* Removes the consumer; one with another uid only for root, one that is held only for its holder. */
int hub_forget(struct hub *h, struct member *member, uint64_t tag, struct slice server, struct slice name);
/* How much is kept of what consumers have not acknowledged. Before that call: HUB_DURABLE_BYTES, and no other limit. */
void hub_set_durable(struct hub_server *server, const struct hub_log_limits *limits, uint64_t now);
#define HUB_DURABLE_BYTES (64u << 20)

/*
 * What a store keeps of the consumers. The hub only collects the changes; the caller takes them after each event, and when
 * woken. A message reaches its consumers, and an ack with a tag is answered, when the caller has reported it as stored.
 */
struct hub_durable_change {
	enum {
		HUB_DURABLE_MESSAGE,
		HUB_DURABLE_CONSUMER,   /* it is new, or has other values */
		HUB_DURABLE_ENDED,      /* a consumer: only its name and uid are set */
		HUB_DURABLE_TRIM,       /* messages up to `seq` are not needed any more */
	} kind;
	uint64_t seq;
	uint64_t time;                  /* of a message: loop time */
	struct slice channel;           /* empty: unknown */
	bool filtered;                  /* subscriptions to the channel with a filter match */
	struct slice frame;
	struct hub_consumer_saved {
		struct slice name;
		uid_t uid;
		uint64_t acked;
		struct hub_loss lost;   /* dropped, and not acknowledged */
		struct slice patterns;  /* each as "SEQ PATTERN\n": it brings what comes from that seq on */
	} consumer;
};

/* From now on changes are for a store, and `changed` is woken by those that no event of the session made. Call it before there
   are consumers. */
void hub_store_consumers(struct hub_server *server, struct wake changed);
/* The next change, with views until the next call of a function of this server; false: there is none. */
bool hub_next_durable_change(struct hub_server *server, struct hub_durable_change *ret);
/* A number for all changes taken so far, for hub_durable_stored(): to be asked once after they were taken. */
uint64_t hub_durable_taken(struct hub_server *server);
/* All changes taken when hub_durable_taken() was this number are stored. */
void hub_durable_stored(struct hub_server *server, uint64_t taken);
/* Whether messages wait to be stored. */
bool hub_durable_waits(const struct hub_server *server);
/* The store has lost everything: all consumers and messages are changes again. */
void hub_rewrite_durable(struct hub_server *server);
/* At start, before any event, after hub_set_position(): the consumers, then the messages in ascending order. 0 or -ENOMEM;
   -EINVAL: not what hub_next_durable_change() gave. */
int hub_restore_consumer(struct hub *h, struct hub_server *server, const struct hub_consumer_saved *saved);
int hub_restore_message(struct hub_server *server, const struct hub_durable_change *message, uint64_t now);

/* ---- replies, also to requests that did not concern the hub ---- */
/* The one reply to a request. What cannot be encoded becomes an error. */
void hub_reply(struct hub *h, struct member *member, uint64_t tag, const struct hub_answer *answer);
void hub_refuse(struct hub *h, struct member *member, uint64_t tag, enum protocol_error code,
		struct slice text);

/* ---- for status ---- */
struct hub_subscription {
	struct slice server, pattern;
	bool pending;                   /* the server has not accepted it */
};
/* What a member is subscribed to, in order: NULL is before the first and after the last. */
const struct subscription *hub_next_subscription(const struct member *m, const struct subscription *after,
						 struct hub_subscription *ret);

/* A pattern of hub_set_kept(). */
struct hub_kept {
	struct slice pattern;
	enum session_channel_status status;
	struct slice refusal;           /* why the server refused it last; empty: it did not, since it accepted it */
};
/* The patterns that are kept, in order: NULL is before the first and after the last. */
const struct subscription *hub_next_kept(const struct hub_server *server, const struct subscription *after,
					 struct hub_kept *ret);

struct hub_consumer {
	struct slice name;
	uid_t uid;
	uint64_t acked;                 /* seq */
	uint64_t waiting;               /* messages that it has not acknowledged, at most */
	uint64_t dropped;               /* … were dropped because of a limit */
	uint64_t newest;                /* seq of the newest message that waits; that of `acked` if none does */
	bool held;
	pid_t pid;                      /* of its holder; 0: unknown */
	const struct member *subscriptions;     /* for hub_next_subscription() */
};
/* The consumers of a server, in the order in which they were made: NULL is before the first and after the last. */
const struct consumer *hub_next_consumer(const struct hub_server *server, const struct consumer *after,
					 struct hub_consumer *ret);

struct hub_stats {
	uint64_t received, matched, delivered_frames, encoded_bytes;
	uint64_t read_entries;          /* of logs, for members that asked for the past */
	size_t members, requests, subscriptions;
};
void hub_stats(const struct hub *h, struct hub_stats *ret);

#endif
