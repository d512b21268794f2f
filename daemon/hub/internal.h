/*
 * The records of the hub, private to its files. Other modules use hub.h.
 */
#ifndef HUB_INTERNAL_H
#define HUB_INTERNAL_H

#include "hub/chunk.h"
#include "hub/consumer_changes.h"
#include "hub/hub.h"
#include "hub/grace.h"
#include "hub/log.h"
#include "hub/trie.h"

/* Private to hub/. */
struct hub {
	struct hub_options options;
	const struct hub_encoder *encoder;
	struct strmap members;          /* member::by_id */
	struct list member_list;        /* member::link */
	uint64_t last_member;           /* id */
	struct strmap servers;          /* hub_server::by_name, removed ones too */
	struct list server_list;        /* hub_server::link */
	struct strmap cookies;          /* request::by_cookie */
	uint64_t last_cookie;           /* 0: a publish without a reply */
	struct chunk chunk;             /* of frames other than messages */
	struct hub_stats stats;
};

/*
 * A configured server. Outboxes refer to its name, so a removed one is kept, empty,
 * until the hub is freed. A server added again with that name continues its seq: a seq
 * never identifies two messages. Private to hub/.
 */
struct hub_server {
	struct strmap_node by_name;     /* hub::servers */
	struct list link;               /* hub::server_list, until removed */
	struct session *session;        /* NULL: removed */
	bool is_default;
	struct grace grace;
	uint64_t epoch;
	uint64_t seq;                   /* of the newest message */
	struct chunk chunk;             /* its messages: the blobs of the log have nothing else in them */
	struct hub_log log;
	struct list consumers;          /* consumer::of_server */
	struct hub_log durable;         /* what waits for them */
	struct chunk durable_chunk;     /* its messages */
	struct consumer_changes changes;
	uint64_t begin;                 /* the seq before which nothing is known of this epoch */
	struct list readers;            /* reader::of_server */
	uint64_t left_out;              /* messages that were unreadable or too large */
	struct trie *trie;              /* subscription::entry */
	struct strmap interests;        /* interest::by_pattern */
	struct list kept;               /* subscription::of_member, by configuration */
	struct list lingering;          /* the same of members that left, the first to leave first */
	size_t n_lingering;
	uint64_t linger;                /* ms */
	uint64_t generation;            /* of the session, when it last reported its state */
	/* the first position after the last interruption of any interest; 0: there was none */
	uint64_t uninterrupted_from;
	struct trie *filtered;          /* subscription::by_channel */
	struct list requests;           /* request::of_server */
	struct list crowd;              /* member::crowded */
	bool paused;                    /* reading from the server waits for them */
	uint64_t paused_ms;             /* in all */
	char name[];                    /* the key of by_name */
};

/* for hub_server_position() */
static inline struct hub_position server_position(const struct hub_server *s)
{
	return (struct hub_position){s->epoch, hub_log_first(&s->log), s->seq};
}

#endif
