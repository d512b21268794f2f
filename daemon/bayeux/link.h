/*
 * The link to the server: the handshake, connect or disconnect that is outstanding, the transport, and whether the
 * connect proves that session and transport work.
 */
#ifndef BAYEUX_LINK_H
#define BAYEUX_LINK_H

#include "bayeux/exchange.h"

/* Private to link.c. */
struct link {
	struct request handshake, connect, disconnect;
	enum session_transport transport;       /* of the session */
	enum session_transport next;            /* of the handshake or connect sent, or due */
	uint64_t connect_sent_at;
	bool probes;                    /* the outstanding connect has timeout 0 */
	uint64_t events;                /* that came while it was outstanding */
	uint64_t handshake_events;      /* still to come before the first connect */
	uint64_t stale_connect;         /* id of one overtaken on the same WebSocket, 0 for none */
	unsigned unrefreshed;           /* connects since advice was last requested */
	uint64_t spin;                  /* pause that keeps empty instant replies from spinning */
	bool websocket;                 /* sent something on a WebSocket that is not known to be closed */
	uint64_t websocket_received_at; /* bytes arrived on it */
};

void link_init(struct link *l, enum session_transport transport);
void link_fini(struct link *l, struct pending *pending);

/* Handshake, connect or disconnect: there is at most one of each. */
struct request *link_request(struct link *l, enum request_kind kind);
/* the exchange of the outstanding one, or NULL */
static inline struct exchange *link_connect(const struct link *l) { return l->connect.exchange; }
static inline struct exchange *link_handshake(const struct link *l) { return l->handshake.exchange; }

/* ---- transport ---- */
static inline enum session_transport link_transport(const struct link *l) { return l->transport; }
static inline enum session_transport link_next_transport(const struct link *l) { return l->next; }
/* The next handshake or connect goes over this one: perhaps only a try. */
static inline void link_try(struct link *l, enum session_transport t) { l->next = t; }
/* The session uses it. */
static inline void link_use(struct link *l, enum session_transport t) { l->transport = t; }
static inline bool link_has_websocket(const struct link *l) { return l->websocket; }
static inline void link_open_websocket(struct link *l) { l->websocket = true; }
/* It is closed, or of no use any more. Whether it was open. */
bool link_close_websocket(struct link *l);
static inline void link_websocket_received(struct link *l, uint64_t now) { l->websocket_received_at = now; }
/* When the last bytes came for the exchange. */
uint64_t link_received_at(const struct link *l, const struct exchange *x);

/* ---- the connect ---- */
/* Whether the next connect asks for advice again, because an interval slows us down. */
bool link_refreshes(const struct link *l, uint64_t interval);
/* `refreshes`: it asks for advice. */
void link_sent_connect(struct link *l, uint64_t now, bool probe, bool refreshes);
static inline bool link_probes(const struct link *l) { return l->probes; }
/* A new session, which receives so many events before its first connect. */
static inline void link_expect_events(struct link *l, uint64_t n) { l->handshake_events = n; }
/* An event came. Whether it is the first one during this connect; *ret_last: the last one before the first connect. */
bool link_event(struct link *l, bool *ret_last);
/* Whether the connect proves that session and transport work, not only that they exist. */
bool link_is_proof(const struct link *l, uint64_t now);
/* The pause before the next one, at most `most`: an empty reply came at once to one that might have been held. */
uint64_t link_spin_pause(struct link *l, uint64_t now, uint64_t most);
/* The next connect needs no pause. Whether it had one. */
bool link_end_spin(struct link *l);
/* A newer connect overtakes the outstanding one on the same WebSocket: only that is answered. */
void link_overtake(struct link *l);
/* Whether this is the reply to the one overtaken. */
bool link_is_stale(const struct link *l, struct slice id);
static inline void link_forget_stale(struct link *l) { l->stale_connect = 0; }

#endif
