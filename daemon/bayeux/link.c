/*
 * Follows the outstanding connect: what came with it, how long it was held. A connect that was held, or that brought
 * events, proves the session; an empty one that was answered at once slows down the next.
 */
#include "bayeux/link.h"

/* replies faster than this without events are no long-polling */
#define INSTANT_MS 100u
#define SPIN_MIN 50u
/* ask for advice again every so many connects while an interval slows us down */
#define REFRESH_EVERY 10u

void link_init(struct link *l, enum session_transport transport)
{
	*l = (struct link){.transport = transport, .next = transport};
	request_init(&l->handshake, REQUEST_HANDSHAKE);
	request_init(&l->connect, REQUEST_CONNECT);
	request_init(&l->disconnect, REQUEST_DISCONNECT);
}

void link_fini(struct link *l, struct pending *pending)
{
	pending_remove(pending, &l->handshake.pending);
	pending_remove(pending, &l->connect.pending);
	pending_remove(pending, &l->disconnect.pending);
}

struct request *link_request(struct link *l, enum request_kind kind)
{
	return kind == REQUEST_HANDSHAKE ? &l->handshake : kind == REQUEST_CONNECT ? &l->connect : &l->disconnect;
}

bool link_close_websocket(struct link *l)
{
	bool was = l->websocket;
	l->websocket = false;
	return was;
}

uint64_t link_received_at(const struct link *l, const struct exchange *x)
{
	return x->batch.transport == SESSION_WEBSOCKET ? l->websocket_received_at : x->received_at;
}

bool link_refreshes(const struct link *l, uint64_t interval)
{
	return interval > 0 && l->unrefreshed >= REFRESH_EVERY;
}

void link_sent_connect(struct link *l, uint64_t now, bool probe, bool refreshes)
{
	l->unrefreshed = refreshes && !probe ? 0 : l->unrefreshed + 1;
	l->connect_sent_at = now;
	l->probes = probe;
	l->events = 0;
}

bool link_event(struct link *l, bool *ret_last)
{
	*ret_last = l->handshake_events && --l->handshake_events == 0;
	return l->events++ == 0;
}

bool link_is_proof(const struct link *l, uint64_t now)
{
	return l->events > 0 || (!l->probes && now - l->connect_sent_at >= INSTANT_MS);
}

uint64_t link_spin_pause(struct link *l, uint64_t now, uint64_t most)
{
	if (l->probes || link_is_proof(l, now)) {
		l->spin = 0;
		return 0;
	}
	if (most < SPIN_MIN)
		most = SPIN_MIN;
	l->spin = l->spin ? 2 * l->spin : SPIN_MIN;
	if (l->spin > most)
		l->spin = most;
	return l->spin;
}

bool link_end_spin(struct link *l)
{
	bool had = l->spin != 0;
	l->spin = 0;
	return had;
}

void link_overtake(struct link *l)
{
	l->stale_connect = l->connect.pending.id;
}

bool link_is_stale(const struct link *l, struct slice id)
{
	uint64_t number;
	return l->stale_connect && pending_id(id, &number) && number == l->stale_connect;
}
