/*
 * Which of a server's URLs is in use. They are listed in order of preference. The next
 * one is used after several failures in a row, when each transport has been tried; after
 * the last comes the first again. From a later one that works, the session returns to
 * the first after a while.
 *
 * A URL is an index here.
 */
#ifndef BAYEUX_URLS_H
#define BAYEUX_URLS_H

#include "bayeux/session.h"

struct urls {
	size_t n, current;
	unsigned transports;    /* bit per transport that is enabled */
	size_t limit;           /* failures in a row after which the next URL is used */
	uint64_t pause;         /* time until the first is tried again; UINT64_MAX: never */
	size_t failures;        /* in a row, at the current one */
	unsigned tried;         /* bit per transport with a failure */
	bool good;              /* the current one has worked since it was selected */
	uint64_t first_at;      /* when the first is tried again; valid while another is in use */
};

void urls_init(struct urls *u, const struct session_options *o);

/* Whether a failure counts against the URL: not if the server answered and refused us, the size of a
   message, or the rate of requests. */
bool urls_blames(const struct session_failure *f);

enum urls_verdict {
	URLS_STAY,              /* keep the current URL */
	URLS_TRANSPORT,         /* try another transport first */
	URLS_NEXT,              /* the next URL is current now */
	URLS_ROUND,             /* the same, after all of them failed: the first is current */
};
/* Counts a failure over `which`. With only one URL the result is always URLS_STAY. */
enum urls_verdict urls_failed(struct urls *u, enum session_transport which, uint64_t now);
/* The same for a session shared by all URLs: it continues at the next over the same transport. */
enum urls_verdict urls_failed_shared(struct urls *u, uint64_t now);
/* It works. */
void urls_good(struct urls *u);

/* Whether the first deserves another try: this one has worked, and long enough ago we left it. */
bool urls_first_due(const struct urls *u, uint64_t now);
void urls_go_first(struct urls *u);
/* A session that another process had at this one goes on. */
void urls_resume(struct urls *u, size_t url, uint64_t now);

#endif
