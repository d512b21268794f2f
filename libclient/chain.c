/*
 * Writes subscribes that continue at a position or begin with past messages. Either a
 * whole chain is in `out`, or nothing of it: the daemon waits for its last one.
 */
#include "libclient/chain.h"

#include "libclient/resume.h"
#include "libclient/subscribe.h"

/* a chain ends when this much waits to be sent */
#define CHAIN_BYTES (3 << 20)

struct chain_mark chain_mark(const struct outgoing *o)
{
	return (struct chain_mark){buf_len(&o->out), o->next_id, o->unanswered};
}

void chain_restore(struct outgoing *o, const struct chain_mark *mark)
{
	buf_truncate(&o->out, mark->out);
	o->next_id = mark->id;
	o->unanswered = mark->unanswered;
}

static bool may_grow(const struct outgoing *o)
{
	return o->unanswered + 1 < o->window && buf_len(&o->out) < CHAIN_BYTES;
}

static int write_subscribe(struct outgoing *o, struct subscribe *s)
{
	s->id = o->next_id;
	int r = subscribe_encode(s, &o->out);

	if (r)
		return r;
	o->next_id++;
	o->unanswered++;
	return 0;
}

static bool of_server(const struct outgoing *o, struct slice name, struct slice other)
{
	const struct server *server = servers_find(o->servers, name);

	return slice_eq(name, other) ? !name.p == !other.p || (server && server->is_default) :
	       server && server == servers_find(o->servers, other);
}

/* The next wanted channel of this server that has to continue somewhere. */
static struct wanted_channel *next_link(const struct outgoing *o, struct slice server)
{
	for (struct wanted_channel *w = o->wanted.cursor; w; w = w->next)
		if (w->replay && resume_past(w).kind != PAST_NONE && of_server(o, server, w->server))
			return w;
	return NULL;
}

/* Fills the subscribe of `head` with the channels that can be asked for together with it. */
static void collect(struct outgoing *o, struct wanted_channel *head, struct subscribe *ret)
{
	*ret = (struct subscribe){.server = head->server, .flags = head->flags,
				  .durable = head->durable, .past = resume_past(head)};
	for (struct wanted_channel *w = head; w && ret->n < PROTOCOL_CHANNELS_MAX; w = w->next) {
		struct past past = resume_past(w);

		if (!w->replay || w->flags != head->flags || !w->server.p != !head->server.p ||
		    !slice_eq(w->server, head->server) || !same_past(&past, &ret->past))
			continue;
		ret->channels[ret->n++] = w->channel;
		w->asked = o->next_id;
		w->replay = false;
		if (past.kind == PAST_NONE)
			return;
	}
}

static void unask(struct outgoing *o, uint64_t from_id)
{
	for (struct wanted_channel *w = o->wanted.first; w; w = w->next)
		if (w->asked >= from_id) {
			w->asked = 0;
			wanted_replay(&o->wanted, w);
		}
}

int chain_write_wanted(struct outgoing *o, struct wanted_channel *wanted)
{
	const struct chain_mark mark = chain_mark(o);
	const struct slice server = wanted->server;
	bool chain = resume_past(wanted).kind != PAST_NONE;
	struct subscribe s;
	int r = 0;

	do {
		collect(o, wanted, &s);
		wanted = chain ? next_link(o, server) : NULL;
		s.more = wanted && may_grow(o);
		r = write_subscribe(o, &s);
	} while (!r && s.more);
	if (r) {
		chain_restore(o, &mark);
		unask(o, mark.id);
		return r;
	}
	for (; wanted; wanted = wanted->next)
		if (wanted->replay && wanted->past.kind == PAST_NONE && of_server(o, server, wanted->server)) {
			struct past own = resume_past(wanted);

			wanted_set_past(&o->wanted, wanted, &own);
		}
	return 0;
}

static bool has_past(const struct outgoing *o, const struct request *r)
{
	const struct wanted_channel *wanted = r->op == PROTOCOL_OP_SUBSCRIBE ?
		wanted_find(&o->wanted, r->server, r->channel) : NULL;

	return wanted && wanted->serial == r->serial && wanted->past.kind != PAST_NONE;
}

int chain_write_request(struct outgoing *o, struct request *r, bool more)
{
	struct subscribe s = {.server = r->server, .flags = r->flags, .durable = r->durable,
			      .more = more, .n = 1, .channels = {r->channel}};

	if (has_past(o, r))
		s.past = wanted_find(&o->wanted, r->server, r->channel)->past;
	int error = write_subscribe(o, &s);
	if (error)
		return error;
	r->id = s.id;
	r->end = o->written + buf_len(&o->out);
	return 0;
}

bool chain_continues(const struct outgoing *o, const struct request *r)
{
	return r->next && has_past(o, r) && has_past(o, r->next) &&
	       of_server(o, r->server, r->next->server) && may_grow(o);
}
