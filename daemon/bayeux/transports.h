/*
 * Which transport to use: our order of preference, what the server lists, and
 * which one has been failing. A transport that fails again and again is set
 * aside for a while; the last one left never is.
 */
#ifndef BAYEUX_TRANSPORTS_H
#define BAYEUX_TRANSPORTS_H

#include "bayeux/session.h"

/* Private to transports.c. */
struct transports {
	enum session_transport order[SESSION_TRANSPORTS];
	size_t n;
	unsigned limit;                 /* failures in a row that set one aside */
	uint64_t pause;                 /* for how long; UINT64_MAX: permanently */
	bool sticky;                    /* one that has worked is not set aside */
	/* bit per transport the server listed last; all, before it did */
	unsigned server;
	struct {
		unsigned failures;      /* in a row */
		bool unsupported;       /* the server does not support it */
		bool proven;            /* it has carried a session */
		uint64_t back_at;       /* set aside until then; 0 when it is not */
	} of[SESSION_TRANSPORTS];
};

void transports_init(struct transports *t, const struct session_options *o);
/* whether it is one of ours */
bool transports_include(const struct transports *t, enum session_transport which);
/* for a handshake */
enum session_transport transports_first(const struct transports *t, uint64_t now);
/* all of ours, for the handshake to list: usable ones first; returns how many */
size_t transports_list(const struct transports *t, uint64_t now,
		       enum session_transport ret[SESSION_TRANSPORTS]);
/* After a handshake whose reply listed `server` (bits). false: nothing in common. */
bool transports_negotiate(struct transports *t, unsigned server, uint64_t now,
			  enum session_transport *ret);
/* Counts a failure. Whether the transport is set aside now, so that another one is used. */
bool transports_failed(struct transports *t, enum session_transport which,
		       const struct session_failure *f, uint64_t now);
/* What another process needs to go on: which transports the server listed, and which are set aside (bits). */
void transports_save(const struct transports *t, uint64_t now, unsigned *ret_server, unsigned *ret_aside);
void transports_restore(struct transports *t, unsigned server, unsigned aside, uint64_t now);
/* A session works over it. */
void transports_proven(struct transports *t, enum session_transport which);
/* Whether a transport preferred to `current` should be tried again; the server supports it. */
bool transports_better(const struct transports *t, enum session_transport current, uint64_t now,
		       enum session_transport *ret);
/* That try failed: set aside for a while. */
void transports_set_aside(struct transports *t, enum session_transport which, uint64_t now);

#endif
