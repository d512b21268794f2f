/*
 * What becomes of repeated subscribes. Events are made as frames, so that they reach
 * the application in order and survive a lack of memory. If memory runs out, nothing
 * has changed, and the reply is handled again.
 */
#include "libclient/repeated.h"

#include "libclient/durable.h"
#include "libclient/error.h"
#include "libclient/event.h"
#include "libclient/resume.h"

#include <errno.h>

/* A repeated subscribe: the channels that it named, and what became of them. */
struct repeated {
	struct outgoing *outgoing;
	const struct message *m;    /* the reply */
	struct buf *own_frames;
	size_t n;
	struct wanted_channel *wanted[PROTOCOL_CHANNELS_MAX];
	struct slice channels[PROTOCOL_CHANNELS_MAX];
	struct event_outcome outcomes[PROTOCOL_CHANNELS_MAX];
};

static struct slice server_of(const struct repeated *rep, const struct wanted_channel *wanted)
{
	const char *fallback = servers_default(rep->outgoing->servers);

	return wanted->server.p ? wanted->server : slice_of(fallback ? fallback : "");
}

static int put_subscription_event(const struct repeated *rep, size_t i)
{
	const struct event_outcome *outcome = &rep->outcomes[i];
	struct message m;

	message_init(&m, PROTOCOL_OP_SUBSCRIPTION);
	m.server = server_of(rep, rep->wanted[i]);
	m.channel = rep->channels[i];
	m.ok = outcome->ok;
	m.error = outcome->error;
	m.has = PROTOCOL_F(SERVER) | PROTOCOL_F(CHANNEL) | PROTOCOL_F(OK);
	if (!m.ok && m.error.p)
		m.has |= PROTOCOL_F(ERROR);
	int r = message_encode(&m, rep->own_frames);
	message_fini(&m);
	return r;
}

/* Messages of a server may be missing; it is not known which. */
static int put_gap_event(const struct repeated *rep, const struct wanted_channel *wanted)
{
	const struct server *server = servers_find(rep->outgoing->servers, wanted->server);
	struct message m;

	if (!server)
		return 0;
	message_init(&m, PROTOCOL_OP_LOST);
	m.server = slice_of(server->name);
	m.code = slice_of(protocol_error_code(PROTOCOL_E_EXPIRED));
	m.has = PROTOCOL_F(SERVER) | PROTOCOL_F(COUNT) | PROTOCOL_F(FIRST) | PROTOCOL_F(LAST) |
		PROTOCOL_F(CODE);
	int r = message_encode(&m, rep->own_frames);
	message_fini(&m);
	return r;
}

static void find_channels(struct repeated *rep)
{
	for (struct wanted_channel *w = rep->outgoing->wanted.first; w; w = w->next)
		if (w->asked == rep->m->id && rep->n < PROTOCOL_CHANNELS_MAX) {
			rep->wanted[rep->n] = w;
			rep->channels[rep->n++] = w->channel;
		}
}

/* A daemon that refuses the position, or all of several channels, is asked for each without it. */
static bool must_ask_again(const struct repeated *rep, int error)
{
	return error && !rep->m->result.p && resume_past(rep->wanted[0]).kind != PAST_NONE &&
	       (rep->n > 1 || error == COMETD_E_BAD_REQUEST);
}

static int ask_again(const struct repeated *rep)
{
	int r = put_gap_event(rep, rep->wanted[0]);

	if (r)
		return r;
	for (size_t i = 0; i < rep->n; i++) {
		rep->wanted[i]->asked = 0;
		resume_forget(&rep->outgoing->wanted, rep->wanted[i]);
		wanted_replay(&rep->outgoing->wanted, rep->wanted[i]);
	}
	return 0;
}

/* Changes are reported by events. On failure none is. */
static int put_outcomes(const struct repeated *rep)
{
	int r = 0;

	for (size_t i = 0; !r && i < rep->n; i++) {
		const struct event_outcome *o = &rep->outcomes[i];

		if (!o->ok || (rep->wanted[i]->unconfirmed && !o->pending))
			r = put_subscription_event(rep, i);
	}
	return r;
}

static int error_of_outcome(const struct event_outcome *o, int *ret)
{
	struct message_error error = {.code = PROTOCOL_E_INTERNAL};
	struct buf scratch;
	int r = 0;

	buf_init(&scratch, PROTOCOL_FRAME_MAX);
	if (!o->ok && o->error.p)
		r = message_get_error(o->error, &scratch, &error);
	buf_fini(&scratch);
	*ret = o->ok ? 0 : error_of_protocol(error.code);
	return r < 0 ? -ENOMEM : 0;
}

static void apply_outcome(const struct repeated *rep, size_t i, int error)
{
	struct wanted_channel *wanted = rep->wanted[i];

	wanted->asked = 0;
	if (rep->outcomes[i].ok && !rep->outcomes[i].pending)
		wanted->unconfirmed = false;
	wanted->complete_from = rep->outcomes[i].seq;
	servers_reach(servers_find(rep->outgoing->servers, wanted->server), rep->outcomes[i].seq);
	if (error)
		outgoing_refused(rep->outgoing, wanted->server, false, wanted->channel, error);
	else
		outgoing_accepted(rep->outgoing, wanted);
}

static int on_outcomes(const struct repeated *rep)
{
	int errors[PROTOCOL_CHANNELS_MAX];
	int r = 0;

	for (size_t i = 0; !r && i < rep->n; i++)
		r = error_of_outcome(&rep->outcomes[i], &errors[i]);
	if (r)
		return r;
	if (must_ask_again(rep, errors[0]))
		return ask_again(rep);
	r = put_outcomes(rep);
	if (!r && rep->m->ok && rep->wanted[0]->durable.p)
		r = durable_attached(servers_find(rep->outgoing->servers, rep->wanted[0]->server),
				     rep->wanted[0]->durable, rep->m->result);
	for (size_t i = 0; !r && i < rep->n; i++)
		apply_outcome(rep, i, errors[i]);
	return r;
}

int repeated_reply(struct outgoing *o, const struct message *m, struct buf *own_frames)
{
	size_t before = buf_len(own_frames);
	struct repeated rep = {.outgoing = o, .m = m, .own_frames = own_frames};

	find_channels(&rep);
	if (rep.n == 0)
		return 0;
	int r = event_outcomes(m, rep.channels, rep.n, rep.outcomes);
	if (!r)
		r = on_outcomes(&rep);
	if (r)
		buf_truncate(own_frames, before);
	return r;
}
