/*
 * Which of a server's URLs is in use. They stand in order of preference. One is
 * given up for the next after several failures in a row, once each transport
 * has had its turn there; behind the last comes the first again. From a later
 * one that works, the first is gone back to after a while.
 *
 * A URL is a number here: what it says, and how it is reached, others know.
 */
#ifndef BAYEUX_URLS_H
#define BAYEUX_URLS_H

#include "bayeux/session.h"

struct urls {
	size_t n, current;
	unsigned transports;    /* bit per transport that is ours to use */
	size_t limit;           /* failures in a row that give a URL up */
	uint64_t pause;         /* before the first is gone back to; UINT64_MAX: never */
	size_t failures;        /* in a row, at the current one */
	unsigned tried;         /* bit per transport they happened on */
	bool good;              /* the current one has worked since it was gone to */
	uint64_t first_at;      /* when the first may be gone back to; valid while not there */
};

void urls_init(struct urls *u, const struct session_options *o);

/* Whether a failure speaks against the URL: not when the server was there and refused us, or our
   size, or our haste. */
bool urls_blames(const struct session_failure *f);

enum urls_verdict {
	URLS_STAY,              /* the same again */
	URLS_TRANSPORT,         /* another transport has its turn first */
	URLS_NEXT,              /* the next URL is the current one now */
	URLS_ROUND,             /* the same, and all of them failed: it is the first */
};
/* One more failure, over `which`. With only one URL it is always URLS_STAY. */
enum urls_verdict urls_failed(struct urls *u, enum session_transport which, uint64_t now);
/* The same for a session that all of them share: it goes on at the next over the same transport. */
enum urls_verdict urls_failed_shared(struct urls *u, uint64_t now);
/* It works. */
void urls_good(struct urls *u);

/* Whether the first deserves another try: this one has worked, and long enough ago we left it. */
bool urls_first_due(const struct urls *u, uint64_t now);
void urls_go_first(struct urls *u);

#endif
