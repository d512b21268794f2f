/*
 * What a server advises about reconnecting. The advice of one message replaces
 * all earlier advice, over the defaults (bayeux.md 1.10): there is no merging,
 * and a handshake begins with the defaults again, for some servers answer it
 * without advice and old advice once made clients handshake for ever.
 */
#ifndef BAYEUX_ADVICE_H
#define BAYEUX_ADVICE_H

#include "protocol/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum advice_reconnect {
	ADVICE_ABSENT,          /* not said, or a word nobody knows: the context decides */
	ADVICE_RETRY,
	ADVICE_HANDSHAKE,
	ADVICE_NONE,
};

/* numbers in milliseconds, from 0 to ADVICE_MAX */
struct advice {
	enum advice_reconnect reconnect;
	uint64_t interval;      /* between the end of a connect and the next */
	uint64_t timeout;       /* how long the server holds a connect */
	uint64_t max_interval;  /* how long a session lives without a connect; 0 when not said */
	bool multiple_clients;  /* another session with our cookie is being held instead of us */
	/* it names other hosts to go to. They are not read: whoever answers for a server would be
	   given its credentials, so where to go is for the administrator alone to say */
	bool hosts;
};

#define ADVICE_TIMEOUT_DEFAULT 60000
#define ADVICE_MAX 3600000

void advice_reset(struct advice *a);
/*
 * Replaces *a by the raw object `text`, overlaid by the object named after the
 * current `transport` in it. Wrong types are as if absent, numbers are clamped;
 * what is no readable object changes nothing. 0 or -ENOMEM, then *a is untouched.
 */
int advice_read(struct advice *a, struct slice text, const char *transport);

#endif
