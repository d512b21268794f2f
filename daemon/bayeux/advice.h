/*
 * What a server advises about reconnecting. The advice of one message replaces
 * all earlier advice, over the defaults (bayeux.md 1.10): there is no merging. A
 * handshake begins with the defaults again, because some servers answer it without
 * advice, and with old advice a client could repeat the handshake without end.
 */
#ifndef BAYEUX_ADVICE_H
#define BAYEUX_ADVICE_H

#include "protocol/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum advice_reconnect {
	ADVICE_ABSENT,          /* missing or unknown: the context decides */
	ADVICE_RETRY,
	ADVICE_HANDSHAKE,
	ADVICE_NONE,
};

/* numbers in milliseconds, from 0 to ADVICE_MAX */
struct advice {
	enum advice_reconnect reconnect;
	uint64_t interval;      /* between the end of a connect and the next */
	uint64_t timeout;       /* how long the server holds a connect */
	uint64_t max_interval;  /* after which time without a connect a session expires; 0: unknown */
	bool multiple_clients;  /* another session with our cookie is being held instead of us */
	/* it lists other hosts. They are not used: the session's credentials would be sent to them,
	   so only the administrator configures where to connect */
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
