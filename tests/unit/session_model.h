/*
 * A model of a Bayeux server and of the network before it, both on a simulated
 * clock and both moody by a seed: connections refused, cut before or after the
 * server took the message, silent for ever; sessions that expire or are kicked;
 * sockets that close. It behaves as CometD does: events ride on any response,
 * or with the acknowledgement extension on connect responses only, and are kept
 * until acknowledged. It plays the driver as well.
 */
#ifndef TESTS_SESSION_MODEL_H
#define TESTS_SESSION_MODEL_H

#include "bayeux/envelope.h"
#include "bayeux/session.h"

#define MODEL_CHANNELS 8
#define MODEL_PUBLISHES 8192
#define MODEL_EVENTS 4096
#define MODEL_ITEMS 4096

struct model_event {
	char channel[16];
	uint64_t seq;
	uint64_t batch;                 /* of the ack extension, open when it was queued */
};

/* something under way, in one direction or the other */
struct model_item {
	enum { MODEL_ARRIVES, MODEL_RESPONSE, MODEL_FAILURE, MODEL_FRAME, MODEL_CLOSE } kind;
	uint64_t at, order;
	uint64_t batch;                 /* of the exchange; 0 on a WebSocket */
	unsigned socket;                /* 0 over HTTP */
	struct session_failure failure;
	char *text;
	uint64_t first_seq, n_events;   /* events in it, for counting */
};

struct model {
	struct session *s;
	uint64_t now, random;
	unsigned trouble;               /* per mille of exchanges that go wrong */
	bool ack;                       /* the server supports it */
	bool no_websocket;              /* the server refuses the upgrade */
	bool copies;                    /* sends one copy per matching subscription */
	/* the server */
	unsigned session;               /* number in the clientId of the living one, 0 for none */
	unsigned sessions;
	bool session_ack;
	bool subscribed[MODEL_CHANNELS];
	struct model_event queue[MODEL_EVENTS];
	size_t queued;
	uint64_t ack_batch;
	bool held;
	unsigned held_socket;           /* where it arrived last; 0 over HTTP */
	char held_id[24];
	uint64_t held_batch, held_until, seen_at;
	unsigned char processed[MODEL_PUBLISHES], refused[MODEL_PUBLISHES];
	uint64_t seq;                   /* of the last event on /steady */
	uint64_t other;                 /* of the last event elsewhere */
	/* the network */
	struct model_item items[MODEL_ITEMS];
	size_t n_items;
	uint64_t order, last_frame_at;
	unsigned socket;                /* number of the living one, 0 for none */
	unsigned sockets;
	uint64_t connects_open, fed_events;
	uint64_t batches;               /* taken so far, but for those with publishes */
	uint64_t open[64];              /* HTTP exchanges under way */
	void (*tell)(struct model *m, const struct session_event *e);
	void *ctx;
};

extern const char *const model_channels[MODEL_CHANNELS];

void model_init(struct model *m, uint64_t seed);
void model_fini(struct model *m);
/* The process of the session ends: nothing that is under way arrives. Another session may follow. */
void model_disconnect(struct model *m);
uint64_t model_random(struct model *m, uint64_t below);
/* the server publishes the next event on that channel */
void model_publish(struct model *m, unsigned channel);
void model_expire(struct model *m);
void model_kick(struct model *m);
void model_close_socket(struct model *m);
/* Gets all events of the session, and its batches. */
void model_pull(struct model *m);
/* when the next thing happens by itself */
uint64_t model_next(const struct model *m);
/* Moves the clock there and lets it happen. */
void model_step(struct model *m, uint64_t to);

#endif
