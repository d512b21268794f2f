/*
 * Selects a transport. There is always one to use, and none is excluded permanently
 * because the server was not available for a while.
 */
#include "bayeux/transports.h"

#define ALL ((1u << SESSION_TRANSPORTS) - 1)
#define PAUSE_MIN 1000u

void transports_init(struct transports *t, const struct session_options *o)
{
	*t = (struct transports){.n = o->n_transports, .limit = o->transport_failures,
				 .pause = o->transport_retry, .sticky = o->transport_sticky,
				 .server = ALL};
	/* a try costs a connect: never one after the other */
	if (t->pause < PAUSE_MIN)
		t->pause = PAUSE_MIN;
	for (size_t i = 0; i < t->n; i++)
		t->order[i] = o->transports[i];
}

static bool usable(const struct transports *t, enum session_transport which, uint64_t now)
{
	return t->of[which].back_at <= now;
}

size_t transports_list(const struct transports *t, uint64_t now,
		       enum session_transport ret[SESSION_TRANSPORTS])
{
	size_t n = 0;
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < t->n; i++)
			if (usable(t, t->order[i], now) == (pass == 0))
				ret[n++] = t->order[i];
	return n;
}

/* the first of ours, usable before set aside, among `among` */
static bool pick(const struct transports *t, unsigned among, uint64_t now,
		 enum session_transport *ret)
{
	enum session_transport list[SESSION_TRANSPORTS];
	size_t n = transports_list(t, now, list);
	for (size_t i = 0; i < n; i++)
		if (among & 1u << list[i]) {
			*ret = list[i];
			return true;
		}
	return false;
}

/* What the server did not list last time is not tried before what it did. */
enum session_transport transports_first(const struct transports *t, uint64_t now)
{
	enum session_transport which = t->order[0];
	if (!pick(t, t->server, now, &which) || !usable(t, which, now))
		pick(t, ALL, now, &which);
	return which;
}

bool transports_negotiate(struct transports *t, unsigned server, uint64_t now,
			  enum session_transport *ret)
{
	t->server = server ? server : ALL;
	return pick(t, t->server, now, ret);
}

static void clear_failures(struct transports *t, enum session_transport which)
{
	t->of[which].failures = 0;
	t->of[which].unsupported = false;
	t->of[which].back_at = 0;
}

void transports_proven(struct transports *t, enum session_transport which)
{
	clear_failures(t, which);
	t->of[which].proven = true;
}

/* The server is not there for the fallback either: then the better ones did nothing wrong. */
static void rehabilitate(struct transports *t, enum session_transport than)
{
	for (size_t i = 0; i < t->n && t->order[i] != than; i++)
		if (!t->of[t->order[i]].unsupported)
			clear_failures(t, t->order[i]);
}

bool transports_failed(struct transports *t, enum session_transport which,
		       const struct session_failure *f, uint64_t now)
{
	enum session_transport other;
	if (t->sticky && t->of[which].proven)
		return false;
	t->of[which].failures++;
	if (f->kind == SESSION_NOT_SENT && !f->unsupported)
		rehabilitate(t, which);
	if (t->n < 2 || (!f->unsupported && t->of[which].failures < t->limit))
		return false;
	t->of[which].unsupported = f->unsupported;
	transports_set_aside(t, which, now);
	if (pick(t, ALL, now, &other) && usable(t, other, now))
		return true;
	/* all are set aside: start again with the first */
	for (size_t i = 0; i < t->n; i++)
		clear_failures(t, t->order[i]);
	return true;
}

bool transports_better(const struct transports *t, enum session_transport current, uint64_t now,
		       enum session_transport *ret)
{
	for (size_t i = 0; i < t->n && t->order[i] != current; i++)
		if (usable(t, t->order[i], now) && t->server & 1u << t->order[i]) {
			*ret = t->order[i];
			return true;
		}
	return false;
}

void transports_set_aside(struct transports *t, enum session_transport which, uint64_t now)
{
	t->of[which].failures = 0;
	t->of[which].back_at = t->pause < UINT64_MAX ? now + t->pause : UINT64_MAX;
}

void transports_save(const struct transports *t, uint64_t now, unsigned *ret_server, unsigned *ret_aside)
{
	*ret_server = t->server;
	*ret_aside = 0;
	for (int i = 0; i < SESSION_TRANSPORTS; i++)
		if (!usable(t, (enum session_transport)i, now))
			*ret_aside |= 1u << i;
}

void transports_restore(struct transports *t, unsigned server, unsigned aside, uint64_t now)
{
	t->server = server & ALL ? server & ALL : ALL;
	for (int i = 0; i < SESSION_TRANSPORTS; i++)
		if (aside & 1u << i)
			transports_set_aside(t, (enum session_transport)i, now);
}

bool transports_include(const struct transports *t, enum session_transport which)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->order[i] == which)
			return true;
	return false;
}

const char *session_transport_name(enum session_transport t)
{
	return t == SESSION_WEBSOCKET ? "websocket" : "long-polling";
}
